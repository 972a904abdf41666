//! Crates and workspaces that are reached through symbolic links.

use camino::Utf8Path;
use std::os::unix::fs::symlink;
use tender_tests::{Run, TestSpace};

/// A workspace `ws` of a crate `app` and a crate `linked`, whose directory is outside: `ws/linked`
/// is a symbolic link to `elsewhere`.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"app\", \"linked\"]\n");
    space.write("ws/app/Tender.toml", "[package]\nname = \"app\"\n");
    space.write("ws/app/src/main.c", "int main(void) { return 0; }\n");
    space.write("elsewhere/Tender.toml", "[package]\nname = \"linked\"\n");
    space.write("elsewhere/src/main.c", "int main(void) { return 0; }\n");
    symlink("../elsewhere", space.path("ws/linked")).unwrap();
    space
}

/// `tender build` in `dir`, with `pwd` as the shell's PWD.
fn build_in(space: &TestSpace, dir: &str, pwd: Option<&Utf8Path>, args: &[&str]) -> Run {
    let mut command = space.command(&[&["build"], args].concat());
    command.current_dir(space.path(dir));
    match pwd {
        Some(pwd) => command.env("PWD", pwd),
        None => command.env_remove("PWD"),
    };
    space.run(command).expect_ok()
}

#[test]
fn member_behind_a_link_is_found_by_its_logical_path() {
    let space = space();
    build_in(&space, "ws/linked", Some(&space.path("ws/linked")), &[]);
    assert!(space.exists("ws/target/debug/linked"));
    assert!(!space.exists("ws/target/debug/app"), "only the crate that we are in was meant");
    assert!(!space.exists("elsewhere/target"));
    // Also in a subdirectory.
    space.remove("ws/target");
    build_in(&space, "ws/linked/src", Some(&space.path("ws/linked/src")), &[]);
    assert!(space.exists("ws/target/debug/linked"));
}

#[test]
fn logical_path_of_another_directory_is_ignored() {
    for pwd in ["ws/app", "ws", "ws/gone", "ws/linked/../linked"] {
        let space = space();
        build_in(&space, "elsewhere", Some(&space.path(pwd)), &[]);
        assert!(space.exists("elsewhere/target/debug/linked"), "{pwd}");
        assert!(!space.exists("ws/target"), "{pwd}");
    }
    let space = space();
    build_in(&space, "ws/linked", None, &[]);
    assert!(space.exists("elsewhere/target/debug/linked"));
}

#[test]
fn member_is_found_by_its_physical_path_first() {
    let space = space();
    // A symbolic link into the workspace from outside, below another workspace.
    space.write("other/Tender.toml", "[workspace]\nmembers = [\"app\"]\n");
    symlink("../ws/app", space.path("other/app")).unwrap();
    build_in(&space, "other/app", Some(&space.path("other/app")), &[]);
    assert!(space.exists("ws/target/debug/app"));
    assert!(!space.exists("other/target"));
    // Also by the path of its manifest.
    space.remove("ws/target");
    symlink("ws/app", space.path("shortcut")).unwrap();
    build_in(&space, "", None, &["--manifest-path", "shortcut/Tender.toml"]);
    assert!(space.exists("ws/target/debug/app"));
    assert!(!space.exists("ws/app/target"));
}

#[test]
fn option_for_a_directory_follows_links_as_a_shell_does() {
    for (dir, pwd, option) in [
        ("ws", true, "linked"),
        ("ws", false, "linked"),
        ("ws/app", true, "../linked"),
        ("", false, "ws/linked/src"),
    ] {
        let space = space();
        let pwd = pwd.then(|| space.path(dir));
        build_in(&space, dir, pwd.as_deref(), &["-C", option]);
        assert!(space.exists("ws/target/debug/linked"), "{option}");
        assert!(!space.exists("elsewhere/target"), "{option}");
    }
}

#[test]
fn directory_of_a_workspace_behind_a_link_belongs_to_it() {
    // The directory has no manifest, nor has any parent of its physical path.
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[package]\nname = \"app\"\n");
    space.write("data/main.c", "int main(void) { return 0; }\n");
    symlink("../data", space.path("ws/src")).unwrap();
    build_in(&space, "ws/src", Some(&space.path("ws/src")), &[]);
    assert!(space.exists("ws/target/debug/app"));
}
