//! Invariants of every build, checked in its trace. Knows no workspace. Names begin with J for jobs
//! and M for memory.
//!
//! If a trace may have no case of an invariant, its check returns the number of cases, because a
//! check of no case proves nothing.

use crate::trace::{Job, Trace};
use std::collections::BTreeMap;
use std::iter::Sum;

/// The numbers of cases of invariants that may have none; each as its function returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub live_modules: usize,
    pub leases: usize,
    pub returned_leases: usize,
    pub idle_slots: usize,
}

impl Judged {
    /// The names of invariants without a case.
    pub fn vacuous(&self) -> Vec<&'static str> {
        let all = [
            ("M1", self.live_modules),
            ("M2", self.leases),
            ("M2 at the end", self.returned_leases),
            ("J3", self.idle_slots),
        ];
        all.into_iter().filter(|(_, judged)| *judged == 0).map(|(name, _)| name).collect()
    }
}

impl Sum for Judged {
    fn sum<I: Iterator<Item = Judged>>(all: I) -> Judged {
        all.fold(Judged::default(), |a, b| Judged {
            live_modules: a.live_modules + b.live_modules,
            leases: a.leases + b.leases,
            returned_leases: a.returned_leases + b.returned_leases,
            idle_slots: a.idle_slots + b.idle_slots,
        })
    }
}

/// Checks all invariants of a build with `slots` slots.
///
/// # Errors
/// The invariant that is violated, and where.
pub fn all(trace: &Trace, slots: u64, succeeded: bool) -> Result<Judged, String> {
    jobs(trace, slots, succeeded)?;
    Ok(Judged {
        live_modules: live_modules(trace, slots)?,
        leases: leases(trace)?,
        returned_leases: returned_leases(trace, succeeded)?,
        idle_slots: idle_slots(trace)?,
    })
}

/// How long a slot may be held without a running phase while an item waits for memory,
/// microseconds. The transfer of a slot takes milliseconds, and the start of a process some tens of
/// them. A process that wrongly waits for memory with its slot holds it until another item ends.
const ON_THE_WAY_US: u64 = 500_000;

/// J1: never more jobs than slots, and no slot is in use after a build that has `succeeded`.
///
/// # Errors
/// It is violated, and where.
pub fn jobs(trace: &Trace, slots: u64, succeeded: bool) -> Result<(), String> {
    let phases = trace.max_concurrent_phases();
    ensure(phases <= slots, || format!("J1: {phases} phases at once of {slots}"))?;
    for (ts, _, n) in trace.counter("tokens", "n") {
        ensure(n == slots, || format!("J1: {n} slots instead of {slots}, at {ts}"))?;
    }
    let used = trace.counter("tokens", "used");
    for (ts, _, used) in &used {
        ensure(*used <= slots, || format!("J1: {used} slots in use of {slots}, at {ts}"))?;
    }
    let last = used.last().map_or(0, |(_, _, used)| *used);
    ensure(!succeeded || last == 0, || format!("J2: {last} slots in use after the end"))
}

/// M1: a worker that runs r items holds at most r + ceil(r/4) + 1 modules. A piece counts as an
/// item. Of a killed worker it is unknown which pieces ran at its end: up to `slots`. Returns how
/// often there was a module.
///
/// # Errors
/// It is violated, and where.
pub fn live_modules(trace: &Trace, slots: u64) -> Result<usize, String> {
    let jobs = trace.jobs();
    let phases = phases(trace);
    let mut judged = 0;
    for (ts, pid, n) in trace.counter("live_modules", "n") {
        let running: Vec<&Job> = jobs
            .iter()
            .filter(|job| job.pid == pid && job.start_us <= ts && ts <= job.end_us)
            .collect();
        let pieces =
            phases.iter().filter(|phase| phase.row == pid && phase.start <= ts && ts <= phase.end);
        let known = running.len().max(pieces.count()) as u64;
        let r = if running.iter().any(|job| was_killed(job)) { slots.max(known) } else { known };
        let limit = r + r.div_ceil(4) + 1;
        ensure(n <= limit, || {
            format!("M1: {n} modules while {r} items run, worker {pid}, at {ts}")
        })?;
        judged += usize::from(n > 0);
    }
    Ok(judged)
}

/// M2: if leases and baselines exceed the budget, exactly one job runs. Leases that were granted
/// before the budget fell stay, and none is granted until the sum is within it. Returns how often
/// the sum was more than three quarters of the budget.
///
/// # Errors
/// It is violated, and where.
pub fn leases(trace: &Trace) -> Result<usize, String> {
    let phases = phases(trace);
    let (mut judged, mut before, mut granted_before) = (0, (0, u64::MAX), 0);
    for (ts, bytes, budget) in trace.leases() {
        let Some(budget) = budget else { continue };
        judged += usize::from(bytes > budget / 4 * 3);
        if budget < before.1 {
            granted_before = before.0;
        }
        before = (bytes, budget);
        if bytes <= budget {
            granted_before = 0;
            continue;
        }
        if bytes <= granted_before {
            granted_before = bytes;
            continue;
        }
        let running = phases.iter().filter(|phase| phase.start <= ts && ts < phase.end).count();
        ensure(running <= 1, || {
            format!(
                "M2: leases of {} MiB, a budget of {} MiB, and {running} jobs run, at {ts}",
                bytes >> 20,
                budget >> 20
            )
        })?;
    }
    Ok(judged)
}

