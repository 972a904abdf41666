//! Trees of build tools whose leaves are probe jobs: for each tool, the files by which it runs jobs
//! and other trees.

use super::members::{MARK, members};
use super::{Found, Log, Tool};
use crate::programs::profile_directory;
use crate::run::Run;
use crate::space::TestSpace;
use camino::Utf8PathBuf;
use rustix::process::{Signal, kill_process};
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Variables that change how these tools run, besides those that change `tender`.
const CLEARED: &[&str] = &[
    "GNUMAKEFLAGS",
    "NINJA_STATUS",
    "CARGO_BUILD_JOBS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
];

/// Only a hang takes so long: longer than jobs wait for others.
const HANG: Duration = Duration::from_secs(120);

/// The settings of all jobs of the trees in one space.
pub struct Probes<'a> {
    space: &'a TestSpace,
    log: &'static str,
    meet: usize,
    pause_ms: u64,
}

impl<'a> Probes<'a> {
    /// Jobs that last until `meet` of them have run at once, and for the usual pause.
    pub fn new(space: &'a TestSpace, meet: usize) -> Probes<'a> {
        // The pause: a tool that starts too many jobs does so within it, while the jobs that have
        // met still run.
        Probes { space, log: "probes.log", meet, pause_ms: 50 }
    }

    /// With a pause of `ms` milliseconds.
    pub fn lasting(self, pause_ms: u64) -> Probes<'a> {
        Probes { pause_ms, ..self }
    }

    /// With a log of their own, separate from other probes in the same space.
    pub fn apart(self, log: &'static str) -> Probes<'a> {
        Probes { log, ..self }
    }

    /// The log so far.
    #[track_caller]
    pub fn log(&self) -> Log {
        Log::read(&self.path())
    }

    /// Removes the log, for another round in the same space.
    pub fn forget(&self) {
        if self.path().exists() {
            std::fs::remove_file(self.path()).expect("the log is ours");
        }
    }

    fn path(&self) -> Utf8PathBuf {
        self.space.path(self.log)
    }

    /// The command of a single job, for commands outside of trees. `COMMAND...` may follow.
    pub fn job(&self, id: &str) -> CommandLine {
        let program = profile_directory().join("probe-job");
        assert!(
            program.is_file(),
            "there is no program {program}: `cargo build -p tender-tests` makes it"
        );
        let (ms, meet) = (self.pause_ms.to_string(), self.meet.to_string());
        CommandLine::new([program.as_str(), self.path().as_str(), id, &ms, &meet])
    }

    /// An executable script that runs `program`, if any, with its arguments, and as a probe job of
    /// `tree` if they include `words`. All of these jobs have the same id, and are told apart by
    /// their pids.
    fn wrapper(&self, path: &str, tree: &str, words: &str, program: &str) -> Utf8PathBuf {
        let job = self.job(&format!("{tree}.wrapped")).shell();
        let text = format!(
            "#!/bin/sh\ncase \" $* \" in\n*{words:?}*) exec {job} {program} \"$@\" ;;\nesac\nexec {program} \"$@\"\n"
        );
        self.space.write(path, text);
        let path = self.space.path(path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("the script is ours");
        path
    }
}

/// The words of a command. All paths in them are absolute, so that it runs in any directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    pub words: Vec<String>,
}

impl CommandLine {
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> CommandLine {
        CommandLine { words: words.into_iter().map(str::to_owned).collect() }
    }

    /// Appends a word, such as `-j3`.
    #[must_use]
    pub fn arg(mut self, word: &str) -> CommandLine {
        self.words.push(word.to_owned());
        self
    }

    /// Makes it the child of a command that runs the words after its own, such as `tender exec --`.
    #[must_use]
    pub fn under<'a>(self, host: impl IntoIterator<Item = &'a str>) -> CommandLine {
        let mut words = CommandLine::new(host).words;
        words.extend(self.words);
        CommandLine { words }
    }

    /// The command in the space, with a clean environment.
    pub fn command(&self, space: &TestSpace) -> Command {
        let mut command = Command::new(&self.words[0]);
        space.prepare(&mut command);
        for variable in CLEARED {
            command.env_remove(variable);
        }
        command.env(MARK, space.root()).args(&self.words[1..]);
        command
    }

