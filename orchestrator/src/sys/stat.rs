//! Reads /proc/PID/stat (proc_pid_stat(5)). Does not allocate, because the watchdog reads it too,
//! which was forked and has not called exec.

use std::ops::RangeInclusive;

/// `utime`, `stime`, `cutime` and `cstime`: the processor time of all its threads, and of the
/// children that it has waited for, ticks.
pub(crate) const TIMES: RangeInclusive<usize> = 14..=17;
pub(crate) const PARENT: usize = 4;
pub(crate) const GROUP: usize = 5;
/// Ticks after the start of the machine: see [`now_ticks`].
pub(crate) const STARTED: usize = 22;
/// Bytes of address space; 0 for a thread of the kernel.
pub(crate) const VIRTUAL_SIZE: usize = 23;
pub(crate) const ENVIRONMENT_START: usize = 50;
pub(crate) const ENVIRONMENT_END: usize = 51;

/// The manual counts fields from 1; these come after the name.
const FIRST_AFTER_NAME: usize = 3;

/// The present time in the unit of [`STARTED`]: a process that exists already started no later.
/// Makes one system call, so it may be called between fork and exec.
pub(crate) fn now_ticks(ticks_per_second: u64) -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let of_second = now.tv_nsec as u64 * ticks_per_second / 1_000_000_000;
    now.tv_sec as u64 * ticks_per_second + of_second
}

pub(crate) struct Stat<'a> {
    /// The name may contain anything, for example spaces, brackets and bytes that are not UTF-8.
    pub(crate) name: &'a [u8],
    after_name: &'a [u8],
}

impl<'a> Stat<'a> {
    /// `None` if the line cannot be parsed: for a process that has ended it is empty.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Stat<'a>> {
        let end = line.iter().rposition(|byte| *byte == b')')?;
        let start = line[..end].iter().position(|byte| *byte == b'(')? + 1;
        let stat = Stat { name: &line[start..end], after_name: &line[end + 1..] };
        stat.field(FIRST_AFTER_NAME).map(|_| stat)
    }

    /// The field with this number in the manual.
    pub(crate) fn number(&self, field: usize) -> Option<u64> {
        std::str::from_utf8(self.field(field)?).ok()?.parse().ok()
    }

    /// It only waits to be reaped.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.field(FIRST_AFTER_NAME), Some(b"Z" | b"X"))
    }

    fn field(&self, number: usize) -> Option<&'a [u8]> {
        let mut fields =
            self.after_name.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
        fields.nth(number - FIRST_AFTER_NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_name_may_have_brackets_and_blanks() {
        let line = b"7 (a) Z 1 (\xff b) R 12 34 7 0 -1\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.name, b"a) Z 1 (\xff b");
        assert_eq!(
            [PARENT, GROUP, 8, 10].map(|field| stat.number(field)),
            [Some(12), Some(34), None, None]
        );
        assert!(!stat.has_ended());
    }

    #[test]
    fn stat_recognises_ended_processes_and_bad_lines() {
        let ended = |line: &str| Stat::parse(line.as_bytes()).map(|stat| stat.has_ended());
        assert_eq!(ended("12 (sh) S 1 7 7 0"), Some(false));
        assert_eq!(ended("12 (sh) Z 1 7 7 0"), Some(true));
        assert_eq!(ended("12 (sh) X"), Some(true));
        for line in ["", "12 (sh)", "12 sh) S", "12 (sh S"] {
            assert_eq!(ended(line), None, "{line:?}");
        }
    }

    #[test]
    fn fields_have_the_numbers_of_the_manual() {
        let line = std::fs::read("/proc/self/stat").unwrap();
        let stat = Stat::parse(&line).unwrap();
        let parent = std::os::unix::process::parent_id();
        assert_eq!(stat.number(PARENT), Some(parent.into()));
        let group = rustix::process::getpgid(None).unwrap().as_raw_nonzero().get();
        assert_eq!(stat.number(GROUP), u64::try_from(group).ok());
        let environment =
            [ENVIRONMENT_START, ENVIRONMENT_END].map(|field| stat.number(field).unwrap());
        let length = std::fs::read("/proc/self/environ").unwrap().len() as u64;
        assert_eq!(environment[1] - environment[0], length);
        let size = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = size.split_whitespace().next().unwrap().parse().unwrap();
        let page = rustix::param::page_size() as u64;
        // Other tests allocate at the same time.
        assert!(stat.number(VIRTUAL_SIZE).unwrap().abs_diff(pages * page) < 1 << 30);
    }

    #[test]
    fn now_ticks_is_not_before_a_start() {
        for _ in 0..20 {
            let ticks_per_second = rustix::param::clock_ticks_per_second();
            let before = now_ticks(ticks_per_second);
            let mut child = std::process::Command::new("true").spawn().unwrap();
            let line = std::fs::read(format!("/proc/{}/stat", child.id())).unwrap();
            let started = Stat::parse(&line).unwrap().number(STARTED).unwrap();
            let after = now_ticks(ticks_per_second);
            assert!(before <= started && started <= after, "{before} {started} {after}");
            child.wait().unwrap();
        }
    }

    #[test]
    fn fuzz_process_stat() {
        tender_fuzz::check("process_stat", 3_000, |line| {
            let Some(stat) = Stat::parse(line) else { return };
            assert!(stat.name.len() < line.len());
            stat.has_ended();
            for field in FIRST_AFTER_NAME..=ENVIRONMENT_END {
                stat.number(field);
            }
        });
    }
}
