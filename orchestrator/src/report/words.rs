//! The sentences that users read, in one place: counts, plurals, times. No terminal, no colours.

use crate::events::{Shortage, WaitReason};
use crate::graph::{Graph, Item, ItemKind};
use crate::manifest::{DebugInfo, OptLevel, Profile};
use crate::memory::MemorySummary;
use crate::report::crates::CrateTarget;
use std::borrow::Cow;
use std::time::Duration;
use tender_protocol::{HeaderGroup, HeaderUse, PhaseName};
use tender_units::Micros;

/// `1 warning`, `3 warnings`
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `0.34s`, `2m 05s`, as cargo prints it.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{seconds}.{:02}s", time.subsec_millis() / 10)
    }
}

/// `5s`, `2m 05s`: for a line that is redrawn, in which hundredths would flicker.
pub fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{seconds}s")
    }
}

/// The text after `Finished`.
pub fn finished(profile: &Profile, time: Duration) -> String {
    finished_again(&finished_targets(profile), time)
}

/// As `finished`, from what `finished_targets` has returned earlier.
pub fn finished_again(targets: &str, time: Duration) -> String {
    format!("{targets} in {}", elapsed(time))
}

pub fn finished_targets(profile: &Profile) -> String {
    let optimised = if profile.opt_level == OptLevel::O0 { "unoptimized" } else { "optimized" };
    let debug = if profile.debug == DebugInfo::None { "" } else { " + debuginfo" };
    format!("`{}` profile [{optimised}{debug}] target(s)", profile.name)
}

pub fn generated_warnings(krate: &str, warnings: usize) -> String {
    format!("`{krate}` generated {}", count(warnings, "warning"))
}

/// What became of headers that several units share, a line for each group of them.
pub fn headers(headers: &HeaderUse) -> Vec<String> {
    let group = |HeaderGroup { units, files, bytes }: &HeaderGroup| {
        format!(
            "{files} headers are parsed once, for units that begin as {units} of those looked at do ({bytes})"
        )
    };
    match headers {
        HeaderUse::Made { groups } if groups.is_empty() => {
            vec!["none are parsed once for several units: it would not pay".to_owned()]
        }
        HeaderUse::Made { groups } => groups.iter().map(group).collect(),
        HeaderUse::Used => vec!["compiled with shared headers".to_owned()],
        HeaderUse::NotUsed { why } => {
            vec![format!("compiled without shared headers: {}", visible(why))]
        }
    }
}

/// The error of a crate that failed: which of its items failed.
pub fn could_not(item: &Item, target: CrateTarget<'_>, errors: usize, warnings: usize) -> String {
    let label = visible(&item.label);
    let (verb, what) = match (item.kind, target) {
        (ItemKind::Scan, _) => ("scan", label),
        (ItemKind::Interface, _) => ("compile the interface", label),
        (ItemKind::Precompile, _) => ("precompile the headers", label),
        (ItemKind::ShareHeaders, _) => ("share the headers", label),
        (ItemKind::Compile, _) => ("compile", label),
        (ItemKind::Check, _) => ("check", label),
        (ItemKind::Archive, _) => ("archive", label),
        (ItemKind::Generate, _) => ("generate sources of", label),
        (ItemKind::Configure, _) => ("configure", label),
        (ItemKind::Shared | ItemKind::Program, CrateTarget::Program(kind, name)) => {
            ("link", format!("{} `{name}`", kind.word()).into())
        }
        (ItemKind::Shared | ItemKind::Program, _) => ("link", label),
    };
    let mut text = format!("could not {verb} `{}` ({what})", item.krate_name);
    if errors > 0 {
        text += &format!(" due to {}", count(errors, "error"));
    }
    if warnings > 0 {
        text += &format!("; {} emitted", count(warnings, "warning"));
    }
    text
}

