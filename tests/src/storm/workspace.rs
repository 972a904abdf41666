//! The workspace that is built in a storm, with items and processes of every kind.

use super::host::Kit;
use crate::TestSpace;
use crate::interop::{CommandLine, Probes, Tool};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The numbers of library crates, source files in each, and functions in each file: small, but
/// large enough that signals reach workers.
const CRATES: usize = 4;
const FILES: usize = 3;
const FUNCTIONS: usize = 20;
const PROGRAMS: usize = 2;

/// The workspaces: the one that is built, and the one that one of its commands builds.
pub(super) const WORKSPACES: [&str; 2] = ["wide", "nested"];

/// The path of the trace of each workspace.
pub(super) fn trace_of(workspace: &str) -> String {
    format!("{workspace}.trace.json")
}

/// Writes the workspaces. Returns the command that builds `wide`, which also builds the other one.
pub(super) fn write(space: &TestSpace, kit: &Kit, probes: &Probes) -> CommandLine {
    let mut members = Vec::new();
    for krate in 0..CRATES {
        library(space, krate);
        members.push(format!("c{krate}"));
    }
    for (name, child) in commands(space, kit, probes) {
        generated(space, name, &child);
        members.push(name.to_owned());
    }
    for program in 0..PROGRAMS {
        let name = format!("app{program}");
        let mut manifest = format!("[package]\nname = \"{name}\"\n[dependencies]\n");
        let (mut declared, mut called) = (String::new(), String::new());
        for krate in 0..CRATES {
            let _ = writeln!(manifest, "c{krate} = {{ path = \"../c{krate}\" }}");
            let _ = writeln!(declared, "int f{krate}_0_{program}(int);");
            let _ = write!(called, " + f{krate}_0_{program}(1)");
        }
        space.write(&format!("wide/{name}/Tender.toml"), manifest);
        let text = format!("{declared}int main(void) {{ return (0{called}) & 1; }}\n");
        space.write(&format!("wide/{name}/src/main.c"), text);
        members.push(name);
    }
    let text = format!("[workspace]\nmembers = {members:?}\n[profile.dev]\nopt-level = 1\n");
    space.write("wide/Tender.toml", text);
    build_of("wide", kit, space)
}

fn build_of(workspace: &str, kit: &Kit, space: &TestSpace) -> CommandLine {
    let (directory, trace) = (space.path(workspace), space.path(&trace_of(workspace)));
    let words = ["-C", directory.as_str(), "build", "--trace", trace.as_str()];
    CommandLine::new([kit.tender().path.as_str()].into_iter().chain(words))
}

fn library(space: &TestSpace, krate: usize) {
    // A shared library needs a link, an archive does not.
    let kind = if krate == 0 { "\"cdylib\", \"staticlib\"" } else { "\"staticlib\"" };
    let text = format!("[package]\nname = \"c{krate}\"\n[lib]\ncrate-type = [{kind}]\n");
    space.write(&format!("wide/c{krate}/Tender.toml"), text);
    for file in 0..FILES {
        let mut text = String::new();
        for function in 0..FUNCTIONS {
            let _ = writeln!(
                text,
                "int f{krate}_{file}_{function}(int x) {{ for (int i = 0; i < x; i++) x = x * {} ^ (x >> {}); return x; }}",
                2 * function + 3,
                function % 31
            );
        }
        space.write(&format!("wide/c{krate}/src/f{file}.c"), text);
    }
}

/// The commands that generate headers: trees of other tools, one in a session of its own, and of
/// tender.
fn commands(space: &TestSpace, kit: &Kit, probes: &Probes) -> Vec<(&'static str, CommandLine)> {
    let mut commands = Vec::new();
    if let Some(make) = kit.make() {
        let deeper = make.tree(probes, "deeper", 3, &[]);
        commands.push(("deep", make.tree(probes, "deep", 2, &[deeper])));
        commands.push(("apart", make.tree(probes, "apart", 4, &[]).under(["setsid", "--wait"])));
    }
    if let Some(ninja) = kit.get(Tool::NinjaKitware) {
        commands.push(("edges", ninja.tree(probes, "edges", 4, &[])));
    }
    if let Some(gcc) = kit.get(Tool::Gcc) {
        commands.push(("linked", gcc.tree(probes, "linked", 2, &[])));
    }
    let below: Vec<CommandLine> =
        kit.make().map(|make| make.tree(probes, "below", 2, &[])).into_iter().collect();
    kit.tender().tree(probes, "nested", 2, &below);
    commands.push(("nest", build_of("nested", kit, space)));
    commands
}

/// The header is incomplete while the command runs.
fn generated(space: &TestSpace, name: &str, child: &CommandLine) {
    let header = "\"$OUT_DIR/made.h\"";
    let script = format!(
        "printf '#define FIRST 1\\n' > {header} && {} && printf '#define SECOND 2\\n' >> {header}",
        child.shell()
    );
    let text = format!(
        "[package]\nname = \"{name}\"\n[[generate]]\nrun = [\"sh\", \"-c\", {script:?}]\noutputs = [\"$OUT_DIR/made.h\"]\n"
    );
    space.write(&format!("wide/{name}/Tender.toml"), text);
    let text = format!("#include \"made.h\"\nint made_{name}(void) {{ return FIRST + SECOND; }}\n");
    space.write(&format!("wide/{name}/src/unit.c"), text);
}

/// The outputs of both workspaces, by path: programs, libraries, objects and generated files.
pub(super) fn artifacts(space: &TestSpace) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for workspace in WORKSPACES {
        let target = space.path(workspace).join("target/debug");
        collect(&target, &target, workspace, &mut found);
    }
    found
}

fn collect(
    directory: &Utf8Path,
    target: &Utf8Path,
    workspace: &str,
    into: &mut BTreeMap<String, Vec<u8>>,
) {
    // tender's own state, and its reproducers of crashes.
    const NOTES: [&str; 6] =
        ["state", "measurements", "lock", "compile_commands", "link-driver-c", "crash"];
    let entries = directory.read_dir_utf8().unwrap_or_else(|error| panic!("{directory}: {error}"));
    for entry in entries.map(Result::unwrap) {
        let is_note = directory == target.join(".tender") && NOTES.contains(&entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !is_note {
            collect(entry.path(), target, workspace, into);
        } else if !is_note {
            let name = entry.path().strip_prefix(target).unwrap();
            // There should be no FIFO here, and reading one would block.
            let bytes =
                if kind.is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
            into.insert(format!("{workspace}/{name}"), bytes);
        }
    }
}
