//! All readings of one tick, in one place. Decides nothing.

use super::cgroup::{self, Cgroups};
use super::files::KernelFiles;
use super::headroom::{Bound, Reading};
use super::meminfo::MachineMemory;
use super::note::{Note, Notes};
use super::pressure::Totals;
use camino::{Utf8Path, Utf8PathBuf};
use tender_units::Bytes;

/// The source of readings. About ten files are read each time, which takes some tenths of a
/// millisecond: ten readings a second cost well below 1 % of a core.
#[derive(Debug)]
pub struct System {
    files: KernelFiles,
    cgroups: Cgroups,
    pressure: Utf8PathBuf,
    notes: Notes,
}

/// One tick's reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// `None` if no limit and no amount of memory can be read.
    pub limits: Option<Reading>,
    /// `None` if the kernel reports no pressure.
    pub pressure: Option<Totals>,
}

impl System {
    /// Finds the limits of this process. `root` is `/`, or a directory with the same files in
    /// tests.
    pub fn find(root: &Utf8Path) -> System {
        let files = KernelFiles::new(root);
        let mut notes = Notes::default();
        let cgroups = Cgroups::find(&files, &mut notes);
        let pressure = cgroups.pressure_file(&files);
        System { files, cgroups, pressure, notes }
    }

    pub fn sample(&mut self) -> Sample {
        let machine = MachineMemory::read(&self.files, &mut self.notes);
        let total = machine.map_or(Bytes::MAX, |machine| machine.total);
        // Version 1 writes "no limit" as a number close to the largest. Without the machine's size
        // any limit above 1 EiB counts as none.
        let no_limit = total.min(Bytes(1 << 60));
        let groups = self.cgroups.limited(&self.files, no_limit, &mut self.notes);
        let limits = Reading::new(machine, groups);
        if limits.is_none() {
            self.notes.add(Note::Blind);
        }
        Sample { limits, pressure: Totals::read(&self.files, &self.pressure) }
    }

    /// The kernel's count of processes in our cgroups that it killed for memory. Only differences
    /// mean something. Reads all groups below ours too, so it is too slow for every tick.
    pub fn oom_kills(&self) -> Option<u64> {
        self.cgroups.oom_kills(&self.files)
    }

    /// The count of refaults at this limit: pages that were dropped although they were in use, and
    /// read again. Only differences mean something. `None` if the kernel does not report them.
    pub fn refaults(&self, bound: &Bound) -> Option<u64> {
        match bound {
            Bound::Machine => {
                cgroup::refaults(&self.files.read_often(Utf8Path::new("/proc/vmstat")).ok()?, "")
            }
            Bound::Cgroup { path } => self.cgroups.refaults(&self.files, path),
        }
    }

    /// Takes what could not be read; each note once.
    pub fn notes(&mut self) -> Vec<Note> {
        self.notes.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::fixture::{tree, write};
    use super::*;
    use tender_units::Micros;

    const MIB: u64 = 1 << 20;
    const PROC: &[(&str, &str)] = &[
        ("/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n"),
        ("/proc/self/cgroup", "0::/a\n"),
        ("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
        ("/proc/pressure/memory", "some avg10=0 total=1\nfull avg10=0 total=1\n"),
        ("/sys/fs/cgroup/cgroup.controllers", "memory\n"),
        ("/sys/fs/cgroup/a/memory.max", "838860800\n"),
        ("/sys/fs/cgroup/a/memory.high", "max\n"),
        ("/sys/fs/cgroup/a/memory.current", "104857600\n"),
        ("/sys/fs/cgroup/a/memory.stat", "inactive_file 0\n"),
        ("/sys/fs/cgroup/a/memory.events", "oom_kill 0\n"),
        ("/sys/fs/cgroup/a/memory.pressure", "some avg10=0 total=9\nfull avg10=0 total=5\n"),
    ];

    #[test]
    fn system_samples_are_read_again_each_time() {
        let (dir, files) = tree(PROC);
        let mut system = System::find(Utf8Path::from_path(dir.path()).unwrap());
        let mut check = |headroom: u64, bound: Bound| {
            let limits = system.sample().limits.unwrap();
            assert_eq!(
                (limits.headroom() / MIB, &limits.binding().bound),
                (Bytes(headroom), &bound)
            );
        };
        let group = || Bound::Cgroup { path: "/sys/fs/cgroup/a".into() };
        check(636, group());
        write(&files, "/sys/fs/cgroup/a/memory.max", "419430400\n");
        check(236, group());
        write(&files, "/sys/fs/cgroup/a/memory.high", "209715200\n");
        check(66, group());
        write(&files, "/proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 10 kB\n");
        check(0, Bound::Machine);
        write(&files, "/sys/fs/cgroup/a/memory.high", "max\n");
        write(&files, "/sys/fs/cgroup/a/memory.max", "max\n");
        check(0, Bound::Machine);
        assert_eq!(
            system.sample().pressure,
            Some(Totals { some_us: Micros(9), full_us: Micros(5) })
        );
        assert_eq!(system.oom_kills(), Some(0));
        write(&files, "/sys/fs/cgroup/a/memory.events", "oom_kill 1\n");
        assert_eq!(system.oom_kills(), Some(1));
        assert_eq!((system.refaults(&group()), system.refaults(&Bound::Machine)), (None, None));
        let stat = "inactive_file 0\nworkingset_refault_anon 2\nworkingset_refault_file 40\n";
        write(&files, "/sys/fs/cgroup/a/memory.stat", stat);
        write(&files, "/proc/vmstat", "workingset_refault 7\n");
        assert_eq!(
            (system.refaults(&group()), system.refaults(&Bound::Machine)),
            (Some(42), Some(7))
        );
        assert_eq!(system.refaults(&Bound::Cgroup { path: "/sys/fs/cgroup".into() }), None);
        assert_eq!(system.notes(), []);
    }

    #[test]
    fn system_without_proc_and_sys_has_no_reading_and_one_note() {
        let (dir, _) = tree(&[]);
        let mut system = System::find(Utf8Path::from_path(dir.path()).unwrap());
        let nothing = Sample { limits: None, pressure: None };
        assert_eq!((system.sample(), system.sample()), (nothing.clone(), nothing));
        assert_eq!(system.oom_kills(), None);
        let notes = system.notes();
        assert!(
            matches!(&notes[..], [Note::Unreadable { path, .. }, Note::Blind] if path == "/proc/meminfo")
        );
    }

    #[test]
    fn system_without_meminfo_is_bound_by_the_group() {
        let (dir, _) = tree(&PROC[1..]);
        let mut system = System::find(Utf8Path::from_path(dir.path()).unwrap());
        assert_eq!(system.sample().limits.unwrap().headroom() / MIB, Bytes(636));
    }

    #[test]
    fn system_of_this_machine_is_read() {
        let sample = System::find(Utf8Path::new("/")).sample();
        assert!(sample.limits.is_some());
    }
}
