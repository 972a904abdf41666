//! The memory cgroups that bound this process: which there are, their limits, use and kills. Knows
//! no budget.
//!
//! A limit at any level binds, so every group from ours up to the top of what is mounted counts. In
//! a container the levels above are not to be seen; version 1 tells their smallest limit all the
//! same, version 2 does not.

use super::files::{Files, keyed};
use super::note::{Note, Notes};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::io;
use std::os::unix::fs::MetadataExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The groups of this process, fixed when they are found: whoever moves a running build is not
/// followed.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    /// From the group that we are in to the top.
    groups: Vec<Cgroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cgroup {
    version: Version,
    /// As mounted.
    directory: Utf8PathBuf,
    /// There are groups above this one that are not visible.
    is_cut_off: bool,
}

/// A group with a limit, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Its directory.
    pub path: Utf8PathBuf,
    /// The smaller of where it is throttled and where processes are killed, bytes.
    pub limit: u64,
    /// What it uses less what the kernel gives up without being asked twice (`inactive_file`),
    /// bytes.
    pub used: u64,
}

impl Cgroups {
    /// Finds them by /proc/self/cgroup and /proc/self/mountinfo.
    pub fn find(files: &Files, notes: &mut Notes) -> Cgroups {
        let none = Cgroups { groups: Vec::new() };
        let Some(own) = files.read_if_there(Utf8Path::new("/proc/self/cgroup"), notes) else {
            return none;
        };
        let mounts = Utf8Path::new("/proc/self/mountinfo");
        let Some(mounts) = files.read_if_there(mounts, notes) else { return none };
        // A controller is in one hierarchy at a time. In the hybrid layout the line of version 2 is
        // there and says nothing about memory, so version 1 goes first.
        let by_version = [Version::V1, Version::V2].into_iter().find_map(|version| {
            let path = own_path(&own, version)?;
            let place = place(&mounts, version, path)?;
            has_memory(files, version, &place.top, notes).then(|| walk(files, version, &place))
        });
        Cgroups { groups: by_version.unwrap_or_default() }
    }

    /// Those with a limit below the machine's `total` bytes, from ours to the top.
    pub fn limited(&self, files: &Files, total: u64, notes: &mut Notes) -> Vec<Limited> {
        self.groups.iter().filter_map(|group| group.read(files, total, notes)).collect()
    }

    /// How many processes of our group, and of groups below it, were killed because memory ran out:
    /// there, above, or in the whole machine. It only grows while no group is removed; compare it
    /// with what it was. Without any group, the count of the machine. `None` where neither can be
    /// read.
    pub fn oom_kills(&self, files: &Files) -> Option<u64> {
        match self.groups.first() {
            Some(group) => group.oom_kills(files),
            None => keyed(&files.read_often(Utf8Path::new("/proc/vmstat")).ok()?, "oom_kill"),
        }
    }

    /// Pages that the group at `path` had to read again, because they were dropped while they were
    /// needed: file pages and swapped ones. It only grows. `None` where the kernel does not tell.
    pub fn refaults(&self, files: &Files, path: &Utf8Path) -> Option<u64> {
        let group = self.groups.iter().find(|group| group.directory == path)?;
        let prefix = match group.version {
            Version::V1 => "total_",
            Version::V2 => "",
        };
        refaults(&files.read_often(&path.join("memory.stat")).ok()?, prefix)
    }

    /// The file with the pressure of our group, else of the machine.
    pub fn pressure_file(&self, files: &Files) -> Utf8PathBuf {
        let own = self.groups.first().filter(|group| group.version == Version::V2);
        let own = own.map(|group| group.directory.join("memory.pressure"));
        // It is there and cannot be read where pressure is switched off for this group.
        own.filter(|path| files.read(path).is_ok())
            .unwrap_or_else(|| "/proc/pressure/memory".into())
    }
}

impl Cgroup {
    fn read(&self, files: &Files, total: u64, notes: &mut Notes) -> Option<Limited> {
        let limit = self.limit(files, notes).filter(|limit| *limit < total)?;
        let (current, inactive) = match self.version {
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => ("memory.current", "inactive_file"),
        };
        // Without its use a limit cannot be kept to. Without the other all of the use counts, which
        // is the safe side.
        let used = files.parse(&self.directory.join(current), notes, bytes)?;
        let stat = self.directory.join("memory.stat");
        let inactive = files.parse(&stat, notes, |text| keyed(text, inactive)).unwrap_or(0);
        Some(Limited { path: self.directory.clone(), limit, used: used.saturating_sub(inactive) })
    }

    /// `u64::MAX` is none as well.
    fn limit(&self, files: &Files, notes: &mut Notes) -> Option<u64> {
        let mut one = |name: &str, read: &dyn Fn(&str) -> Option<u64>| {
            let path = self.directory.join(name);
            // The root group of version 2 has no limits, nor has a group for which the controller
            // is not switched on.
            let text = files.read_if_there(&path, notes)?;
            let limit = read(&text);
            if limit.is_none() {
                notes.add(Note::Malformed { path });
            }
            limit
        };
        match self.version {
            Version::V2 => {
                let limits = [one("memory.max", &bytes), one("memory.high", &bytes)];
                limits.into_iter().flatten().min()
            }
            Version::V1 => {
                let own = one("memory.limit_in_bytes", &bytes);
                // Of groups above that are not visible.
                let key = "hierarchical_memory_limit";
                let above = self.is_cut_off.then(|| one("memory.stat", &|text| keyed(text, key)));
                own.into_iter().chain(above.flatten()).min()
            }
        }
    }

