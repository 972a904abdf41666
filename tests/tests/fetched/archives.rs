//! Archives: fetched once, locked, unpacked where nothing depends on the user; patches and manifests.

use crate::server::{Answer, Server};
use crate::space::{app, archive, command, files, run, says, sum, tender};
use tender_tests::TestSpace;

/// A space with `greet-1.0.tar.gz`, a server that has it, and the entry of it.
fn served(text: &str) -> (TestSpace, Server, String) {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, text);
    server.answer("/greet-1.0.tar.gz", &[Answer::File(space.read_bytes("greet-1.0.tar.gz"))]);
    let url = server.http_url("/greet-1.0.tar.gz");
    (space, server, format!("url = \"{url}\", sha256 = \"{sum}\""))
}

#[test]
fn archive_is_fetched_once_and_locked() {
    let (space, server, entry) = served("hello");
    app(&space, "ws", &entry);
    says(&space, "ws", &[], "hello");
    let lock = space.read("ws/Tender.lock");
    assert!(lock.contains("sha256 = ") && lock.contains("crates = [\"greet\"]"), "{lock}");
    // Nothing is asked for what is there, and no git is needed.
    let mut build = command(&space, &["-C", "ws", "build", "--frozen"]);
    space.write("bin/git", "#!/bin/sh\ntouch \"$0.ran\"\nexit 1\n");
    run(&space, "chmod", &["+x", "bin/git"]).expect_ok();
    let path = std::env::var("PATH").unwrap();
    build.env("PATH", format!("{}:{path}", space.path("bin")));
    space.run(build).expect_ok().expect_nothing_done();
    assert!(!space.exists("bin/git.ran"));
    // Another workspace takes the cache.
    app(&space, "other", &entry);
    says(&space, "other", &["--offline"], "hello");
    assert_eq!(space.read("other/Tender.lock"), lock);
    tender(&space, &["-C", "ws", "clean"]).expect_ok();
    says(&space, "ws", &["--frozen"], "hello");
    assert_eq!(server.asked(), ["/greet-1.0.tar.gz"]);
    assert_eq!(files(&space, "cache/tender/archives").len(), 1);
}

#[test]
fn archive_that_is_not_there_is_not_fetched_offline() {
    let (space, server, entry) = served("hello");
    app(&space, "ws", &entry);
    let run = tender(&space, &["-C", "ws", "build", "--offline"]).expect_code(2);
    run.expect_stderr(&["is not there, and `--offline` forbids", "tender fetch"]);
    let run = tender(&space, &["-C", "ws", "build", "--locked"]).expect_code(2);
    run.expect_stderr(&["Tender.lock` does not have `greet`", "`--locked` forbids"]);
    assert_eq!(server.asked().len(), 0);
    assert!(!space.exists("ws/Tender.lock"));
    // Commands that build nothing do without.
    tender(&space, &["-C", "ws", "clean"]).expect_ok();
    tender(&space, &["-C", "ws", "build"]).expect_ok();
    // A source that is named no more leaves the lock file.
    space.edit("ws/Tender.toml", &format!("greet = {{ {entry} }}\n"), "");
    space.write("ws/src/main.c", "int main(void) { return 0; }\n");
    let run = tender(&space, &["-C", "ws", "build", "--locked"]).expect_code(2);
    run.expect_stderr(&["sources that no manifest names"]);
    tender(&space, &["-C", "ws", "build"]).expect_ok();
    assert!(!space.read("ws/Tender.lock").contains("[[source]]"));
}

