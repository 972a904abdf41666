//! The loop of a run: each test gets a job slot and a lease, its output is read, its end is seen, and
//! what it has left is killed. Decides nothing that `TestRun` can decide.

use super::attempt::{Attempt, AttemptCommand};
use super::capture::Captured;
use super::leftovers;
use super::memory::TestMemory;
use super::model::{AttemptResult, TestId, TestVerdict};
use super::run::{Order, TestRun};
use super::verdict::{AttemptFacts, MemoryKill};
use super::whole_pool::WholePool;
use crate::host::ask::ask;
use crate::host::error::{jobserver_error, system};
use crate::host::tools::Tools;
use crate::host::{self, EngineError, Guard, Slots, jobs_of, parent_is_gone, too_many, unsettled};
use crate::keys::{ChildId, ItemId};
use crate::memory::Budget;
use crate::sys::clock::now_us;
use crate::sys::process::{
    Exit, Jobs, KILLED_WITHIN, Leftovers, Process, prepare_this_process, reap_orphans,
};
use crate::sys::signals::{Signals, named, stop_this_process};
use crate::sys::watch::Watch;
use crate::sys::{family::Member, group};
use crate::tokens::{Admission, AdmitError, ChildKind, Fifos, Parent, Pool, Settled, Surplus};
use camino::Utf8PathBuf;
use mio::Interest;
use rustix::fd::AsFd;
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tender_units::Micros;

/// How long to wait at most.
const TICK: Duration = Duration::from_millis(100);

/// Processes of a test that run when it has ended get this time to end. A test may have told them
/// to, and not waited.
const LEAK_GRACE_US: Micros = Micros::from_millis(500);

/// How often they are looked for meanwhile.
const LEAK_LOOK_US: Micros = Micros::from_millis(20);

/// Output that is read after the end of a test, in units of [`Attempt::read`]: the pipes may have
/// another writer.
const MOST_READS: usize = 64;

/// Which of a test's processes, of which new ones may start meanwhile, are killed in how many rounds.
const MOST_KILLS: usize = 20;

/// What surrounds a run.
#[derive(Clone, Debug)]
pub struct RunnerPlace {
    /// The file of what tests took in earlier runs, if that is kept.
    pub history: Option<Utf8PathBuf>,
    /// A variable that marks the processes of each test.
    pub mark: &'static str,
    /// Children of this process that are no tests.
    pub beside: BTreeSet<u32>,
}

