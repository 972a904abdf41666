//! Several builds that use one cache at the same time.

use crate::server::{Answer, Server};
use crate::space::{app, archive, command};
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
