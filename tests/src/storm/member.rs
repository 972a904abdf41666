//! The processes of a round's tree: how they are found, and how signals reach them and no other
//! process.

use super::plan::Victim;
use crate::TestSpace;
use crate::interop::members;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fmt::{self, Display, Formatter};

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) pid: Pid,
    name: String,
    /// Of proc_pid_stat(5): `T` is stopped.
    state: char,
    parent: i32,
    session: i32,
    words: String,
}

/// All processes of the tree that run or are stopped.
pub(super) fn all(space: &TestSpace) -> Vec<Member> {
    let details = |pid: Pid, name: String| {
        let number = pid.as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.chars().next()?;
        let mut number_of = |nth| fields.nth(nth)?.parse().ok();
        // The third of these is the group between the two.
        let (parent, session) = (number_of(0)?, number_of(1)?);
        let words = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        Some(Member { pid, name, state, parent, session, words })
    };
    members(space).into_iter().filter_map(|member| details(member.pid, member.name)).collect()
}

impl Member {
    pub(super) fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// The kind of a process. A watchdog is a fork of its tender and starts a session; it gets no
    /// signals when its tender has ended.
    pub(super) fn role(&self, outermost: Pid, all: &[Member]) -> Option<Victim> {
        if self.pid == outermost {
            return Some(Victim::Outermost);
        }
        match self.name.as_str() {
            "tender-worker" => Some(Victim::Worker),
            "tender" => {
                let parent =
                    all.iter().find(|other| other.pid.as_raw_nonzero().get() == self.parent);
                let is_fork = parent.is_some_and(|parent| parent.words == self.words);
                let leads = self.session == self.pid.as_raw_nonzero().get();
                match (is_fork, leads) {
                    (false, false) => Some(Victim::Inner),
                    (true, true) => Some(Victim::Watchdog),
                    _ => None,
                }
            }
            "make" | "ninja" => Some(Victim::Tool),
            _ => Some(Victim::Leaf),
        }
    }

    /// Returns whether the process existed.
    pub(super) fn signal(&self, space: &TestSpace, signal: Signal) -> bool {
        let Ok(descriptor) = pidfd_open(self.pid, PidfdFlags::empty()) else { return false };
        // The pid may be in use by another process. What is read after the pidfd was opened is
        // about the process of the pidfd.
        let environment = std::fs::read(format!("/proc/{}/environ", self.pid.as_raw_nonzero()));
        let root = space.root().as_str().as_bytes();
        let is_member =
            environment.is_ok_and(|all| all.windows(root.len()).any(|window| window == root));
        is_member && pidfd_send_signal(descriptor, signal).is_ok()
    }
}

impl Display for Member {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Member { pid, name, state, parent, words, .. } = self;
        let words: String = words.chars().take(160).collect();
        write!(f, "{} {name} ({state}, of {parent}): {words}", pid.as_raw_nonzero())
    }
}
