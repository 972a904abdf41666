//! The memory cgroups of this process: their limits, use and kills. Knows no budget.
//!
//! Limits apply at every level, so all groups from ours up to the top of the mount are read. In a
//! container the levels above are not visible; version 1 still reports their smallest limit,
//! version 2 does not.

use super::files::{KernelFiles, keyed};
use super::note::{Note, Notes};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::io;
use std::os::unix::fs::MetadataExt;
use tender_units::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CgroupVersion {
    V1,
    V2,
}

/// The groups of this process, determined once: if a running build is moved to another group, that
/// is not noticed.
#[derive(Clone, Debug)]
pub(super) struct Cgroups {
    /// From the group that we are in to the top.
    groups: Vec<Cgroup>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cgroup {
    version: CgroupVersion,
    /// Below the mount point.
    directory: Utf8PathBuf,
    /// Groups above this one exist and are not visible.
    is_cut_off: bool,
}

/// A group that has a limit, with its current use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Its directory.
    pub path: Utf8PathBuf,
    /// The smaller of the limits at which the kernel throttles and at which it kills, bytes.
    pub limit: Bytes,
    /// What it uses, without `inactive_file`, which the kernel reclaims first; bytes.
    pub used: Bytes,
}

impl Cgroups {
    /// Finds them by /proc/self/cgroup and /proc/self/mountinfo.
    pub fn find(files: &KernelFiles, notes: &mut Notes) -> Cgroups {
        let none = Cgroups { groups: Vec::new() };
        let Some(own) = files.read_if_there(Utf8Path::new("/proc/self/cgroup"), notes) else {
            return none;
        };
        let mounts = Utf8Path::new("/proc/self/mountinfo");
        let Some(mounts) = files.read_if_there(mounts, notes) else { return none };
        // A controller is in one hierarchy at a time. In the hybrid layout there is a line of
        // version 2 that does not have the memory controller, so version 1 is tried first.
        let by_version = [CgroupVersion::V1, CgroupVersion::V2].into_iter().find_map(|version| {
            let path = own_path(&own, version)?;
            let mount = find_mount(&mounts, version, path)?;
            has_memory(files, version, &mount.top, notes).then(|| walk(files, version, &mount))
        });
        Cgroups { groups: by_version.unwrap_or_default() }
    }

    /// Those with a limit below the machine's `total` bytes, from ours to the top.
    pub fn limited(&self, files: &KernelFiles, total: Bytes, notes: &mut Notes) -> Vec<Limited> {
        self.groups.iter().filter_map(|group| group.read(files, total, notes)).collect()
    }

    /// How many processes of our group and of groups below it the kernel has killed for memory, at
    /// any level. It decreases only when a group is removed. Without any group, the count of the
    /// machine. `None` if neither can be read.
    pub fn oom_kills(&self, files: &KernelFiles) -> Option<u64> {
        match self.groups.first() {
            Some(group) => group.oom_kills(files),
            None => keyed(&files.read_often(Utf8Path::new("/proc/vmstat")).ok()?, "oom_kill"),
        }
    }

    /// Refaults of the group at `path`: file pages and swapped pages that were dropped although
    /// they were in use, and read again. It only grows. `None` if the kernel does not report them.
    pub fn refaults(&self, files: &KernelFiles, path: &Utf8Path) -> Option<u64> {
        let group = self.groups.iter().find(|group| group.directory == path)?;
        let prefix = match group.version {
            CgroupVersion::V1 => "total_",
            CgroupVersion::V2 => "",
        };
        refaults(&files.read_often(&path.join("memory.stat")).ok()?, prefix)
    }

    /// The file with the pressure of our group, else of the machine.
    pub fn pressure_file(&self, files: &KernelFiles) -> Utf8PathBuf {
        let own = self.groups.first().filter(|group| group.version == CgroupVersion::V2);
        let own = own.map(|group| group.directory.join("memory.pressure"));
        // If pressure is switched off for this group, the file exists and cannot be read.
        own.filter(|path| files.read(path).is_ok())
            .unwrap_or_else(|| "/proc/pressure/memory".into())
    }
}

