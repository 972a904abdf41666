//! The log of probe jobs: which ran when, and how many at once. Knows no tools.

use camino::Utf8Path;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeJob {
    pub id: String,
    pub pid: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub start: u64,
    /// `None` if it was killed, or is running.
    pub end: Option<u64>,
}

/// The log of `probe-job`: lines `start NS PID ID` and `end NS PID ID`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// In the order of their start lines.
    pub jobs: Vec<ProbeJob>,
}

impl Log {
    /// The log is empty if the file does not exist: no job has started.
    #[track_caller]
    pub fn read(path: &Utf8Path) -> Log {
        match std::fs::read_to_string(path) {
            Ok(text) => Log::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Log::default(),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    #[track_caller]
    pub fn parse(text: &str) -> Log {
        let mut jobs: Vec<ProbeJob> = Vec::new();
        // The last line may be incomplete.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        for line in whole {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let [what, time, pid, id] = words[..] else {
                panic!("not a line of a probe job: {line:?}")
            };
            let (time, pid) =
                (time.parse().expect("nanoseconds"), pid.parse().expect("a process id"));
            match what {
                "start" => jobs.push(ProbeJob { id: id.to_owned(), pid, start: time, end: None }),
                "end" => {
                    // The last job: an earlier process with the same id was killed.
                    let job = jobs.iter_mut().rev().find(|job| job.pid == pid && job.id == id);
                    let job = job.unwrap_or_else(|| panic!("ends without a start: {line:?}"));
                    assert_eq!(job.end, None, "ends twice: {line:?}");
                    job.end = Some(time);
                }
                _ => panic!("not a line of a probe job: {line:?}"),
            }
        }
        Log { jobs }
    }

    /// The jobs of one tree.
    pub fn of(&self, tree: &str) -> Log {
        let belongs = |job: &&ProbeJob| job.id.rsplit_once('.').is_some_and(|(of, _)| of == tree);
        Log { jobs: self.jobs.iter().filter(belongs).cloned().collect() }
    }

    pub fn finished(&self) -> usize {
        self.jobs.iter().filter(|job| job.end.is_some()).count()
    }

    /// A job that has not finished counts as running.
    pub fn most_at_once(&self) -> usize {
        self.peak(u64::MAX)
    }

    /// A job that has not finished was killed at an unknown time, so it counts only at its start.
    /// The result is never too high.
    pub fn most_at_once_if_killed(&self) -> usize {
        self.peak(0)
    }

    fn peak(&self, unfinished: u64) -> usize {
        let mut events: Vec<(u64, i32)> = Vec::new();
        for job in &self.jobs {
            // A job that starts in the same nanosecond in which another ends follows it. Its own
            // end comes after its start.
            let end = job.end.unwrap_or(unfinished).max(job.start.saturating_add(1));
            events.extend([(job.start, 1), (end, -1)]);
        }
        events.sort_unstable();
        let (mut now, mut most) = (0_i32, 0);
        for (_, change) in events {
            now += change;
            most = most.max(now);
        }
        most as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_at_once_are_counted() {
        let check = |text: &str, expect: usize| {
            assert_eq!(Log::parse(text).most_at_once(), expect, "{text}")
        };
        check("", 0);
        check("start 5 1 a.0\nend 9 1 a.0\n", 1);
        check(
            "start 1 1 a.0\nstart 2 2 a.1\nend 3 1 a.0\nstart 4 3 a.2\nend 5 2 a.1\nend 6 3 a.2\n",
            2,
        );
        check("start 1 1 a.0\nend 2 1 a.0\nstart 2 2 a.1\nend 3 2 a.1\n", 1);
        // The order of lines differs from the order of times.
        check("start 4 2 a.1\nstart 1 1 a.0\nend 6 2 a.1\nend 3 1 a.0\n", 1);
        // The same job again, in another process, and then in a process with the same id.
        check(
            "start 1 1 a.0\nstart 2 2 a.0\nend 3 2 a.0\nend 4 1 a.0\nstart 5 1 a.0\nend 6 1 a.0\n",
            2,
        );
        check("start 1 1 a.0\nend 1 1 a.0\n", 1);
        // The last line is incomplete.
        check("start 1 1 a.0\nstart 2 2 a.", 1);
    }

    #[test]
    fn unfinished_jobs_run_or_were_killed() {
        let log = Log::parse("start 1 1 a.0\nstart 2 2 a.1\nstart 5 3 b.0\nend 6 3 b.0\n");
        assert_eq!((log.jobs.len(), log.finished()), (3, 1));
        assert_eq!(log.most_at_once(), 3);
        assert_eq!(log.most_at_once_if_killed(), 1);
        assert_eq!(log.of("a").jobs.len(), 2);
        assert_eq!(
            log.of("b").jobs,
            [ProbeJob { id: "b.0".into(), pid: 3, start: 5, end: Some(6) }]
        );
    }
}
