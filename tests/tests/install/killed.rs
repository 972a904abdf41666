//! An installation that is killed (SIGKILL) while it writes and renames files: each file is whole, the
//! next installation completes it, and nothing is left behind.

use crate::space::{install, tree};
use rustix::process::Signal;
use tender_tests::{Run, TestSpace};

const HEADERS: usize = 400;

/// Of a version of the library, whose headers are long enough to be seen half written.
fn header(number: usize, version: &str) -> String {
    format!("#define HEADER_{number} {version}\n").repeat(50)
}

fn write(space: &TestSpace, version: &str) {
    space.write(
        "ws/many/Tender.toml",
        format!("[package]\nname = \"many\"\nversion = \"{version}\"\n"),
    );
    for number in 0..HEADERS {
        let header = header(number, &version.replace('.', ""));
        space.write(&format!("ws/many/include/many/h{number}.h"), header);
    }
}

/// Installs until the condition is seen, and kills it then. Whether it was killed, not ended.
fn kill_when(space: &TestSpace, seen: impl Fn() -> bool) -> bool {
    let prefix = space.path("p");
    let words = ["-C", "ws", "install", "-q", "-p", "many", "--prefix", prefix.as_str()];
    let mut install = space.start(space.command(&words));
    while !install.has_ended() && !seen() {
        std::hint::spin_loop();
    }
    install.signal(Signal::KILL);
    let run: Run = install.finish();
    assert!(run.status.success() || run.status.code().is_none(), "{run}");
    !run.status.success()
}

/// Each header is that of one of these versions, and whole.
fn expect_whole(space: &TestSpace, versions: &[&str]) {
    for number in 0..HEADERS {
        let path = format!("p/include/many/h{number}.h");
        if space.exists(&path) {
            let found = space.read(&path);
            let is_whole = versions.iter().any(|version| found == header(number, version));
            assert!(is_whole, "{path} has {} bytes", found.len());
        }
    }
}

#[test]
fn install_that_is_killed_is_completed_by_the_next() {
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"many\"]\n");
    space.write("ws/many/src/many.c", "int many;\n");
    write(&space, "1.0.0");
    // Built before, so that only the installation is killed.
    install(&space, "many", "clean", &[]).expect_ok();
    let clean = tree(&space, "clean");
    let mut killed = 0;
    // While files are written under other names, and while they are renamed.
    let is_staging = || {
        let entries =
            std::fs::read_dir(space.path("p/include/many")).into_iter().flatten().flatten();
        entries.take(HEADERS / 2).count() >= HEADERS / 2
    };
    killed += u32::from(kill_when(&space, is_staging));
    expect_whole(&space, &["100"]);
    killed += u32::from(kill_when(&space, || space.exists("p/include/many/h10.h")));
    expect_whole(&space, &["100"]);
    install(&space, "many", "p", &[]).expect_ok();
    assert_eq!(tree(&space, "p"), clean);
    // Over an older version.
    write(&space, "2.0.0");
    install(&space, "many", "clean", &[]).expect_ok();
    let first = header(0, "200");
    killed += u32::from(kill_when(&space, || space.read("p/include/many/h0.h") == first));
    expect_whole(&space, &["100", "200"]);
    // Files of an interrupted installation are ours: they are neither refused nor kept.
    install(&space, "many", "p", &[]).expect_ok();
    expect_whole(&space, &["200"]);
    assert_eq!(tree(&space, "p"), tree(&space, "clean"));
    assert!(killed > 0, "each installation had ended before it could be killed");
    let prefix = space.path("p");
    space.tender(&["uninstall", "many", "--prefix", prefix.as_str()]).expect_ok();
    assert_eq!(tree(&space, "p"), ["/"], "the prefix itself stays");
}

#[test]
fn uninstall_after_a_killed_install_leaves_nothing_of_it() {
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"many\"]\n");
    space.write("ws/many/src/many.c", "int many;\n");
    write(&space, "1.0.0");
    install(&space, "many", "clean", &[]).expect_ok();
    kill_when(&space, || space.exists("p/include/many/h10.h"));
    let prefix = space.path("p");
    let run = space.tender(&["uninstall", "many", "--prefix", prefix.as_str()]);
    // If it was killed before its list was written, it is not installed.
    assert!(run.status.success() || run.stderr.contains("not installed"), "{run}");
    if run.status.success() {
        let left = if space.exists("p") { tree(&space, "p") } else { Vec::new() };
        let headers: Vec<&String> = left.iter().filter(|path| path.ends_with(".h")).collect();
        assert!(headers.is_empty(), "{headers:?}");
    }
}
