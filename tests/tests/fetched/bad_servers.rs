//! Servers, archives and lock files that are wrong, or mean ill.

use crate::server::{Answer, Server};
use crate::space::{app, archive, command, files, run, says, sum, tender};
use rustix::process::Signal;
use tender_tests::{Disk, TestSpace, wait_until};

/// A workspace that takes `/x` of a server, and the bytes of the archive.
fn space() -> (TestSpace, Server, Vec<u8>) {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "hello");
    app(&space, "ws", &format!("url = \"{}\", sha256 = \"{sum}\"", server.http_url("/x")));
    let bytes = space.read_bytes("greet-1.0.tar.gz");
    (space, server, bytes)
}

#[test]
fn servers_that_misbehave_are_named() {
    let (space, server, bytes) = space();
    let check = |answers: &[Answer], says: &str, times: usize| {
        server.answer("/x", answers);
        let before = server.asked().len();
        let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
        let run = run.expect_stderr(&["error: cannot download http://127.0.0.1", says]);
        assert_eq!(server.asked().len() - before, times, "{run}");
        let left = files(&space, "cache/tender");
        assert!(left.is_empty() && !space.exists("ws/Tender.lock"), "{left:?}");
    };
    check(&[Answer::Half(bytes.clone())], "", 3);
    check(&[Answer::Nothing], "", 3);
    check(&[Answer::Garbage], "", 3);
    check(&[Answer::Status(404)], "no such file (404)", 1);
    check(&[Answer::Status(503)], "the status 503", 3);
    check(&[Answer::Redirect("/x".to_owned())], "redirects again and again", 11);
    // One that is there again.
    server.answer("/y", &[Answer::File(bytes.clone())]);
    let again = [Answer::Half(bytes), Answer::Status(503), Answer::Redirect("/y".to_owned())];
    server.answer("/x", &again);
    says(&space, "ws", &[], "hello");
}

#[test]
fn checksum_that_is_wrong_is_shown_with_the_right_one() {
    let (space, server, mut bytes) = space();
    let right = sum(&space, "greet-1.0.tar.gz");
    bytes.push(0);
    space.write("other", &bytes);
    let found = sum(&space, "other");
    server.answer("/x", &[Answer::File(bytes)]);
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&["has the sha256 checksum", &found, "and not", &right]);
    assert!(files(&space, "cache/tender").is_empty());
    assert!(!space.exists("ws/target/sources"));
}

#[test]
fn download_that_was_killed_is_not_used() {
    let (space, server, bytes) = space();
    server.answer("/x", &[Answer::Stuck(bytes.clone())]);
    let build = space.start(command(&space, &["-C", "ws", "build"]));
    let is_half = || {
        let archives = files(&space, "cache/tender/archives");
        archives
            .iter()
            .any(|name| !space.read_bytes(&format!("cache/tender/archives/{name}")).is_empty())
    };
    wait_until("half of the archive is there", is_half);
    build.signal(Signal::KILL);
    build.finish();
    server.answer("/x", &[Answer::File(bytes)]);
    says(&space, "ws", &[], "hello");
}

#[test]
fn archives_that_mean_ill_write_nothing() {
    let check = |make: &dyn Fn(&TestSpace), expect: &str| {
        let space = TestSpace::new();
        make(&space);
        let url = format!("file://{}", space.path("evil.tar"));
        app(&space, "ws", &format!("url = \"{url}\", sha256 = \"{}\"", sum(&space, "evil.tar")));
        let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
        let run = run.expect_stderr(&["cannot unpack", expect]);
        assert!(files(&space, "ws/target").iter().all(|path| !path.contains("evil")), "{run}");
        assert!(!space.exists("ws/target/evil") && !space.exists("ws/evil"));
    };
    let tar = |space: &TestSpace, words: &[&str]| {
        space.write("in/evil", "x");
        std::os::unix::fs::symlink("../../evil", space.path("in/link")).unwrap();
        run(space, "tar", &[&["-C", "in", "-cPf", "evil.tar"], words].concat()).expect_ok();
    };
    check(&|space| tar(space, &["--transform=s,^,../,", "evil"]), "outside of its directory");
    check(&|space| tar(space, &["--transform=s,^,/,", "evil"]), "outside of its directory");
    check(&|space| tar(space, &["link"]), "leads out of the sources");
    check(&|space| space.write("evil.tar", "evil"), "no archive of a known kind");
}

#[test]
fn lock_file_by_hand_is_refused() {
    let (space, server, bytes) = space();
    server.answer("/x", &[Answer::File(bytes)]);
    says(&space, "ws", &[], "hello");
    let lock = space.read("ws/Tender.lock");
    let check = |text: String, code: i32, expect: &[&str]| {
        space.write("ws/Tender.lock", &text);
        for args in [&["build"][..], &["build", "--locked"]] {
            let run = tender(&space, &[&["-C", "ws"], args].concat()).expect_code(code);
            let run = run.expect_stderr(expect);
            assert_eq!(space.read("ws/Tender.lock"), text, "{run}");
        }
    };
    check(
        lock.replace("version = 1", "version = 7"),
        2,
        &["it has the version 7", "newer `tender`"],
    );
    let conflict = format!("<<<<<<< ours\n{lock}=======\n{lock}>>>>>>> theirs\n");
    check(conflict, 2, &["a conflict that git has left in line 1", "take one side"]);
    check(lock.replace("crates", "crate"), 2, &["it is no TOML: line"]);
    check(format!("{lock}{}", &lock[lock.find("[[").unwrap()..]), 2, &["is there twice"]);
    let at = lock.find("blake3:").unwrap() + 7;
    let digit = if &lock[at..=at] == "0" { "1" } else { "0" };
    let other = format!("{}{digit}{}", &lock[..at], &lock[at + 1..]);
    check(
        other,
        101,
        &["the sources of `greet`", "have the digest", "and not, as in the lock file"],
    );
    space.write("ws/Tender.lock", &lock);
    tender(&space, &["-C", "ws", "build", "--frozen"]).expect_ok().expect_nothing_done();
}

#[test]
fn cache_without_room_or_permission_is_named() {
    let (space, server, mut bytes) = space();
    let Some(disk) = Disk::mount(&space, "cache", "64k") else { return };
    bytes.resize(200_000, 0);
    server.answer("/x", &[Answer::File(bytes)]);
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&["cannot write to the cache of downloads", "TENDER_CACHE_DIR"]);
    assert!(files(&space, "cache").is_empty());
    disk.set_read_only(true);
    let run = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    run.expect_stderr(&["cannot write to the cache of downloads", "Read-only file system"]);
    drop(disk);
    let mut build = command(&space, &["-C", "ws", "build"]);
    build.env_remove("XDG_CACHE_HOME").env_remove("HOME");
    space
        .run(build)
        .expect_code(2)
        .expect_stderr(&["no directory for downloads", "TENDER_CACHE_DIR"]);
}