/// Runs tests as jobs of a pool.
pub struct Runner {
    pool: Pool<Fifos, Parent>,
    guard: Guard,
    watch: Watch<Readable>,
    signals: Signals,
    memory: TestMemory,
    /// The versions of make and the like, which tests may start.
    tools: Tools,
    /// The slots of a program that has all.
    whole: Option<WholePool>,
    mark: &'static str,
    /// Children of this process that are no tests.
    beside: BTreeSet<u32>,
    /// Attempts that have started.
    started: u32,
    /// The signal that ended the run.
    interrupted: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readable {
    Signals,
    Parent,
    Attempt(ItemId),
    /// The port of an attempt, to which it returns tokens.
    Port(ItemId),
}

/// A test to be run.
#[derive(Clone, Debug)]
pub(super) struct TestJob {
    /// In the history of memory.
    pub name: String,
    pub command: AttemptCommand,
}

/// What the loop reports.
pub(super) enum RunnerEvent<'a> {
    Started { test: TestId, attempt: u32, at_us: Micros },
    Slow { test: TestId, running: Duration },
    Ended { test: TestId, result: &'a AttemptResult, is_last: bool, at_us: Micros },
    Leftovers { names: &'a [String] },
    Warning { text: String },
}

/// How an attempt ended, from what is known of it.
pub(super) type Judge<'a> = &'a dyn Fn(TestId, &AttemptFacts<'_>) -> TestVerdict;

pub(super) type OnEvent<'a> = &'a mut dyn FnMut(RunnerEvent<'_>);

/// A run: what it is about, and what runs of it.
struct CurrentRun<'a> {
    jobs: &'a [TestJob],
    run: &'a mut TestRun,
    running: BTreeMap<ItemId, RunningAttempt>,
    judge: Judge<'a>,
    report: OnEvent<'a>,
}

struct RunningAttempt {
    test: TestId,
    attempt: Attempt,
    /// The variable in the environment of its processes: `NAME=VALUE`.
    mark: String,
    /// There may be more to read.
    is_hot: bool,
    /// When its end was seen, and processes of it ran.
    lingers_since: Option<Micros>,
    /// It was said that it returned more tokens than it took.
    told_of_surplus: bool,
}

impl Runner {
    /// Prepares this process, and opens the pool.
    ///
    /// # Errors
    /// The system does not let us, or the parent's pool cannot be joined.
    pub fn new(slots: Slots, budget: Budget, place: &RunnerPlace) -> Result<Runner, EngineError> {
        prepare_this_process().map_err(system("prepare for a child process"))?;
        let fifos = Fifos::new(Fifos::places_of_user());
        let (pool, guard) = slots.into_pool(fifos)?;
        let signals = Signals::take_over().map_err(system("take over signals"))?;
        let mut watch = Watch::new().map_err(system("create an epoll instance"))?;
        let failed = || system("watch a descriptor");
        watch.add(signals.as_fd(), Interest::READABLE, Readable::Signals).map_err(failed())?;
        if let Some(parent) = pool.lender() {
            watch.add(parent.as_fd(), Interest::READABLE, Readable::Parent).map_err(failed())?;
        }
        let memory = TestMemory::new(budget, place.history.as_deref());
        let (whole, mark, started, interrupted) = (None, place.mark, 0, None);
        let (tools, beside) = (Tools::default(), place.beside.clone());
        Ok(Runner {
            pool,
            guard,
            watch,
            signals,
            memory,
            tools,
            whole,
            mark,
            beside,
            started,
            interrupted,
        })
    }

    /// The signal that has ended a run.
    pub fn interrupted(&self) -> Option<i32> {
        self.interrupted
    }

    /// Returns all slots. Returns a warning if some could not be returned.
    pub fn finish(mut self) -> Option<String> {
        self.memory.finish();
        host::end(&mut self.pool, &self.guard)
    }

    /// Runs tests until `run` is over.
    ///
    /// # Errors
    /// The system or the jobserver fails.
    pub(super) fn run(
        &mut self,
        jobs: &[TestJob],
        run: &mut TestRun,
        judge: Judge<'_>,
        report: OnEvent<'_>,
    ) -> Result<(), EngineError> {
        self.whole = run.has_whole_pool().then(WholePool::default);
        let current = &mut CurrentRun { jobs, run, running: BTreeMap::new(), judge, report };
        self.ask_tools(current)?;
        loop {
            self.watch_memory(current, now_us());
            self.start_tests(current)?;
            if current.running.is_empty() && current.run.is_over() {
                break;
            }
            let timeout = self.end_round(current)?;
            let mut ready = self.watch.wait(timeout).map_err(system("wait for a test"))?;
            if ready.contains(&Readable::Signals) {
                self.handle_signals(current);
            }
            let hot = |one: &RunningAttempt| one.is_hot || one.lingers_since.is_some();
            let hot = current.running.iter().filter(|(_, one)| hot(one));
            ready.extend(hot.map(|(item, _)| Readable::Attempt(*item)));
            for item in attempts(&ready) {
                let Some(one) = current.running.get_mut(&item) else { continue };
                one.is_hot = one.attempt.read().map_err(system("read the output of a test"))?;
            }
            self.handle_ends(current)?;
            for order in current.run.due(now_us()) {
                self.execute(order, current);
            }
            let leaders = current.leaders(&self.others());
            reap_orphans(|pid| leaders.contains(&pid));
        }
        self.kill_leftovers(current.report);
        Ok(())
    }

    fn watch_memory(&mut self, current: &mut CurrentRun<'_>, now_us: Micros) {
        if now_us >= self.memory.next_us() {
            let groups = current.running.iter();
            let groups = groups.map(|(item, one)| (*item, one.attempt.process.pid()));
            let victim = self.memory.watch(&groups.collect::<Vec<_>>(), now_us);
            if let Some(one) = victim.and_then(|item| current.running.get(&item)) {
                current.run.kill_for_memory(one.test);
                kill_tree(&one.attempt.process);
            }
            self.pool.broker.limit_offers(self.memory.room_for_jobs());
        }
    }

    /// Asks for the versions of make and the like, if tests are clients of the jobserver.
    fn ask_tools(&mut self, current: &mut CurrentRun<'_>) -> Result<(), EngineError> {
        for job in current.jobs.iter().filter(|job| job.command.jobserver) {
            let command = &job.command;
            for stamp in self.tools.unknown(&command.words[0], &command.dir) {
                match ask(&stamp.path, &command.dir, &mut self.guard, &mut self.signals)? {
                    Ok(answer) => self.tools.learn(stamp, answer),
                    Err(signal) => {
                        self.interrupted.get_or_insert(signal);
                        current.run.interrupt(now_us());
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes back what tests have returned.
    fn collect(&mut self, current: &mut CurrentRun<'_>) -> Result<(), EngineError> {
        let surpluses = self.pool.broker.collect(|_| 0);
        for Surplus { child, tokens } in surpluses.map_err(jobserver_error)? {
            let ChildId::Command(item) = child else { continue };
            let Some(one) = current.running.get_mut(&item) else { continue };
            if !std::mem::replace(&mut one.told_of_surplus, true) {
                let name = current.jobs[one.test.0].name.clone();
                let text = too_many(&format!("the test `{name}`"), tokens);
                (current.report)(RunnerEvent::Warning { text });
            }
        }
        Ok(())
    }

    /// Charges the slot of a test that is about to start, with a port if it is to share others. None:
    /// no slot is free.
    fn admit(
        &mut self,
        item: ItemId,
        command: &AttemptCommand,
    ) -> Result<Option<Option<Admission>>, EngineError> {
        let child = ChildId::Command(item);
        // All slots are for a benchmark alone.
        if !command.jobserver || self.whole.is_some() {
            return Ok(self.pool.broker.charge(child).is_ok().then_some(None));
        }
        let kind = ChildKind::External(self.tools.dialect(&command.words[0], &command.dir));
        let hint = self.pool.hint();
        let admission = match self.pool.broker.admit(child, kind, hint) {
            Err(AdmitError::NoFreeSlot) => return Ok(None),
            Err(AdmitError::Port(error)) => return Err(jobserver_error(error)),
            Ok(admission) => admission,
        };
        if let Some(port) = self.pool.broker.port(child) {
            let added = self.watch.add(port.as_fd(), Interest::READABLE, Readable::Port(item));
            added.map_err(system("watch a FIFO"))?;
        }
        Ok(Some(Some(admission)))
    }

    /// Starts what has a slot and a lease.
    fn start_tests(&mut self, current: &mut CurrentRun<'_>) -> Result<(), EngineError> {
        let wanted = match (&self.whole, current.run.startable()) {
            (Some(whole), 1..) => whole.wanted(&self.pool),
            (_, startable) => u32::try_from(startable).unwrap_or(u32::MAX),
        };
        self.collect(current)?;
        let lost = self.pool.begin_round(wanted, now_us()).map_err(jobserver_error)?;
        if let Some(error) = lost {
            (current.report)(RunnerEvent::Warning { text: parent_is_gone(&error) });
        }
        while let Some(test) = current.run.next() {
            let (item, job) = (ItemId(self.started), &current.jobs[test.0]);
            if self.whole.as_mut().is_some_and(|whole| !whole.is_ready(&self.pool, now_us())) {
                break;
            }
            if self.pool.broker.free() == 0 || !self.memory.lease(item, &job.name) {
                break;
            }
            let Some(admission) = self.admit(item, &job.command)? else {
                self.memory.give_up(item);
                break;
            };
            self.started += 1;
            if let Some(whole) = &mut self.whole
                && let Some(slots) = whole.hold(&mut self.pool)
            {
                let all = self.pool.hint();
                let text = format!(
                    "other jobs run beside this: it has {slots} of the {all} slots of the pool"
                );
                (current.report)(RunnerEvent::Warning { text });
            }
            let mark = format!("{}.{}", std::process::id(), item.0);
            let mut command = job.command.clone();
            command.env.push((self.mark.to_owned(), mark.clone()));
            let entry = self.guard.entry()?;
            let attempt = current.run.started(test, now_us());
            (current.report)(RunnerEvent::Started { test, attempt, at_us: now_us() });
            let jobs = admission.as_ref().map_or_else(Jobs::default, jobs_of);
            match Attempt::start(&command, &jobs, entry) {
                Ok(attempt) => {
                    for fd in attempt.watched() {
                        let source = Readable::Attempt(item);
                        let added = self.watch.add(fd, Interest::READABLE, source);
                        added.map_err(system("watch a test"))?;
                    }
                    let mark = format!("{}={mark}", self.mark);
                    let one = RunningAttempt {
                        test,
                        attempt,
                        mark,
                        is_hot: false,
                        lingers_since: None,
                        told_of_surplus: false,
                    };
                    current.running.insert(item, one);
                }
                Err(error) => {
                    self.free(item);
                    self.memory.give_up(item);
                    let why = format!("`{}`: {error}", command.words[0]);
                    let none = Captured::default();
                    let facts = AttemptFacts {
                        end: Err(&why),
                        timed_out: None,
                        memory: None,
                        report: None,
                        stdout: &none,
                    };
                    let verdict = (current.judge)(test, &facts);
                    let nothing = (none, Captured::default(), None);
                    current.conclude(test, verdict, nothing, Vec::new());
                }
            }
        }
        Ok(())
    }

    /// Asks for slots that are missing. Returns how long to wait for events at most.
    fn end_round(&mut self, current: &CurrentRun<'_>) -> Result<Duration, EngineError> {
        let (run, running, now_us) = (&current.run, &current.running, now_us());
        // A slot for a test that waits for memory would be idle.
        let lacks = match (&self.whole, run.startable()) {
            (Some(whole), 1..) => whole.wanted(&self.pool),
            _ if self.pool.broker.free() > 0 => 0,
            (_, startable) => u32::try_from(startable).unwrap_or(u32::MAX),
        };
        let lacks = lacks.min(self.pool.max_additional());
        let whole_us = self.whole.as_ref().and_then(WholePool::deadline_us);
        let round_us = self.pool.end_round(lacks, now_us).map_err(jobserver_error)?;
        let lingers = running.values().any(|one| one.lingers_since.is_some());
        let look_us = lingers.then_some(now_us + LEAK_LOOK_US);
        let due = [round_us, whole_us, run.next_due_us(), look_us, Some(self.memory.next_us())];
        let next_us = due.into_iter().flatten().min().unwrap_or(Micros::MAX);
        if running.values().any(|one| one.is_hot) {
            return Ok(Duration::ZERO);
        }
        Ok(TICK.min(next_us.saturating_sub(now_us).duration()))
    }

    /// A program has ended. Returns what its account showed.
    fn free(&mut self, item: ItemId) -> Settled {
        self.watch.remove_source(Readable::Port(item));
        let settled = self.pool.broker.remove(ChildId::Command(item));
        if let Some(whole) = &mut self.whole {
            whole.release(&mut self.pool);
        }
        settled
    }

    fn handle_signals(&mut self, current: &mut CurrentRun<'_>) {
        for signal in self.signals.pending() {
            match signal {
                SIGCONT => {}
                SIGTSTP => {
                    let before_us = now_us();
                    let all = |signal| {
                        let running = current.running.values();
                        running.for_each(|one| one.attempt.process.signal_group(signal));
                    };
                    all(Signal::STOP);
                    stop_this_process();
                    all(Signal::CONT);
                    current.run.paused(now_us().saturating_sub(before_us));
                }
                other => {
                    self.interrupted.get_or_insert(other);
                    for order in current.run.interrupt(now_us()) {
                        self.execute(order, current);
                    }
                }
            }
        }
    }

    fn execute(&self, order: Order, current: &mut CurrentRun<'_>) {
        match order {
            Order::Slow(test, running) => {
                (current.report)(RunnerEvent::Slow { test, running });
            }
            Order::Ask(test) => {
                let signal = self.interrupted.map_or(Signal::TERM, named);
                if let Some(process) = current.process(test) {
                    process.signal_group(signal);
                    process.signal_group(Signal::CONT);
                }
            }
            Order::Kill(test) => {
                if let Some(process) = current.process(test) {
                    kill_tree(process);
                }
            }
        }
    }

    /// Sees which tests have ended, kills what they have left, and tells `run`.
    fn handle_ends(&mut self, current: &mut CurrentRun<'_>) -> Result<(), EngineError> {
        let failed = || system("wait for a test");
        let mut ended = Vec::new();
        for (item, one) in &current.running {
            if one.attempt.process.has_ended().map_err(failed())? {
                ended.push(*item);
            }
        }
        for item in ended {
            let mut others = current.leaders(&self.others());
            let Some(one) = current.running.get_mut(&item) else { continue };
            let leader = one.attempt.process.pid();
            others.remove(&leader);
            let is_stopped = current.run.is_stopped(one.test);
            let left = leftovers::of_test(leader, &one.mark, &others);
            let now_us = now_us();
            let since_us = *one.lingers_since.get_or_insert(now_us);
            if !left.is_empty() && !is_stopped && now_us < since_us + LEAK_GRACE_US {
                continue;
            }
            let leaked = if is_stopped { Vec::new() } else { names(&left) };
            kill_all(left, || leftovers::of_test(leader, &one.mark, &others));
            let Some(mut one) = current.running.remove(&item) else { continue };
            let exit = one.attempt.process.try_reap(Leftovers::Kill).map_err(failed())?;
            let exit = exit.expect("it has ended");
            group::wait_for_end(&one.attempt.process.take_killed(), KILLED_WITHIN);
            for _ in 0..MOST_READS {
                if !one.attempt.read().map_err(system("read the output of a test"))? {
                    break;
                }
            }
            self.watch.remove_source(Readable::Attempt(item));
            let name = &current.jobs[one.test.0].name;
            // What was killed could not return anything.
            if let Some(text) = unsettled(&format!("the test `{name}`"), self.free(item))
                && !is_stopped
                && !one.told_of_surplus
                && leaked.is_empty()
                && matches!(exit, Exit::Code(_))
            {
                (current.report)(RunnerEvent::Warning { text });
            }
            let by_kernel = exit == Exit::Signal(Signal::KILL.as_raw())
                && !is_stopped
                && self.memory.kernel_has_killed(item);
            let by_us = current.run.is_killed_for_memory(one.test);
            let peak = self.memory.peak(item);
            let memory = (by_us || by_kernel).then_some(MemoryKill { by_kernel, peak });
            let (stdout, stderr, found) = one.attempt.finish();
            let facts = AttemptFacts {
                end: Ok(exit),
                timed_out: current.run.timed_out(one.test),
                memory,
                report: found,
                stdout: &stdout,
            };
            let verdict = (current.judge)(one.test, &facts);
            let took =
                (verdict == TestVerdict::Passed && exit == Exit::Code(0)).then_some(since_us);
            let output = (stdout, stderr, found);
            let started_us = current.conclude(one.test, verdict, output, leaked);
            let took = took.map(|end_us| end_us.saturating_sub(started_us));
            self.memory.ended(item, &current.jobs[one.test.0].name, took);
        }
        Ok(())
    }

    /// Children of ours that are no tests.
    fn others(&self) -> BTreeSet<u32> {
        self.beside.iter().copied().chain(self.guard.pid()).collect()
    }

    /// Kills what runs when all tests have ended, and reports it.
    fn kill_leftovers(&self, report: OnEvent<'_>) {
        let ours = self.others();
        let left = leftovers::all(&ours);
        if left.is_empty() {
            return;
        }
        let names = names(&left);
        kill_all(left, || leftovers::all(&ours));
        reap_orphans(|pid| ours.contains(&pid));
        report(RunnerEvent::Leftovers { names: &names });
    }
}

impl CurrentRun<'_> {
    fn process(&self, test: TestId) -> Option<&Process> {
        let mut all = self.running.values();
        all.find(|one| one.test == test).map(|one| &one.attempt.process)
    }

    /// Children of ours that are no orphans.
    fn leaders(&self, others: &BTreeSet<u32>) -> BTreeSet<u32> {
        self.running
            .values()
            .map(|one| one.attempt.process.pid())
            .chain(others.iter().copied())
            .collect()
    }

    /// Tells `run` how an attempt ended, and reports it. Returns when it had started.
    fn conclude(
        &mut self,
        test: TestId,
        verdict: TestVerdict,
        (stdout, stderr, found): (Captured, Captured, Option<&'static str>),
        leaked: Vec<String>,
    ) -> Micros {
        let at_us = now_us();
        let ended = self.run.ended(test, &verdict, !leaked.is_empty());
        let result = AttemptResult {
            attempt: ended.attempt,
            has_failed: ended.has_failed,
            verdict,
            started_us: ended.started_us,
            wall_us: at_us.saturating_sub(ended.started_us),
            stdout,
            stderr,
            report: found,
            leaked,
        };
        let is_last = ended.is_last;
        (self.report)(RunnerEvent::Ended { test, result: &result, is_last, at_us });
        ended.started_us
    }
}

/// The attempts among what is ready, each once.
fn attempts(ready: &[Readable]) -> BTreeSet<ItemId> {
    let item = |source: &Readable| match source {
        Readable::Attempt(item) => Some(*item),
        Readable::Signals | Readable::Parent | Readable::Port(_) => None,
    };
    ready.iter().filter_map(item).collect()
}

/// Kills a test with all that it has started.
fn kill_tree(process: &Process) {
    leftovers::signal_below(process.pid(), Signal::KILL);
    process.signal_group(Signal::KILL);
}

fn names(members: &[Member]) -> Vec<String> {
    let mut names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
    names.sort();
    names
}

/// Kills processes, and those that they have started meanwhile.
fn kill_all(mut left: Vec<Member>, again: impl Fn() -> Vec<Member>) {
    for _ in 0..MOST_KILLS {
        if left.is_empty() {
            return;
        }
        leftovers::kill(&left);
        left = again();
    }
}