#[test]
fn archive_that_is_damaged_in_the_cache_is_fetched_again() {
    let (space, server, entry) = served("hello");
    app(&space, "ws", &entry);
    says(&space, "ws", &[], "hello");
    let name = files(&space, "cache/tender/archives").remove(0);
    let copy = format!("cache/tender/archives/{name}");
    space.write(&copy, "damaged");
    // What is unpacked is enough.
    says(&space, "ws", &["--offline"], "hello");
    space.remove("ws/target");
    let run = tender(&space, &["-C", "ws", "build", "--offline"]).expect_code(2);
    run.expect_stderr(&[&copy, "is damaged, and `--offline` forbids to fetch it", "tender fetch"]);
    assert_eq!(server.asked().len(), 1);
    says(&space, "ws", &[], "hello");
    assert_eq!(server.asked().len(), 2);
    assert_ne!(space.read_bytes(&copy), b"damaged");
}

#[test]
fn archive_without_a_manifest_gets_one_and_patches() {
    let (space, _server, entry) = served("hello");
    space.remove("greet-1.0/Tender.toml");
    run(&space, "tar", &["-cJf", "greet.tar.xz", "greet-1.0"]).expect_ok();
    let url = format!("file://{}", space.path("greet.tar.xz"));
    let own = format!("url = \"{url}\", sha256 = \"{}\"", sum(&space, "greet.tar.xz"));
    app(&space, "ws", &own);
    let refused = tender(&space, &["-C", "ws", "build"]).expect_code(2);
    refused.expect_stderr(&[
        "the sources of `greet` have no `Tender.toml`",
        "manifest = \"ports/greet",
    ]);
    let more = format!(
        "{own}, manifest = \"ports/greet/Tender.toml\", patches = [\"ports/one.patch\", \"ports/two.patch\"]"
    );
    app(&space, "ws", &more);
    space
        .write("ws/ports/greet/Tender.toml", "[package]\nname = \"greet\"\ndefines = [\"LOUD\"]\n");
    let patch = |from: &str, to: &str| {
        format!(
            "--- a/src/greet.c\n+++ b/src/greet.c\n@@ -3 +3 @@\n-const char *greet(void) {{ int unused; return \"{from}\"; }}\n+const char *greet(void) {{ int unused; return \"{to}\"; }}\n"
        )
    };
    space.write("ws/ports/one.patch", patch("hello", "good day"));
    space.write("ws/ports/two.patch", patch("good day", "good evening"));
    says(&space, "ws", &[], "good evening");
    let lock = space.read("ws/Tender.lock");
    assert!(lock.contains("patches = "), "{lock}");
    // Its manifest is read where it is.
    space.write(
        "ws/ports/greet/Tender.toml",
        "[package]\nname = \"greet\"\ndefines = [\"int=bad\"]\n",
    );
    let broken = tender(&space, &["-C", "ws", "build", "--frozen"]).expect_code(101);
    broken.expect_stderr(&["bad"]);
    space.write("ws/ports/greet/Tender.toml", "[package]\nname = \"greet\"\n");
    // A changed patch changes the lock file.
    space.write("ws/ports/two.patch", patch("good day", "good night"));
    tender(&space, &["-C", "ws", "build", "--locked"]).expect_code(2);
    says(&space, "ws", &[], "good night");
    assert_ne!(space.read("ws/Tender.lock"), lock);
    space.write("ws/ports/two.patch", patch("hello", "good night"));
    let wrong = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    wrong.expect_stderr(&["two.patch` does not apply to the sources of `greet`"]);
    // A source archive has what it takes to build.
    space.write("ws/ports/two.patch", patch("good day", "good night"));
    let list = tender(&space, &["-C", "ws", "package", "--list"]).expect_ok();
    for name in ["Tender.lock", "ports/greet/Tender.toml", "ports/one.patch", "ports/two.patch"] {
        assert!(list.stdout.lines().any(|line| line == format!("app-0.0.0/{name}")), "{list}");
    }
    assert!(!list.stdout.contains("greet.c"), "{list}");
    let _ = entry;
}

