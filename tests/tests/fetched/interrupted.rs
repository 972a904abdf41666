//! Downloads that end early: continued where the server can send the rest of the same archive, else begun
//! again, and never used before they are whole.

use crate::server::{Answer, Server, TaggedFile};
use crate::space::{app, archive, command, files, says, tender};
use rustix::process::Signal;
use tender_tests::{TestSpace, wait_until};

/// A workspace that takes `/x` of a server, and the bytes of the archive.
fn space() -> (TestSpace, Server, Vec<u8>) {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "hello");
    app(&space, "ws", &format!("url = \"{}\", sha256 = \"{sum}\"", server.http_url("/x")));
    let bytes = space.read_bytes("greet-1.0.tar.gz");
    (space, server, bytes)
}

/// Files in the cache that are no archives.
fn parts(space: &TestSpace) -> Vec<String> {
    let all = files(space, "cache/tender/archives");
    all.into_iter().filter(|name| name.contains('.')).collect()
}

#[test]
fn download_that_ends_early_is_continued() {
    let (space, server, bytes) = space();
    let whole = TaggedFile::whole(&bytes, "\"1\"");
    let ends = TaggedFile { sends: 100, ..whole.clone() };
    server.answer("/x", &[Answer::Tagged(ends), Answer::Tagged(whole)]);
    let build = tender(&space, &["-C", "ws", "build"]).expect_ok();
    build.expect_stderr(&["Downloading http://", "Resuming http://", "after 100 B"]);
    assert_eq!(server.ranges(), [None, Some((100, "\"1\"".to_owned()))]);
    assert!(parts(&space).is_empty());
    says(&space, "ws", &["--frozen"], "hello");
}

#[test]
fn download_that_failed_is_continued_by_the_next_command() {
    let (space, server, bytes) = space();
    let whole = TaggedFile::whole(&bytes, "\"1\"");
    server.answer("/x", &[Answer::Tagged(TaggedFile { sends: 50, ..whole.clone() })]);
    let run = tender(&space, &["-C", "ws", "fetch"]).expect_code(101);
    run.expect_stderr(&["error: cannot download http://"]);
    server.answer("/x", &[Answer::Tagged(whole)]);
    says(&space, "ws", &[], "hello");
    let tag = || "\"1\"".to_owned();
    let ranges = [None, Some((50, tag())), Some((100, tag())), Some((150, tag()))];
    assert_eq!(server.ranges(), ranges);
}

#[test]
fn download_that_was_killed_is_continued() {
    let (space, server, bytes) = space();
    let whole = TaggedFile::whole(&bytes, "\"1\"");
    let stuck = TaggedFile { sends: 100, is_stuck: true, ..whole.clone() };
    server.answer("/x", &[Answer::Tagged(stuck)]);
    let build = space.start(command(&space, &["-C", "ws", "build"]));
    let has_part = || {
        let path = |name| format!("cache/tender/archives/{name}");
        let mut parts = parts(&space).into_iter().filter(|name| name.ends_with(".part"));
        parts.any(|name| space.read_bytes(&path(name)).len() == 100)
    };
    wait_until("a part of the archive is there", has_part);
    build.signal(Signal::KILL);
    build.finish();
    server.answer("/x", &[Answer::Tagged(whole)]);
    says(&space, "ws", &[], "hello");
    assert_eq!(server.ranges()[1..], [Some((100, "\"1\"".to_owned()))]);
    assert!(parts(&space).is_empty());
}

#[test]
fn download_begins_again_where_it_cannot_be_continued() {
    let check = |first: &dyn Fn(&[u8]) -> TaggedFile, then: &dyn Fn(&[u8]) -> TaggedFile| {
        let (space, server, bytes) = space();
        let whole = Answer::Tagged(TaggedFile::whole(&bytes, "\"9\""));
        server.answer("/x", &[Answer::Tagged(first(&bytes)), Answer::Tagged(then(&bytes)), whole]);
        says(&space, "ws", &[], "hello");
        assert!(parts(&space).is_empty());
        server.ranges()
    };
    let ends = |bytes: &[u8], tag| TaggedFile { sends: 100, ..TaggedFile::whole(bytes, tag) };
    let other = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>();
    // The server sends all, whatever is asked for.
    let all = |bytes: &[u8]| TaggedFile { ranges: false, ..TaggedFile::whole(bytes, "\"1\"") };
    assert_eq!(check(&|bytes| ends(bytes, "\"1\""), &all).len(), 2);
    // Another archive is there now.
    let changed = |bytes: &[u8]| TaggedFile::whole(bytes, "\"2\"");
    assert_eq!(check(&|bytes| ends(&other(bytes), "\"1\""), &changed).len(), 2);
    // The server calls two archives the same: what has been put together is not used.
    let same = |bytes: &[u8]| TaggedFile::whole(bytes, "\"1\"");
    let ranges = check(&|bytes| ends(&other(bytes), "\"1\""), &same);
    assert_eq!(ranges, [None, Some((100, "\"1\"".to_owned())), None]);
    // It has less than what was received.
    let less = |bytes: &[u8]| TaggedFile::whole(&bytes[..80], "\"1\"");
    assert_eq!(check(&|bytes| ends(bytes, "\"1\""), &less).len(), 3);
    // A name that does not stand for all bytes is no name.
    let weak = |bytes: &[u8]| TaggedFile::whole(bytes, "W/\"1\"");
    assert_eq!(check(&|bytes| ends(bytes, "W/\"1\""), &weak), [None, None]);
}
