//! Tests with the file trees of version 1, version 2 and both, and with this machine.

use super::super::files::fixture::tree;
use super::*;
use proptest::prelude::*;

const V2: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1: &str = "\
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
";
const TOTAL: u64 = 1 << 34;

/// Finds and reads in a tree of `own` (/proc/self/cgroup), `mounts` and files. Expects limit and
/// use of the groups with a limit, by directory, and the names of the files that there is a note
/// about.
#[track_caller]
fn check(
    own: &str,
    mounts: &str,
    files: &[(&str, &str)],
    expect: &[(&str, u64, u64)],
    noted: &[&str],
) {
    let (_dir, tree) =
        tree(&[&[("/proc/self/cgroup", own), ("/proc/self/mountinfo", mounts)], files].concat());
    let mut notes = Notes::default();
    let limited = Cgroups::find(&tree, &mut notes).limited(&tree, Bytes(TOTAL), &mut notes);
    let found: Vec<_> =
        limited.iter().map(|group| (group.path.as_str(), group.limit.0, group.used.0)).collect();
    assert_eq!(found, expect);
    let notes = notes.take();
    let about: Vec<_> = notes
        .iter()
        .map(|note| match note {
            Note::Unreadable { path, .. } | Note::Malformed { path } => path.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(about, noted);
}

#[test]
fn cgroup_v2_limits_apply_at_every_level() {
    let files = [
        ("/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n"),
        ("/sys/fs/cgroup/a/memory.max", "1000000\n"),
        ("/sys/fs/cgroup/a/memory.high", "max\n"),
        ("/sys/fs/cgroup/a/memory.current", "500000\n"),
        ("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 100000\nfuture_key 2\n"),
        ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
        ("/sys/fs/cgroup/a/b/memory.high", "max\n"),
        ("/sys/fs/cgroup/a/b/memory.current", "400000\n"),
        ("/sys/fs/cgroup/a/b/memory.stat", "inactive_file 0\n"),
        ("/sys/fs/cgroup/a/b/c/memory.max", "900000\n"),
        ("/sys/fs/cgroup/a/b/c/memory.high", "800000\n"),
        ("/sys/fs/cgroup/a/b/c/memory.current", "10\n"),
        // `memory.stat` may be updated later than `memory.current`.
        ("/sys/fs/cgroup/a/b/c/memory.stat", "inactive_file 20\n"),
    ];
    let expect = [("/sys/fs/cgroup/a/b/c", 800_000, 0), ("/sys/fs/cgroup/a", 1_000_000, 400_000)];
    check("0::/a/b/c\n", V2, &files, &expect, &[]);
    check("0::/a/b\n", V2, &files, &expect[1..], &[]);
    check("0::/\n", V2, &files, &[], &[]);
}

#[test]
fn cgroup_limit_of_the_whole_machine_or_more_is_none() {
    let check = |limit: u64, bound: bool| {
        let limit = limit.to_string();
        let files = [
            ("/sys/fs/cgroup/cgroup.controllers", "memory"),
            ("/sys/fs/cgroup/a/memory.max", limit.as_str()),
            ("/sys/fs/cgroup/a/memory.current", "5"),
            ("/sys/fs/cgroup/a/memory.stat", "inactive_file 1"),
        ];
        let expect = [("/sys/fs/cgroup/a", TOTAL - 1, 4)];
        check("0::/a", V2, &files, if bound { &expect } else { &[] }, &[]);
    };
    check(TOTAL - 1, true);
    check(TOTAL, false);
    check(u64::MAX, false);
}

#[test]
fn cgroup_v2_without_the_memory_controller_has_no_limit() {
    let group = [("/sys/fs/cgroup/a/memory.max", "1000"), ("/sys/fs/cgroup/a/memory.current", "1")];
    let with =
        |controllers| [&[("/sys/fs/cgroup/cgroup.controllers", controllers)], &group[..]].concat();
    check("0::/a\n", V2, &with("hugetlb\n"), &[], &[]);
    check("0::/a\n", V2, &with("memory_recursive\n"), &[], &[]);
    check("0::/a\n", V2, &group, &[], &[]);
}

const V1_FILES: &[(&str, &str)] = &[
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
    ("/sys/fs/cgroup/memory/memory.stat", "hierarchical_memory_limit 9223372036854771712\n"),
    ("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000\n"),
    ("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "700000\n"),
    ("/sys/fs/cgroup/memory/a/memory.stat", "inactive_file 7\ntotal_inactive_file 200000\n"),
    ("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n"),
    ("/sys/fs/cgroup/memory/a/b/memory.use_hierarchy", "1\n"),
];

#[test]
fn cgroup_v1_limits_apply_at_every_level() {
    let own = "5:cpu,cpuacct:/x\n4:memory:/a/b\n1:name=systemd:/s\n";
    check(own, V1, V1_FILES, &[("/sys/fs/cgroup/memory/a", 1_000_000, 500_000)], &[]);
    check(
        "4:hugetlb,memory:/a/b",
        V1,
        V1_FILES,
        &[("/sys/fs/cgroup/memory/a", 1_000_000, 500_000)],
        &[],
    );
}

#[test]
fn cgroup_v1_without_hierarchy() {
    let flat = [V1_FILES, &[("/sys/fs/cgroup/memory/a/memory.use_hierarchy", "0\n")]].concat();
    check("4:memory:/a/b\n", V1, &flat, &[], &[]);
    check("4:memory:/a\n", V1, &flat, &[("/sys/fs/cgroup/memory/a", 1_000_000, 500_000)], &[]);
}

#[test]
fn cgroup_versions_in_the_hybrid_layout() {
    // As systemd mounts them: version 2 beside the others, without memory.
    let mounts = format!("{V1}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    let unified = [("/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n")];
    let files = [V1_FILES, &unified].concat();
    let expect = [("/sys/fs/cgroup/memory/a", 1_000_000, 500_000)];
    check("4:memory:/a/b\n0::/\n", &mounts, &files, &expect, &[]);
    // The opposite: version 2 has memory, and version 1 has only systemd's own hierarchy.
    let mounts = "\
36 31 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
    let files = [
        ("/sys/fs/cgroup/unified/cgroup.controllers", "memory\n"),
        ("/sys/fs/cgroup/unified/a/memory.max", "4096\n"),
        ("/sys/fs/cgroup/unified/a/memory.current", "9\n"),
        ("/sys/fs/cgroup/unified/a/memory.stat", "inactive_file 1\n"),
    ];
    check(
        "1:name=systemd:/s\n0::/a\n",
        mounts,
        &files,
        &[("/sys/fs/cgroup/unified/a", 4096, 8)],
        &[],
    );
}

#[test]
fn cgroup_of_a_container_is_partly_visible() {
    // Without a namespace of its own: the path is the machine's, and the mount shows only what is
    // below the container.
    let mounts = "35 31 0:32 /docker/c0 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    let files = [
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9000\n"),
        ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "80\n"),
        // The smallest limit above, which is not visible itself.
        (
            "/sys/fs/cgroup/memory/memory.stat",
            "hierarchical_memory_limit 7000\ntotal_inactive_file 0\n",
        ),
        ("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "500\n"),
        ("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "5\n"),
        ("/sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 0\n"),
    ];
    let top = ("/sys/fs/cgroup/memory", 7000, 80);
    let job = ("/sys/fs/cgroup/memory/job", 500, 5);
    check("4:memory:/docker/c0\n", mounts, &files, &[top], &[]);
    check("4:memory:/docker/c0/job\n", mounts, &files, &[job, top], &[]);
    // A group that does not exist, and one outside of the mount.
    check("4:memory:/docker/c0/gone/deep\n", mounts, &files, &[top], &[]);
    check("4:memory:/docker/c01\n", mounts, &files, &[top], &[]);
    // With a namespace, and a process outside of its root.
    let mounts = "30 23 0:26 /../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    let files = [
        ("/sys/fs/cgroup/cgroup.controllers", "memory\n"),
        ("/sys/fs/cgroup/memory.max", "8192\n"),
        ("/sys/fs/cgroup/memory.current", "3\n"),
        ("/sys/fs/cgroup/memory.stat", "inactive_file 3\n"),
    ];
    check("0::/\n", mounts, &files, &[("/sys/fs/cgroup", 8192, 0)], &[]);
    check("0::/../other\n", mounts, &files, &[("/sys/fs/cgroup", 8192, 0)], &[]);
}

#[test]
fn cgroup_mount_that_shows_most_is_chosen() {
    let mounts = "\
29 23 0:26 /a /mnt/part rw - cgroup2 cgroup2 rw
30 23 0:26 / /mnt/with\\040blank rw - cgroup2 cgroup2 rw
31 23 0:26 /z /mnt/other rw - cgroup2 cgroup2 rw
";
    let files = [
        ("/mnt/with blank/cgroup.controllers", "memory\n"),
        ("/mnt/with blank/a/memory.max", "4096\n"),
        ("/mnt/with blank/a/memory.current", "1\n"),
        ("/mnt/with blank/a/memory.stat", "inactive_file 0\n"),
    ];
    check("0::/a\n", mounts, &files, &[("/mnt/with blank/a", 4096, 1)], &[]);
}

#[test]
fn cgroup_files_that_cannot_be_read_are_noted() {
    let base = ("/sys/fs/cgroup/cgroup.controllers", "memory\n");
    let max = ("/sys/fs/cgroup/a/memory.max", "4096\n");
    let current = ("/sys/fs/cgroup/a/memory.current", "9\n");
    let stat = "/sys/fs/cgroup/a/memory.stat";
    // Without the use, the limit is ignored. Without `memory.stat`, all of the use counts.
    check(
        "0::/a",
        V2,
        &[base, max, (stat, "inactive_file 1")],
        &[],
        &["/sys/fs/cgroup/a/memory.current"],
    );
    check("0::/a", V2, &[base, max, current], &[("/sys/fs/cgroup/a", 4096, 9)], &[stat]);
    check(
        "0::/a",
        V2,
        &[base, max, current, (stat, "")],
        &[("/sys/fs/cgroup/a", 4096, 9)],
        &[stat],
    );
    let wrong = ("/sys/fs/cgroup/a/memory.max", "plenty\n");
    check("0::/a", V2, &[base, wrong, current], &[], &["/sys/fs/cgroup/a/memory.max"]);
    let directory = ("/sys/fs/cgroup/a/memory.max/", "");
    check("0::/a", V2, &[base, directory, current], &[], &["/sys/fs/cgroup/a/memory.max"]);
    // No files, as without /proc: no note, because reading the machine's memory adds one.
    check("", "", &[], &[], &[]);
    check("0::a\nnonsense\n::\n", "no mounts - here\n - \n", &[], &[], &[]);
}

#[test]
fn cgroup_kills_are_counted() {
    let kills = |own: &str, mounts: &str, files: &[(&str, &str)]| {
        let (_dir, tree) = tree(
            &[&[("/proc/self/cgroup", own), ("/proc/self/mountinfo", mounts)], files].concat(),
        );
        Cgroups::find(&tree, &mut Notes::default()).oom_kills(&tree)
    };
    let v2 = [
        ("/sys/fs/cgroup/cgroup.controllers", "memory\n"),
        ("/sys/fs/cgroup/a/memory.events", "low 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n"),
        ("/proc/vmstat", "nr_free_pages 1\noom_kill 7\n"),
    ];
    assert_eq!(kills("0::/a\n", V2, &v2), Some(2));
    assert_eq!(kills("0::/\n", V2, &v2), None, "the root group has no such file");
    assert_eq!(kills("0::/a\n", "", &v2), Some(7), "without a group, the machine's");
    let v1 = [
        (
            "/sys/fs/cgroup/memory/a/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
        ("/sys/fs/cgroup/memory/a/b/memory.oom_control", "oom_kill_disable 0\noom_kill 3\n"),
        ("/sys/fs/cgroup/memory/a/b/c/memory.oom_control", "oom_kill_disable 0\noom_kill 4\n"),
        ("/sys/fs/cgroup/memory/z/memory.oom_control", "oom_kill 100\n"),
    ];
    assert_eq!(kills("4:memory:/a\n", V1, &v1), Some(9));
    assert_eq!(kills("4:memory:/a/b/c\n", V1, &v1), Some(4));
    assert_eq!(kills("", "", &[]), None);
}

#[test]
fn cgroup_pressure_is_preferred_to_that_of_the_machine() {
    let file = |own: &str, mounts: &str, files: &[(&str, &str)]| {
        let (_dir, tree) = tree(
            &[&[("/proc/self/cgroup", own), ("/proc/self/mountinfo", mounts)], files].concat(),
        );
        Cgroups::find(&tree, &mut Notes::default()).pressure_file(&tree)
    };
    let controllers = ("/sys/fs/cgroup/cgroup.controllers", "memory\n");
    let own = ("/sys/fs/cgroup/a/memory.pressure", "some avg10=0 total=0\n");
    assert_eq!(file("0::/a\n", V2, &[controllers, own]), own.0);
    assert_eq!(file("0::/\n", V2, &[controllers, own]), "/proc/pressure/memory");
    assert_eq!(file("4:memory:/a\n", V1, V1_FILES), "/proc/pressure/memory");
}

#[test]
fn cgroup_of_this_machine_is_read() {
    let files = KernelFiles::new(Utf8Path::new("/"));
    let mut notes = Notes::default();
    let groups = Cgroups::find(&files, &mut notes);
    for group in groups.limited(&files, Bytes(u64::MAX), &mut notes) {
        assert!(group.used < Bytes(1 << 60), "{group:?}");
    }
}

proptest! {
    /// With any text in the two files, nothing is read outside of a mount, and nothing panics.
    #[test]
    fn cgroup_parser_accepts_any_text(own in "(0::|4:memory:)?[/.a\n:]{0,20}", mounts in "[-/ a.0-9\\\\cgroup2,memory\n]{0,200}") {
        let texts = [("/proc/self/cgroup", own.as_str()), ("/proc/self/mountinfo", mounts.as_str())];
        let (_dir, tree) = tree(&texts);
        let mut notes = Notes::default();
        prop_assert!(Cgroups::find(&tree, &mut notes).limited(&tree, Bytes(TOTAL), &mut notes).is_empty());
    }

    #[test]
    fn cgroup_path_is_below_its_mount_or_none(root in "/[a./]{0,6}", own in "/[a./]{0,8}") {
        if let Some(below) = strip(&root, &own) {
            prop_assert!(below.is_relative());
            prop_assert!(below.components().all(|part| part.as_str() != ".."));
        }
    }

    #[test]
    fn cgroup_mount_escapes_are_decoded(text in "[ \t\n\\\\a-c]{0,12}") {
        let escaped: String = text
            .chars()
            .map(|c| if c.is_ascii_lowercase() { c.to_string() } else { format!("\\{:03o}", c as u32) })
            .collect();
        prop_assert_eq!(unescaped(&escaped), text);
    }
}

/// All parsers of cgroup files: paths, mounts, statistics, limits.
#[test]
fn fuzz_cgroup() {
    tender_fuzz::check_text("cgroup", 3_000, |text| {
        for version in [CgroupVersion::V1, CgroupVersion::V2] {
            let own = own_path(text, version);
            if let Some(mount) = find_mount(text, version, own.unwrap_or("/a")) {
                assert!(mount.below.is_relative());
            }
        }
        refaults(text, "");
        refaults(text, "total_");
        keyed(text, "inactive_file");
        bytes(text);
    });
}