#[test]
fn archive_is_built_into_the_same_bytes_everywhere() {
    let spaces = [served("hello"), served("hello")].map(|(space, server, _)| (space, server));
    let built = spaces.each_ref().map(|(space, _)| {
        let url = format!("file://{}", space.path("greet-1.0.tar.gz"));
        let sum = sum(space, "greet-1.0.tar.gz");
        app(space, "ws", &format!("url = \"{url}\", sha256 = \"{sum}\""));
        space.edit("ws/src/main.c", "greet())", "greet()) + sizeof(__FILE__) * 0");
        tender(space, &["-C", "ws", "build"]).expect_ok();
        let outputs: Vec<(String, Vec<u8>)> = files(space, "ws/target/debug")
            .into_iter()
            .filter(|path| path == "app" || path.ends_with(".o") || path.ends_with(".a"))
            .map(|path| (path.clone(), space.read_bytes(&format!("ws/target/debug/{path}"))))
            .collect();
        outputs
    });
    assert!(built[0].len() > 2, "{:?}", built[0].iter().map(|one| &one.0).collect::<Vec<_>>());
    assert!(built[0] == built[1], "outputs depend on the directory");
}

#[test]
fn archive_over_tls_needs_a_known_certificate() {
    let space = TestSpace::new();
    let (server, certificate) = Server::tls();
    let sum = archive(&space, "hello");
    server.answer("/greet.tgz", &[Answer::File(space.read_bytes("greet-1.0.tar.gz"))]);
    app(&space, "ws", &format!("url = \"{}\", sha256 = \"{sum}\"", server.https_url("/greet.tgz")));
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&["cannot download https://localhost", "certificate"]);
    assert!(server.asked().is_empty());
    space.write("own.pem", certificate);
    let mut build = command(&space, &["-C", "ws", "build"]);
    build.env("SSL_CERT_FILE", space.path("own.pem"));
    space.run(build).expect_ok();
    assert_eq!(server.asked(), ["/greet.tgz"]);
}

#[test]
fn archive_comes_by_the_proxy() {
    let (space, server, _) = served("hello");
    let sum = sum(&space, "greet-1.0.tar.gz");
    let bytes = space.read_bytes("greet-1.0.tar.gz");
    for url in ["http://example.invalid/x.tgz", "http://example.invalid:80/x.tgz"] {
        server.answer(url, &[Answer::File(bytes.clone())]);
    }
    app(&space, "ws", &format!("url = \"http://example.invalid/x.tgz\", sha256 = \"{sum}\""));
    let mut build = command(&space, &["-C", "ws", "build"]);
    build.env("HTTP_PROXY", server.http_url("")).env("ALL_PROXY", server.http_url(""));
    space.run(build).expect_ok();
    assert!(server.asked()[0].starts_with("http://example.invalid"), "{:?}", server.asked());
}

#[test]
fn archive_is_added_with_its_checksum() {
    let (space, server, _) = served("hello");
    app(&space, "ws", "path = \"x\"");
    space.edit("ws/Tender.toml", "greet = { path = \"x\" }\n", "");
    let url = server.http_url("/greet-1.0.tar.gz");
    let run = tender(&space, &["-C", "ws", "add", "greet", "--url", &url]).expect_ok();
    run.expect_stderr(&["Downloading", "Added `greet`"]);
    let manifest = space.read("ws/Tender.toml");
    let sum = sum(&space, "greet-1.0.tar.gz");
    let entry = format!("greet = {{ url = \"{url}\", sha256 = \"{sum}\" }}");
    assert!(manifest.contains(&entry), "{manifest}");
    says(&space, "ws", &["--offline"], "hello");
    let tree = tender(&space, &["-C", "ws", "tree"]).expect_ok();
    assert!(tree.stdout.ends_with(&format!("└── greet v1.0 ({url})\n")), "{tree}");
    let metadata = tender(&space, &["-C", "ws", "metadata"]).expect_ok();
    assert!(metadata.stdout.contains(&format!("\"sha256\":\"{sum}\"")), "{metadata}");
    tender(&space, &["-C", "ws", "remove", "greet"]).expect_ok();
    assert!(!space.read("ws/Tender.toml").contains("greet"));
}
