//! What is seen of small programs whose units are cut into many pieces, beside clang's own objects
//! of the same flags: what they print (`exceptions`), what a debugger shows, and what their debug
//! information is worth (`debug`).

mod debug;
mod exceptions;

use tender_tests::{TestSpace, Trace};

/// Modes of link-time optimisation.
const MODES: [&str; 4] = ["off", "thin-local", "thin", "fat"];

/// One crate of these sources, which stand beside this file, with `profiles` in its manifest. Its
/// program is `app`.
fn workspace(sources: &[(&str, &str)], profiles: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        format!("[package]\nname = \"app\"\n[[bin]]\nname = \"app\"\nsources = [\"src/*.c*\"]\n{profiles}"),
    );
    for (name, text) in sources {
        space.write(&format!("src/{name}"), text);
    }
    space
}

/// Builds a profile with each unit cut into `pieces`, as far as it has so much, and expects all
/// `units` to be cut.
#[track_caller]
fn build_cut(space: &TestSpace, profile: &str, pieces: u32, units: &[&str]) {
    let file = space.path("trace.json");
    let mut command =
        space.command(&["build", "-j2", "--profile", profile, "--trace", file.as_str()]);
    command.env("TENDER_FORCE_PIECES", pieces.to_string());
    let run = space.run(command).expect_ok();
    let trace = Trace::read(&file);
    let cut = trace.cut_units();
    for unit in units {
        assert!(
            cut.iter().any(|name| name.ends_with(unit)),
            "{profile}, {pieces} pieces: {unit} is not cut: {run}"
        );
    }
}