/// The last line of a build that failed: how many units failed, and in which crates; how many are
/// done, and how many neither are done nor known to be up to date.
pub fn build_failed(failed: usize, crates: &[&str], done: usize, rest: usize) -> String {
    let mut names: Vec<String> =
        crates.iter().take(MOST_CRATES).map(|name| format!("`{name}`")).collect();
    if crates.len() > MOST_CRATES {
        names.push(format!("{} more", crates.len() - MOST_CRATES));
    }
    let noun = if crates.len() == 1 { "crate" } else { "crates" };
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let mut text = format!("build failed: {} failed, in {noun} {names}", count(failed, "unit"));
    text += &format!("; {done} done");
    if rest > 0 {
        text += &format!(", {rest} not done");
    }
    text
}

/// More names are only counted.
const MOST_CRATES: usize = 5;

pub fn undefined_symbol(
    symbol: &str,
    krate: &str,
    target: CrateTarget<'_>,
    users: &[String],
) -> String {
    let mut text = format!("undefined symbol `{symbol}` in crate `{krate}`{}", of_bin(target));
    if !users.is_empty() {
        text += &format!(", used by {}", users.join(", "));
    }
    text
}

/// `places`: where it is defined.
pub fn duplicate_symbol(
    symbol: &str,
    krate: &str,
    target: CrateTarget<'_>,
    places: &[String],
) -> String {
    let mut text = format!("duplicate symbol `{symbol}` in crate `{krate}`{}", of_bin(target));
    if !places.is_empty() {
        text += &format!(", defined in {}", places.join(" and in "));
    }
    text
}

fn of_bin(target: CrateTarget<'_>) -> String {
    match target {
        CrateTarget::Program(kind, name) => format!(" ({} `{name}`)", kind.word()),
        CrateTarget::Lib(_) | CrateTarget::Generate => String::new(),
    }
}

/// A file name on one line: control characters are escaped, because a name may have newlines or
/// escape sequences.
pub fn visible(name: &str) -> Cow<'_, str> {
    if !name.contains(char::is_control) {
        return name.into();
    }
    let escape =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    name.chars().map(escape).collect()
}

/// `SIGINT`, or the number of an unusual signal.
pub fn signal(number: i32) -> String {
    match number {
        libc::SIGHUP => "SIGHUP".into(),
        libc::SIGINT => "SIGINT".into(),
        libc::SIGTERM => "SIGTERM".into(),
        other => format!("signal {other}"),
    }
}

/// The name of a phase in the trace and in JSON.
pub fn phase(name: PhaseName) -> &'static str {
    match name {
        PhaseName::Translate => "translate",
        PhaseName::Cut => "cut",
        PhaseName::Optimise => "optimise",
        PhaseName::Serialise => "serialise",
        PhaseName::Thinlink => "thinlink",
        PhaseName::Backend => "backend",
        PhaseName::Emit => "emit",
        PhaseName::Join => "join",
        PhaseName::Archive => "archive",
        PhaseName::Link => "link",
        PhaseName::Generate => "generate",
    }
}

/// The name of a wait in the trace and on the timings page.
pub fn wait(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Token => "every token is in use",
        WaitReason::Memory(_) => "too little memory is free",
    }
}

/// The reason of a wait, with its figures.
pub fn wait_in_full(graph: &Graph, reason: WaitReason) -> String {
    let WaitReason::Memory(Shortage { need, free, kept_for, .. }) = reason else {
        return wait(reason).into();
    };
    let free = free.map_or("enough".into(), |free| free.to_string());
    match kept_for {
        Some(larger) => {
            format!(
                "needs {need} of memory; {free} is free, but kept for {}",
                visible(&graph[larger].label)
            )
        }
        None => format!("needs {need} of memory, and {free} is free"),
    }
}

