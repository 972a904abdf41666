//! A memory cgroup for a test, in which a command runs from its first instruction. Knows both
//! versions of cgroups, and no commands.
//!
//! To make one, a process needs root, or a group that was delegated to its user. Otherwise tests
//! that need a cgroup are skipped.

use crate::features::{Feature, skip};
use crate::space::say;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Removed when it is dropped; processes in it are killed.
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    directory: Utf8PathBuf,
}

/// The group for processes that are moved out of the way.
const LEAF: &str = "tender-tests";

impl Cgroup {
    /// A group below ours that may use `limit` bytes, without swap. `None` if none can be made;
    /// then the test is skipped.
    pub fn new(limit: u64) -> Option<Cgroup> {
        match Cgroup::find().and_then(|(version, parent)| Cgroup::below(version, &parent, limit)) {
            Ok(group) => Some(group),
            Err(why) => {
                let why = format!("no memory cgroup can be made ({why}); run the tests as root");
                skip(Feature::Cgroup, &why);
                None
            }
        }
    }

    /// A group inside this one, with its own limit. `None` if this one cannot have groups.
    pub fn inner(&self, limit: u64) -> Option<Cgroup> {
        Cgroup::below(self.version, &self.directory, limit).ok()
    }

    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Sets the limit, bytes, without swap. If not enough memory can be freed, version 2 kills
    /// processes.
    ///
    /// # Errors
    /// With version 1, not enough memory can be freed; then the limit does not change.
    pub fn set_limit(&self, limit: u64) -> io::Result<()> {
        // Version 1 has a limit for memory and swap together, but the kernel does not count how
        // often that is met.
        let (limits, swap) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "memory.swappiness"),
            Version::V2 => ("memory.max", "memory.swap.max"),
        };
        // The file is absent if the kernel has no swap.
        let _ = write(&self.directory.join(swap), "0");
        write(&self.directory.join(limits), &limit.to_string())
    }

    /// Makes `command` run in the group. The process enters it before exec, so all its memory
    /// counts.
    ///
    /// Arguments, environment, directory and streams of the command are not changed.
    pub fn confine(&self, command: &mut Command) {
        // Opened here, because nothing may allocate between fork and exec in a process with
        // threads.
        let procs = self.directory.join("cgroup.procs");
        let procs =
            fs::File::options().write(true).open(&procs).unwrap_or_else(|e| panic!("{procs}: {e}"));
        // "0" means the process that writes it.
        let enter = move || (&procs).write_all(b"0");
        #[expect(unsafe_code, reason = "one write to an open file is safe after a fork")]
        // SAFETY: `enter` only calls write(2): no allocation, no lock.
        unsafe {
            command.pre_exec(enter)
        };
    }

    /// The peak of what the group used, bytes. `None` with version 2 before Linux 5.19.
    pub fn peak(&self) -> Option<u64> {
        match self.version {
            Version::V1 => self.number("memory.max_usage_in_bytes"),
            Version::V2 => self.number("memory.peak"),
        }
    }

    /// How many processes of this group the kernel has killed, at its limit or at one above.
    pub fn oom_kills(&self) -> u64 {
        let kills = match self.version {
            Version::V1 => self.keyed("memory.oom_control", "oom_kill"),
            Version::V2 => self.keyed("memory.events", "oom_kill"),
        };
        kills.expect("a group that is there has its counters")
    }

    /// How often the limit was reached: then the kernel reclaims memory, or kills a process.
    pub fn hits(&self) -> u64 {
        let hits = match self.version {
            Version::V1 => self.number("memory.failcnt"),
            Version::V2 => self.keyed("memory.events", "max"),
        };
        hits.expect("a group that is there has its counters")
    }

    /// The processes in it.
    pub fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.directory.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Our own group in the hierarchy that has memory: its version and directory.
    fn find() -> Result<(Version, Utf8PathBuf), String> {
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|e| e.to_string())?;
        let path = |wanted: &dyn Fn(&str, &str) -> bool| {
            own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':');
                let (id, names, path) = (fields.next()?, fields.next()?, fields.next()?);
                wanted(id, names).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let places = [
            (
                Version::V1,
                "/sys/fs/cgroup/memory",
                path(&|_, names| names.split(',').any(|n| n == "memory")),
            ),
            (Version::V2, "/sys/fs/cgroup", path(&|id, _| id == "0")),
            (Version::V2, "/sys/fs/cgroup/unified", path(&|id, _| id == "0")),
        ];
        for (version, mount, path) in places {
            let Some(path) = path else { continue };
            // In a container the path may be that of the host; then the mounted directory is our
            // group.
            let directory =
                [Utf8Path::new(mount).join(path), mount.into()].into_iter().find(|d| d.is_dir());
            let Some(directory) = directory else { continue };
            let has_memory = match version {
                Version::V1 => directory.join("memory.limit_in_bytes").exists(),
                Version::V2 => fs::read_to_string(directory.join("cgroup.controllers"))
                    .is_ok_and(|text| text.split_whitespace().any(|name| name == "memory")),
            };
            if has_memory {
                // The group into which `hand_down` has moved us.
                let above = directory.parent().filter(|_| directory.file_name() == Some(LEAF));
                return Ok((version, above.unwrap_or(&directory).to_owned()));
            }
        }
        Err("there is no memory controller".into())
    }

    fn below(version: Version, parent: &Utf8Path, limit: u64) -> Result<Cgroup, String> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        if version == Version::V2 {
            hand_down(parent)?;
        }
        let name =
            format!("tender-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let directory = parent.join(name);
        fs::create_dir(&directory).map_err(|error| format!("{directory}: {error}"))?;
        let group = Cgroup { version, directory };
        group.set_limit(limit).map_err(|error| format!("{}: {error}", group.directory))?;
        Ok(group)
    }

    fn number(&self, name: &str) -> Option<u64> {
        fs::read_to_string(self.directory.join(name)).ok()?.trim().parse().ok()
    }

    fn keyed(&self, name: &str, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.directory.join(name)).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok())
    }
}

/// Enables the memory controller for the groups below `parent`. With version 2 `parent` must have
/// no processes then, so they are moved to a group beside ours. That happens only if the tests are
/// alone in a container; the root group of a machine may have processes.
fn hand_down(parent: &Utf8Path) -> Result<(), String> {
    let control = parent.join("cgroup.subtree_control");
    let has = || {
        fs::read_to_string(&control)
            .is_ok_and(|text| text.split_whitespace().any(|name| name == "memory"))
    };
    if has() || write(&control, "+memory").is_ok() {
        return Ok(());
    }
    let leaf = parent.join(LEAF);
    let _ = fs::create_dir(&leaf);
    // Other tests may start processes meanwhile.
    for _attempt in 0..10 {
        let text = fs::read_to_string(parent.join("cgroup.procs")).unwrap_or_default();
        for process in text.lines() {
            // An error is ignored: the process has ended.
            let _ = write(&leaf.join("cgroup.procs"), process);
        }
        if has() || write(&control, "+memory").is_ok() {
            return Ok(());
        }
    }
    Err(format!("{control} cannot be written"))
}

fn write(path: &Utf8Path, text: &str) -> io::Result<()> {
    // In one write(2), which is one request to the kernel.
    fs::File::options().write(true).open(path)?.write_all(text.as_bytes())
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        // Killed processes leave the group only when they have ended, and may have started others.
        for _attempt in 0..500 {
            for process in self.processes() {
                if let Some(pid) = Pid::from_raw(process as i32) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            match fs::remove_dir(&self.directory) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => return,
            }
        }
        say(&format!("left behind: {}", self.directory));
    }
}