    /// Runs it and waits for its end. Kills a tree that hangs; the message lists its processes.
    #[track_caller]
    pub fn run(&self, space: &TestSpace) -> Run {
        let started = space.start(self.command(space));
        let (finished, end) = mpsc::channel::<()>();
        let (run, hung) = std::thread::scope(|scope| {
            let watchdog = scope.spawn(move || {
                let mut hung = Vec::new();
                if end.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
                    hung = members(space);
                    for member in &hung {
                        // An error is ignored: some end when others do.
                        let _ = kill_process(member.pid, Signal::KILL);
                    }
                }
                hung
            });
            let run = started.finish();
            drop(finished);
            (run, watchdog.join().expect("the watchdog does not panic"))
        });
        assert_eq!(hung, [], "the tree hung; these processes were left: {run}");
        run
    }

    /// A command that runs `next` if this one succeeds.
    #[must_use]
    pub fn then(self, other: &CommandLine) -> CommandLine {
        CommandLine::new(["sh", "-c", &format!("{} && {}", self.shell(), other.shell())])
    }

    /// For a shell.
    pub fn shell(&self) -> String {
        shlex::try_join(self.words.iter().map(String::as_str)).expect("no word has a zero byte")
    }

    /// For a shell, below a tool that reads `$` itself.
    fn recipe(&self) -> String {
        self.shell().replace('$', "$$")
    }
}

impl Found {
    /// Writes into the directory `name` the files by which this tool runs `jobs` probe jobs with
    /// the ids `NAME.0` and so on, and `children`, all of them as soon as it can. Returns its
    /// command, which has no `-j`.
    pub fn tree(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        match self.tool {
            Tool::Make43 | Tool::Make44 => self.makefile(probes, name, jobs, children),
            Tool::NinjaOld | Tool::Ninja | Tool::NinjaKitware => {
                self.build_ninja(probes, name, jobs, children)
            }
            Tool::Cargo => self.cargo_workspace(probes, name, jobs, children),
            Tool::Gcc => self.lto_link(probes, name, jobs, children),
            Tool::Tender => self.tender_workspace(probes, name, jobs, children),
        }
    }

    /// Children have `+`, without which they get no jobserver.
    fn makefile(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        let mut rules = String::new();
        let mut all = "all:".to_owned();
        for (number, child) in children.iter().enumerate() {
            let _ = write!(all, " child{number}");
            let _ = write!(rules, "child{number}:\n\t+@{}\n", child.recipe());
        }
        for number in 0..jobs {
            let _ = write!(all, " job{number}");
            let _ = write!(
                rules,
                "job{number}:\n\t@{}\n",
                probes.job(&format!("{name}.{number}")).recipe()
            );
        }
        let file = format!("{name}/Makefile");
        probes.space.write(&file, format!("{all}\n{rules}"));
        CommandLine::new([self.path.as_str(), "-f", probes.space.path(&file).as_str()])
    }

    fn build_ninja(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        let directory = probes.space.path(name);
        let mut text = format!("builddir = {directory}\nrule run\n  command = $words\n");
        let own = (0..jobs).map(|number| probes.job(&format!("{name}.{number}")));
        for (number, job) in children.iter().cloned().chain(own).enumerate() {
            // The output is never written, so it runs each time.
            let _ = write!(text, "build {directory}/{number}: run\n  words = {}\n", job.recipe());
        }
        let file = format!("{name}/build.ninja");
        probes.space.write(&file, text);
        CommandLine::new([self.path.as_str(), "-f", probes.space.path(&file).as_str()])
    }

