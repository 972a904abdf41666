//! The cache: where it is, and several builds that use it at the same time.

use crate::server::{Answer, Server};
use crate::space::{app, archive, command, files, tender};
use tender_tests::TestSpace;

#[test]
fn builds_at_once_download_once() {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "hello");
    server.answer("/x", &[Answer::File(space.read_bytes("greet-1.0.tar.gz"))]);
    let dirs: Vec<String> = (0..4).map(|number| format!("ws{number}")).collect();
    for dir in &dirs {
        app(&space, dir, &format!("url = \"{}\", sha256 = \"{sum}\"", server.http_url("/x")));
    }
    // Two in the same workspace, too.
    let args = dirs.iter().chain(&dirs[..1]);
    let builds: Vec<_> =
        args.map(|dir| space.start(command(&space, &["-C", dir, "build", "-j1"]))).collect();
    for build in builds {
        build.finish().expect_ok();
    }
    assert_eq!(server.asked(), ["/x"]);
    for dir in &dirs {
        assert_eq!(space.built(&format!("{dir}/target/debug/app")).expect_ok().stdout, "hello\n");
    }
}

#[test]
fn cache_is_where_the_user_wants_it() {
    let (space, server) = (TestSpace::new(), Server::http());
    let sum = archive(&space, "hello");
    server.answer("/x", &[Answer::File(space.read_bytes("greet-1.0.tar.gz"))]);
    app(&space, "ws", &format!("url = \"{}\", sha256 = \"{sum}\"", server.http_url("/x")));
    let is_there = |dir: &str| files(&space, &format!("{dir}/archives")) == [sum.clone()];
    space.write("ws/.tender/config.toml", "[cache]\ndir = \"near\"\n");
    tender(&space, &["-C", "ws", "fetch"]).expect_ok();
    assert!(is_there("ws/near") && !space.exists("cache"));
    tender(&space, &["-C", "ws", "clean"]).expect_ok();
    tender(&space, &["-C", "ws", "fetch", "--config", "cache.dir='of-line'"]).expect_ok();
    assert!(is_there("ws/of-line"));
    space.remove("ws/target");
    let mut fetch = command(&space, &["-C", "ws", "fetch"]);
    fetch.env("TENDER_CACHE_DIR", space.path("of-variable"));
    space.run(fetch).expect_ok();
    assert!(is_there("of-variable"));
    space.remove("ws/target");
    space.remove("ws/.tender");
    space.write("config/tender/config.toml", "[cache]\ndir = \"own\"\n");
    let mut fetch = command(&space, &["-C", "ws", "fetch"]);
    fetch.env("XDG_CONFIG_HOME", space.path("config"));
    space.run(fetch).expect_ok();
    assert!(is_there("config/own"));
    assert_eq!(server.asked().len(), 4);
    let run = tender(&space, &["-C", "ws", "fetch", "--config", "cache.dirr='x'"]).expect_code(2);
    run.expect_stderr(&["unknown key `dirr` in `[cache]`", "did you mean `dir`?"]);
}