impl Cgroup {
    fn read(&self, files: &KernelFiles, total: Bytes, notes: &mut Notes) -> Option<Limited> {
        let limit = self.limit(files, notes).filter(|limit| *limit < total)?;
        let (current, inactive) = match self.version {
            CgroupVersion::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            CgroupVersion::V2 => ("memory.current", "inactive_file"),
        };
        // Without the use the limit cannot be respected. Without `inactive_file` all use counts,
        // which errs on the safe side.
        let used = files.parse(&self.directory.join(current), notes, bytes)?;
        let stat = self.directory.join("memory.stat");
        let inactive =
            files.parse(&stat, notes, |text| keyed(text, inactive)).map_or(Bytes::ZERO, Bytes);
        Some(Limited { path: self.directory.clone(), limit, used: used.saturating_sub(inactive) })
    }

    /// `Bytes::MAX` also means no limit.
    fn limit(&self, files: &KernelFiles, notes: &mut Notes) -> Option<Bytes> {
        let mut one = |name: &str, read: &dyn Fn(&str) -> Option<Bytes>| {
            let path = self.directory.join(name);
            // The root group of version 2 has no limits, nor does a group without the controller.
            let text = files.read_if_there(&path, notes)?;
            let limit = read(&text);
            if limit.is_none() {
                notes.add(Note::Malformed { path });
            }
            limit
        };
        match self.version {
            CgroupVersion::V2 => {
                let limits = [one("memory.max", &bytes), one("memory.high", &bytes)];
                limits.into_iter().flatten().min()
            }
            CgroupVersion::V1 => {
                let own = one("memory.limit_in_bytes", &bytes);
                // The limit of groups above that are not visible.
                let key = "hierarchical_memory_limit";
                let above = self
                    .is_cut_off
                    .then(|| one("memory.stat", &|text| keyed(text, key).map(Bytes)));
                own.into_iter().chain(above.flatten()).min()
            }
        }
    }

    fn oom_kills(&self, files: &KernelFiles) -> Option<u64> {
        match self.version {
            // Includes groups below.
            CgroupVersion::V2 => {
                keyed(&files.read_often(&self.directory.join("memory.events")).ok()?, "oom_kill")
            }
            CgroupVersion::V1 => {
                let file = |group: &Utf8Path| group.join("memory.oom_control");
                let kills = |text: io::Result<String>| keyed(&text.ok()?, "oom_kill");
                let own = kills(files.read_often(&file(&self.directory)))?;
                // There may be many, and they are created and removed: these do not stay open.
                let below = below(files, &self.directory);
                let below = below.iter().filter_map(|group| kills(files.read(&file(group))));
                Some(below.fold(own, u64::saturating_add))
            }
        }
    }
}

/// Refaults in the format of /proc/vmstat and memory.stat. Before Linux 5.9 there was one counter
/// for all kinds of pages.
pub(super) fn refaults(text: &str, prefix: &str) -> Option<u64> {
    let one = |key: &str| keyed(text, &format!("{prefix}{key}"));
    let file = one("workingset_refault_file").or_else(|| one("workingset_refault"))?;
    Some(file.saturating_add(one("workingset_refault_anon").unwrap_or(0)))
}

/// The groups below one. Their number is limited, so that reading them stays cheap.
fn below(files: &KernelFiles, directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    const MOST: usize = 256;
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(group) = left.pop() {
        // Each subdirectory is a link to its parent, so 2 links mean that there is none. Listing
        // the directory would take memory: see `files.rs`.
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
fn bytes(text: &str) -> Option<Bytes> {
    match text.trim() {
        "max" => Some(Bytes::MAX),
        number => number.parse().ok().map(Bytes),
    }
}

/// Our group's path by /proc/self/cgroup: lines of `ID:CONTROLLERS:PATH`.
fn own_path(text: &str, version: CgroupVersion) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = match version {
            CgroupVersion::V1 => controllers.split(',').any(|name| name == "memory"),
            CgroupVersion::V2 => id == "0" && controllers.is_empty(),
        };
        (wanted && path.starts_with('/')).then_some(path)
    })
}