    /// Probe jobs replace the compilers of crates, through a wrapper. Build scripts run the
    /// children; they get no MAKEFLAGS, and pass CARGO_MAKEFLAGS on, as scripts that run make do.
    /// The wrapper is only for this tree, not for a cargo below it.
    fn cargo_workspace(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        let space = probes.space;
        let profile = "debug = false\nincremental = false\ncodegen-units = 1\n";
        space.write(
            &format!("{name}/Cargo.toml"),
            format!(
                "[workspace]\nresolver = \"2\"\nmembers = [\"k*\"]\n[profile.dev]\n{profile}[profile.dev.build-override]\n\
                 debug = false\ncodegen-units = 1\n"
            ),
        );
        let package = |krate: &str| {
            let text =
                format!("[package]\nname = \"{krate}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
            space.write(&format!("{name}/{krate}/Cargo.toml"), text);
            space.write(&format!("{name}/{krate}/src/lib.rs"), "");
        };
        (0..jobs).for_each(|number| package(&format!("kjob{number}")));
        for (number, child) in children.iter().enumerate() {
            let krate = format!("kchild{number}");
            package(&krate);
            let text = format!(
                "fn main() {{\n    let flags = std::env::var(\"CARGO_MAKEFLAGS\").unwrap_or_default();\n    \
                 let status = std::process::Command::new({:?}).args({:?} as [&str; {}])\n        \
                 .env(\"MAKEFLAGS\", flags).env_remove(\"RUSTC_WRAPPER\").status().unwrap();\n    \
                 assert!(status.success());\n}}\n",
                child.words[0],
                &child.words[1..],
                child.words.len() - 1
            );
            space.write(&format!("{name}/{krate}/build.rs"), text);
        }
        let wrapper = probes.wrapper(&format!("{name}/wrapper"), name, " --crate-name kjob", "");
        let directory = space.path(name);
        CommandLine::new([
            self.path.as_str(),
            "build",
            "--offline",
            "--manifest-path",
            directory.join("Cargo.toml").as_str(),
            "--target-dir",
            directory.join("target").as_str(),
            "--config",
            &format!("build.rustc-wrapper={:?}", wrapper.as_str()),
        ])
    }

    /// Probe jobs are the back ends of a link, one for each source file: gcc finds our wrapper of
    /// the program for its steps first.
    fn lto_link(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        assert!(jobs > 0 && children.is_empty(), "a link runs back ends, and nothing else");
        let space = probes.space;
        let mut command = Command::new(&self.path);
        space.prepare(&mut command);
        command.arg("-print-prog-name=lto1");
        let lto1 = space.run(command).expect_ok().stdout;
        probes.wrapper(&format!("{name}/bin/lto1"), name, " -fltrans ", lto1.trim_end());
        let directory = space.path(name);
        let mut line = CommandLine::new([
            self.path.as_str(),
            "-O1",
            "-flto=jobserver",
            "-flto-partition=1to1",
            "-B",
            directory.join("bin/").as_str(),
            "-o",
            directory.join("program").as_str(),
        ]);
        for number in 0..jobs {
            let function = if number == 0 { "main".to_owned() } else { format!("f{number}") };
            let file = format!("{name}/f{number}.c");
            space.write(
                &file,
                format!("__attribute__((used, noinline)) int {function}(void) {{ return 0; }}\n"),
            );
            line = line.arg(space.path(&file).as_str());
        }
        line
    }

    /// Probe jobs and children are `[[generate]]` commands of crates, each of which also has one
    /// small source file.
    fn tender_workspace(
        &self,
        probes: &Probes,
        name: &str,
        jobs: usize,
        children: &[CommandLine],
    ) -> CommandLine {
        let space = probes.space;
        space.write(&format!("{name}/Tender.toml"), "[workspace]\nmembers = [\"k*\"]\n");
        let own = (0..jobs).map(|number| probes.job(&format!("{name}.{number}")));
        for (number, job) in children.iter().cloned().chain(own).enumerate() {
            let krate = format!("k{number}");
            let run = format!("{} && : > \"$OUT_DIR/done.h\"", job.shell());
            let text = format!(
                "[package]\nname = \"{krate}\"\n[[generate]]\nrun = [\"sh\", \"-c\", {run:?}]\noutputs = [\"$OUT_DIR/done.h\"]\n"
            );
            space.write(&format!("{name}/{krate}/Tender.toml"), text);
            space.write(&format!("{name}/{krate}/src/unit.c"), format!("int {krate};\n"));
        }
        CommandLine::new([self.path.as_str(), "-C", space.path(name).as_str(), "build"])
    }
}
