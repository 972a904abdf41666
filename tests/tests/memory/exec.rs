//! `tender exec` around make and ninja: with too little memory for all their jobs, plain tools are
//! killed, and these are not.

use camino::Utf8PathBuf;
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tender_tests::interop::{CommandLine, Found, Probes, Tool, expect_whole_pool, find};
use tender_tests::stress::{Confined, Kind, Recipe, Workspace, run_in};
use tender_tests::{Cgroup, Feature, TestSpace, probe, skip};

const MIB: u64 = 1 << 20;
const PLENTY: u64 = 1 << 40;

/// Crates of the workspace, of one C++ unit each.
const WIDTH: u32 = 8;

/// The program of the compiler that the worker has.
fn clang() -> Option<Utf8PathBuf> {
    let prefix = std::env::var("LLVM_SYS_221_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".into());
    let path = Utf8PathBuf::from(prefix).join("bin/clang");
    if !path.is_file() {
        skip(Feature::Clang, &format!("there is no {path}"));
        return None;
    }
    Some(path)
}

/// A build of the same sources by other tools: a command for each unit, and one for the program.
struct PlainBuild {
    space: TestSpace,
    expected: String,
}

impl PlainBuild {
    /// With an equivalent Makefile and build.ninja.
    fn new() -> Option<PlainBuild> {
        let clang = clang()?;
        let workspace =
            Workspace::new(&Recipe { width: WIDTH, ..Recipe::new(Kind::Templates, 11) });
        let space = TestSpace::new();
        workspace.write(space.root()).expect("the space is ours");
        let mut sources: Vec<&String> = workspace
            .files
            .keys()
            .filter(|path| path.ends_with(".c") || path.ends_with(".cpp"))
            .collect();
        sources.sort();
        let include: String =
            (0..WIDTH).map(|krate| format!(" -Icrates/c{krate:02}/include")).collect();
        let compile = format!("{clang} -O0 -Iinclude{include} -c");
        let objects: Vec<String> = (0..sources.len()).map(|n| format!("o{n}.o")).collect();
        let all = objects.join(" ");
        let mut make = format!("prog: {all}\n\t{clang} {all} -o prog\n");
        let mut ninja = format!(
            "rule cc\n command = {compile} $in -o $out\nrule ld\n command = {clang} $in -o $out\n"
        );
        for (source, object) in sources.iter().zip(&objects) {
            let _ = writeln!(make, "{object}: {source}\n\t{compile} {source} -o {object}");
            let _ = writeln!(ninja, "build {object}: cc {source}");
        }
        let _ = writeln!(ninja, "build prog: ld {all}");
        space.write("Makefile", make);
        space.write("build.ninja", ninja);
        Some(PlainBuild { space, expected: workspace.expected })
    }

    /// A clean build in the group.
    fn build(&self, group: &Cgroup, line: &CommandLine) -> Confined {
        for name in self.space.root().read_dir_utf8().expect("the space is ours").flatten() {
            if name.path().extension() == Some("o") || name.file_name() == "prog" {
                let _ = std::fs::remove_file(name.path());
            }
        }
        run_in(group, &self.space, line.command(&self.space))
    }

    #[track_caller]
    fn expect_built(&self, confined: Confined) -> Confined {
        let run = confined.run.clone().expect_ok();
        let printed = self.space.built("prog").expect_ok().stdout;
        assert_eq!(printed, self.expected, "{run}");
        confined
    }
}

/// The peak of the tool with one job and with eight, bytes, measured once, because all tools start
/// the same compilers.
fn needs(plain_build: &PlainBuild, tool: &Found) -> Option<(u64, u64)> {
    // Each test that calls this reports its own skip.
    drop(Cgroup::new(PLENTY)?);
    static NEEDS: OnceLock<Option<(u64, u64)>> = OnceLock::new();
    *NEEDS.get_or_init(|| {
        let peak = |jobs: &str| {
            let group = Cgroup::new(PLENTY)?;
            let confined = plain_build.build(&group, &CommandLine::new([tool.path.as_str(), jobs]));
            plain_build.expect_built(confined).peak
        };
        Some((peak("-j1")?, peak("-j8")?))
    })
}