/// M2 at the end: after a build that has `succeeded`, all leases were returned, also those of
/// killed workers. Returns how often some were.
///
/// # Errors
/// It is violated.
pub fn returned_leases(trace: &Trace, succeeded: bool) -> Result<usize, String> {
    let leases = trace.counter("lease", "bytes");
    let last = leases.last().map_or(0, |(_, _, bytes)| *bytes);
    ensure(!succeeded || last == 0, || format!("M2: leases of {} MiB after the end", last >> 20))?;
    Ok(if succeeded { leases.windows(2).filter(|pair| pair[1].2 < pair[0].2).count() } else { 0 })
}

/// J3: no process holds a slot while it waits for memory. While an item waits for memory, each
/// longer run of another item has a moment at which every slot in use has a running phase. Returns
/// how many such runs there were.
///
/// # Errors
/// It is violated, and where.
pub fn idle_slots(trace: &Trace) -> Result<usize, String> {
    let waits = trace.spans("wait", "too little memory is free");
    let jobs = trace.jobs();
    // It is unknown what ran in a killed worker.
    let unknown: Vec<&Job> = jobs.iter().filter(|job| was_killed(job)).collect();
    let steps = steps(trace);
    let mut judged = 0;
    for job in jobs.iter().filter(|job| job.end_us - job.start_us >= ON_THE_WAY_US) {
        let waits = waits.iter().any(|(start, end)| *start <= job.start_us && job.end_us <= *end);
        let is_known =
            !unknown.iter().any(|other| other.start_us < job.end_us && job.start_us < other.end_us);
        if waits && is_known {
            let idle = least_idle(&steps, job.start_us, job.end_us);
            ensure(idle <= 0, || {
                format!(
                    "J3: {idle} slots are held and not used while {} runs and others wait for memory, from {} to {}",
                    job.unit, job.start_us, job.end_us
                )
            })?;
            judged += 1;
        }
    }
    Ok(judged)
}

/// The changes of the number of slots in use minus running phases: times and amounts, sorted.
fn steps(trace: &Trace) -> Vec<(u64, i64)> {
    let mut steps = Vec::new();
    let mut before = 0;
    for (ts, _, used) in trace.counter("tokens", "used") {
        steps.push((ts, used as i64 - before));
        before = used as i64;
    }
    for phase in phases(trace) {
        steps.extend([(phase.start, -1), (phase.end, 1)]);
    }
    steps.sort_unstable();
    steps
}

/// The smallest sum of `steps` from `start` to `end`. Steps at one time count together, ends and
/// starts.
fn least_idle(steps: &[(u64, i64)], start: u64, end: u64) -> i64 {
    let mut sum: i64 = steps.iter().filter(|(ts, _)| *ts <= start).map(|(_, step)| step).sum();
    let mut least = sum;
    for at_once in
        steps.chunk_by(|a, b| a.0 == b.0).filter(|steps| start < steps[0].0 && steps[0].0 < end)
    {
        sum += at_once.iter().map(|(_, step)| step).sum::<i64>();
        least = least.min(sum);
    }
    least
}

struct Phase {
    row: u64,
    start: u64,
    end: u64,
}

fn phases(trace: &Trace) -> Vec<Phase> {
    let phase = |event: &serde_json::Value| {
        let number =
            |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key} in {event}"));
        Phase { row: number("pid"), start: number("ts"), end: number("ts") + number("dur") }
    };
    trace.of_kind("X").map(phase).collect()
}

fn was_killed(job: &Job) -> bool {
    job.outcome == "interrupted"
}

/// How often each item, by crate and unit, was in a killed worker; without items that never were.
pub fn kills(trace: &Trace) -> BTreeMap<(String, String), u32> {
    let mut kills = BTreeMap::new();
    for job in trace.jobs().into_iter().filter(was_killed) {
        *kills.entry((job.krate, job.unit)).or_default() += 1;
    }
    kills
}

