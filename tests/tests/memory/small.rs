//! The workspaces of these tests: a crate of small units, and a generated workspace that is
//! measured once for all of them.

use std::sync::OnceLock;
use tender_tests::stress::{Kind, Recipe, Workload};
use tender_tests::{Cgroup, TestSpace};

/// A crate `x` of this many small units, and its program.
pub fn units(count: usize) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    for unit in 0..count {
        space.write(
            &format!("src/u{unit}.c"),
            format!("int u{unit}(int x) {{ return x + {unit}; }}\n"),
        );
    }
    space.write("src/main.c", "int main(void) { return 0; }\n");
    space
}

/// A workspace of a few units that each take most of a second and a hundred megabytes. `None` if no
/// cgroup can be made; then a skip is reported.
pub fn measured() -> Option<&'static Workload> {
    // Each test that calls this reports its own skip.
    drop(Cgroup::new(1 << 40)?);
    static MEASURED: OnceLock<Option<Workload>> = OnceLock::new();
    let recipe = Recipe { width: 5, ..Recipe::new(Kind::Templates, 7) };
    MEASURED.get_or_init(|| Workload::measure(recipe)).as_ref()
}

/// Checks all outputs of a build of it.
#[track_caller]
pub fn expect_whole(workload: &Workload, space: &TestSpace) {
    workload.expect_whole(space).unwrap_or_else(|why| panic!("{why}"));
}
