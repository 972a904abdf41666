//! The state of a run: which test starts next, which is slow, timed out or retried, and when the run
//! ends. Pure: events and the time in, orders out. Knows no processes, pipes and slots.
//!
//! ```text
//! Waiting -> Running -> Done          Running -> Waiting: it failed and is retried, or was killed
//!                                     for memory, and is run alone
//! Waiting -> NotRun: the run was cancelled, by a failure or by a signal
//! ```

use super::model::{Failure, Outcome, TestId, TestVerdict};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;
use tender_units::Micros;

/// A process that was asked to end by a signal is killed after this time.
pub(super) const GRACE_US: Micros = Micros::from_secs(2);

/// How a run goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuiteOptions {
    /// How often a test that fails is run again.
    pub retries: u32,
    /// After a failure nothing new starts.
    pub fail_fast: bool,
    /// One test at a time.
    pub serial: bool,
    /// And that one has all slots of the pool.
    pub whole_pool: bool,
}

/// The times of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TestTimes {
    pub timeout: Option<Duration>,
    pub slow_after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TestState {
    Waiting,
    Running,
    Done(Outcome),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct RunningTest {
    started_us: Micros,
    next_slow_us: Micros,
    stop: Stop,
    timed_out: bool,
}

/// How far a test is on the way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// It was asked to end, and is killed at this time.
    Asked(Micros),
    Killed,
    /// Because memory was short.
    KilledForMemory,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Report that it has run for so long.
    Slow(TestId, Duration),
    /// Ask it to end: by the signal that ends the run, else by SIGTERM.
    Ask(TestId),
    /// Kill it and its descendants.
    Kill(TestId),
}

/// What an attempt that has ended leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttemptEnd {
    /// From 1.
    pub attempt: u32,
    /// An earlier attempt has failed; one that was killed for memory is none.
    pub has_failed: bool,
    pub is_last: bool,
    pub started_us: Micros,
}

#[derive(Debug)]
pub(super) struct TestRun {
    options: SuiteOptions,
    times: Vec<TestTimes>,
    states: Vec<TestState>,
    /// Attempts that have started.
    attempts: Vec<u32>,
    /// Tests that wait, those to be retried last.
    waiting: VecDeque<TestId>,
    running: BTreeMap<TestId, RunningTest>,
    /// Nothing new starts.
    cancelled: bool,
    /// Signals that ask for the end of the run.
    interrupts: u32,
    /// Tests that were killed because memory was short: each is run once more, while nothing else runs.
    alone: BTreeSet<TestId>,
    /// Of each test, the numbers of its locks. Empty: no test has one.
    locks: Vec<BTreeSet<usize>>,
}

impl TestRun {
    /// `skipped`: tests that do not run.
    pub fn new(options: SuiteOptions, times: Vec<TestTimes>, skipped: &[TestId]) -> TestRun {
        let mut states = vec![TestState::Waiting; times.len()];
        for test in skipped {
            states[test.0] = TestState::Done(Outcome::Skipped);
        }
        let waiting = (0..times.len()).map(TestId);
        let waiting = waiting.filter(|test| states[test.0] == TestState::Waiting).collect();
        let attempts = vec![0; times.len()];
        TestRun {
            options,
            times,
            states,
            attempts,
            waiting,
            running: BTreeMap::new(),
            cancelled: false,
            interrupts: 0,
            alone: BTreeSet::new(),
            locks: Vec::new(),
        }
    }

    /// Tests that have a lock in common do not run at the same time.
    pub fn set_locks<'a, L: Iterator<Item = &'a str>>(
        &mut self,
        of_tests: impl Iterator<Item = L>,
    ) {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut number = |name| {
            let next = numbers.len();
            *numbers.entry(name).or_insert(next)
        };
        let locks: Vec<BTreeSet<usize>> =
            of_tests.map(|names| names.map(&mut number).collect()).collect();
        self.locks = if locks.iter().all(BTreeSet::is_empty) { Vec::new() } else { locks };
    }

