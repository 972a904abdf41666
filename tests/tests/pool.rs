//! Hazards of a jobserver, each of which breaks some tool: tender as a client of a pool that the
//! test hosts, whose bytes are counted; and tender as the host of clients that misbehave.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use tender_tests::interop::{
    CommandLine, Found, Member, Pool, Probes, Tool, expect_whole_pool, find, members,
};
use tender_tests::{Run, Started, TestSpace, program, wait_until};

fn tender() -> Found {
    find(Tool::Tender).expect("it is the program under test")
}

/// More jobs than can run at once, so that those that run do not end by themselves.
const ENDLESS: usize = 1000;

/// A pool of both forms, with these bytes.
fn pools(space: &TestSpace, bytes: &[u8]) -> [Pool; 2] {
    [Pool::fifo(space, bytes), Pool::pipe(bytes)]
}

#[track_caller]
fn expect_no_word_of_tokens(run: &Run) {
    assert!(!run.stderr.contains("token") && !run.stderr.contains("jobserver"), "{run}");
}

/// The values of the bytes do not matter to tender's clients.
#[test]
fn bytes_are_returned_as_they_came() {
    for is_exec in [false, true] {
        let space = TestSpace::new();
        for pool in pools(&space, b"ABCDE") {
            let space = TestSpace::new();
            let probes = Probes::new(&space, 6);
            let line = if is_exec {
                // It writes `+` for every byte that it has read.
                let Some(make) = find(Tool::Make43) else { continue };
                let tree = make.tree(&probes, "tree", 12, &[]);
                tree.under([program("tender").as_str(), "exec", "--"])
            } else {
                tender().tree(&probes, "tree", 12, &[])
            };
            let run = pool.around(line).run(&space).expect_ok();
            assert_eq!(probes.log().most_at_once(), 6, "{run}");
            assert_eq!(pool.drain(), b"ABCDE", "{run}");
            expect_no_word_of_tokens(&run);
        }
    }
}

/// The whole tree shares the open file description of descriptor 3. `dd` sets O_NONBLOCK on it, as
/// LLVM and GNU make do.
#[test]
fn mode_of_the_pipe_is_left_as_it_is() {
    const SET: &str = "dd iflag=nonblock count=0 status=none <&3";
    // Reads the flag in a process that has inherited the descriptor.
    const SHOW: &str = "sed -n 's/^flags:\\s*/flags /p' /proc/self/fdinfo/3";
    let check = |before: &str, during: &str, expect: bool| {
        let space = TestSpace::new();
        let pool = Pool::pipe(b"AB");
        let probes = Probes::new(&space, 3);
        let first =
            CommandLine::new(["sh", "-c", ": > begun; until [ -e flipped ]; do sleep 0.01; done"]);
        let first = first.under(["env", "-C", space.root().as_str()]);
        let line = tender().tree(&probes, "tree", 6, &[first]);
        let script = format!(
            "{before}; {{ until [ -e begun ]; do sleep 0.01; done; {during}; : > flipped; }} & \"$@\"; code=$?; {SHOW}; exit $code"
        );
        let run = pool.around(line.under(["sh", "-c", &script, "sh"])).run(&space).expect_ok();
        let flags = run.stdout.lines().find_map(|line| line.strip_prefix("flags "));
        let flags =
            u32::from_str_radix(flags.unwrap_or_else(|| panic!("{run}")), 8).expect("octal digits");
        assert_eq!(flags & 0o4000 != 0, expect, "{run}");
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        assert_eq!(pool.drain(), b"AB", "{run}");
        expect_no_word_of_tokens(&run);
    };
    check("true", "true", false);
    check(SET, "true", true);
    check("true", SET, true);
}

