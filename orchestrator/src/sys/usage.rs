//! The memory and processor time of processes, read from /proc. Knows no workers and no budget.

use super::kernel_file::read_again;
use crate::sys::family;
use crate::sys::stat::{GROUP, Stat, TIMES};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use tender_units::{Bytes, Micros};

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// Memory of a process that is no cache of a file: RssAnon + RssShmem, bytes. `None` if it has
/// ended.
///
/// `smaps_rollup` has the same figure, but the kernel reads all pages for it; `status` takes some
/// ten microseconds.
pub(crate) fn resident_bytes(pid: u32) -> Option<Bytes> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_resident(&status)
}

/// Reads repeatedly what one process uses. Its files stay open, because opening one takes memory.
/// They belong to this process, and never to a later one with the same pid.
#[derive(Debug)]
pub(crate) struct Gauge {
    status: File,
    stat: File,
    buffer: RefCell<Vec<u8>>,
}

impl Gauge {
    /// # Errors
    /// It has ended, or /proc cannot be read.
    pub(crate) fn open(pid: u32) -> io::Result<Gauge> {
        let open = |file: &str| File::open(format!("/proc/{pid}/{file}"));
        Ok(Gauge { status: open("status")?, stat: open("stat")?, buffer: RefCell::default() })
    }

    /// As [`resident_bytes`].
    pub(crate) fn resident_bytes(&self) -> Option<Bytes> {
        self.read(&self.status, |text| parse_resident(&String::from_utf8_lossy(text)))
    }

    /// As [`used_us`].
    pub(crate) fn used_us(&self) -> Option<Micros> {
        self.read(&self.stat, parse_used)
    }

    /// As `used_us`, without time in the kernel: the time spent on its own code.
    pub(crate) fn user_us(&self) -> Option<Micros> {
        self.read(&self.stat, parse_user)
    }

    fn read<T>(&self, file: &File, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let mut buffer = self.buffer.borrow_mut();
        parse(read_again(file, &mut buffer).ok()?)
    }
}

/// Processor time of a process since it started, with all its threads and the children that it has
/// waited for, microseconds. The kernel counts in ticks, usually of 10 ms. `None` if it has ended.
pub(crate) fn used_us(pid: u32) -> Option<Micros> {
    parse_used(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// What all processes of each group use: a worker with its linker, a command with its descendants.
pub(crate) struct Groups(BTreeMap<u32, Use>);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Use {
    pub(crate) bytes: Bytes,
    /// As [`Gauge::user_us`].
    pub(crate) user_us: Micros,
}

impl Groups {
    /// Reads all our descendants, which takes some fifty microseconds a process: only for builds
    /// that have such groups. An orphan is a child of ours, because we are a subreaper.
    pub(crate) fn read() -> Groups {
        let mut groups: BTreeMap<u32, Use> = BTreeMap::new();
        for pid in family::pids_below(std::process::id(), &BTreeSet::new()) {
            let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
            if let Some(group) = parse_group(&stat)
                && group != 0
            {
                let all = groups.entry(group).or_default();
                all.bytes += resident_bytes(pid).unwrap_or_default();
                all.user_us += parse_user(&stat).unwrap_or_default();
            }
        }
        Groups(groups)
    }

    pub(crate) fn get(&self, leader: u32) -> Option<Use> {
        self.0.get(&leader).copied()
    }
}

fn parse_group(stat: &[u8]) -> Option<u32> {
    Stat::parse(stat)?.number(GROUP)?.try_into().ok()
}

fn parse_resident(status: &str) -> Option<Bytes> {
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    kib("RssAnon:")?.checked_add(kib("RssShmem:")?)?.checked_mul(1024).map(Bytes)
}

fn parse_used(stat: &[u8]) -> Option<Micros> {
    parse_times(stat)?.into_iter().try_fold(0u64, u64::checked_add).map(Micros)
}

fn parse_user(stat: &[u8]) -> Option<Micros> {
    let [user, _, user_of_children, _] = parse_times(stat)?;
    user.checked_add(user_of_children).map(Micros)
}

fn parse_times(stat: &[u8]) -> Option<[u64; 4]> {
    let stat = Stat::parse(stat)?;
    let ticks: Option<Vec<u64>> = TIMES.map(|field| stat.number(field)).collect();
    let ticks: [u64; 4] = ticks?.try_into().ok()?;
    Some(
        ticks.map(|ticks| {
            ticks.saturating_mul(SECOND) / rustix::param::clock_ticks_per_second().max(1)
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_what_files_do_not_back() {
        let status = "Name:\tx\nVmRSS:\t    9000 kB\nRssAnon:\t    1000 kB\nRssFile:\t 7976 kB\nRssShmem:\t      24 kB\n";
        assert_eq!(parse_resident(status), Some(Bytes(1024 * 1024)));
        assert_eq!(parse_resident("Name:\tzombie\n"), None);
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > Bytes(0)));
    }

    #[test]
    fn processor_time_includes_children_that_ended() {
        let tick = SECOND / rustix::param::clock_ticks_per_second();
        let check = |stat: &str, ticks: Option<u64>| {
            assert_eq!(parse_used(stat.as_bytes()), ticks.map(|n| Micros(n * tick)))
        };
        check("7 (a) b) S 1 7 7 0 -1 4 10 0 0 0 5 6 70 800 20 0 1 0 99", Some(881));
        check("7 (a) S 1 7 7 0 -1 4 10 0 0 0 5 6 70", None);
        check("", None);
        assert!(used_us(std::process::id()).is_some());
        let line = "7 (a) b) S 1 7 7 0 -1 4 10 0 0 0 5 6 70 800 20 0 1 0 99";
        assert_eq!(parse_user(line.as_bytes()), Some(Micros(75 * tick)));
    }

    #[test]
    fn gauge_is_of_one_process() {
        let gauge = Gauge::open(std::process::id()).unwrap();
        assert!(gauge.resident_bytes().is_some_and(|bytes| bytes > Bytes(0)));
        assert!(gauge.user_us() <= gauge.used_us());
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let gauge = Gauge::open(child.id());
        let before = gauge.as_ref().ok().and_then(Gauge::used_us);
        child.kill().unwrap();
        child.wait().unwrap();
        let gauge = gauge.unwrap();
        assert!(before.is_some());
        assert_eq!((gauge.used_us(), gauge.resident_bytes()), (None, None));
    }

    #[test]
    fn fuzz_sample() {
        tender_fuzz::check("sample", 3_000, |text| {
            parse_group(text);
            parse_used(text);
            parse_user(text);
            parse_resident(&String::from_utf8_lossy(text));
        });
    }
}
