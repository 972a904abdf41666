//! The processes of a tree, at any depth and with any parent: they are recognised by a variable in
//! their environment.

use crate::space::TestSpace;
use rustix::process::Pid;

pub(super) const MARK: &str = "TENDER_TEST_MARK";

/// A process that a [`super::CommandLine`] started in a space, or a descendant of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub pid: Pid,
    /// The name of the program, which the kernel cuts to 15 bytes.
    pub name: String,
}

/// The running processes by pid, without zombies.
pub fn members(space: &TestSpace) -> Vec<Member> {
    let mark = format!("{MARK}={}", space.root()).into_bytes();
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut members: Vec<Member> = pids
        .filter_map(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
            let marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
            marked.then_some(Member { pid: Pid::from_raw(pid)?, name: name.trim_end().to_owned() })
        })
        .collect();
    members.sort_by_key(|member| member.pid.as_raw_nonzero());
    members
}