/// Every tool that can be a client, in one tree, below a pool that tender hosts. Upstream's ninja
/// reads a form that GNU make 4.3 does not pass on, so a tender is between them.
#[test]
fn tools_of_all_kinds_share_one_pool() {
    let Some(top) = find(Tool::Make43) else { return };
    for is_client in [false, true] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 4);
        let exec = program("tender");
        let kinds = [
            Tool::Make43,
            Tool::Make44,
            Tool::Ninja,
            Tool::NinjaKitware,
            Tool::Cargo,
            Tool::Gcc,
            Tool::Tender,
        ];
        let children: Vec<CommandLine> = kinds
            .into_iter()
            .filter_map(find)
            .map(|found| {
                let tree = found.tree(&probes, &format!("{:?}", found.tool), 4, &[]);
                let is_ninja = found.tool == Tool::Ninja;
                if is_ninja { tree.under([exec.as_str(), "exec", "--"]) } else { tree }
            })
            .collect();
        let count = 4 * children.len() + 2;
        let tree = top.tree(&probes, "top", 2, &children);
        let run = if is_client {
            let pool = Pool::fifo(&space, b"ABC");
            let run =
                pool.around(tree.under([exec.as_str(), "exec", "--"])).run(&space).expect_ok();
            assert_eq!(pool.drain(), b"ABC", "{run}");
            run
        } else {
            tree.under([exec.as_str(), "exec", "-j4", "--"]).run(&space).expect_ok()
        };
        let log = probes.log();
        assert_eq!((log.jobs.len(), log.finished()), (count, count), "{run}");
        assert_eq!(log.most_at_once(), 4, "{run}");
        expect_whole_pool(&run);
        expect_no_word_of_tokens(&run);
        assert_eq!(members(&space), [], "{run}");
    }
}

fn workers(space: &TestSpace) -> Vec<Member> {
    members(space).into_iter().filter(|member| member.name == "tender-worker").collect()
}

/// A crate whose units take some time to compile, in a space of its own, and its build under the
/// pool.
fn start_compiling(space: &TestSpace, pool: &Pool) -> Started {
    space.write("Tender.toml", "[package]\nname = \"wide\"\n");
    let functions: String = (0..400)
        .map(|n| format!("int F({n})(int x) {{ return x * {n} ^ (x >> {}); }}\n", n % 31))
        .collect();
    for unit in 0..24 {
        let glue = format!("#define GLUE(a, b) a ## b\n#define F(n) GLUE(f{unit}_, n)\n");
        space.write(&format!("src/u{unit}.c"), format!("{glue}{functions}"));
    }
    let build = CommandLine::new([program("tender").as_str(), "build", "--release"]);
    space.start(pool.around(build).command(space))
}

/// Stops a worker while tokens are out, and returns its pid.
fn stop_a_worker_with_tokens(space: &TestSpace, pool: &Pool, all: usize) -> Pid {
    let mut stopped = None;
    wait_until("a worker holds tokens", || {
        let Some(worker) = workers(space).pop() else { return false };
        if kill_process(worker.pid, Signal::STOP).is_err() {
            return false;
        }
        // It cannot return its tokens while it is stopped.
        if pool.left() < all {
            stopped = Some(worker.pid);
            return true;
        }
        let _ = kill_process(worker.pid, Signal::CONT);
        false
    });
    stopped.expect("it was waited for")
}

/// All threads of the process sleep.
fn is_asleep(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S'))
    })
}

#[test]
fn worker_that_is_killed_loses_no_token() {
    let space = TestSpace::new();
    for pool in pools(&space, b"ABC") {
        let space = TestSpace::new();
        let started = start_compiling(&space, &pool);
        let worker = stop_a_worker_with_tokens(&space, &pool, 3);
        kill_process(worker, Signal::KILL).expect("it is stopped");
        // Another worker builds its items.
        let run = started.finish().expect_ok();
        assert_eq!(pool.drain(), b"ABC", "{run}");
        expect_no_word_of_tokens(&run);
        assert_eq!(members(&space), [], "{run}");
    }
}