    fn oom_kills(&self, files: &Files) -> Option<u64> {
        match self.version {
            // Counts what is below as well.
            Version::V2 => {
                keyed(&files.read_often(&self.directory.join("memory.events")).ok()?, "oom_kill")
            }
            Version::V1 => {
                let file = |group: &Utf8Path| group.join("memory.oom_control");
                let kills = |text: io::Result<String>| keyed(&text.ok()?, "oom_kill");
                let own = kills(files.read_often(&file(&self.directory)))?;
                // There may be many, and they come and go: these do not stay open.
                let below = below(files, &self.directory);
                let below = below.iter().filter_map(|group| kills(files.read(&file(group))));
                Some(below.fold(own, u64::saturating_add))
            }
        }
    }
}

/// As /proc/vmstat and memory.stat have them. Before Linux 5.9 there was one count for all.
pub(super) fn refaults(text: &str, prefix: &str) -> Option<u64> {
    let one = |key: &str| keyed(text, &format!("{prefix}{key}"));
    let file = one("workingset_refault_file").or_else(|| one("workingset_refault"))?;
    Some(file.saturating_add(one("workingset_refault_anon").unwrap_or(0)))
}

/// Groups below one, at most so many that looking stays cheap.
fn below(files: &Files, directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    const MOST: usize = 256;
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(group) = left.pop() {
        // A group is linked to by each that is below it. To look for them takes memory, as `files`
        // says.
        if files.real(&group).metadata().is_ok_and(|group| group.nlink() == 2) {
            continue;
        }
        let Ok(entries) = files.real(&group).read_dir_utf8() else { continue };
        for entry in entries.flatten() {
            if found.len() < MOST && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(group.join(entry.file_name()));
                left.push(group.join(entry.file_name()));
            }
        }
    }
    found
}

/// A number of bytes, or `max`.
fn bytes(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Our group's path by /proc/self/cgroup: lines of `ID:CONTROLLERS:PATH`.
fn own_path(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = match version {
            Version::V1 => controllers.split(',').any(|name| name == "memory"),
            Version::V2 => id == "0" && controllers.is_empty(),
        };
        (wanted && path.starts_with('/')).then_some(path)
    })
}

/// A hierarchy as we see it.
struct CgroupMount {
    /// Where it is mounted.
    top: Utf8PathBuf,
    /// Where our group lies below that.
    below: Utf8PathBuf,
    /// The mount begins below the root of the hierarchy.
    is_part: bool,
}

/// Of several mounts, the one that shows most.
fn place(mountinfo: &str, version: Version, own: &str) -> Option<CgroupMount> {
    let mounts = mountinfo.lines().filter_map(|line| mount(line, version));
    let seen = mounts.map(|(root, top)| {
        let below = strip(&root, own);
        // A mount that does not hold our group, because it shows another namespace, still shows a
        // level above us.
        let rank = (below.is_none(), root.len());
        (rank, CgroupMount { top, below: below.unwrap_or_default(), is_part: root != "/" })
    });
    seen.min_by_key(|(rank, _)| *rank).map(|(_, place)| place)
}

/// `own` relative to `root`, if it lies there.
fn strip(root: &str, own: &str) -> Option<Utf8PathBuf> {
    let path = Utf8Path::new(own).strip_prefix(root).ok()?;
    // A process outside of its namespace's root has `..` in its path.
    let plain = path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    plain.then(|| path.to_owned())
}

/// The root and the mount point of a line of proc_pid_mountinfo(5), if it is of the memory
/// hierarchy: `ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS`.
fn mount(line: &str, version: Version) -> Option<(String, Utf8PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
    let mut kind = after.split(' ');
    let (name, _source, options) = (kind.next()?, kind.next()?, kind.next().unwrap_or_default());
    let wanted = match version {
        Version::V1 => name == "cgroup" && options.split(',').any(|option| option == "memory"),
        Version::V2 => name == "cgroup2",
    };
    wanted.then_some((root, point.into()))
}

/// Blanks, tabs, line ends and backslashes are written as `\` and three octal digits.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'\\').then(|| after.get(..3)).flatten();
        let code =
            code.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Version 2 governs memory only where the top of the hierarchy has the controller: what is below
/// cannot have more.
fn has_memory(files: &Files, version: Version, top: &Utf8Path, notes: &mut Notes) -> bool {
    match version {
        Version::V1 => true,
        Version::V2 => files
            .read_if_there(&top.join("cgroup.controllers"), notes)
            .is_some_and(|text| text.split_whitespace().any(|name| name == "memory")),
    }
}

/// The groups from ours up to the top. What is not visible is left out from below.
fn walk(files: &Files, version: Version, place: &CgroupMount) -> Vec<Cgroup> {
    let mut groups = Vec::new();
    for path in place.below.ancestors() {
        let is_top = path.as_str().is_empty();
        let directory = if is_top { place.top.clone() } else { place.top.join(path) };
        if !files.real(&directory).is_dir() {
            continue;
        }
        // On old kernels a group of version 1 may take no account of those below it; then neither
        // do those above.
        let counts_below = version == Version::V2
            || groups.is_empty()
            || files
                .read(&directory.join("memory.use_hierarchy"))
                .map_or(true, |text| text.trim() != "0");
        if !counts_below {
            break;
        }
        groups.push(Cgroup { version, directory, is_cut_off: is_top && place.is_part });
    }
    groups
}

#[cfg(test)]
mod tests;
