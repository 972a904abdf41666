//! Finds the survivors of a child: by the FIFO that their environment names, or because they are
//! descendants of ours.
//!
//! A process that started a session of its own is no longer in the group of its parent, and its
//! parents may have ended. But each client of the pool has the path of one child's FIFO in
//! MAKEFLAGS or CARGO_MAKEFLAGS. A process that has cleared its environment is recognised only by
//! its parent: that is this process, which is a subreaper (PR_SET_CHILD_SUBREAPER in prctl(2)).
//!
//! The tokens of survivors stay charged until they end, under an id of their own, because the
//! command may run again. They are offered none.

use crate::sys::family::{self, Member};
use crate::sys::stat::{ENVIRONMENT_END, ENVIRONMENT_START, Stat, VIRTUAL_SIZE};
use crate::sys::{group, now_us};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use tender_units::Micros;

/// How often a process is read that is in execve(2): for some microseconds it has no environment;
/// longer if the program is read from a disk, or if other processes have the processors.
const LOOKS: u32 = 12;
/// The first pause between two looks. Each is twice as long as the one before: 0.8 s in all.
const PAUSE_US: Micros = Micros(400);

/// How many processes are read in one step, each in some ten microseconds.
const IN_A_STEP: usize = 50;

/// A search for all processes of this user whose environment names a FIFO, except zombies, and for
/// our descendants whose environment names none, since it is unknown which child left those. It
/// reads all of /proc, so it is done in steps, between which the caller does other work.
#[derive(Debug)]
pub(crate) struct Search {
    fifo: String,
    /// Children of ours, which are not searched for, nor are their descendants.
    ours: BTreeSet<u32>,
    /// Processes that name no FIFO count only if they started no earlier, as [`family::started`]
    /// returns.
    since: u64,
    seen: BTreeSet<i32>,
    /// Processes to read now, and those to read again after a pause.
    next: Vec<i32>,
    unclear: Vec<i32>,
    look: u32,
    next_us: Micros,
    found: Vec<OwnedFd>,
}

impl Search {
    pub(crate) fn new(fifo: String, ours: BTreeSet<u32>, since: u64) -> Search {
        let mut search = Search {
            fifo,
            ours,
            since,
            seen: BTreeSet::new(),
            next: Vec::new(),
            unclear: Vec::new(),
            look: 0,
            next_us: Micros::ZERO,
            found: Vec::new(),
        };
        search.add_unseen();
        search
    }

    /// When it is time for the next step, microseconds.
    pub(crate) fn next_us(&self) -> Micros {
        self.next_us
    }

    /// Does the next step if it is due. Returns what was found, once, at the end.
    pub(crate) fn step(&mut self, now_us: Micros) -> Option<Vec<OwnedFd>> {
        if now_us < self.next_us {
            return None;
        }
        for pid in self.next.split_off(self.next.len().saturating_sub(IN_A_STEP)) {
            self.look_at(pid);
        }
        if !self.next.is_empty() {
            return None;
        }
        if !self.unclear.is_empty() && self.look + 1 < LOOKS {
            self.next_us = now_us + Micros(PAUSE_US.0 << self.look);
            self.look += 1;
            self.next = std::mem::take(&mut self.unclear);
            return None;
        }
        // A process in the list may have started another and ended before it was read.
        self.unclear.clear();
        self.look = 0;
        if self.add_unseen() {
            return None;
        }
        let mut found = std::mem::take(&mut self.found);
        found.extend(unnamed(&self.fifo, &self.ours, self.since));
        Some(found)
    }

    /// Does all steps.
    pub(crate) fn run(mut self) -> Vec<OwnedFd> {
        loop {
            if let Some(found) = self.step(now_us()) {
                return found;
            }
            std::thread::sleep(self.next_us.saturating_sub(now_us()).duration());
        }
    }

    fn look_at(&mut self, pid: i32) {
        match environment(pid) {
            Environment::Is(environment) => {
                if names(&environment, self.fifo.as_bytes()) {
                    self.found.extend(self.open(pid));
                }
            }
            Environment::Never => {}
            // It is in execve(2), and may get one.
            Environment::Empty if self.look < 2 => self.unclear.push(pid),
            Environment::Empty => {}
            Environment::NotYet => self.unclear.push(pid),
        }
    }