/// Which process of a deep tree is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    /// The command itself.
    Root,
    /// The make that holds tokens, several levels below.
    Holder,
    /// The command, and then its descendants, which are in a session of their own.
    Apart,
}

/// The four jobs of the other command wait for each other, so they end only if all four slots are
/// free again while the build runs.
#[test]
fn tokens_of_a_killed_tree_are_used_again_by_the_same_build() {
    let Some(make) = find(Tool::Make43).or_else(|| find(Tool::Make44)) else { return };
    for killed in [Killed::Root, Killed::Holder, Killed::Apart] {
        let (space, of_tree) = (TestSpace::new(), TestSpace::new());
        let (probes, endless) = (Probes::new(&space, 4), Probes::new(&of_tree, ENDLESS));
        let deep = make.tree(&endless, "deep", 0, &[make.tree(&endless, "deeper", 3, &[])]);
        let deep = if killed == Killed::Apart { deep.under(["setsid", "--wait"]) } else { deep };
        let script = "until [ -e go ]; do sleep 0.01; done; exec \"$@\"";
        let wide = make.tree(&probes, "wide", 4, &[]).under(["sh", "-c", script, "sh"]);
        let wide = wide.under(["env", "-C", space.root().as_str()]);
        let build = tender().tree(&probes, "tree", 0, &[deep, wide]).arg("-j4").arg("--keep-going");
        let started = space.start(build.command(&space));
        wait_until("the tree has all that the other command does not have", || {
            endless.log().jobs.len() == 3
        });
        space.write("go", "");
        wait_until("the other command runs what it can", || probes.log().jobs.len() == 1);

        let words = |pid: u32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).replace('\0', " ")
        };
        let number = |member: &Member| member.pid.as_raw_nonzero().get() as u32;
        let kill = |pid: u32| kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
        let all: Vec<u32> = members(&space).iter().map(number).collect();
        let roots = started.children();
        let root =
            roots.iter().find(|pid| words(**pid).contains("deep/Makefile")).expect("it runs");
        let below = |pid: &&u32| *pid != root && words(**pid).contains(of_tree.root().as_str());
        match killed {
            Killed::Root => kill(*root).unwrap(),
            Killed::Holder => {
                let holder = all.iter().find(|pid| words(**pid).contains("deeper/Makefile"));
                kill(*holder.expect("it runs")).unwrap();
            }
            Killed::Apart => {
                kill(*root).unwrap();
                // An error is ignored: a make ends when its children do.
                for pid in all.iter().filter(below) {
                    let _ = kill(*pid);
                }
            }
        }
        let run = started.finish().expect_code(101);
        assert_eq!(probes.log().most_at_once(), 4, "{killed:?}: {run}");
        assert_eq!(probes.log().finished(), 4, "{killed:?}: {run}");
        wait_until("nothing is left", || members(&space).is_empty());
    }
}

/// Then only the watchdog returns tokens. It knows their number, not their bytes.
#[test]
fn build_that_is_killed_returns_all_tokens() {
    let space = TestSpace::new();
    for pool in pools(&space, b"ABC") {
        let space = TestSpace::new();
        let started = start_compiling(&space, &pool);
        stop_a_worker_with_tokens(&space, &pool, 3);
        // A token that a client is just reading is lost, as documented.
        wait_until("tender has nothing to do", || is_asleep(started.pid()));
        started.signal(Signal::KILL);
        let run = started.finish().expect_signal(9);
        wait_until("its workers are gone, and what puts it right", || members(&space).is_empty());
        assert_eq!(pool.left(), 3, "{run}");
    }
    for pool in pools(&TestSpace::new(), b"AB") {
        let space = TestSpace::new();
        let probes = Probes::new(&space, ENDLESS);
        let started =
            space.start(pool.around(tender().tree(&probes, "tree", 5, &[])).command(&space));
        wait_until("three jobs run", || probes.log().jobs.len() == 3);
        started.signal(Signal::KILL);
        let run = started.finish().expect_signal(9);
        wait_until("its commands are gone, and what puts it right", || members(&space).is_empty());
        assert_eq!(pool.left(), 2, "{run}");
    }
}