/// The plain tool is killed in a group with room for two of its eight jobs, and succeeds under
/// `exec`.
fn survives(tool: Tool) {
    let Some(tool) = find(tool) else { return };
    let Some(plain_build) = PlainBuild::new() else { return };
    let Some((one, eight)) = needs(&plain_build, &tool) else { return };
    // The reserve of `exec` is added.
    let limit = 5 * one / 2 + 64 * MIB;
    assert!(limit < eight, "eight jobs of {tool:?} take {} MiB: no test of memory", eight >> 20);
    let plain = CommandLine::new([tool.path.as_str(), "-j8"]);

    let group = Cgroup::new(limit).expect("there was one before");
    let confined = plain_build.build(&group, &plain);
    assert!(
        confined.kills > 0 && !confined.run.status.success(),
        "it survives by itself: {}",
        confined.run
    );

    let tender = tender_tests::program("tender");
    // A client gets its number of jobs from the pool; a tool with an option of its own is outside
    // of it.
    let by_pool =
        CommandLine::new([tool.path.as_str()]).under([tender.as_str(), "exec", "-j8", "--"]);
    let memory = format!("{}Mi", limit >> 20);
    let by_itself = plain.under([tender.as_str(), "exec", "--memory", &memory, "--"]);
    for line in [by_pool, by_itself] {
        let group = Cgroup::new(limit).expect("there was one before");
        let confined = plain_build.expect_built(plain_build.build(&group, &line));
        assert_eq!(confined.kills, 0, "{}", confined.run);
    }
}

#[test]
fn make_survives_below_exec_with_little_memory() {
    survives(Tool::Make44);
}

#[test]
fn ninja_survives_below_exec_with_little_memory() {
    survives(Tool::Ninja);
}

/// With a budget, and no other limit: the tree stays within the budget, and is faster than with one
/// job.
#[test]
fn budget_is_kept_where_memory_is_plenty() {
    let Some(tool) = find(Tool::Ninja) else { return };
    let Some(plain_build) = PlainBuild::new() else { return };
    let Some((one, eight)) = needs(&plain_build, &tool) else { return };
    let (budget, tender) = (3 * one, tender_tests::program("tender"));
    assert!(budget < eight);
    let memory = format!("{budget}B");
    let line = CommandLine::new([tool.path.as_str()]).under([
        tender.as_str(),
        "exec",
        "-j8",
        "--memory",
        &memory,
        "--",
    ]);
    let Some(group) = Cgroup::new(PLENTY) else { return };
    let Confined { peak, run, .. } = plain_build.expect_built(plain_build.build(&group, &line));
    let peak = peak.expect("it was known before");
    assert!(peak < budget + one, "{} MiB were used of {}: {run}", peak >> 20, budget >> 20);
}

/// The memory of a job of [`most_at_once`], which is the expected size of an unknown job, and the
/// number of jobs with room.
const JOB: u64 = 192 * MIB;
const ROOM: u64 = 2;

/// The largest number of jobs that a make below `exec -j8` had begun and not ended, with memory for
/// two of them. Each logs its start before it allocates. They last until `meet` have run at once,
/// so that as many are counted as were started.
fn most_at_once(make: &Found, jobs: &str, meet: usize) -> usize {
    let space = TestSpace::new();
    let probes = Probes::new(&space, meet);
    let rules: String = (0..8)
        .map(|number| {
            let step =
                [probe().as_str(), "fill", &JOB.to_string(), "sleep", "50"].map(str::to_owned);
            let job = step
                .into_iter()
                .fold(probes.job(&format!("make.{number}")), |job, word| job.arg(&word));
            format!("all: job{number}\njob{number}:\n\t@{}\n", job.shell())
        })
        .collect();
    space.write("Makefile", rules);
    std::fs::create_dir(space.path(".runtime")).expect("the space is ours");
    let runtime = format!("XDG_RUNTIME_DIR={}", space.path(".runtime"));
    // One more job lacks memory of half a job.
    let memory = format!("{}B", ROOM * JOB + JOB / 2);
    let tender = tender_tests::program("tender");
    let words = ["env", &runtime, tender.as_str(), "exec", "-j8", "--memory", &memory, "--"];
    let run = CommandLine::new([make.path.as_str(), jobs]).under(words).run(&space).expect_ok();
    expect_whole_pool(&run);
    let log = probes.log();
    assert_eq!(log.finished(), 8, "{run}");
    log.most_at_once()
}