    /// The process that names the FIFO. `None` if it has ended, because its number may be in use by
    /// another process.
    fn open(&self, pid: i32) -> Option<OwnedFd> {
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::NONBLOCK).ok()?;
        let is_named = match environment(pid) {
            Environment::Is(environment) => names(&environment, self.fifo.as_bytes()),
            // It is in execve(2), and named the FIFO before.
            Environment::Never | Environment::Empty | Environment::NotYet => true,
        };
        // It has not ended, so the environment that was read was its own.
        (is_named && !group::has_ended(&pidfd)).then_some(pidfd)
    }

    /// Whether there are any.
    fn add_unseen(&mut self) -> bool {
        self.next = processes().into_iter().filter(|pid| self.seen.insert(*pid)).collect();
        !self.next.is_empty()
    }
}

/// Our descendants, except `ours` and their descendants, that started no earlier than `since` (as
/// [`family::started`] returns) and whose environment names no FIFO in the directory of `fifo`.
fn unnamed(fifo: &str, ours: &BTreeSet<u32>, since: u64) -> Vec<OwnedFd> {
    let directory = fifo.rsplit_once('/').map_or("", |(directory, _)| directory);
    let is_named = |pid: u32| match pid.try_into().map(environment) {
        Ok(Environment::Is(environment)) => {
            let mut windows = environment.windows(directory.len().max(1));
            windows.any(|window| window == directory.as_bytes())
        }
        _ => false,
    };
    let members = family::below(std::process::id(), ours).into_iter();
    let late = members.filter(|member| member.started >= since && !is_named(member.pid));
    late.filter_map(|member: Member| family::open(member.identity())).collect()
}

fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Environment {
    Is(Vec<u8>),
    /// It belongs to another user or to the kernel, or has ended.
    Never,
    Empty,
    /// It is in execve(2).
    NotYet,
}

/// Few environments are longer. Bytes.
const LENGTH: usize = 64 << 10;

fn environment(pid: i32) -> Environment {
    match read(pid) {
        Ok(environment) if !environment.is_empty() => Environment::Is(environment),
        Ok(_) => without(&fs::read(format!("/proc/{pid}/stat")).unwrap_or_default()),
        Err(_) => Environment::Never,
    }
}

/// By one read(2) if possible: when the process has called execve(2) meanwhile, the next read
/// returns nothing.
fn read(pid: i32) -> io::Result<Vec<u8>> {
    let mut file = File::open(format!("/proc/{pid}/environ"))?;
    let mut environment = vec![0; LENGTH];
    let length = file.read(&mut environment)?;
    environment.truncate(length);
    if length == LENGTH {
        file.read_to_end(&mut environment)?;
    }
    Ok(environment)
}

/// Why no environment could be read: the process has no memory, no environment in it yet, or has
/// got one since.
fn without(stat: &[u8]) -> Environment {
    let Some(stat) = Stat::parse(stat).filter(|stat| !stat.has_ended()) else {
        return Environment::Never;
    };
    let (start, end) = (stat.number(ENVIRONMENT_START), stat.number(ENVIRONMENT_END));
    match stat.number(VIRTUAL_SIZE) {
        Some(0) => Environment::Never,
        _ if end == Some(0) || start != end => Environment::NotYet,
        _ => Environment::Empty,
    }
}

