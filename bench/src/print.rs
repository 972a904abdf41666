//! Prints the figures.

use crate::contest::Contestant;
use crate::machine::Machine;
use crate::runner::{Outcome, Pair};
use crate::statistics::Summary;
use crate::subject::Name;
use crate::table::Table;
use std::io::{Result, Write};

/// With a higher load, other programs disturb the measurements.
const QUIET_LOAD: f64 = 0.5;

/// Prints the machine, and a warning if it is not quiet.
///
/// # Errors
/// The text cannot be written.
pub fn machine(out: &mut dyn Write, machine: &Machine) -> Result<()> {
    let Machine { date, cpu, cores, memory_gib, system, load, versions } = machine;
    writeln!(out, "{date}: {cpu}, {cores} cores, {memory_gib:.1} GiB, {system}")?;
    writeln!(out, "{}", versions.join("; "))?;
    writeln!(out, "ratios are tender / the other, below 1 where tender is faster or smaller")?;
    if *load > QUIET_LOAD {
        writeln!(
            out,
            "warning: the machine is not quiet (load {load:.2}); do not trust these figures"
        )?;
    }
    Ok(())
}

/// Prints a table.
///
/// # Errors
/// The text cannot be written.
pub fn table(out: &mut dyn Write, table: &Table) -> Result<()> {
    write!(out, "\n{table}")?;
    out.flush()
}

/// Prints the measurements of a subject.
///
/// # Errors
/// The text cannot be written.
pub fn subject(out: &mut dyn Write, outcome: &Outcome) -> Result<()> {
    writeln!(out, "\n{}, -j{}", outcome.name.title(), outcome.jobs)?;
    let cold = &outcome.cold;
    if !cold.is_empty() {
        head(out, &format!("cold, {} pairs", cold.len()))?;
        row(out, "wall time, ratio", Outcome::ratio(cold, |taken| taken.wall))?;
        row(out, "CPU time, ratio", Outcome::ratio(cold, |taken| taken.cpu))?;
        walls(out, cold, 1.0, "s")?;
    }
    let nothing = &outcome.nothing;
    head(out, &format!("nothing to do, {} pairs", nothing.len()))?;
    row(out, "wall time, ratio", Outcome::ratio(nothing, |taken| taken.wall))?;
    row(out, "CPU time, ratio", Outcome::ratio(nothing, |taken| taken.cpu))?;
    walls(out, nothing, 1e3, "ms")?;
    for (title, who) in
        [("tender, CPU ms", Contestant::Tender), ("ninja, CPU ms", Contestant::Ninja)]
    {
        row(out, title, scaled(Outcome::time(nothing, who, |taken| taken.cpu), 1e3))?;
    }

    let Some((usage, traced)) = &outcome.traced else { return out.flush() };
    let total = traced.wall.as_secs_f64();
    let on_cpu = traced.cpu.as_secs_f64() / (total * f64::from(outcome.jobs));
    writeln!(out, "  one traced cold build, {total:.2} s")?;
    writeln!(
        out,
        "    job slots busy from the first unit to the last: {:.1} %",
        usage.busy * 100.0
    )?;
    writeln!(
        out,
        "    CPU time of the whole build / ({} x wall time):  {:.1} %",
        outcome.jobs,
        on_cpu * 100.0
    )?;
    let longest = usage.longest_s;
    if outcome.name != Name::Many {
        writeln!(
            out,
            "    longest unit: {} with {longest:.2} s; the whole build takes {:.3} times that",
            usage.longest_unit,
            total / longest
        )?;
    }
    out.flush()
}

/// Prints the time that cargo takes.
///
/// # Errors
/// The text cannot be written.
pub fn cargo(out: &mut dyn Write, seconds: &Summary) -> Result<()> {
    writeln!(out, "\ncargo, for comparison, in a workspace of five packages")?;
    head(out, "nothing to do")?;
    row(out, "cargo, ms", scaled(*seconds, 1e3))
}

fn walls(out: &mut dyn Write, pairs: &[Pair], scale: f64, unit: &str) -> Result<()> {
    row(out, &format!("tender, {unit}"), scaled(Outcome::wall(pairs, Contestant::Tender), scale))?;
    row(
        out,
        &format!("ninja and clang, {unit}"),
        scaled(Outcome::wall(pairs, Contestant::Ninja), scale),
    )
}

fn scaled(summary: Summary, by: f64) -> Summary {
    let Summary { min, lower, median, upper, max } = summary;
    Summary {
        min: min * by,
        lower: lower * by,
        median: median * by,
        upper: upper * by,
        max: max * by,
    }
}

fn head(out: &mut dyn Write, title: &str) -> Result<()> {
    writeln!(
        out,
        "  {title:<24} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "median", "min", "1st qu.", "3rd qu.", "max"
    )
}

fn row(out: &mut dyn Write, title: &str, summary: Summary) -> Result<()> {
    let Summary { min, lower, median, upper, max } = summary;
    writeln!(out, "    {title:<22} {median:>9.3} {min:>9.3} {lower:>9.3} {upper:>9.3} {max:>9.3}")
}
