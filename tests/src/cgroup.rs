//! A memory cgroup of a test's own, in which a command runs from its first instruction. Knows both
//! versions, not what runs.
//!
//! Making one takes root, or a group that was delegated to the user. Where that is not so, tests
//! that need one are skipped.

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

/// Removed when it is dropped, with all that still runs in it.
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    directory: Utf8PathBuf,
}

/// Where processes go that are in the way.
const LEAF: &str = "tender-tests";

impl Cgroup {
    /// A group below ours that may use `limit` bytes, without swap. `None` where none can be made;
    /// the test is skipped then.
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

    /// A group inside this one, with a limit of its own. `None` where this one cannot have any.
    pub fn inner(&self, limit: u64) -> Option<Cgroup> {
        Cgroup::below(self.version, &self.directory, limit).ok()
    }

    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Bytes from now on, without swap. Under version 2 this kills where as much cannot be freed.
    ///
    /// # Errors
    /// Under version 1: as much cannot be freed, and the limit stays.
    pub fn set_limit(&self, limit: u64) -> io::Result<()> {
        // A limit on swap would do for version 1 as well, but where it is met the kernel does not
        // count that.
        let (limits, swap) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "memory.swappiness"),
            Version::V2 => ("memory.max", "memory.swap.max"),
        };
        // It is absent where the kernel has no swap.
        let _ = write(&self.directory.join(swap), "0");
        write(&self.directory.join(limits), &limit.to_string())
    }

    /// Makes `command` run in the group: it is there before the program is loaded, so all its
    /// memory counts.
    ///
    /// It does what `Command` does otherwise: arguments, environment, directory and streams stay as
    /// they are.
    pub fn confine(&self, command: &mut Command) {
        // Opened here, because after the fork of a process with threads nothing may allocate.
        let procs = self.directory.join("cgroup.procs");
        let procs =
            fs::File::options().write(true).open(&procs).unwrap_or_else(|e| panic!("{procs}: {e}"));
        // "0" is the process that writes it.
        let enter = move || (&procs).write_all(b"0");
        #[expect(unsafe_code, reason = "one write to an open file is safe after a fork")]
        // SAFETY: `enter` calls write(2) and nothing else: it neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(enter)
        };
    }

    /// The most that was used at once, bytes. `None` before Linux 5.19 with version 2.
    pub fn peak(&self) -> Option<u64> {
        match self.version {
            Version::V1 => self.number("memory.max_usage_in_bytes"),
            Version::V2 => self.number("memory.peak"),
        }
    }

    /// How many processes the kernel has killed in this group, bound by its limit or by one above.
    pub fn oom_kills(&self) -> u64 {
        let kills = match self.version {
            Version::V1 => self.keyed("memory.oom_control", "oom_kill"),
            Version::V2 => self.keyed("memory.events", "oom_kill"),
        };
        kills.expect("a group that is there has its counters")
    }

    /// How often the limit was met: then memory is reclaimed, or a process is killed.
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
            // In a container the path may be one of outside; then what is mounted is ours.
            let directory =
                [Utf8Path::new(mount).join(path), mount.into()].into_iter().find(|d| d.is_dir());
            let Some(directory) = directory else { continue };
            let has_memory = match version {
                Version::V1 => directory.join("memory.limit_in_bytes").exists(),
                Version::V2 => fs::read_to_string(directory.join("cgroup.controllers"))
                    .is_ok_and(|text| text.split_whitespace().any(|name| name == "memory")),
            };
            if has_memory {
                // Where `hand_down` has moved us.
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

/// Gives the groups below `parent` the memory controller. Version 2 does so only for a group
/// without processes of its own, so those are moved to one beside ours. That is done where the
/// tests are alone in a container; the root group of a machine may have both.
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
    // Processes are started meanwhile, perhaps by other tests.
    for _attempt in 0..10 {
        let text = fs::read_to_string(parent.join("cgroup.procs")).unwrap_or_default();
        for process in text.lines() {
            // One that has ended cannot be moved, and need not be.
            let _ = write(&leaf.join("cgroup.procs"), process);
        }
        if has() || write(&control, "+memory").is_ok() {
            return Ok(());
        }
    }
    Err(format!("{control} cannot be written"))
}

fn write(path: &Utf8Path, text: &str) -> io::Result<()> {
    // In one call, which is one request to the kernel.
    fs::File::options().write(true).open(path)?.write_all(text.as_bytes())
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        // Those that are killed leave only when they have ended, and others may have been started
        // since.
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