/// Every process ends normally, so the bytes are those that were read.
#[test]
fn signals_return_every_byte() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        for pool in pools(&TestSpace::new(), b"AB") {
            let space = TestSpace::new();
            let probes = Probes::new(&space, ENDLESS);
            let started =
                space.start(pool.around(tender().tree(&probes, "tree", 5, &[])).command(&space));
            wait_until("three jobs run", || probes.log().jobs.len() == 3);
            assert_eq!(pool.drain(), b"", "three jobs are more than one");
            started.signal(signal);
            let run = started.finish();
            assert!(!run.status.success(), "{run}");
            assert_eq!(pool.drain(), b"AB", "{signal:?}: {run}");
            wait_until("no job is left", || members(&space).is_empty());
        }
    }
}

/// A make waits for ever for a server that has inherited its pipe.
#[test]
fn survivors_of_a_build_do_not_hold_the_pipe() {
    let space = TestSpace::new();
    let pool = Pool::pipe(b"AB");
    let probes = Probes::new(&space, 3);
    let server = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > server";
    let server = CommandLine::new(["sh", "-c", server]).under(["env", "-C", space.root().as_str()]);
    let run = pool.around(tender().tree(&probes, "tree", 6, &[server])).run(&space).expect_ok();
    assert_eq!(pool.drain(), b"AB", "{run}");
    assert!(pool.is_free(), "{run}");
    for member in members(&space) {
        kill_process(member.pid, Signal::KILL).expect("it is ours");
    }

    let Some(make) = find(Tool::Make43) else { return };
    let server = "setsid sleep 1000 </dev/null >/dev/null 2>&1 &";
    let child = tender().tree(&probes, "below", 3, &[CommandLine::new(["sh", "-c", server])]);
    // A make that waited for the server would hang.
    let run = make.tree(&probes, "make", 0, &[child]).arg("-j3").run(&space).expect_ok();
    expect_whole_pool(&run);
    for member in members(&space) {
        kill_process(member.pid, Signal::KILL).expect("it is ours");
    }
}

/// Neither affects the parent's pool, which has neither fewer nor more tokens.
#[test]
fn commands_that_lose_or_add_tokens_are_reported() {
    const OPEN: &str = "flags=$CARGO_MAKEFLAGS; exec 8<>\"${flags##*fifo:}\"; ";
    let check = |script: &str, expect: &str| {
        for pool in pools(&TestSpace::new(), b"ABC") {
            let space = TestSpace::new();
            let probes = Probes::new(&space, 1);
            let child = CommandLine::new(["sh", "-c", &format!("{OPEN}{script}")]);
            let run =
                pool.around(tender().tree(&probes, "tree", 2, &[child])).run(&space).expect_ok();
            let warnings: Vec<&str> =
                run.stderr.lines().filter(|line| line.contains("token")).collect();
            assert_eq!(warnings.len(), 1, "{run}");
            assert!(warnings[0].contains("k0") && warnings[0].contains(expect), "{run}");
            assert_eq!(pool.drain(), b"ABC", "{run}");
        }
    };
    check("printf '++' >&8", "2 job tokens more than it took");
    check("dd bs=1 count=1 status=none <&8 >/dev/null", "did not return 1 job token;");
}