    /// The test that starts next, if one can: the first whose locks no other has.
    pub fn next(&self) -> Option<TestId> {
        let front = self.waiting.front().copied()?;
        let is_serial = self.options.serial || self.is_alone(front) || self.runs_alone();
        if self.cancelled || is_serial && !self.running.is_empty() {
            return None;
        }
        if self.locks.is_empty() || self.running.is_empty() {
            return Some(front);
        }
        let held = self.held_locks();
        let mut others = self.waiting.iter().take_while(|test| !self.is_alone(**test));
        others.find(|test| held.is_disjoint(&self.locks[test.0])).copied()
    }

    fn held_locks(&self) -> BTreeSet<usize> {
        self.running.keys().flat_map(|test| &self.locks[test.0]).copied().collect()
    }

    /// Tests that wait and could all run beside those that run.
    fn beside_each_other(&self) -> usize {
        let others = self.waiting.iter().take_while(|test| !self.is_alone(**test));
        if self.locks.is_empty() {
            return others.count();
        }
        let mut held = self.held_locks();
        let takes = |test: &&TestId| {
            let locks = &self.locks[test.0];
            let is_free = held.is_disjoint(locks);
            if is_free {
                held.extend(locks);
            }
            is_free
        };
        others.filter(takes).count()
    }

    fn is_alone(&self, test: TestId) -> bool {
        self.alone.contains(&test)
    }

    fn runs_alone(&self) -> bool {
        self.running.keys().any(|test| self.is_alone(*test))
    }

    /// How many tests could start now.
    pub fn startable(&self) -> usize {
        match self.next() {
            None => 0,
            Some(test) if self.options.serial || self.is_alone(test) => 1,
            Some(_) => self.beside_each_other(),
        }
    }

    /// Whether each test has all slots of the pool.
    pub fn has_whole_pool(&self) -> bool {
        self.options.whole_pool
    }

    /// How many attempts a test may have.
    pub fn most_attempts(&self) -> u32 {
        self.options.retries + 1
    }

    /// The test that `next` has returned starts. Returns the number of the attempt, from 1.
    pub fn started(&mut self, test: TestId, now_us: Micros) -> u32 {
        let at = self.waiting.iter().position(|waiting| *waiting == test);
        self.waiting.remove(at.expect("it waits"));
        self.attempts[test.0] += 1;
        self.states[test.0] = TestState::Running;
        let next_slow_us = now_us + Micros::from(self.times[test.0].slow_after);
        let running =
            RunningTest { started_us: now_us, next_slow_us, stop: Stop::No, timed_out: false };
        self.running.insert(test, running);
        self.attempts[test.0]
    }

    /// After which time it was killed, if it was.
    pub fn timed_out(&self, test: TestId) -> Option<Duration> {
        let timed_out = self.running.get(&test).is_some_and(|running| running.timed_out);
        self.times[test.0].timeout.filter(|_| timed_out)
    }

    /// Whether it was asked to end, or killed.
    pub fn is_stopped(&self, test: TestId) -> bool {
        self.running.get(&test).is_some_and(|running| running.stop != Stop::No)
    }

    /// It is killed because memory is short.
    pub fn kill_for_memory(&mut self, test: TestId) {
        if let Some(running) = self.running.get_mut(&test)
            && running.stop == Stop::No
        {
            running.stop = Stop::KilledForMemory;
        }
    }

    pub fn is_killed_for_memory(&self, test: TestId) -> bool {
        self.running.get(&test).is_some_and(|running| running.stop == Stop::KilledForMemory)
    }

