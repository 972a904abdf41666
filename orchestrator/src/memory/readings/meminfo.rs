//! The machine's memory, from /proc/meminfo. Knows no cgroups.

use super::files::KernelFiles;
use super::note::Notes;
use camino::Utf8Path;
use tender_units::Bytes;

/// The memory of the machine. Swap is left out on purpose: a build that swaps is slower than one
/// that runs fewer jobs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineMemory {
    /// MemTotal, bytes.
    pub total: Bytes,
    /// MemAvailable: the kernel's estimate of what can be allocated without swapping, bytes.
    pub available: Bytes,
}

impl MachineMemory {
    pub(super) fn read(files: &KernelFiles, notes: &mut Notes) -> Option<MachineMemory> {
        files.parse(Utf8Path::new("/proc/meminfo"), notes, parse)
    }
}

fn parse(text: &str) -> Option<MachineMemory> {
    let bytes = |name: &str| -> Option<Bytes> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024).map(Bytes)
    };
    Some(MachineMemory { total: bytes("MemTotal:")?, available: bytes("MemAvailable:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_converted_to_bytes() {
        let check = |text, expect: Option<(u64, u64)>| {
            assert_eq!(
                parse(text),
                expect.map(|(total, available)| MachineMemory {
                    total: Bytes(total),
                    available: Bytes(available)
                }),
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
    fn meminfo_of_this_machine_is_parsed() {
        let machine =
            MachineMemory::read(&KernelFiles::new(Utf8Path::new("/")), &mut Notes::default())
                .unwrap();
        assert!(machine.available > Bytes(0) && machine.available <= machine.total);
    }

    #[test]
    fn fuzz_meminfo() {
        tender_fuzz::check_text("meminfo", 3_000, |text| {
            parse(text);
        });
    }
}
