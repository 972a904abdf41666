//! `tender` on a terminal: the bar, colours, and the keys that interrupt and stop.

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use tender_tests::{Terminal, TestSpace, wait_until};

const ESCAPE: char = '\x1b';
/// The verb of the bar; no other line has it.
const BAR: &str = "Building";
const COLUMNS: u16 = 50;

/// A crate whose build lasts until the file `go` exists.
fn waiting() -> TestSpace {
    let space = TestSpace::new();
    let run = ": > started; while ! [ -e go ]; do sleep 0.01; done; : > $OUT_DIR/x.h";
    let generate =
        format!("[[generate]]\nrun = [\"sh\", \"-c\", \"{run}\"]\noutputs = [\"$OUT_DIR/x.h\"]\n");
    space.write("Tender.toml", format!("[package]\nname = \"x\"\n{generate}"));
    space.write("src/main.c", "int unused; int main(void) { return 0; }\n");
    space
}

/// `tender ARGS` for a terminal that is not dumb.
fn tender(space: &TestSpace, args: &[&str]) -> Command {
    let mut command = space.command(args);
    command.env("TERM", "xterm-256color");
    command
}

/// Waits until the build has shown its bar, then lets it end.
#[track_caller]
fn whole_build(space: &TestSpace, command: Command) -> Terminal {
    let mut terminal = Terminal::start(COLUMNS, command);
    terminal.shows(BAR);
    space.write("go", "");
    let status = terminal.ends();
    assert!(status.success(), "{status}: {}", terminal.screen());
    terminal
}

#[test]
fn bar_fits_the_terminal_and_goes_away() {
    let space = waiting();
    let terminal = whole_build(&space, tender(&space, &["build"]));
    for row in terminal.wrapped() {
        assert!(!row.contains(BAR), "the bar is too long for {COLUMNS} columns: {row}");
    }
    let screen = terminal.screen();
    assert!(screen.contains("Finished") && !screen.contains(BAR), "{screen}");
}

#[test]
fn colours_are_left_out_where_they_are_switched_off() {
    let colours = |terminal: &Terminal| {
        let bytes = terminal.bytes();
        let sequences = bytes.split("\x1b[").skip(1);
        // An escape sequence ends with its first letter, which is `m` for colours.
        sequences.filter(|text| text.chars().find(|c| c.is_ascii_alphabetic()) == Some('m')).count()
    };
    let space = waiting();
    assert!(colours(&whole_build(&space, tender(&space, &["build"]))) > 0);

    let space = waiting();
    let mut command = tender(&space, &["build"]);
    command.env("NO_COLOR", "1");
    assert_eq!(colours(&whole_build(&space, command)), 0);

    let space = waiting();
    assert_eq!(colours(&whole_build(&space, tender(&space, &["build", "--color", "never"]))), 0);
}

/// Starts a second build on a terminal with a bar, waits until it has shown it, and then lets both
/// end. So the build of `space`, which began earlier, has lasted long enough for a bar.
#[track_caller]
fn outlast_a_bar(space: &TestSpace, terminal: &mut Terminal) {
    wait_until("the build is under way", || space.exists("started"));
    let later = waiting();
    whole_build(&later, tender(&later, &["build"]));
    space.write("go", "");
    assert!(terminal.ends().success());
}

#[test]
fn pipe_gets_plain_lines() {
    let space = waiting();
    let mut command = tender(&space, &["build"]);
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stderr(Stdio::null());
    let mut terminal = Terminal::start_with_stderr(COLUMNS, command, Some(writer.into()));
    outlast_a_bar(&space, &mut terminal);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert!(text.contains("Finished") && !text.contains(ESCAPE) && !text.contains(BAR), "{text:?}");
}

#[test]
fn dumb_terminal_gets_plain_lines() {
    let space = waiting();
    let mut command = space.command(&["build"]);
    command.env("TERM", "dumb");
    let mut terminal = Terminal::start(COLUMNS, command);
    outlast_a_bar(&space, &mut terminal);
    let text = terminal.bytes();
    assert!(text.contains("Finished") && !text.contains(ESCAPE) && !text.contains(BAR), "{text:?}");
}

#[test]
fn control_c_ends_the_build_by_sigint() {
    let space = waiting();
    let mut terminal = Terminal::start(COLUMNS, tender(&space, &["build"]));
    terminal.shows(BAR);
    terminal.types("\x03");
    let status = terminal.ends();
    assert_eq!(status.signal(), Some(Signal::INT.as_raw()), "{status}");
    let screen = terminal.screen();
    assert!(screen.contains("Interrupted by SIGINT") && !screen.contains(BAR), "{screen}");
}

/// The state of a process in `proc_pid_stat(5)`: `T` is stopped.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn children(pid: Pid) -> Vec<u32> {
    let pid = pid.as_raw_nonzero();
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Whether a process runs `tender-worker`.
fn is_worker(pid: u32) -> bool {
    std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("tender-worker"))
}

#[test]
fn control_z_stops_the_workers_too() {
    let space = TestSpace::many_crates(2, 1);
    let long: Vec<String> =
        (0..40_000).map(|i| format!("int g{i}(int x) {{ return x + {i}; }}\n")).collect();
    space.write("c0/src/long.c", long.concat());
    space.write("c1/src/long.c", long.concat());
    let mut terminal = Terminal::start(COLUMNS, tender(&space, &["build", "-j2"]));
    let tender = terminal.pid();
    terminal.shows("Compiling");
    wait_until("a worker runs", || children(tender).into_iter().any(is_worker));
    terminal.types("\x1a");
    terminal.stops();
    let workers: Vec<u32> = children(tender).into_iter().filter(|pid| is_worker(*pid)).collect();
    assert!(!workers.is_empty());
    wait_until("all stop", || workers.iter().all(|pid| state(*pid) == Some('T')));
    kill_process(tender, Signal::CONT).unwrap();
    let status = terminal.ends();
    assert!(status.success(), "{status}: {}", terminal.bytes());
    space.expect_fresh(&[]);
}

#[test]
fn program_that_is_run_reads_the_terminal() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    let program = "#include <stdio.h>\n#include <string.h>\nint main(void) {\n  char line[80];\n  puts(\"ready\");\n  \
         if (!fgets(line, sizeof line, stdin)) return 1;\n  printf(\"got <%.*s>\\n\", (int)strcspn(line, \"\\n\"), line);\n  return 3;\n}\n";
    space.write("src/main.c", program);
    let mut terminal = Terminal::start(COLUMNS, tender(&space, &["run"]));
    terminal.shows("ready");
    terminal.types("bob\n");
    terminal.shows("got <bob>");
    assert_eq!(terminal.ends().code(), Some(3));
}