    /// An attempt has ended.
    pub fn ended(&mut self, test: TestId, verdict: &TestVerdict, is_leaky: bool) -> AttemptEnd {
        let RunningTest { started_us, stop, timed_out, .. } =
            self.running.remove(&test).expect("only a test that runs can end");
        let stopped = !matches!(stop, Stop::No | Stop::KilledForMemory) && !timed_out;
        let attempt = self.attempts[test.0];
        // An attempt that was killed for memory says nothing about the test.
        let counted = attempt - u32::from(self.is_alone(test));
        let has_failed = counted > 1;
        let is_memory = matches!(verdict, TestVerdict::Failed(Failure::Memory { .. }));
        if is_memory && !stopped && !self.cancelled && self.alone.insert(test) {
            self.states[test.0] = TestState::Waiting;
            self.waiting.push_back(test);
            return AttemptEnd { attempt, has_failed, is_last: false, started_us };
        }
        let retries = verdict.is_failure() && counted < self.most_attempts() && !self.cancelled;
        // It has had all the memory there is.
        let retries = retries && !is_memory;
        // What could not be started cannot be started again.
        let retries = retries && !matches!(verdict, TestVerdict::Failed(Failure::NotStarted(_)));
        if retries {
            self.states[test.0] = TestState::Waiting;
            self.waiting.push_back(test);
            return AttemptEnd { attempt, has_failed, is_last: false, started_us };
        }
        let outcome = match verdict {
            // It was ended with the run.
            _ if stopped => Outcome::NotRun,
            TestVerdict::Passed => Outcome::Passed { is_flaky: has_failed, is_leaky },
            TestVerdict::Skipped(_) => Outcome::Skipped,
            TestVerdict::Failed(failure) => Outcome::Failed(failure.clone()),
        };
        if self.options.fail_fast && matches!(outcome, Outcome::Failed(_)) {
            self.cancel();
        }
        self.states[test.0] = TestState::Done(outcome);
        AttemptEnd { attempt, has_failed, is_last: true, started_us }
    }

    fn cancel(&mut self) {
        self.cancelled = true;
        for test in self.waiting.drain(..) {
            self.states[test.0] = TestState::Done(Outcome::NotRun);
        }
    }

    /// A signal asks for the end of the run: the first asks the tests to end, the second kills them.
    pub fn interrupt(&mut self, now_us: Micros) -> Vec<Order> {
        self.cancel();
        self.interrupts += 1;
        let (stop, order): (_, fn(TestId) -> Order) = match self.interrupts {
            1 => (Stop::Asked(now_us + GRACE_US), Order::Ask),
            _ => (Stop::Killed, Order::Kill),
        };
        let mut orders = Vec::new();
        for (test, running) in &mut self.running {
            if running.stop != Stop::Killed {
                running.stop = stop;
                orders.push(order(*test));
            }
        }
        orders
    }

    /// The process was stopped for this long: no test has run.
    pub fn paused(&mut self, for_us: Micros) {
        for running in self.running.values_mut() {
            running.started_us += for_us;
            running.next_slow_us += for_us;
            if let Stop::Asked(kill_us) = &mut running.stop {
                *kill_us += for_us;
            }
        }
    }

    /// What is due.
    pub fn due(&mut self, now_us: Micros) -> Vec<Order> {
        let mut orders = Vec::new();
        for (test, running) in &mut self.running {
            let (test, TestTimes { timeout, slow_after }) = (*test, self.times[test.0]);
            match running.stop {
                Stop::No => {
                    let end_us = timeout.map(|timeout| running.started_us + timeout.into());
                    if end_us.is_some_and(|end_us| now_us >= end_us) {
                        running.timed_out = true;
                        running.stop = Stop::Asked(now_us + GRACE_US);
                        orders.push(Order::Ask(test));
                    } else if now_us >= running.next_slow_us {
                        let ran = now_us.saturating_sub(running.started_us).duration();
                        running.next_slow_us = now_us + slow_after.into();
                        orders.push(Order::Slow(test, ran));
                    }
                }
                Stop::Asked(kill_us) if now_us >= kill_us => {
                    running.stop = Stop::Killed;
                    orders.push(Order::Kill(test));
                }
                Stop::Asked(_) | Stop::Killed | Stop::KilledForMemory => {}
            }
        }
        orders
    }

    /// When something is due next.
    pub fn next_due_us(&self) -> Option<Micros> {
        let due = |(test, running): (&TestId, &RunningTest)| match running.stop {
            Stop::No => {
                let timeout = self.times[test.0].timeout;
                let end_us = timeout.map(|timeout| running.started_us + timeout.into());
                Some(end_us.map_or(running.next_slow_us, |end| end.min(running.next_slow_us)))
            }
            Stop::Asked(kill_us) => Some(kill_us),
            Stop::Killed | Stop::KilledForMemory => None,
        };
        self.running.iter().filter_map(due).min()
    }