/// Whether memory was short, or nearly: if not, its summary is of no interest.
pub fn memory_mattered(sum: &MemorySummary) -> bool {
    let near = sum.budget.is_some_and(|budget| sum.peak.0 >= budget.0 / 10 * 9);
    let stalled = sum.stalled_us.is_some_and(|us| us >= LEAST_STALL_US);
    near || stalled || sum.waits > 0 || sum.stopped_us > Micros::ZERO || sum.killed() > 0
}

/// The summary of a build's memory, on one line.
pub fn memory(sum: &MemorySummary) -> String {
    let time = |time: Micros| elapsed(time.duration());
    let mut text = format!("peak {}", sum.peak);
    if let Some(budget) = sum.budget {
        text += &format!(", budget {}", budget);
    }
    match sum.waits {
        0 => text += "; no item waited for memory",
        waits => {
            let waits = count(waits as usize, "wait");
            text += &format!("; {waits} for memory, slots idle for {}", time(sum.short_us));
        }
    }
    if let Some(us) = sum.stalled_us.filter(|us| *us >= LEAST_STALL_US) {
        text += &format!("; stalled for {}", time(us));
    }
    if sum.stopped_us > Micros::ZERO {
        text += &format!("; commands stopped for {}", time(sum.stopped_us));
    }
    if sum.killed() > 0 {
        let by = [
            (sum.killed_by_tender, "tender"),
            (sum.killed_by_kernel, "the kernel"),
            (sum.failed_allocations, "a failed allocation"),
        ];
        let by: Vec<String> =
            by.iter().filter(|(n, _)| *n > 0).map(|(n, who)| format!("{n} by {who}")).collect();
        text += &format!("; killed for memory: {}", by.join(", "));
        text += &format!("; retried: {}", count(sum.retries as usize, "unit"));
    }
    text
}

