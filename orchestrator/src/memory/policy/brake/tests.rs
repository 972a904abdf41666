//! Tests of the brake with given processes and with a simulated make.

use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn member(pid: u32, parent: u32, name: &str, mib: u64) -> Member {
    Member {
        pid,
        parent,
        started: u64::from(pid),
        name: name.into(),
        bytes: Bytes(mib * MIB),
        used: 0,
    }
}

/// make (10) with jobs 20, 30 and 40, the first behind a shell.
fn three(mib: [u64; 3]) -> Vec<Member> {
    vec![
        member(10, 1, "make", 2),
        member(20, 10, "sh", 0),
        member(21, 20, "cc", mib[0]),
        member(30, 10, "cc", mib[1]),
        member(40, 10, "cc", mib[2]),
    ]
}

fn pids(processes: &[Identity]) -> Vec<u32> {
    processes.iter().map(|(_, pid)| *pid).collect()
}

fn step(brake: &mut Brake, members: &[Member], free_mib: u64, now_us: Micros) -> Orders {
    brake.step(members, &[10], Some(Bytes(free_mib * MIB)), now_us)
}

#[test]
fn brake_stops_nothing_while_memory_is_plenty() {
    let mut brake = Brake::default();
    let orders = step(&mut brake, &three([100, 100, 100]), 10_000, Micros(0));
    assert_eq!(
        orders,
        Orders { stop: vec![], resume: vec![], more: Some((10_000 - 3 * 92) / 192) }
    );
    let unlimited = brake.step(&three([100, 100, 100]), &[10], None, Micros(0));
    assert_eq!(unlimited, Orders::default());
}

#[test]
fn brake_stops_the_youngest_first_and_never_the_oldest() {
    let check = |free_mib: u64, stop: &[u32]| {
        let mut brake = Brake::default();
        let orders = step(&mut brake, &three([92, 92, 92]), free_mib, Micros(0));
        assert_eq!(
            (pids(&orders.stop), pids(&orders.resume)),
            (stop.to_vec(), vec![]),
            "{free_mib}"
        );
        assert_eq!(brake.stopped_bytes(), Bytes(92 * MIB * stop.len() as u64));
    };
    check(300, &[]);
    check(250, &[40]);
    check(100, &[30, 40]);
    check(0, &[30, 40]);
}

#[test]
fn brake_continues_a_job_after_a_pause_when_it_fits() {
    let mut brake = Brake::default();
    assert_eq!(pids(&step(&mut brake, &three([92, 92, 92]), 250, Micros(0)).stop), [40]);
    assert_eq!(brake.stopped(), 1);
    // Another program has continued it.
    assert_eq!(pids(&step(&mut brake, &three([92, 92, 92]), 250, Micros(20_000)).stop), [40]);
    assert_eq!(pids(&step(&mut brake, &three([92, 92, 92]), 1000, Micros(40_000)).stop), [40]);
    let orders = step(&mut brake, &three([92, 92, 92]), 1000, PAUSE_US);
    assert_eq!((pids(&orders.stop), pids(&orders.resume)), (vec![], vec![40]));
    assert_eq!(brake.stopped(), 0);
}

#[test]
fn brake_lets_the_next_oldest_run_when_the_oldest_has_ended() {
    let mut brake = Brake::default();
    assert_eq!(pids(&step(&mut brake, &three([92, 92, 92]), 0, Micros(0)).stop), [30, 40]);
    let mut members = three([92, 92, 92]);
    members.drain(1..3);
    let orders = step(&mut brake, &members, 0, Micros(20_000));
    assert_eq!((pids(&orders.stop), pids(&orders.resume)), (vec![40], vec![30]));
}

#[test]
fn brake_stops_processes_without_children_only() {
    let mut brake = Brake::default();
    let mut members = three([92, 92, 92]);
    members.extend([member(41, 40, "cc1plus", 90), member(42, 40, "as", 1)]);
    // The driver has two children at once, so it is a spawner.
    assert_eq!(pids(&step(&mut brake, &members, 0, Micros(0)).stop), [30, 41, 42]);
}

#[test]
fn brake_takes_a_make_below_a_make_for_a_spawner() {
    let mut brake = Brake::default();
    let mut members = three([92, 92, 92]);
    members.extend([member(50, 10, "make", 1), member(51, 50, "cc", 92)]);
    let orders = step(&mut brake, &members, 0, Micros(0));
    assert_eq!(pids(&orders.stop), [30, 40, 51]);
    // It is not stopped while it reads its files.
    members.pop();
    assert_eq!(pids(&step(&mut brake, &members, 0, Micros(0)).stop), [30, 40]);
}

#[test]
fn brake_takes_a_program_without_children_for_a_job() {
    let mut brake = Brake::default();
    let orders = brake.step(&[member(10, 1, "cc", 50)], &[10], Some(Bytes(0)), Micros(0));
    assert_eq!(orders, Orders { more: Some(0), ..Orders::default() });
}