    pub fn is_over(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// In the order of the tests. To be asked when the run is over.
    pub fn outcomes(&self) -> Vec<Option<Outcome>> {
        let outcome = |state: &TestState| match state {
            TestState::Done(outcome) => Some(outcome.clone()),
            TestState::Waiting | TestState::Running => None,
        };
        self.states.iter().map(outcome).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Exit;
    use proptest::prelude::*;

    const PASSED: TestVerdict = TestVerdict::Passed;
    const SECOND: u64 = 1_000_000;

    fn failed() -> TestVerdict {
        TestVerdict::Failed(Failure::Ended(Exit::Code(1)))
    }

    fn run(options: SuiteOptions, tests: usize) -> TestRun {
        let times = TestTimes {
            timeout: Some(Duration::from_secs(90)),
            slow_after: Duration::from_secs(60),
        };
        TestRun::new(options, vec![times; tests], &[])
    }

    fn start(run: &mut TestRun, at: u64) -> TestId {
        let test = run.next().unwrap();
        run.started(test, Micros(at));
        test
    }

    #[test]
    fn run_ends_when_all_tests_have_ended() {
        let mut run = run(SuiteOptions::default(), 2);
        let (a, b) = (start(&mut run, 0), start(&mut run, 0));
        assert_eq!((a, b, run.next()), (TestId(0), TestId(1), None));
        assert!(run.ended(b, &failed(), false).is_last && !run.is_over());
        assert!(run.ended(a, &PASSED, true).is_last && run.is_over());
        let passed = Outcome::Passed { is_flaky: false, is_leaky: true };
        let failed = Outcome::Failed(Failure::Ended(Exit::Code(1)));
        assert_eq!(run.outcomes(), [Some(passed), Some(failed)]);
    }

    #[test]
    fn run_retries_a_failed_test_behind_the_others() {
        let mut run = run(SuiteOptions { retries: 1, ..SuiteOptions::default() }, 2);
        let a = start(&mut run, 0);
        assert!(!run.ended(a, &failed(), false).is_last);
        assert_eq!(run.next(), Some(TestId(1)));
        let b = start(&mut run, 0);
        assert!(!run.ended(b, &failed(), false).is_last);
        let a = start(&mut run, 0);
        assert_eq!(
            run.ended(a, &PASSED, false),
            AttemptEnd { attempt: 2, has_failed: true, is_last: true, started_us: Micros(0) }
        );
        let b = start(&mut run, 0);
        assert!(run.ended(b, &failed(), false).is_last && run.is_over());
        let outcomes = run.outcomes();
        assert_eq!(outcomes[0], Some(Outcome::Passed { is_flaky: true, is_leaky: false }));
        assert!(matches!(outcomes[1], Some(Outcome::Failed(_))));
    }

    #[test]
    fn run_repeats_a_test_that_was_killed_for_memory_alone() {
        let mut run = run(SuiteOptions { fail_fast: true, ..SuiteOptions::default() }, 3);
        let (a, b) = (start(&mut run, 0), start(&mut run, 0));
        let killed =
            TestVerdict::Failed(Failure::Memory { by_kernel: false, peak: tender_units::Bytes(1) });
        run.kill_for_memory(b);
        assert!(run.is_stopped(b) && run.is_killed_for_memory(b) && !run.is_killed_for_memory(a));
        assert!(!run.ended(b, &killed, false).is_last, "it is no failure");
        assert_eq!(run.startable(), 1, "only the third can run beside the first");
        let c = start(&mut run, 0);
        assert_eq!((run.next(), run.startable()), (None, 0));
        run.ended(a, &PASSED, false);
        assert_eq!(run.next(), None);
        run.ended(c, &PASSED, false);
        let again = start(&mut run, 0);
        assert_eq!(again, b);
        let end = run.ended(b, &PASSED, false);
        assert_eq!((end.attempt, end.has_failed), (2, false));
        let passed = Outcome::Passed { is_flaky: false, is_leaky: false };
        assert_eq!(run.outcomes()[1], Some(passed));
    }

    #[test]
    fn run_gives_up_a_test_that_is_killed_for_memory_while_it_runs_alone() {
        let mut run = run(SuiteOptions { retries: 3, ..SuiteOptions::default() }, 2);
        let killed =
            TestVerdict::Failed(Failure::Memory { by_kernel: true, peak: tender_units::Bytes(0) });
        let a = start(&mut run, 0);
        assert!(!run.ended(a, &killed, false).is_last);
        let b = start(&mut run, 0);
        run.ended(b, &PASSED, false);
        let a = start(&mut run, 0);
        assert!(run.ended(a, &killed, false).is_last && run.is_over());
        assert!(matches!(run.outcomes()[0], Some(Outcome::Failed(Failure::Memory { .. }))));
    }

    #[test]
    fn run_does_not_retry_what_cannot_be_started() {
        let mut run = run(SuiteOptions { retries: 3, ..SuiteOptions::default() }, 1);
        let a = start(&mut run, 0);
        let verdict = TestVerdict::Failed(Failure::NotStarted("no such file".into()));
        assert!(run.ended(a, &verdict, false).is_last);
    }

    #[test]
    fn run_that_fails_fast_starts_nothing_more() {
        let mut run =
            run(SuiteOptions { fail_fast: true, retries: 1, ..SuiteOptions::default() }, 4);
        let (a, b) = (start(&mut run, 0), start(&mut run, 0));
        assert!(!run.ended(a, &failed(), false).is_last, "a retry comes first");
        assert!(run.next().is_some());
        assert!(run.ended(b, &PASSED, false).is_last);
        let c = start(&mut run, 0);
        let d = start(&mut run, 0);
        let a = start(&mut run, 0);
        assert!(run.ended(a, &failed(), false).is_last);
        assert_eq!(run.next(), None);
        assert!(run.ended(c, &failed(), false).is_last, "no retries after that");
        assert!(run.ended(d, &PASSED, false).is_last && run.is_over());
    }

    #[test]
    fn run_of_one_at_a_time_waits() {
        let mut run = run(SuiteOptions { serial: true, ..SuiteOptions::default() }, 2);
        assert_eq!(run.startable(), 1);
        let a = start(&mut run, 0);
        assert_eq!((run.next(), run.startable()), (None, 0));
        run.ended(a, &PASSED, false);
        assert_eq!(run.next(), Some(TestId(1)));
    }

    #[test]
    fn run_starts_no_test_beside_another_with_its_lock() {
        let mut run = run(SuiteOptions { retries: 1, ..SuiteOptions::default() }, 5);
        let locks: [&[&str]; 5] = [&["db"], &["db", "port"], &[], &["port"], &["db"]];
        run.set_locks(locks.iter().map(|names| names.iter().copied()));
        assert_eq!(run.startable(), 3, "0, 2 and 3");
        let first = start(&mut run, 0);
        assert_eq!((first, start(&mut run, 0)), (TestId(0), TestId(2)));
        assert_eq!((run.startable(), start(&mut run, 0)), (1, TestId(3)));
        assert_eq!((run.next(), run.startable()), (None, 0));
        run.ended(TestId(3), &PASSED, false);
        assert_eq!(run.next(), None, "the first still has the lock");
        // It is retried, behind the others.
        assert!(!run.ended(first, &failed(), false).is_last);
        assert_eq!(start(&mut run, 0), TestId(1));
        assert_eq!(run.next(), None);
        run.ended(TestId(1), &PASSED, false);
        assert_eq!(start(&mut run, 0), TestId(4));
        assert_eq!(run.next(), None);
        run.ended(TestId(4), &PASSED, false);
        assert_eq!(start(&mut run, 0), first);
    }

    #[test]
    fn run_says_what_is_slow_and_kills_what_takes_too_long() {
        let mut run = run(SuiteOptions::default(), 1);
        assert_eq!(run.next_due_us(), None);
        let a = start(&mut run, 0);
        let at = |seconds: u64| Micros(seconds * SECOND);
        assert_eq!(run.next_due_us(), Some(at(60)));
        assert_eq!(run.due(at(59)), []);
        assert_eq!(run.due(at(60)), [Order::Slow(a, Duration::from_secs(60))]);
        assert_eq!((run.due(at(61)), run.next_due_us()), (vec![], Some(at(90))));
        assert_eq!(run.due(at(90)), [Order::Ask(a)]);
        assert_eq!(run.next_due_us(), Some(at(92)));
        assert_eq!(run.due(at(92)), [Order::Kill(a)]);
        assert_eq!((run.due(at(200)), run.next_due_us()), (vec![], None));
        assert_eq!(run.timed_out(a), Some(Duration::from_secs(90)));
        let verdict = TestVerdict::Failed(Failure::TimedOut(Duration::from_secs(90)));
        run.ended(a, &verdict, false);
        assert!(matches!(run.outcomes()[0], Some(Outcome::Failed(Failure::TimedOut(_)))));
    }

    #[test]
    fn run_that_is_stopped_for_a_while_does_not_count_that_time() {
        let mut run = run(SuiteOptions::default(), 1);
        let a = start(&mut run, 0);
        run.paused(Micros(1000 * SECOND));
        assert_eq!(run.due(Micros(1000 * SECOND)), []);
        assert_eq!(run.due(Micros(1060 * SECOND)), [Order::Slow(a, Duration::from_secs(60))]);
        assert_eq!(run.due(Micros(1090 * SECOND)), [Order::Ask(a)]);
    }

    #[test]
    fn run_asks_at_the_first_signal_and_kills_at_the_second() {
        let mut run = run(SuiteOptions::default(), 3);
        let (a, b) = (start(&mut run, 0), start(&mut run, 0));
        assert_eq!(run.interrupt(Micros(0)), [Order::Ask(a), Order::Ask(b)]);
        assert_eq!(run.next(), None);
        run.ended(a, &failed(), false);
        assert_eq!(run.interrupt(Micros(1)), [Order::Kill(b)]);
        assert_eq!(run.interrupt(Micros(2)), []);
        run.ended(b, &PASSED, false);
        assert!(run.is_over());
        assert_eq!(run.outcomes(), vec![Some(Outcome::NotRun); 3], "each was ended or not started");
    }

    #[test]
    fn run_leaves_skipped_tests_out() {
        let times = TestTimes { timeout: None, slow_after: Duration::from_secs(60) };
        let mut run = TestRun::new(SuiteOptions::default(), vec![times; 2], &[TestId(0)]);
        assert_eq!(run.next(), Some(TestId(1)));
        let b = start(&mut run, 0);
        run.ended(b, &TestVerdict::Skipped("77".into()), false);
        assert_eq!(run.outcomes(), [Some(Outcome::Skipped), Some(Outcome::Skipped)]);
    }

    proptest! {
        /// Whatever happens, each test has an outcome at the end, and no more attempts than allowed.
        #[test]
        fn run_always_ends(
            steps in proptest::collection::vec((0..8u8, any::<bool>()), 0..200),
            retries in 0..3u32, fail_fast: bool, serial: bool, tests in 1..6usize,
            locks in proptest::collection::vec(proptest::option::of(0..2usize), 6),
        ) {
            let mut run = run(SuiteOptions { retries, fail_fast, serial, whole_pool: false }, tests);
            run.set_locks(locks[..tests].iter().map(|lock| lock.iter().map(|at| ["a", "b"][*at])));
            let (mut now, mut open) = (0, Vec::new());
            for (step, fails) in steps.into_iter().chain(std::iter::repeat_n((0, false), 100)) {
                now += SECOND;
                match step {
                    1 => drop(run.interrupt(Micros(now))),
                    2 => drop(run.due(Micros(now))),
                    3..=5 if run.next().is_some() => open.push(start(&mut run, now)),
                    _ => match open.pop() {
                        Some(test) => {
                            let verdict = if fails { failed() } else { PASSED };
                            run.ended(test, &verdict, false);
                        }
                        None if run.next().is_some() => open.push(start(&mut run, now)),
                        None => {}
                    },
                }
                prop_assert!(!serial || open.len() <= 1);
                let held: Vec<usize> = open.iter().filter_map(|test: &TestId| locks[test.0]).collect();
                let distinct: BTreeSet<usize> = held.iter().copied().collect();
                prop_assert_eq!(held.len(), distinct.len());
                prop_assert!(run.attempts.iter().all(|attempts| *attempts <= retries + 1));
            }
            prop_assert!(run.is_over());
            prop_assert!(run.outcomes().iter().all(Option::is_some));
        }
    }
}
