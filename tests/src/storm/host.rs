//! The command under which the build of a round runs, and so the host of its pool.

use crate::TestSpace;
use crate::interop::{CommandLine, Found, Pool, Probes, Tool, find};
use crate::programs::program;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// `tender build -jN`.
    Build,
    /// `tender build`, in a pool of the test's.
    BuildUnder(Form),
    /// `make -jN` with `+tender build`.
    Make { tool: Tool, is_pipe: bool },
    /// `tender exec -jN -- TOOL` with `tender build` below.
    Exec(Tool),
    /// `tender exec -- TOOL`, in a pool of the test's.
    ExecUnder(Form, Tool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Fifo,
    Pipe,
}

/// The allowed exit codes of a host's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Besides 0.
    pub(super) codes: &'static [i32],
    /// Also with 128 + n after a signal n.
    pub(super) as_shells: bool,
    /// After an interrupt, 0 does not mean success.
    pub(super) hides_interrupts: bool,
}

/// The tools of this machine.
pub(super) struct Kit {
    tools: Vec<Found>,
}

impl Kit {
    pub(super) fn new() -> Kit {
        let wanted =
            [Tool::Make43, Tool::Make44, Tool::Ninja, Tool::NinjaKitware, Tool::Gcc, Tool::Tender];
        Kit { tools: wanted.into_iter().filter_map(find).collect() }
    }

    pub(super) fn get(&self, tool: Tool) -> Option<&Found> {
        self.tools.iter().find(|found| found.tool == tool)
    }

    /// A make that can share a pool with commands of a build, whichever `PATH` finds.
    pub(super) fn make(&self) -> Option<&Found> {
        self.get(Tool::Make43).or_else(|| self.get(Tool::Make44))
    }

    pub(super) fn tender(&self) -> &Found {
        self.get(Tool::Tender).expect("it is the program under test")
    }
}

impl Host {
    /// The same, but only with installed tools.
    pub(super) fn on_this_machine(self, kit: &Kit) -> Host {
        let there = |tool: Tool| {
            kit.get(tool).map(|found| found.tool).or(kit.make().map(|found| found.tool))
        };
        match self {
            Host::Make { tool, is_pipe } => match there(tool) {
                Some(tool) => Host::Make { tool, is_pipe },
                None => Host::Build,
            },
            Host::Exec(tool) => Host::Exec(there(tool).unwrap_or(Tool::Tender)),
            Host::ExecUnder(form, tool) => {
                Host::ExecUnder(form, there(tool).unwrap_or(Tool::Tender))
            }
            Host::Build | Host::BuildUnder(_) => self,
        }
    }

    /// The build below this host, and the pool if the test hosts it. Tools have a few jobs of their
    /// own beside the build.
    pub(super) fn around(
        self,
        kit: &Kit,
        space: &TestSpace,
        probes: &Probes,
        build: CommandLine,
        slots: usize,
    ) -> (CommandLine, Option<Pool>) {
        let found = |tool| kit.get(tool).expect("it was chosen because it is there");
        let jobs = format!("-j{slots}");
        let inner = |tool, build: CommandLine| match tool {
            Tool::Tender => build,
            _ => found(tool).tree(probes, "host", 3, &[build]),
        };
        let in_pool = |form, line: CommandLine| {
            // Bytes that no client writes by itself.
            let bytes = &b"ABCDEFGH"[..slots - 1];
            let pool = match form {
                Form::Fifo => Pool::fifo(space, bytes),
                Form::Pipe => Pool::pipe(bytes),
            };
            (pool.around(line), Some(pool))
        };
        let exec = program("tender");
        match self {
            Host::Build => (build.arg(&jobs), None),
            Host::BuildUnder(form) => in_pool(form, build),
            Host::Make { tool, is_pipe } => {
                let line = found(tool).tree(probes, "host", 3, &[build]).arg(&jobs);
                let is_option = is_pipe && tool == Tool::Make44;
                (if is_option { line.arg("--jobserver-style=pipe") } else { line }, None)
            }
            Host::Exec(tool) => {
                (inner(tool, build).under([exec.as_str(), "exec", &jobs, "--"]), None)
            }
            Host::ExecUnder(form, tool) => {
                in_pool(form, inner(tool, build).under([exec.as_str(), "exec", "--"]))
            }
        }
    }

    pub(super) fn ends(self) -> Ends {
        let (codes, as_shells): (&[i32], bool) = match self {
            Host::Build | Host::BuildUnder(_) => (&[101], false),
            Host::Make { .. } => (&[2], false),
            Host::Exec(Tool::Tender) | Host::ExecUnder(_, Tool::Tender) => (&[101], true),
            // Upstream's ninja exits with the code of the failed job.
            Host::Exec(Tool::Ninja | Tool::NinjaKitware)
            | Host::ExecUnder(_, Tool::Ninja | Tool::NinjaKitware) => (&[1, 2, 101], true),
            Host::Exec(_) | Host::ExecUnder(..) => (&[2], true),
        };
        // Kitware's 1.13.0 exits with 0 after SIGINT, SIGTERM and SIGHUP, under any tool.
        let hides_interrupts = matches!(self, Host::Exec(tool) | Host::ExecUnder(_, tool) if tool == Tool::NinjaKitware);
        Ends { codes, as_shells, hides_interrupts }
    }
}
