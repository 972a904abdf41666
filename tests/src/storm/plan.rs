//! The plan of a round, drawn from a seed. Knows no processes.

use super::host::{Form, Host};
use crate::interop::Tool;
use crate::random::Random;
use rustix::process::Signal;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// One round; the same for the same seed on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub(super) host: Host,
    /// Job slots of the pool, whichever tool hosts it.
    pub(super) slots: usize,
    pub(super) keep_going: bool,
    pub(super) strikes: Vec<Strike>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    /// Time after the strike before, or after the start.
    pub(super) after: Duration,
    pub(super) victim: Victim,
    pub(super) action: Action,
    /// Selects one of the existing processes.
    pub(super) pick: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Victim {
    Worker,
    /// A make or a ninja that a process in the tree started.
    Tool,
    /// A tender that a process in the tree started.
    Inner,
    /// Any other process: shells, jobs, linkers.
    Leaf,
    /// The watchdog of a tender. Guarantees require that one of the two lives, see
    /// `docs/jobserver.md`: it is not killed in a storm in which a tender is.
    Watchdog,
    /// The command that the round started.
    Outermost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Signal(Signal),
    /// To the process group of the outermost command, as a terminal does.
    GroupSignal(Signal),
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
}

/// Each occurs twice in twenty rounds, once in a storm that ends with SIGKILL for the outermost
/// command.
const HOSTS: [Host; 10] = [
    Host::Build,
    Host::BuildUnder(Form::Fifo),
    Host::Make { tool: Tool::Make43, is_pipe: true },
    Host::ExecUnder(Form::Fifo, Tool::Make43),
    Host::BuildUnder(Form::Pipe),
    Host::Exec(Tool::Ninja),
    Host::ExecUnder(Form::Pipe, Tool::Make44),
    Host::Make { tool: Tool::Make44, is_pipe: false },
    Host::ExecUnder(Form::Fifo, Tool::Tender),
    Host::ExecUnder(Form::Pipe, Tool::NinjaKitware),
];

const VICTIMS: [Victim; 14] = [
    Victim::Worker,
    Victim::Worker,
    Victim::Worker,
    Victim::Tool,
    Victim::Tool,
    Victim::Tool,
    Victim::Inner,
    Victim::Inner,
    Victim::Leaf,
    Victim::Leaf,
    Victim::Leaf,
    Victim::Watchdog,
    Victim::Outermost,
    Victim::Outermost,
];

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let mut random = Random::new(seed);
        let count = HOSTS.len() as u64;
        let host = HOSTS[(seed % count) as usize];
        let slots = random.one_of(&[2, 3, 4]);
        let keep_going = random.below(2) == 0;
        // After many strikes there may be no process for the last one.
        let ends_all = (seed / count) % 2 == 1;
        let strikes = if ends_all { random.below(4) } else { 2 + random.below(6) };
        let mut strikes: Vec<Strike> = (0..strikes).map(|nth| strike(&mut random, nth)).collect();
        if ends_all {
            let of_watchdog = strikes.iter_mut().filter(|strike| strike.victim == Victim::Watchdog);
            of_watchdog.for_each(|strike| strike.action = Action::Stop(Duration::from_millis(50)));
            let action = Action::Signal(Signal::KILL);
            let nth = strikes.len() as u64;
            strikes.push(Strike { victim: Victim::Outermost, action, ..strike(&mut random, nth) });
        }
        Plan { seed, host, slots, keep_going, strikes }
    }
}

fn strike(random: &mut Random, nth: u64) -> Strike {
    let victim = random.one_of(&VICTIMS);
    let stop = Action::Stop(Duration::from_millis(20 + random.below(200)));
    let [kill, abort, fault, interrupt, terminate, hang_up] =
        [Signal::KILL, Signal::ABORT, Signal::SEGV, Signal::INT, Signal::TERM, Signal::HUP]
            .map(Action::Signal);
    let as_terminal = Action::GroupSignal(Signal::INT);
    let action = match victim {
        Victim::Outermost => {
            random.one_of(&[stop, interrupt, terminate, hang_up, as_terminal, as_terminal, abort])
        }
        Victim::Watchdog => random.one_of(&[kill, kill, stop]),
        _ => random.one_of(&[
            kill, kill, kill, abort, fault, stop, stop, interrupt, interrupt, terminate, hang_up,
        ]),
    };
    // The first may be sent before anything has started, and a pause may be 0.
    let pause_us = if nth == 0 { random.below(500_000) } else { random.below(150_000) };
    Strike { after: Duration::from_micros(pause_us), victim, action, pick: random.below(1 << 32) }
}

impl Strike {
    /// By SIGKILL, after which the watchdog of a tender does everything.
    pub(super) fn kills(&self) -> bool {
        matches!(self.action, Action::Signal(Signal::KILL | Signal::ABORT | Signal::SEGV))
    }
}

impl Action {
    /// Without the durations.
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::Signal(signal) => name(signal),
            Action::GroupSignal(_) => "SIGINT to the group",
            Action::Stop(_) => "SIGSTOP",
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Signal(signal) => f.write_str(name(*signal)),
            Action::GroupSignal(signal) => write!(f, "{} to its group", name(*signal)),
            Action::Stop(time) => write!(f, "SIGSTOP for {} ms", time.as_millis()),
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Plan { seed, host, slots, keep_going, strikes } = self;
        write!(
            f,
            "storm of seed {seed}: {host:?}, {slots} slots, keep going: {keep_going}; planned:"
        )?;
        for Strike { after, victim, action, .. } in strikes {
            write!(f, " +{} ms {victim:?} {action};", after.as_millis())?;
        }
        Ok(())
    }
}

fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::KILL => "SIGKILL",
        Signal::ABORT => "SIGABRT",
        Signal::SEGV => "SIGSEGV",
        Signal::INT => "SIGINT",
        Signal::TERM => "SIGTERM",
        Signal::HUP => "SIGHUP",
        _ => "a signal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_of_twenty_rounds_have_every_host_twice_and_every_strike() {
        let plans: Vec<Plan> = (0..20).map(Plan::new).collect();
        assert_eq!(plans, (0..20).map(Plan::new).collect::<Vec<_>>());
        for host in HOSTS {
            let of_host: Vec<&Plan> = plans.iter().filter(|plan| plan.host == host).collect();
            let kills_all = |plan: &Plan| {
                let last = plan.strikes.last().unwrap();
                last.victim == Victim::Outermost && last.action == Action::Signal(Signal::KILL)
            };
            assert_eq!(
                of_host.iter().map(|plan| kills_all(plan)).collect::<Vec<_>>(),
                [false, true]
            );
        }
        let all: Vec<Strike> = plans.iter().flat_map(|plan| plan.strikes.clone()).collect();
        for victim in VICTIMS {
            assert!(all.iter().any(|strike| strike.victim == victim), "{victim:?}");
        }
        for signal in
            [Signal::KILL, Signal::ABORT, Signal::SEGV, Signal::INT, Signal::TERM, Signal::HUP]
        {
            assert!(
                all.iter().any(|strike| strike.action == Action::Signal(signal)),
                "{}",
                name(signal)
            );
        }
        assert!(all.iter().any(|strike| matches!(strike.action, Action::Stop(_))));
        assert!(all.iter().any(|strike| matches!(strike.action, Action::GroupSignal(_))));
    }
}
