//! What is shown while sources are fetched: a bar on a terminal, lines elsewhere, messages for programs.

use crate::repositories::{repository, url};
use crate::server::{Answer, Server};
use crate::space::{app, archive, command, tender};
use std::sync::{Arc, Barrier};
use tender_tests::{Terminal, TestSpace};

fn space() -> (TestSpace, Server, Vec<u8>) {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "hello");
    let url = server.http_url("/greet-1.0.tar.gz");
    app(&space, "ws", &format!("url = \"{url}\", sha256 = \"{sum}\""));
    let bytes = space.read_bytes("greet-1.0.tar.gz");
    (space, server, bytes)
}

#[test]
fn fetching_has_a_bar_that_goes_away() {
    let (space, server, bytes) = space();
    let seen = Arc::new(Barrier::new(2));
    server.answer("/greet-1.0.tar.gz", &[Answer::Together(Arc::clone(&seen), bytes)]);
    let mut fetch = command(&space, &["-C", "ws", "fetch"]);
    fetch.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(100, fetch);
    terminal.shows("Fetching");
    terminal.shows("0/1");
    terminal.shows("greet-1.0.tar.gz");
    seen.wait();
    let status = terminal.ends();
    let screen = terminal.screen();
    assert!(status.success() && screen.contains("Fetched 1 source"), "{screen}");
    assert!(!screen.contains("Fetching"), "{screen}");
}

#[test]
fn fetching_sends_messages_to_programs() {
    let (space, server, bytes) = space();
    let length = bytes.len();
    server.answer("/greet-1.0.tar.gz", &[Answer::File(bytes)]);
    let build = tender(&space, &["-C", "ws", "build", "--message-format", "json"]).expect_ok();
    let lines: Vec<&str> = build.stdout.lines().collect();
    let has = |at: usize, parts: &[&str]| {
        for part in parts {
            assert!(lines[at].contains(part), "{part}: {}", lines[at]);
        }
    };
    has(0, &["\"reason\":\"source-started\"", "\"kind\":\"archive\"", "\"resumed_at\":0"]);
    has(1, &["\"reason\":\"source-progress\"", &format!("\"total\":{length}")]);
    has(2, &["\"reason\":\"source-unpacking\"", "\"package\":\"greet\""]);
    has(3, &["\"reason\":\"build-started\""]);
    let fetch = tender(&space, &["-C", "ws", "fetch", "--message-format", "json"]).expect_ok();
    assert_eq!(fetch.stdout, "");
}

#[test]
fn fetching_of_repositories_tells_of_objects() {
    let (space, commit) = repository();
    // So many that git keeps them as one pack.
    for number in 0..150 {
        space.write(&format!("repo/data/{number}"), format!("{number}"));
    }
    let later = crate::repositories::commit(&space, "repo");
    assert_ne!(commit, later);
    app(&space, "ws", &url(&space, "repo"));
    let fetch = tender(&space, &["-C", "ws", "fetch", "--message-format", "json"]).expect_ok();
    let messages = fetch.messages();
    let progress: Vec<_> =
        messages.iter().filter(|message| message["reason"] == "source-progress").collect();
    assert!(!progress.is_empty(), "{fetch}");
    for message in progress {
        let objects = message["objects"].as_u64().unwrap();
        let total = message["total_objects"].as_u64().unwrap();
        assert!(objects <= total && total > 150 && message["total"].is_null(), "{message}");
    }
}

#[test]
fn fetching_says_nothing_where_nothing_is_to_be_said() {
    let (space, server, bytes) = space();
    server.answer("/greet-1.0.tar.gz", &[Answer::File(bytes)]);
    let fetch = tender(&space, &["-C", "ws", "fetch", "-q"]).expect_ok();
    assert_eq!((fetch.stdout.as_str(), fetch.stderr.as_str()), ("", ""));
}
