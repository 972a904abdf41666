//! The machine's memory, from /proc/meminfo. Knows no cgroups.

use super::files::Files;
use super::note::Notes;
use camino::Utf8Path;

/// Swap is left out on purpose: what is swapped out by one compiler is swapped in by the next, and
/// a build that needs it is slower than one that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// MemTotal, bytes.
    pub total: u64,
    /// MemAvailable: the kernel's guess of what can be allocated without swapping, bytes.
    pub available: u64,
}

impl Machine {
    pub(super) fn read(files: &Files, notes: &mut Notes) -> Option<Machine> {
        files.parse(Utf8Path::new("/proc/meminfo"), notes, parse)
    }
}

fn parse(text: &str) -> Option<Machine> {
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Machine { total: bytes("MemTotal:")?, available: bytes("MemAvailable:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_become_bytes() {
        let check = |text, expect: Option<(u64, u64)>| {
            assert_eq!(
                parse(text),
                expect.map(|(total, available)| Machine { total, available }),
                "{text}"
            );
        };
        let text = "MemTotal:       2048 kB\nMemFree:  5 kB\nMemAvailable:   1024 kB\nSwapFree: 9 kB\nNew: 1\n";
        check(text, Some((2 << 20, 1 << 20)));
        check("MemTotal: 2048 kB\n", None);
        check("MemTotal: 2048 kB\nMemAvailable: many kB\n", None);
        check("MemTotal: 2048 pages\nMemAvailable: 1 kB\n", None);
        check("MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n", None);
        check("", None);
    }

    #[test]
    fn this_machine_has_memory() {
        let machine =
            Machine::read(&Files::new(Utf8Path::new("/")), &mut Notes::default()).unwrap();
        assert!(machine.available > 0 && machine.available <= machine.total);
    }

    #[test]
    fn fuzz_meminfo() {
        tender_fuzz::check_text("meminfo", 3_000, |text| {
            parse(text);
        });
    }
}
