//! Small programs whose units are cut into many pieces, compared with clang's objects of the same
//! flags: their output (`exceptions`), the output of a debugger, and the validity of debug
//! information (`debug`).

mod debug;
mod exceptions;

use tender_tests::{TestSpace, Trace};

/// Modes of link-time optimisation.
const MODES: [&str; 4] = ["off", "thin-local", "thin", "fat"];

/// A crate of these sources, which are beside this file, with `profiles` in its manifest. Its
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

/// Builds a profile with each unit cut into up to `pieces` pieces, and expects all `units` to be
/// cut.
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
