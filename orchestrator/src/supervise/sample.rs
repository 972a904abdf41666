//! What a process uses now: memory and processor time, read from /proc. Knows no workers and no budget.

use std::collections::BTreeMap;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// Memory of a process that cannot be given back to a file: RssAnon + RssShmem, bytes. None if it is gone.
///
/// `smaps_rollup` would say the same after a walk over all pages; `status` costs some ten microseconds.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_resident(&status)
}

/// Processor time of a process since it started, all its threads and the children that it has waited for, microseconds. The
/// kernel counts in ticks, usually of 10 ms. None if it is gone.
pub(super) fn used_us(pid: u32) -> Option<u64> {
    parse_used(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// What all processes of each group use, bytes: a worker with the linker that it has started, a command with all that it has.
pub(super) struct Resident(BTreeMap<u32, u64>);

impl Resident {
    /// Reads the whole of /proc, some ten microseconds a process: for builds that have such groups, and no others.
    pub(super) fn of_groups() -> Resident {
        let mut groups = BTreeMap::new();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
            if let Some(group) = stat.and_then(|stat| parse_group(&stat))
                && group != 0
            {
                *groups.entry(group).or_default() += resident_bytes(pid).unwrap_or(0);
            }
        }
        Resident(groups)
    }

    pub(super) fn get(&self, leader: u32) -> Option<u64> {
        self.0.get(&leader).copied()
    }
}

/// `pgrp` of proc_pid_stat(5), field 5.
fn parse_group(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(2)?.parse().ok()
}

fn parse_resident(status: &str) -> Option<u64> {
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("RssAnon:")? + kib("RssShmem:")?) * 1024)
}

/// `utime`, `stime`, `cutime` and `cstime` of proc_pid_stat(5), fields 14 to 17. The second field, the name in brackets, may
/// itself hold spaces and brackets.
fn parse_used(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<u64> =
        after_name.split_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    let ticks: u64 = (fields.len() == 4).then(|| fields.iter().sum())?;
    Some(ticks * SECOND / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_what_files_do_not_back() {
        let status = "Name:\tx\nVmRSS:\t    9000 kB\nRssAnon:\t    1000 kB\nRssFile:\t 7976 kB\nRssShmem:\t      24 kB\n";
        assert_eq!(parse_resident(status), Some(1024 * 1024));
        assert_eq!(parse_resident("Name:\tzombie\n"), None);
        assert!(resident_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn processor_time_includes_children_that_ended() {
        let tick = SECOND / rustix::param::clock_ticks_per_second();
        let check = |stat: &str, ticks: Option<u64>| assert_eq!(parse_used(stat), ticks.map(|n| n * tick));
        check("7 (a) b) S 1 7 7 0 -1 4 10 0 0 0 5 6 70 800 20 0 1 0 99", Some(881));
        check("7 (a) S 1 7 7 0 -1 4 10 0 0 0 5 6 70", None);
        check("", None);
        assert!(used_us(std::process::id()).is_some());
    }
}
