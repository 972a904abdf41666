//! The processor of this machine, as far as compilers look at it. Starts nothing.

use crate::sys::looks;
use std::collections::BTreeSet;

/// The model and the features, from what the kernel says of all cores. Two machines with the same
/// text compile `-march=native` alike; what one of a mixed pair of cores lacks counts too.
pub(super) fn description() -> String {
    looks::doubt("the processor counts");
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    blake3::hash(relevant(&text).as_bytes()).to_hex()[..16].to_owned()
}

/// The lines that tell models and features, each once. The others (frequency, number of the core)
/// change while the machine runs.
fn relevant(cpuinfo: &str) -> String {
    const NAMES: [&str; 11] = [
        "vendor_id",
        "cpu family",
        "model",
        "stepping",
        "flags",
        "CPU implementer",
        "CPU variant",
        "CPU part",
        "CPU revision",
        "Features",
        "isa",
    ];
    let name = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
    let lines: BTreeSet<&str> =
        cpuinfo.lines().filter(|line| NAMES.contains(&&*name(line))).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_is_told_by_what_does_not_change() {
        let core = |number: u32, mhz: u32| {
            format!("processor\t: {number}\nvendor_id\t: X\ncpu MHz\t\t: {mhz}\nflags\t: a b\n\n")
        };
        assert_eq!(relevant(&(core(0, 5) + &core(1, 7))), relevant(&core(3, 9)));
        assert_ne!(relevant(&core(0, 5)), relevant(&core(0, 5).replace("a b", "a c")));
        assert_eq!(description(), description());
    }
}