/// A client of the pool gets no token for a job without room, so it never starts one. A tool
/// outside of the pool starts all its jobs, and those without room are stopped. So the client is
/// not limited by stopping.
#[test]
fn client_gets_no_tokens_for_jobs_that_have_no_memory() {
    let Some(make) = find(Tool::Make44) else { return };
    let as_client = most_at_once(&make, "-k", 2);
    // One job is started on a token that was taken just before.
    assert!((2..=3).contains(&as_client), "{as_client} jobs at once, with memory for {ROOM}");
    let outside = most_at_once(&make, "-j8", 4);
    assert!(outside >= 4, "{outside} jobs at once, though nothing but stopping holds them back");
}

#[test]
fn exec_says_which_budget_it_keeps_to_and_what_was_used() {
    let space = TestSpace::new();
    let exec = |words: &[&str]| {
        let words = [&["exec"][..], words, &["--", "true"]].concat();
        space.tender(&words).expect_ok()
    };
    let says = ["note: memory budget: 100 MiB, by --memory; ", "note: memory of `true`: peak "];
    exec(&["-v", "--memory", "100Mi"]).expect_stderr(&says);
    exec(&["-v"]).expect_stderr(&["note: memory budget: ", ", all but a reserve; "]);
    exec(&["-v", "--memory", "off"]).expect_stderr(&["note: memory budget: off, by --memory"]);
    assert_eq!(exec(&["--memory", "100Mi"]).stderr, "");
    let too_much = exec(&["--memory", "900T"]);
    too_much.expect_stderr(&[
        "warning: the memory budget of ",
        " is more than the available memory; tender uses ",
    ]);
}

/// With a budget and without one: the warning says in both cases why a compiler was killed.
#[test]
fn exec_says_that_the_kernel_has_killed() {
    for words in [&["exec"][..], &["exec", "--memory", "off"]] {
        let Some(group) = Cgroup::new(64 * MIB) else { return };
        let space = TestSpace::new();
        let command = space.command(&[words, &["--", "tail", "/dev/zero"]].concat());
        let Confined { run, kills, .. } = run_in(&group, &space, command);
        assert_eq!(kills, 1, "{run}");
        run.expect_stderr(&[
            "warning: 1 process of `tail` was killed by the kernel for memory; peak ",
        ]);
    }
}

/// The job lasts until the warning was printed, so the warning is not only printed at the end.
#[test]
fn exec_says_when_one_job_needs_more_than_the_budget() {
    let space = TestSpace::new();
    let (probe, need) = (probe(), (96 * MIB).to_string());
    let words =
        ["exec", "-j4", "--memory", "64Mi", "--", probe.as_str(), "fill", &need, "await", "seen"];
    let stderr = std::fs::File::create(space.path("err")).expect("the space is ours");
    let mut command = space.command(&words);
    command.current_dir(space.root()).stderr(stderr);
    let mut running = command.spawn().expect("tender starts");
    // Only a failing test waits that long.
    let patience = Instant::now() + Duration::from_secs(60);
    while !space.read("err").ends_with('\n') && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = space.read("err");
    space.write("seen", "");
    assert!(running.wait().expect("it is ours").success());
    let end = " more than its memory budget of 64 MiB by --memory, and tender can stop none of its jobs; raise --memory, or make \
               its jobs smaller\n";
    assert!(
        said.starts_with("warning: `") && said.contains(" (its largest process, `probe`, "),
        "{said}"
    );
    assert!(said.ends_with(end), "{said}");
    assert_eq!(space.read("err"), said, "once");
}
