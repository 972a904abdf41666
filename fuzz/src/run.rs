//! Runs a target under `cargo test`: seeds, large inputs, mutated seeds.

use crate::{large, mutate};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::path::Path;

pub fn run(name: &str, cases: u32, parse: impl Fn(&[u8])) {
    let seeds = seeds(name);
    for seed in &seeds {
        parse(seed);
    }
    for input in large::inputs(&seeds) {
        parse(&input);
    }
    // What fails becomes a seed, by hand: a file of proptest's would be a second place for the
    // same.
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&mutate::inputs(seeds), |input| {
        let panicked = |_| TestCaseError::fail(format!("input: \"{}\"", input.escape_ascii()));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| parse(&input))).map_err(panicked)
    });
    if let Err(error) = result {
        panic!("target {name}: {error}\nadd the input to fuzz/corpora/{name} when it is mended");
    }
}

/// Sorted by their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(name);
    let entries =
        std::fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("a readable directory").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "the target {name} has no seeds in {}", dir.display());
    paths.iter().map(|path| std::fs::read(path).expect("a readable seed")).collect()
}
