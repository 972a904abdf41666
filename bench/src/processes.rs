//! Reads process trees from /proc: their processes, memory and threads.
//!
//! A process may end meanwhile. Values that cannot be read count as 0.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The running processes among `roots` and their descendants.
pub fn tree(roots: &[u32]) -> Vec<u32> {
    let parents: HashMap<u32, u32> = numbers_in(Path::new("/proc"))
        .filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse_stat(&text)?.parent))
        })
        .collect();
    descendants(roots, &parents)
}

/// The parent of a running process.
pub fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text).map(|stat| stat.parent)
}

fn descendants(roots: &[u32], parents: &HashMap<u32, u32>) -> Vec<u32> {
    let belongs = |mut pid: u32| {
        // /proc may change during the scan and give a cycle of parents, so the length is bounded.
        for _ in 0..parents.len() {
            if roots.contains(&pid) {
                return true;
            }
            match parents.get(&pid) {
                Some(&parent) => pid = parent,
                None => return false,
            }
        }
        false
    };
    let mut found: Vec<u32> = parents.keys().copied().filter(|&pid| belongs(pid)).collect();
    found.sort_unstable();
    found
}

/// The memory of a process that no file backs, bytes: it counts against a budget.
pub fn memory(pid: u32) -> u64 {
    fs::read_to_string(format!("/proc/{pid}/status")).map_or(0, |text| parse_memory(&text))
}

/// How many threads of a process run or are runnable.
pub fn runnable(pid: u32) -> usize {
    threads(pid)
        .filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")).ok())
        .filter(|text| parse_stat(text).is_some_and(|stat| stat.state == 'R'))
        .count()
}

/// The processor time that all threads of a process have used so far.
pub fn cpu_ns(pid: u32) -> u64 {
    let of_thread = |tid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads(pid).filter_map(of_thread).sum()
}

/// The ids of a process's threads.
pub fn threads(pid: u32) -> impl Iterator<Item = u32> {
    numbers_in(Path::new(&format!("/proc/{pid}/task")))
}

fn numbers_in(dir: &Path) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[derive(Debug, PartialEq)]
struct Stat {
    state: char,
    parent: u32,
}

/// Parses `stat` of a process or thread. The name in brackets may contain brackets and spaces.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut words = text[text.rfind(')')? + 1..].split_whitespace();
    Some(Stat { state: words.next()?.chars().next()?, parent: words.next()?.parse().ok()? })
}

/// RssAnon and RssShmem of `status`, in bytes.
fn parse_memory(text: &str) -> u64 {
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    let counted = |line: &&str| line.starts_with("RssAnon:") || line.starts_with("RssShmem:");
    text.lines().filter(counted).filter_map(kib).sum::<u64>() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_parse_stat_lines() {
        let check = |text: &str, expect: Option<(char, u32)>| {
            assert_eq!(
                parse_stat(text),
                expect.map(|(state, parent)| Stat { state, parent }),
                "{text}"
            );
        };
        check("12 (sh) S 7 12 12 0", Some(('S', 7)));
        check("12 (a ) R 1) R 7 12", Some(('R', 7)));
        check("12 (sh) S", None);
        check("", None);
    }

    #[test]
    fn processes_parse_memory_without_files() {
        let check = |text: &str, expect: u64| assert_eq!(parse_memory(text), expect, "{text}");
        check(
            "Name:\tx\nVmRSS:\t 99 kB\nRssAnon:\t  10 kB\nRssFile:\t 80 kB\nRssShmem:\t 2 kB\n",
            12 * 1024,
        );
        check("Name:\tkthreadd\n", 0);
    }

    #[test]
    fn processes_find_descendants_of_two_roots() {
        let parents = HashMap::from([
            (1, 0),
            (5, 1),
            (6, 5),
            (7, 6),
            (8, 1),
            (9, 8),
            (10, 1),
            (11, 12),
            (12, 11),
        ]);
        assert_eq!(descendants(&[5, 9], &parents), [5, 6, 7, 9]);
        assert!(descendants(&[4], &parents).is_empty());
    }

    #[test]
    fn processes_find_this_process() {
        let own = std::process::id();
        assert!(tree(&[own]).contains(&own));
        assert!(memory(own) > 0);
        assert!(threads(own).any(|tid| tid == own));
        assert!(cpu_ns(own) > 0);
    }
}
