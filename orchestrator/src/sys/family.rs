//! The descendants of a process, read from /proc. Decides nothing.

use crate::sys::stat::{PARENT, STARTED, Stat, TIMES};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tender_units::Bytes;

/// The start time of a process and its pid: together they are never used again.
pub type Identity = (u64, u32);

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub pid: u32,
    pub parent: u32,
    /// Its start time, in any unit that grows. Together with the pid it is never used again.
    pub started: u64,
    /// The name of its program.
    pub name: String,
    /// What it uses, bytes.
    pub bytes: Bytes,
    /// Its processor time, in any unit.
    pub used: u64,
}

impl Member {
    pub fn identity(&self) -> Identity {
        (self.started, self.pid)
    }
}

/// A pidfd of the process. `None` if it has ended, because another process may have its pid.
pub(crate) fn open((started_then, pid): Identity) -> Option<OwnedFd> {
    let pidfd = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::NONBLOCK).ok()?;
    // If the process has the same start time after the descriptor was opened as before, the
    // descriptor refers to it.
    (started(pid)? == started_then).then_some(pidfd)
}

/// All descendants of `root`, except `except`, their descendants, and zombies. Without `root`
/// itself.
///
/// Takes some fifty microseconds a process. Processes that start or end meanwhile may be missed.
pub(crate) fn below(root: u32, except: &BTreeSet<u32>) -> Vec<Member> {
    pids_below(root, except).into_iter().filter_map(read).collect()
}

/// As [`below`], with zombies.
pub(crate) fn pids_below(root: u32, except: &BTreeSet<u32>) -> Vec<u32> {
    let mut below = Vec::new();
    let mut scanned = None;
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        // A kernel without CONFIG_PROC_CHILDREN has no lists of children; then the parent of each
        // process is read.
        let children = children(parent).unwrap_or_else(|| {
            scanned.get_or_insert_with(scan).remove(&parent).unwrap_or_default()
        });
        let children = children.into_iter().filter(|child| !except.contains(child));
        let known = below.len();
        below.extend(children);
        parents.extend_from_slice(&below[known..]);
    }
    below
}

/// The children of all threads of the process: the kernel lists them by thread. `None` if there is
/// no such list.
fn children(pid: u32) -> Option<Vec<u32>> {
    let mut children = Vec::new();
    // A process that has ended has no children.
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children
                .extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok())),
            Err(_) if thread.path().exists() => return None,
            Err(_) => {}
        }
    }
    Some(children)
}

/// The children of every process.
fn scan() -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(member) = read(pid) {
            children.entry(member.parent).or_default().push(pid);
        }
    }
    children
}

/// The start time of the process, as [`Member::started`].
pub(crate) fn started(pid: u32) -> Option<u64> {
    read(pid).map(|member| member.started)
}

fn read(pid: u32) -> Option<Member> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let bytes = parse_private(&pages)?.checked_mul(rustix::param::page_size() as u64)?;
    parse(pid, &stat, Bytes(bytes))
}

fn parse(pid: u32, stat: &[u8], bytes: Bytes) -> Option<Member> {
    let stat = Stat::parse(stat).filter(|stat| !stat.has_ended())?;
    Some(Member {
        pid,
        parent: stat.number(PARENT)?.try_into().ok()?,
        started: stat.number(STARTED)?,
        name: String::from_utf8_lossy(stat.name).into_owned(),
        bytes,
        // Without the time of its children, which were members themselves.
        used: TIMES.take(2).try_fold(0u64, |sum, field| sum.checked_add(stat.number(field)?))?,
    })
}

/// The private memory of a process, pages, neither file-backed nor shared: `resident` less `shared`
/// of proc_pid_statm(5).
fn parse_private(statm: &str) -> Option<u64> {
    let mut fields = statm.split_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn family_parses_a_stat_line() {
        let stat = "7 (a) (b) S 1 7 7 0 -1 4 10 0 0 0 5 6 70 800 20 0 1 0 99 1000 3";
        let member = Member {
            pid: 7,
            parent: 1,
            started: 99,
            name: "a) (b".to_owned(),
            bytes: Bytes(12),
            used: 11,
        };
        assert_eq!(parse(7, stat.as_bytes(), Bytes(12)), Some(member));
        assert_eq!(
            parse(7, stat.replace(" S ", " Z ").as_bytes(), Bytes(12)),
            None,
            "it has ended"
        );
        assert_eq!(parse(7, b"7 (a) S 1", Bytes(12)), None);
        assert_eq!(parse_private("900 50 20 1 0 30 0\n"), Some(30));
        assert_eq!(parse_private(""), None);
    }

    #[test]
    fn family_includes_what_a_command_starts() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & sleep 1000 & wait"]).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let me = std::process::id();
        let names = |except: &BTreeSet<u32>| -> Vec<String> {
            let mine = below(me, except)
                .into_iter()
                .filter(|member| [child.id()].contains(&member.parent));
            mine.map(|member| member.name).collect()
        };
        while names(&BTreeSet::new()) != ["sleep", "sleep"] {
            std::thread::yield_now();
        }
        assert_eq!(names(&BTreeSet::from([child.id()])), Vec::<String>::new());
        assert!(scan()[&me].contains(&child.id()));
        for sleeper in below(child.id(), &BTreeSet::new()) {
            let pid = rustix::process::Pid::from_raw(sleeper.pid as i32).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
    }

    #[test]
    fn process_is_opened_by_pid_and_start_time() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let started = started(pid).unwrap();
        assert!(open((started, pid)).is_some());
        assert!(open((started - 1, pid)).is_none(), "one that had the number before");
        assert!(open((started + 1, pid)).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(open((started, pid)).is_none());
    }

    #[test]
    fn fuzz_family() {
        tender_fuzz::check("family", 3_000, |text| {
            parse(7, text, Bytes(12));
            parse_private(&String::from_utf8_lossy(text));
        });
    }
}
