//! A project that has no manifest, as its authors pack it: one in the workspace makes a crate of it.

use crate::server::{Answer, Server};
use crate::space::{run, sum, tender};
use tender_tests::libraries::{ports, sources};
use tender_tests::{Feature, TestSpace, skip};

#[test]
fn anybody_can_use_fmt() {
    let (space, server) = (TestSpace::new(), Server::http());
    // Its own tests, which are members of that workspace, need googletest.
    let there = ports(sources(), &space.path("ports"), &["fmt", "googletest"]);
    if !there.iter().any(|name| name == "fmt") {
        return skip(Feature::PinnedSources, "the sources of fmt are not there");
    }
    let all = ["-czf", "fmt-1.tar.gz", "--exclude=.sha256-*", "-C", sources().as_str(), "fmt"];
    run(&space, "tar", &all).expect_ok();
    server.answer("/fmt-1.tar.gz", &[Answer::File(space.read_bytes("fmt-1.tar.gz"))]);
    space.write("ws/ports/fmt/Tender.toml", space.read("ports/fmt/Tender.toml"));
    let (url, sum) = (server.http_url("/fmt-1.tar.gz"), sum(&space, "fmt-1.tar.gz"));
    space.write(
        "ws/Tender.toml",
        format!(
            "[package]\nname = \"app\"\ncxx-std = \"c++17\"\n\n[dependencies]\n\
             fmt = {{ url = \"{url}\", sha256 = \"{sum}\", manifest = \"ports/fmt/Tender.toml\" }}\n"
        ),
    );
    space.write(
        "ws/src/main.cc",
        "#include <fmt/chrono.h>\nint main() { fmt::print(\"{:>6.2f} {}\\n\", 3.14159, std::chrono::seconds(90)); }\n",
    );
    let run = tender(&space, &["-C", "ws", "run"]).expect_ok();
    assert_eq!(run.stdout, "  3.14 90s\n", "{run}");
    assert_eq!(server.asked(), ["/fmt-1.tar.gz"]);
    let test = tender(&space, &["-C", "ws", "build", "--frozen"]).expect_ok();
    test.expect_nothing_done();
}
