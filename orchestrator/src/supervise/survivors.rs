//! Finds the processes that a foreign child has left behind, by the FIFO that their environment names.
//!
//! A process that started a session of its own is no longer in its starter's group, and its parents may be gone. But every
//! client of the pool has the path of its child's FIFO in MAKEFLAGS or CARGO_MAKEFLAGS, and no other child's.

use rustix::process::Pid;

/// All processes of this user whose environment names `fifo`, but for those that have ended and are not reaped.
///
/// Reads /proc, some ten microseconds a process, so this is for the rare end of a child and not for every moment.
pub(super) fn of(fifo: &str) -> Vec<Pid> {
    let needle = fifo.as_bytes();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // Of others' processes, and of those that have ended, the environment cannot be read or is empty.
    let names_it = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| names(&environment, needle))
    };
    pids.filter(names_it).filter_map(Pid::from_raw).collect()
}

/// Whether a variable ends in the path or has it before a blank: that of FIFO 12 begins with that of FIFO 1.
fn names(environment: &[u8], fifo: &[u8]) -> bool {
    let ends_there = |after: Option<&u8>| matches!(after, None | Some(0 | b' ' | b'\t' | b'\n'));
    let mut starts = environment.windows(fifo.len()).enumerate().filter(|(_, window)| *window == fifo);
    starts.any(|(at, _)| ends_there(environment.get(at + fifo.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fifo_is_not_another() {
        let check = |environment: &str, expect: bool| {
            assert_eq!(names(environment.as_bytes(), b"/d/1"), expect, "{environment:?}");
        };
        check("A=b\0MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1\0X=y\0", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1 --jobserver-auth=3,4\0", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/1", true);
        check("MAKEFLAGS= -j2 --jobserver-auth=fifo:/d/12\0", false);
        check("MAKEFLAGS= --jobserver-auth=fifo:/d/12\0CARGO_MAKEFLAGS= --jobserver-auth=fifo:/d/1\0", true);
        check("", false);
    }

    #[test]
    fn a_process_in_a_session_of_its_own_is_found() {
        use std::process::{Command, Stdio};
        let fifo = format!("/nowhere/{}/7", std::process::id());
        let mut command = Command::new("setsid");
        command.args(["sleep", "1000"]).env("MAKEFLAGS", format!(" -j2 --jobserver-auth=fifo:{fifo}"));
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        // Until exec its environment is ours.
        while of(&fifo).is_empty() {
            std::thread::yield_now();
        }
        for pid in of(&fifo) {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        }
        child.wait().unwrap();
        assert_eq!(of(&fifo), []);
    }
}
