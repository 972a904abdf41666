//! Several sources that are fetched at once, and what is said of those that fail.

use crate::repositories::{commit, git, url};
use crate::server::{Answer, Server};
use crate::space::{command, files, run, sum, tender};
use std::sync::{Arc, Barrier};
use tender_tests::TestSpace;

/// An archive of a crate of this name in the space, its bytes.
fn archive(space: &TestSpace, name: &str) -> Vec<u8> {
    let manifest = format!("[package]\nname = \"{name}\"\n");
    space.write(&format!("{name}-1/Tender.toml"), manifest);
    space.write(&format!("{name}-1/src/x.c"), format!("int {name}(void) {{ return 0; }}\n"));
    let (to, from) = (format!("{name}.tar.gz"), format!("{name}-1"));
    run(space, "tar", &["-czf", &to, &from]).expect_ok();
    space.read_bytes(&to)
}

/// A program that takes crates of these names, each with its entry.
fn app(space: &TestSpace, entries: &[(&str, String)]) {
    let entries: String =
        entries.iter().map(|(name, entry)| format!("{name} = {{ {entry} }}\n")).collect();
    let manifest = format!("[package]\nname = \"app\"\n\n[dependencies]\n{entries}");
    space.write("ws/Tender.toml", manifest);
    space.write("ws/src/main.c", "int main(void) { return 0; }\n");
}

fn entry(space: &TestSpace, server: &Server, name: &str) -> String {
    let url = server.http_url(&format!("/{name}"));
    format!("url = \"{url}\", sha256 = \"{}\"", sum(space, &format!("{name}.tar.gz")))
}

#[test]
fn sources_are_fetched_at_once() {
    let (space, server) = (TestSpace::new(), Server::http());
    let all = Arc::new(Barrier::new(3));
    let mut entries = Vec::new();
    for name in ["a", "b", "c"] {
        let bytes = archive(&space, name);
        // None is sent before all have been asked for.
        server.answer(&format!("/{name}"), &[Answer::Together(Arc::clone(&all), bytes)]);
        entries.push((name, entry(&space, &server, name)));
    }
    archive(&space, "d");
    git(&space, "d-1", &["init", "-q", "-b", "main"]);
    commit(&space, "d-1");
    entries.push(("d", url(&space, "d-1")));
    app(&space, &entries);
    tender(&space, &["-C", "ws", "build"]).expect_ok().expect_stderr(&[
        "Downloading http",
        "Updating git repository file://",
        "Unpacking `a` from",
        "Unpacking `d` from",
    ]);
    let lock = space.read("ws/Tender.lock");
    for name in ["a", "b", "c", "d"] {
        assert!(lock.contains(&format!("crates = [\"{name}\"]")), "{lock}");
    }
    tender(&space, &["-C", "ws", "build", "--frozen"]).expect_ok().expect_nothing_done();
}

#[test]
fn sources_that_fail_are_all_named_in_order() {
    let (space, server) = (TestSpace::new(), Server::http());
    let mut entries = Vec::new();
    for name in ["b", "c", "a"] {
        let bytes = archive(&space, name);
        entries.push((name, entry(&space, &server, name)));
        if name == "c" {
            server.answer("/c", &[Answer::File(bytes)]);
        }
    }
    entries.push(("d", url(&space, "nowhere")));
    app(&space, &entries);
    let fetch = tender(&space, &["-C", "ws", "fetch"]).expect_code(101);
    let places = ["/a: the server", "/b: the server", "git cannot fetch file://"]
        .map(|text| fetch.stderr.find(text).unwrap_or_else(|| panic!("{text}: {fetch}")));
    assert!(places.is_sorted(), "{fetch}");
    assert!(!space.exists("ws/Tender.lock"));
    // What could be had is there.
    assert_eq!(files(&space, "cache/tender/archives"), [sum(&space, "c.tar.gz")]);
    let fetch = tender(&space, &["-C", "ws", "fetch", "--offline"]).expect_code(2);
    assert_eq!(fetch.stderr.matches("is not there, and `--offline` forbids").count(), 3, "{fetch}");
    assert_eq!(fetch.stderr.matches("help: ").count(), 1, "{fetch}");
}

#[test]
fn archive_of_two_crates_is_downloaded_once() {
    let (space, server) = (TestSpace::new(), Server::http());
    let bytes = archive(&space, "a");
    server.answer("/a", &[Answer::File(bytes)]);
    let own = entry(&space, &server, "a");
    space.write("ws/b.toml", "[package]\nname = \"b\"\n");
    app(&space, &[("a", own.clone()), ("b", format!("{own}, manifest = \"b.toml\""))]);
    let build = space.run(command(&space, &["-C", "ws", "build"])).expect_ok();
    assert_eq!(server.asked(), ["/a"], "{build}");
    assert!(space.read("ws/Tender.lock").contains("crates = [\"a\", \"b\"]"), "{build}");
}
