//! `pkg-config` with a `fallback`: a package of the system, or else a crate from elsewhere.

use crate::server::{Answer, Server};
use crate::space::{app, archive, command, run};
use tender_tests::{Run, TestSpace};

/// `ws`, which takes `greet` from the system or of a server, and directories for packages.
fn space() -> (TestSpace, Server) {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "fetched");
    server.answer("/x", &[Answer::File(space.read_bytes("greet-1.0.tar.gz"))]);
    let url = server.http_url("/x");
    let entry = format!(
        "pkg-config = \"greet >= 1.2\", fallback = {{ url = \"{url}\", sha256 = \"{sum}\" }}"
    );
    app(&space, "ws", &entry);
    std::fs::create_dir(space.path("pc")).unwrap();
    // Notes that it was run.
    space.write("pkg-config", "#!/bin/sh\necho \"$*\" >> \"$0.log\"\nexec pkg-config \"$@\"\n");
    run(&space, "chmod", &["+x", "pkg-config"]).expect_ok();
    (space, server)
}

/// The package of the system in this version, a header alone.
fn package(space: &TestSpace, version: &str) {
    space.write("system/greet.h", "static const char *greet(void) { return \"system\"; }\n");
    let text = format!(
        "Name: greet\nDescription: x\nVersion: {version}\nCflags: -I{}\n",
        space.path("system")
    );
    space.write("pc/greet.pc", text);
}

fn tender(space: &TestSpace, args: &[&str]) -> Run {
    let mut command = command(space, &[&["-C", "ws"], args].concat());
    for name in ["PKG_CONFIG_PATH", "PKG_CONFIG_SYSROOT_DIR"] {
        command.env_remove(name);
    }
    command.env("PKG_CONFIG", space.path("pkg-config"));
    command.env("PKG_CONFIG_LIBDIR", space.path("pc"));
    space.run(command)
}

#[track_caller]
fn says(space: &TestSpace, text: &str) {
    assert_eq!(tender(space, &["run"]).expect_ok().stdout, format!("{text}\n"));
}

#[test]
fn package_of_the_system_comes_first() {
    let (space, server) = space();
    package(&space, "1.2");
    says(&space, "system");
    assert!(server.asked().is_empty() && !space.exists("ws/Tender.lock"));
    // `fetch` knows the fallback too, for machines that need it.
    tender(&space, &["fetch"]).expect_ok().expect_stderr(&["Fetched 1 source"]);
    let lock = space.read("ws/Tender.lock");
    assert!(lock.contains("crates = [\"greet\"]"), "{lock}");
    tender(&space, &["build", "--locked"]).expect_ok();
    assert_eq!(space.read("ws/Tender.lock"), lock);
}

#[test]
fn fallback_is_taken_where_the_system_lacks_the_package() {
    let (space, server) = space();
    let offline = tender(&space, &["build", "--offline"]).expect_code(2);
    offline.expect_stderr(&["`--offline` forbids"]);
    says(&space, "fetched");
    assert_eq!(server.asked(), ["/x"]);
    // That there is no package is known by now.
    space.write("pkg-config.log", "");
    tender(&space, &["build", "--frozen"]).expect_ok().expect_nothing_done();
    assert_eq!(space.read("pkg-config.log"), "");
    // An old one does not do.
    package(&space, "1.1");
    says(&space, "fetched");
    package(&space, "1.3");
    says(&space, "system");
    std::fs::remove_file(space.path("pc/greet.pc")).unwrap();
    says(&space, "fetched");
    assert_eq!(server.asked(), ["/x"]);
}

#[test]
fn package_of_tests_is_theirs_alone() {
    let (space, server) = space();
    package(&space, "1.2");
    space.edit("ws/Tender.toml", "[dependencies]", "[dev-dependencies]");
    space.write("ws/src/main.c", "int main(void) { return 0; }\n");
    space.write(
        "ws/tests/t.c",
        "#include <greet.h>\nint main(void) { return greet()[0] != 's'; }\n",
    );
    tender(&space, &["test"]).expect_ok();
    std::fs::remove_file(space.path("pc/greet.pc")).unwrap();
    tender(&space, &["build"]).expect_ok();
    assert!(server.asked().is_empty());
    // The other one says something else.
    tender(&space, &["test"]).expect_code(101);
    assert_eq!(server.asked(), ["/x"]);
}

#[test]
fn package_without_a_fallback_has_to_be_there() {
    let (space, _server) = space();
    app(&space, "ws", "pkg-config = \"greet\"");
    let run = tender(&space, &["build"]).expect_code(2);
    run.expect_stderr(&["greet"]);
    package(&space, "1.0");
    says(&space, "system");
    let refused = |entry: &str, expect: &str| {
        app(&space, "ws", entry);
        tender(&space, &["build"]).expect_code(2).expect_stderr(&[expect]);
    };
    refused("path = \"x\", pkg-config = \"greet\"", "both say where the library is");
    refused("path = \"x\", fallback = { path = \"y\" }", "no effect without `pkg-config`");
    refused("pkg-config = \"greet\", fallback = {}", "has no `path`, `url` or `git`");
}