#[test]
fn brake_expects_the_size_of_ended_jobs_of_the_same_kind() {
    let mut brake = Brake::default();
    let mut pid = 20;
    let mut run = |brake: &mut Brake, mib: u64| {
        pid += 1;
        step(brake, &[member(10, 1, "make", 2), member(pid, 10, "cc", mib)], 10_000, Micros(0));
        step(brake, &[member(10, 1, "make", 2)], 10_000, Micros(0));
    };
    for mib in [10, 20, 30] {
        run(&mut brake, mib);
    }
    assert_eq!(brake.expected("cc"), UNKNOWN, "a few do not count");
    run(&mut brake, 40);
    assert_eq!(brake.expected("cc"), Bytes(40 * MIB));
    run(&mut brake, 400);
    assert_eq!(brake.expected("cc"), Bytes(400 * MIB));
    for _ in 0..REMEMBERED {
        run(&mut brake, 10);
    }
    assert_eq!(brake.expected("cc"), Bytes(10 * MIB));
    assert_eq!(brake.expected("ld"), UNKNOWN);
}

#[test]
fn brake_continues_a_stopped_job_if_nothing_makes_progress() {
    let mut brake = Brake::default();
    let members = three([92, 92, 92]);
    let mut resumed = Vec::new();
    for now_us in (0..3 * STANDSTILL_US.0).step_by(100_000) {
        resumed.extend(pids(&step(&mut brake, &members, 0, Micros(now_us)).resume));
    }
    assert_eq!(resumed, [30, 40], "one after the other, the oldest first, and not stopped again");
}

#[test]
fn brake_continues_no_job_while_another_makes_progress() {
    let mut brake = Brake::default();
    let mut members = three([92, 92, 92]);
    for now_us in (0..3 * STANDSTILL_US.0).step_by(100_000) {
        members[2].used += 1;
        assert_eq!(pids(&step(&mut brake, &members, 0, Micros(now_us)).resume), Vec::<u32>::new());
    }
}

#[test]
fn brake_release_continues_all_jobs() {
    let mut brake = Brake::default();
    step(&mut brake, &three([92, 92, 92]), 0, Micros(0));
    assert_eq!(pids(&brake.release()), [30, 40]);
    assert_eq!(brake.stopped(), 0);
}

/// A make that runs up to `width` jobs, each of which grows to its peak and ends. A step every 20
/// ms.
struct World {
    /// MiB.
    limit: u64,
    width: usize,
    /// Peaks of the jobs to come, MiB.
    peaks: Vec<u64>,
    running: Vec<(Member, u64)>,
    stopped: BTreeSet<u32>,
    next_pid: u32,
}

#[derive(Debug, Default)]
struct Report {
    looks: u64,
    stops: u64,
    /// The least that was free, MiB; below 0 if the limit was exceeded.
    least_free: i64,
    /// The most jobs that ran at once.
    most: usize,
}

impl World {
    /// How much a job grows in a step, MiB.
    const STEP: u64 = 4;

    fn run(mut self) -> Report {
        let mut brake = Brake::default();
        let mut report = Report { least_free: i64::MAX, ..Report::default() };
        while !(self.peaks.is_empty() && self.running.is_empty()) {
            while self.running.len() < self.width
                && let Some(peak) = self.peaks.pop()
            {
                self.next_pid += 1;
                self.running.push((member(self.next_pid, 10, "c++", 2), peak));
            }
            let used: u64 = self.running.iter().map(|(job, _)| job.bytes.0 / MIB).sum();
            let mut members = vec![member(10, 1, "make", 0)];
            members.extend(self.running.iter().map(|(job, _)| job.clone()));
            let free = self.limit.saturating_sub(used);
            let orders = step(&mut brake, &members, free, Micros(report.looks * 20_000));
            let newly =
                pids(&orders.stop).into_iter().filter(|pid| self.stopped.insert(*pid)).count();
            for pid in pids(&orders.resume) {
                self.stopped.remove(&pid);
            }
            let oldest = self.running[0].0.pid;
            assert!(!self.stopped.contains(&oldest), "the oldest always runs");
            report.stops += newly as u64;
            report.looks += 1;
            report.least_free = report.least_free.min(self.limit as i64 - used as i64);
            report.most = report.most.max(self.running.len() - self.stopped.len());
            assert!(report.looks < 1_000_000, "it does not end");
            let stopped = &self.stopped;
            self.running.retain_mut(|(job, peak)| {
                if stopped.contains(&job.pid) {
                    return true;
                }
                job.bytes += Bytes(World::STEP * MIB);
                job.used += 1;
                job.bytes <= Bytes(*peak * MIB)
            });
        }
        report
    }

    fn new(limit: u64, width: usize, peaks: Vec<u64>) -> World {
        World { limit, width, peaks, running: Vec::new(), stopped: BTreeSet::new(), next_pid: 10 }
    }
}

#[test]
fn brake_keeps_eight_large_jobs_within_little_memory() {
    // The sizes of real C++ files: eight at once would need 2 GB.
    let peaks =
        [150, 180, 200, 220, 240, 260, 300, 341, 330, 250, 160, 170, 190, 210, 230, 280, 290, 200];
    for limit in [740, 440] {
        let report = World::new(limit, 8, peaks.to_vec()).run();
        assert!(report.least_free > 0, "{limit}: {report:?}");
        assert!(report.stops < 3 * peaks.len() as u64, "{limit}: {report:?}");
    }
    let ample = World::new(10_000, 8, peaks.to_vec()).run();
    assert_eq!((ample.stops, ample.most), (0, 8));
}

proptest! {
    #[test]
    fn brake_lets_all_jobs_end_and_stops_each_a_few_times(
        limit in 50u64..2000,
        width in 1usize..12,
        peaks in proptest::collection::vec(5u64..400, 1..30),
    ) {
        let jobs = peaks.len() as u64;
        let report = World::new(limit, width, peaks).run();
        prop_assert!(report.stops <= 6 * jobs, "{report:?}");
    }
}
