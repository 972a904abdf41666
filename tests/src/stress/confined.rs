//! A command in a memory cgroup: its output, its exit, what it used, and kills by the kernel.

use crate::cgroup::Cgroup;
use crate::run::Run;
use crate::space::TestSpace;
use std::fs::File;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Only a hang takes so long: the slowest build of a workload takes a tenth of it.
const HANG: Duration = Duration::from_secs(180);

#[derive(Clone, Debug)]
pub struct Confined {
    pub run: Run,
    /// Processes in the group that the kernel killed for memory.
    pub kills: u64,
    /// The peak of the group, bytes, including file pages that could have been dropped.
    pub peak: Option<u64>,
    pub took: Duration,
}

/// A command that runs in a group. Dropping it kills all processes of the group.
pub struct Confining<'a> {
    child: Child,
    line: String,
    space: &'a TestSpace,
    group: &'a Cgroup,
    /// Several may exist at the same time.
    name: String,
    kills_before: u64,
    start: Instant,
}

/// Starts `command` in the space. `name` distinguishes it from others of this space.
///
/// Other builds on the machine and this one ignore each other's growth: its runtime directory is in
/// the space, unless `command` has one.
pub fn start_in<'a>(
    group: &'a Cgroup,
    space: &'a TestSpace,
    name: &str,
    mut command: Command,
) -> Confining<'a> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line = words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    if !command.get_envs().any(|(name, _)| name == "XDG_RUNTIME_DIR") {
        let runtime = space.path(".runtime");
        std::fs::create_dir_all(&runtime).expect("the space is ours");
        command.env("XDG_RUNTIME_DIR", runtime);
    }
    let file =
        |end: &str| File::create(space.path(&format!(".{name}.{end}"))).expect("the space is ours");
    command.stdout(file("out")).stderr(file("err"));
    group.confine(&mut command);
    let child = command.spawn().unwrap_or_else(|error| panic!("cannot run `{line}`: {error}"));
    let kills_before = group.oom_kills();
    Confining {
        child,
        line,
        space,
        group,
        name: name.to_owned(),
        kills_before,
        start: Instant::now(),
    }
}

/// Runs `command` and waits for its end.
///
/// # Panics
/// It hangs.
pub fn run_in(group: &Cgroup, space: &TestSpace, command: Command) -> Confined {
    start_in(group, space, "run", command).finish()
}

impl Confining<'_> {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// Its standard error so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.space.read_bytes(&format!(".{}.err", self.name))).into_owned()
    }

    /// Waits until it has ended, or until the time since its start is over. Returns whether it has
    /// ended.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        while !self.has_ended() {
            if self.start.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        true
    }

    /// # Panics
    /// It hangs.
    pub fn finish(mut self) -> Confined {
        if !self.ends_within(HANG) {
            panic!("`{}` hangs\n{}\n{}", self.line, self.said(), self.members());
        }
        let took = self.start.elapsed();
        let read = |end: &str| self.space.read_bytes(&format!(".{}.{end}", self.name));
        let (stdout, stderr) = (read("out"), read("err"));
        let status = self.child.wait().expect("it has ended");
        let run = Run::new(
            self.line.clone(),
            Output { status, stdout, stderr },
            self.space.root().to_string(),
        );
        let kills = self.group.oom_kills() - self.kills_before;
        Confined { run, kills, peak: self.group.peak(), took }
    }

    /// The processes of the group, for messages: names and states.
    fn members(&self) -> String {
        let read = |pid: u32, file: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
        };
        let line = |pid: &u32| {
            let command = read(*pid, "cmdline").replace('\0', " ");
            let status = read(*pid, "status");
            let field = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            };
            format!(
                "{pid} {command}: {}, {}, waits in {}",
                field("State:"),
                field("VmRSS:"),
                read(*pid, "wchan")
            )
        };
        self.group.processes().iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Confining<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