/// The visible part of a hierarchy.
struct CgroupMount {
    /// The mount point.
    top: Utf8PathBuf,
    /// The path of our group below it.
    below: Utf8PathBuf,
    /// The root of the mount is below the root of the hierarchy.
    is_part: bool,
}

/// Of several mounts, the one that shows the most levels.
fn find_mount(mountinfo: &str, version: CgroupVersion, own: &str) -> Option<CgroupMount> {
    let mounts = mountinfo.lines().filter_map(|line| mount(line, version));
    let seen = mounts.map(|(root, top)| {
        let below = strip(&root, own);
        // A mount without our group, because it shows another namespace, still shows a level above
        // ours.
        let rank = (below.is_none(), root.len());
        (rank, CgroupMount { top, below: below.unwrap_or_default(), is_part: root != "/" })
    });
    seen.min_by_key(|(rank, _)| *rank).map(|(_, mount)| mount)
}

/// `own` relative to `root`, if it is below it.
fn strip(root: &str, own: &str) -> Option<Utf8PathBuf> {
    let path = Utf8Path::new(own).strip_prefix(root).ok()?;
    // The path of a process outside its namespace's root has `..`.
    let plain = path.components().all(|part| matches!(part, Utf8Component::Normal(_)));
    plain.then(|| path.to_owned())
}

/// The root and the mount point of a line of proc_pid_mountinfo(5), if it is of the memory
/// hierarchy: `ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS`.
fn mount(line: &str, version: CgroupVersion) -> Option<(String, Utf8PathBuf)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
    let mut kind = after.split(' ');
    let (name, _source, options) = (kind.next()?, kind.next()?, kind.next().unwrap_or_default());
    let wanted = match version {
        CgroupVersion::V1 => {
            name == "cgroup" && options.split(',').any(|option| option == "memory")
        }
        CgroupVersion::V2 => name == "cgroup2",
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

/// Whether this version controls memory. CgroupVersion 2 does only if the top of the hierarchy has
/// the controller: groups below cannot have more.
fn has_memory(
    files: &KernelFiles,
    version: CgroupVersion,
    top: &Utf8Path,
    notes: &mut Notes,
) -> bool {
    match version {
        CgroupVersion::V1 => true,
        CgroupVersion::V2 => files
            .read_if_there(&top.join("cgroup.controllers"), notes)
            .is_some_and(|text| text.split_whitespace().any(|name| name == "memory")),
    }
}

/// The groups from ours up to the top. If lower ones are not visible, they are left out.
fn walk(files: &KernelFiles, version: CgroupVersion, mount: &CgroupMount) -> Vec<Cgroup> {
    let mut groups = Vec::new();
    for path in mount.below.ancestors() {
        let is_top = path.as_str().is_empty();
        let directory = if is_top { mount.top.clone() } else { mount.top.join(path) };
        if !files.real(&directory).is_dir() {
            continue;
        }
        // On old kernels a group of version 1 may not count the memory of groups below it
        // (`memory.use_hierarchy` is 0). Then the groups above it do not count ours either.
        let counts_below = version == CgroupVersion::V2
            || groups.is_empty()
            || files
                .read(&directory.join("memory.use_hierarchy"))
                .map_or(true, |text| text.trim() != "0");
        if !counts_below {
            break;
        }
        groups.push(Cgroup { version, directory, is_cut_off: is_top && mount.is_part });
    }
    groups
}

#[cfg(test)]
mod tests;