/// Whether a variable ends with the path or has a blank after it, because the path of FIFO 12
/// begins with that of FIFO 1.
fn names(environment: &[u8], fifo: &[u8]) -> bool {
    let ends_there = |after: Option<&u8>| matches!(after, None | Some(0 | b' ' | b'\t' | b'\n'));
    let mut starts =
        environment.windows(fifo.len()).enumerate().filter(|(_, window)| *window == fifo);
    starts.any(|(at, _)| ends_there(environment.get(at + fifo.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    #[test]
    fn survivor_search_distinguishes_fifos() {
        let check = |environment: &str, expect: bool| {
            assert_eq!(names(environment.as_bytes(), b"/d/1"), expect, "{environment:?}");
        };
        check("A=b\0MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1\0X=y\0", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1 --jobserver-auth=3,4\0", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/12\0", false);
        check(
            "MAKEFLAGS= --jobserver-auth=fifo:/d/12\0CARGO_MAKEFLAGS= --jobserver-auth=fifo:/d/1\0",
            true,
        );
        check("", false);
    }

    /// The processes that name the FIFO.
    fn of(fifo: &str) -> Vec<OwnedFd> {
        Search::new(fifo.to_owned(), BTreeSet::new(), u64::MAX).run()
    }

    #[test]
    fn process_in_a_session_of_its_own_is_found() {
        use std::process::{Command, Stdio};
        let fifo = format!("/nowhere/{}/7", std::process::id());
        let mut command = Command::new("setsid");
        command
            .args(["sleep", "1000"])
            .env("MAKEFLAGS", format!(" -j2 --jobserver-auth=fifo:{fifo}"));
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        // Until it calls exec, its environment is ours.
        while of(&fifo).is_empty() {
            std::thread::yield_now();
        }
        for process in of(&fifo) {
            assert!(!group::has_ended(&process));
            rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL).unwrap();
            group::wait_for_end(&[process], Duration::from_secs(3600));
        }
        assert!(of(&fifo).is_empty(), "it is a zombie");
        child.wait().unwrap();
        assert!(of(&fifo).is_empty());
    }

    /// Each step is short, however many processes there are.
    #[test]
    fn search_is_done_in_steps_and_does_not_sleep() {
        let mut search = Search::new("/nowhere/at/all".to_owned(), BTreeSet::new(), u64::MAX);
        // As if there were many processes: the list has this process many times.
        let me = std::process::id() as i32;
        search.next = vec![me; 10 * IN_A_STEP];
        for left in (1..10).rev() {
            assert!(search.step(Micros(0)).is_none());
            assert!(search.next.len() >= left * IN_A_STEP);
        }
        // A process in execve(2) is read again after a pause, for which the caller waits.
        (search.next, search.unclear) = (vec![me], vec![me]);
        assert!(search.step(Micros(1_000)).is_none());
        assert_eq!((search.next_us(), search.look), (Micros(1_000) + PAUSE_US, 1));
        assert!(search.step(Micros(1_001)).is_none());
        assert_eq!(search.next, [me], "it was too early");
        assert!(search.run().is_empty());
    }

    #[test]
    fn process_without_an_environment_may_be_about_to_get_one() {
        let stat = |state: &str, vsize: &str, env_start: &str, env_end: &str| {
            let mut fields = ["1"; 50];
            (fields[0], fields[20], fields[47], fields[48]) = (state, vsize, env_start, env_end);
            format!("7 (a) Z 1) {}", fields.join(" "))
        };
        assert_eq!(without(stat("R", "4096", "0", "0").as_bytes()), Environment::NotYet);
        assert_eq!(
            without(stat("R", "4096", "123", "456").as_bytes()),
            Environment::NotYet,
            "it has one now"
        );
        assert_eq!(without(stat("R", "4096", "123", "123").as_bytes()), Environment::Empty);
        assert_eq!(
            without(stat("S", "0", "0", "0").as_bytes()),
            Environment::Never,
            "a thread of the kernel"
        );
        assert_eq!(without(stat("Z", "0", "0", "0").as_bytes()), Environment::Never);
        assert_eq!(without(b""), Environment::Never);
    }

    /// It is nearly always in execve(2).
    #[test]
    fn process_that_is_replaced_all_the_time_is_found() {
        use std::os::unix::fs::PermissionsExt;
        use std::process::{Command, Stdio};
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("again");
        fs::write(&script, "#!/bin/sh\nexec \"$0\"\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let fifo = format!("/nowhere/{}/8", std::process::id());
        let mut command = Command::new(&script);
        command.env("MAKEFLAGS", format!(" -j2 --jobserver-auth=fifo:{fifo}")).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        let missed = (0..200).filter(|_| of(&fifo).is_empty()).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(missed, 0);
    }

    #[test]
    fn process_that_clears_its_environment_is_found_below_us() {
        use std::process::{Command, Stdio};
        let fifo = format!("/nowhere/{}/9", std::process::id());
        let start = |words: &[&str]| {
            let mut command = Command::new("setsid");
            command.args(words).env("MAKEFLAGS", format!(" --jobserver-auth=fifo:{fifo}"));
            command.stdin(Stdio::null()).spawn().unwrap()
        };
        let mut children = [start(&["env", "-i", "sleep", "1000"]), start(&["sleep", "1000"])];
        let [cleared, named] = [0, 1].map(|at| children[at].id());
        let number = |process: OwnedFd| {
            let path = format!("/proc/self/fdinfo/{}", process.as_raw_fd());
            let info = fs::read_to_string(path).unwrap();
            let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"));
            pid.unwrap().trim().parse::<i32>().unwrap() as u32
        };
        let found = |ours: &[u32], since: u64| {
            let found = unnamed(&fifo, &ours.iter().copied().collect(), since);
            found.into_iter().map(number).collect::<Vec<_>>()
        };
        // Until they call exec, the environment of both is ours.
        while of(&fifo).len() != 1
            || found(&[], 0).contains(&named)
            || !found(&[], 0).contains(&cleared)
        {
            std::thread::yield_now();
        }
        assert!(!found(&[cleared], 0).contains(&cleared), "it is known");
        assert!(found(&[], family::started(cleared).unwrap()).contains(&cleared));
        assert!(
            !found(&[], family::started(cleared).unwrap() + 1).contains(&cleared),
            "it is older"
        );
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