/// Jobs run at once only if a client that has no work starts a job when a token arrives; none ends
/// before all have run at once.
#[test]
fn tokens_that_come_late_start_work() {
    let makes = [Tool::Make43, Tool::Make44].into_iter().filter_map(find);
    for inner in makes.chain([tender()]) {
        for pool in pools(&TestSpace::new(), b"AB") {
            let space = TestSpace::new();
            let probes = Probes::new(&space, ENDLESS);
            let tree = inner.tree(&probes, "tree", 6, &[]);
            let line = match inner.tool {
                Tool::Tender => tree,
                _ => tree.under([program("tender").as_str(), "exec", "--"]),
            };
            assert_eq!(pool.drain(), b"AB");
            let started = space.start(pool.around(line).command(&space));
            wait_until("one job runs", || probes.log().jobs.len() == 1);
            pool.put(b"A");
            wait_until("two jobs run", || probes.log().jobs.len() == 2);
            pool.put(b"B");
            wait_until("three jobs run", || probes.log().jobs.len() == 3);
            started.signal(Signal::TERM);
            let run = started.finish();
            assert_eq!(pool.drain(), b"AB", "{run}");
            wait_until("no job is left", || members(&space).is_empty());
        }
    }
}

/// `tender exec` with a pool of 100 000 slots. Its client is the test.
#[track_caller]
fn with_a_wide_pool(client: impl FnOnce(&mut std::fs::File)) {
    let space = TestSpace::new();
    let script = "echo \"${CARGO_MAKEFLAGS##*fifo:}\" > told; mv told path; until [ -e done ]; do sleep 0.01; done";
    let started = space.start(space.command(&["exec", "-j100000", "--", "sh", "-c", script]));
    wait_until("the command runs", || space.exists("path"));
    let path = space.read("path");
    client(&mut std::fs::File::options().read(true).write(true).open(path.trim_end()).unwrap());
    space.write("done", "");
    let run = started.finish().expect_ok();
    assert_eq!(run.stderr, "", "{run}");
}

/// The client holds all tokens at once, and then returns them through a FIFO of two pages.
#[test]
fn tokens_may_be_more_than_a_pipe_holds() {
    with_a_wide_pool(|fifo| {
        let mut held = vec![0; 70_000];
        fifo.read_exact(&mut held).unwrap();
        // Clients return tokens one by one; a single write of all would block in its middle.
        held.chunks(64).for_each(|some| fifo.write_all(some).unwrap());
    });
}

/// A page that is never empty has no room after as many written bytes as its size, although few are
/// in it.
#[test]
fn token_is_taken_and_returned_ten_thousand_times() {
    with_a_wide_pool(|fifo| {
        let mut byte = [0];
        for _ in 0..10_000 {
            fifo.read_exact(&mut byte).unwrap();
            fifo.write_all(&byte).unwrap();
        }
    });
}

/// A daemon without a token keeps nothing: the FIFO of its command is removed when the command
/// ends.
#[test]
fn daemon_without_tokens_keeps_no_fifo() {
    let space = TestSpace::new();
    let start = "flags=$CARGO_MAKEFLAGS; echo ${flags##*fifo:} > fifo; \
                 setsid sh -c 'echo $$ > daemon; exec sleep 1000' </dev/null >/dev/null 2>&1 & \
                 until [ -s daemon ]; do sleep 0.01; done; : > one";
    let look = "if [ -e $(cat fifo) ]; then echo kept > two; else echo gone > two; fi";
    let command = |script: &str, output: &str, inputs: &str| {
        format!(
            "[[generate]]\nrun = [\"sh\", \"-c\", {script:?}]\noutputs = [\"{output}\"]\ninputs = [{inputs}]\n"
        )
    };
    let commands = command(start, "one", "") + &command(look, "two", "\"one\"");
    space.write("Tender.toml", format!("[package]\nname = \"app\"\n{commands}"));
    space.write("src/main.c", "int main(void) { return 0; }\n");
    let run = space.tender(&["build", "-j2"]);
    let daemon = space.read("daemon").trim().parse().unwrap();
    kill_process(Pid::from_raw(daemon).unwrap(), Signal::KILL).expect("the daemon runs");
    expect_no_word_of_tokens(&run.expect_ok());
    assert_eq!(space.read("two"), "gone\n");
}