fn ensure(holds: bool, why_not: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why_not()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(name: &str, cat: &str, ph: &str, ts: u64, more: Value) -> Value {
        let mut event =
            json!({ "name": name, "cat": cat, "ph": ph, "ts": ts, "pid": 0, "tid": 0, "args": {} });
        let Value::Object(more) = more else { panic!("an object") };
        event.as_object_mut().unwrap().extend(more);
        event
    }

    fn counter(name: &str, ts: u64, args: Value) -> Value {
        event(name, "token", "C", ts, json!({ "args": args }))
    }

    /// An item `unit` in worker row 1.
    fn item(id: u32, (start, end): (u64, u64), outcome: &str) -> [Value; 2] {
        let args = json!({ "crate": "c", "unit": format!("u{id}"), "slot": 0 });
        [
            event("u", "unit", "b", start, json!({ "pid": 1, "id": id, "args": args })),
            event(
                "u",
                "unit",
                "e",
                end,
                json!({ "pid": 1, "id": id, "args": { "outcome": outcome } }),
            ),
        ]
    }

    fn phase(start: u64, dur: u64) -> Value {
        event("translate", "unit", "X", start, json!({ "pid": 1, "dur": dur }))
    }

    fn trace(events: Vec<Value>) -> Trace {
        Trace { events }
    }

    #[test]
    fn jobs_are_within_the_slots() {
        let check = |events: Vec<Value>, is_right: bool| {
            assert_eq!(jobs(&trace(events), 2, true).is_ok(), is_right)
        };
        let tokens = |ts, used| counter("tokens", ts, json!({ "used": used, "n": 2 }));
        check(vec![tokens(1, 2), tokens(2, 0)], true);
        check(vec![tokens(1, 3), tokens(2, 0)], false);
        check(vec![tokens(1, 1)], false);
        check(vec![phase(1, 5), phase(2, 5), phase(3, 5)], false);
    }

    #[test]
    fn modules_are_within_what_runs() {
        let check = |n: u64, outcome, is_right: bool| {
            let mut events = item(1, (0, 10), outcome).to_vec();
            events.push(event(
                "live_modules",
                "unit",
                "C",
                5,
                json!({ "pid": 1, "args": { "n": n } }),
            ));
            assert_eq!(
                live_modules(&trace(events), 8).ok(),
                is_right.then_some(usize::from(n > 0)),
                "{n}"
            );
        };
        check(0, "ok", true);
        check(3, "ok", true);
        check(4, "ok", false);
        // Eight pieces of it may have run.
        check(11, "interrupted", true);
        check(12, "interrupted", false);
    }

    #[test]
    fn leases_are_within_the_budget_but_for_one() {
        let check = |phases: &[(u64, u64)], bytes: u64, expect: Option<usize>| {
            let mut events: Vec<Value> =
                phases.iter().map(|(start, dur)| phase(*start, *dur)).collect();
            events.push(counter(
                "lease",
                5,
                json!({ "bytes": bytes, "baselines": 30, "budget": 130 }),
            ));
            assert_eq!(leases(&trace(events)).ok(), expect, "{bytes}");
        };
        check(&[(0, 10), (0, 10)], 100, Some(1));
        check(&[(0, 10), (0, 10)], 101, None);
        check(&[(0, 10), (0, 5)], 101, Some(1));
        check(&[(0, 10)], 101, Some(1));
        // Far from the limit there is no case.
        check(&[(0, 10), (0, 10)], 10, Some(0));
    }

    #[test]
    fn leases_stay_where_the_budget_falls_and_do_not_grow() {
        let check = |readings: &[(u64, u64)], is_right: bool| {
            let mut events = vec![phase(0, 10), phase(0, 10)];
            events.extend(readings.iter().zip(1..).map(|((bytes, budget), ts)| {
                counter("lease", ts, json!({ "bytes": bytes, "baselines": 0, "budget": budget }))
            }));
            assert_eq!(leases(&trace(events)).is_ok(), is_right, "{readings:?}");
        };
        check(&[(100, 130), (100, 50), (70, 50), (40, 50)], true);
        check(&[(100, 130), (101, 50)], false);
        check(&[(100, 130), (70, 50), (71, 50)], false);
        // It has been within the new budget since.
        check(&[(100, 130), (100, 50), (40, 50), (60, 50)], false);
    }

    #[test]
    fn leases_come_back() {
        let check = |bytes: &[u64], succeeded, expect: Option<usize>| {
            let lease = |(bytes, ts): (&u64, u64)| {
                counter("lease", ts, json!({ "bytes": bytes, "budget": 9 }))
            };
            let events = bytes.iter().zip(1..).map(lease).collect();
            assert_eq!(returned_leases(&trace(events), succeeded).ok(), expect, "{bytes:?}");
        };
        check(&[], true, Some(0));
        check(&[5, 3, 6, 0], true, Some(2));
        check(&[5, 3], true, None);
        check(&[5, 3], false, Some(0));
    }

    #[test]
    fn slots_are_not_held_while_waiting_for_memory() {
        let second = 1_000_000;
        let check = |used: u64, gap: u64, outcome, expect: Option<usize>| {
            let wait =
                |ph, ts| event("too little memory is free", "wait", ph, ts, json!({ "id": 2 }));
            let mut events = item(1, (second, 2 * second), outcome).to_vec();
            events.extend([wait("b", second / 2), wait("e", 3 * second)]);
            events.push(counter("tokens", 1, json!({ "used": used, "n": 8 })));
            events
                .extend([phase(second, second / 2 - gap), phase(second + second / 2, second / 2)]);
            assert_eq!(idle_slots(&trace(events)).ok(), expect);
        };
        check(1, 0, "ok", Some(1));
        // Held only for a moment.
        check(1, 1000, "ok", Some(1));
        check(2, 0, "ok", None);
        check(2, 0, "interrupted", Some(0));
    }
}