/// Shorter stalls are not shown: reading a file for the first time causes some.
const LEAST_STALL_US: Micros = Micros::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ProgramKind;
    use crate::report::fixture;
    use tender_units::Bytes;

    #[test]
    fn durations_are_short() {
        #[track_caller]
        fn check(millis: u64, expect: &str) {
            assert_eq!(elapsed(Duration::from_millis(millis)), expect);
        }
        check(0, "0.00s");
        check(7, "0.00s");
        check(345, "0.34s");
        check(59_999, "59.99s");
        check(60_000, "1m 00s");
        check(3_725_000, "62m 05s");
    }

    #[test]
    fn finished_line_is_like_cargos() {
        let release = fixture::profile();
        let dev = Profile::dev();
        let time = Duration::from_millis(10);
        assert_eq!(finished(&release, time), "`release` profile [optimized] target(s) in 0.01s");
        assert_eq!(
            finished(&dev, time),
            "`dev` profile [unoptimized + debuginfo] target(s) in 0.01s"
        );
    }

    #[test]
    fn failures_name_crate_and_unit() {
        let graph = fixture::graph();
        #[track_caller]
        fn check(item: &Item, target: CrateTarget<'_>, counts: (usize, usize), expect: &str) {
            assert_eq!(could_not(item, target, counts.0, counts.1), expect);
        }
        let unit = &graph[fixture::ZIP_A];
        check(
            unit,
            CrateTarget::Lib(0),
            (1, 0),
            "could not compile `zip` (zip/src/a.c) due to 1 error",
        );
        check(
            unit,
            CrateTarget::Lib(0),
            (2, 1),
            "could not compile `zip` (zip/src/a.c) due to 2 errors; 1 warning emitted",
        );
        check(unit, CrateTarget::Lib(0), (0, 0), "could not compile `zip` (zip/src/a.c)");
        let link = &graph[fixture::APP_LINK];
        check(
            link,
            CrateTarget::Program(ProgramKind::Bin, "app"),
            (1, 0),
            "could not link `app` (bin `app`) due to 1 error",
        );
    }

    #[test]
    fn wait_text_has_need_and_free_memory() {
        let graph = fixture::graph();
        #[track_caller]
        fn check(graph: &Graph, reason: WaitReason, expect: &str) {
            assert_eq!(wait_in_full(graph, reason), expect);
        }
        let short = Shortage {
            need: Bytes(96 << 20),
            free: Some(Bytes(40 << 20)),
            budget: None,
            kept_for: None,
        };
        check(&graph, WaitReason::Token, "every token is in use");
        check(&graph, WaitReason::Memory(short), "needs 96 MiB of memory, and 40 MiB is free");
        let behind =
            Shortage { free: Some(Bytes(128 << 20)), kept_for: Some(fixture::ZIP_B), ..short };
        let expect = "needs 96 MiB of memory; 128 MiB is free, but kept for zip/src/b.c";
        check(&graph, WaitReason::Memory(behind), expect);
    }

    #[test]
    fn failed_build_is_counted() {
        #[track_caller]
        fn check(failed: usize, crates: &[&str], done: usize, rest: usize, expect: &str) {
            assert_eq!(build_failed(failed, crates, done, rest), expect);
        }
        check(1, &["zip"], 0, 0, "build failed: 1 unit failed, in crate `zip`; 0 done");
        let two = "build failed: 3 units failed, in crates `app` and `zip`; 12 done, 4 not done";
        check(3, &["app", "zip"], 12, 4, two);
        let many =
            "build failed: 7 units failed, in crates `a`, `b`, `c`, `d`, `e` and 2 more; 1 done";
        check(7, &["a", "b", "c", "d", "e", "f", "g"], 1, 0, many);
    }

    #[test]
    fn memory_matters_if_it_was_short_or_nearly() {
        let calm = MemorySummary {
            peak: Bytes(89),
            budget: Some(Bytes(100)),
            stalled_us: Some(Micros(40_000)),
            ..MemorySummary::default()
        };
        assert!(!memory_mattered(&calm));
        assert!(!memory_mattered(&MemorySummary { budget: None, ..calm }));
        for short in [
            MemorySummary { peak: Bytes(90), ..calm },
            MemorySummary { waits: 1, ..calm },
            MemorySummary { stalled_us: Some(LEAST_STALL_US), ..calm },
            MemorySummary { stopped_us: Micros(1), ..calm },
            MemorySummary { killed_by_kernel: 1, ..calm },
        ] {
            assert!(memory_mattered(&short), "{short:?}");
        }
    }

    #[test]
    fn memory_summary_is_one_line() {
        #[track_caller]
        fn check(sum: MemorySummary, expect: &str) {
            assert_eq!(memory(&sum), expect);
        }
        let calm = MemorySummary {
            peak: Bytes(58 << 20),
            budget: Some(Bytes(60 << 20)),
            stalled_us: Some(Micros(40_000)),
            ..MemorySummary::default()
        };
        check(calm, "peak 58 MiB, budget 60 MiB; no item waited for memory");
        check(MemorySummary { budget: None, ..calm }, "peak 58 MiB; no item waited for memory");
        let waited = MemorySummary {
            waits: 7,
            waited_us: Micros(12_340_000),
            short_us: Micros(2_100_000),
            ..calm
        };
        let text = "peak 58 MiB, budget 60 MiB; 7 waits for memory, slots idle for 2.10s";
        check(waited, text);
        let braked = MemorySummary { stopped_us: Micros(1_500_000), ..waited };
        check(braked, &format!("{text}; commands stopped for 1.50s"));
        let hard = MemorySummary {
            stalled_us: Some(Micros(410_000)),
            killed_by_kernel: 2,
            retries: 1,
            ..waited
        };
        let kills = "; stalled for 0.41s; killed for memory: 2 by the kernel; retried: 1 unit";
        check(hard, &format!("{text}{kills}"));
        let both = MemorySummary { killed_by_tender: 1, retries: 3, stalled_us: None, ..hard };
        let kills = "; killed for memory: 1 by tender, 2 by the kernel; retried: 3 units";
        check(both, &format!("{text}{kills}"));
    }
}
