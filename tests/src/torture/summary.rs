//! The sums of all outcomes, by mode of link-time optimisation. Pure.

use super::draw::{Mode, Pair};
use super::outcome::{Outcome, What};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub found: u32,
    /// Programs that clang compiles and that exit with 0.
    pub accepted: u32,
    /// Of these, programs with two definitions or more.
    pub parted: u32,
    pub cut: u32,
    pub same: u32,
    pub explained: u32,
    pub failed: u32,
    /// Programs that do not count, by reason.
    pub excluded: BTreeMap<String, u32>,
    pub rejected: BTreeMap<String, u32>,
    /// Programs that were not cut, by reason.
    pub whole: BTreeMap<String, u32>,
    /// Programs that differ for a known reason, by reason.
    pub reasons: BTreeMap<String, u32>,
}

impl Counts {
    fn add(&mut self, what: &What) {
        self.found += 1;
        let count =
            |by: &mut BTreeMap<String, u32>, why: &str| *by.entry(why.to_owned()).or_default() += 1;
        match what {
            What::Excluded(why) => return count(&mut self.excluded, why),
            What::Rejected(why) => return count(&mut self.rejected, why),
            What::Whole { definitions, why } => {
                self.parted += u32::from(*definitions > 1);
                count(&mut self.whole, why);
            }
            What::Same { .. } => self.same += 1,
            What::Explained { why, .. } => {
                self.explained += 1;
                count(&mut self.reasons, why);
            }
            What::Failed { .. } => self.failed += 1,
        }
        self.accepted += 1;
        self.cut += u32::from(what.is_cut());
        self.parted += u32::from(what.is_cut());
    }

    /// The share of programs that were cut, of those that can be, in percent.
    pub fn percent_cut(&self) -> u32 {
        (self.cut * 100).checked_div(self.parted).unwrap_or(100)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub by_mode: BTreeMap<Mode, Counts>,
    pub all: Counts,
    /// The settings of programs that were cut.
    pub pairs: BTreeSet<Pair>,
    pub failures: Vec<Outcome>,
    /// Programs that differ for a known reason.
    pub explained: Vec<Outcome>,
}

impl Summary {
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Summary {
        let mut summary = Summary::default();
        for outcome in outcomes {
            summary.by_mode.entry(outcome.setting.mode).or_default().add(&outcome.what);
            summary.all.add(&outcome.what);
            if outcome.what.is_cut() {
                summary.pairs.extend(outcome.setting.pairs());
            }
            match outcome.what {
                What::Failed { .. } => summary.failures.push(outcome.clone()),
                What::Explained { .. } => summary.explained.push(outcome.clone()),
                _ => {}
            }
        }
        summary
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "mode        found  accepted  2+ definitions    cut   %   same  explained  failed"
        )?;
        let mut row = |name: &str, counts: &Counts| {
            writeln!(
                f,
                "{name:10} {:6} {:9} {:15} {:6} {:3} {:6} {:10} {:7}",
                counts.found,
                counts.accepted,
                counts.parted,
                counts.cut,
                counts.percent_cut(),
                counts.same,
                counts.explained,
                counts.failed
            )
        };
        for (mode, counts) in &self.by_mode {
            row(mode.key(), counts)?;
        }
        row("all", &self.all)?;
        writeln!(
            f,
            "pairs of level, pieces and mode among those cut: {} of {}",
            self.pairs.len(),
            Pair::count()
        )?;
        for (title, pick) in [
            ("excluded", (|counts| &counts.excluded) as fn(&Counts) -> &BTreeMap<String, u32>),
            ("not accepted", |counts| &counts.rejected),
            ("not cut", |counts| &counts.whole),
            ("explained", |counts| &counts.reasons),
        ] {
            for (why, total) in pick(&self.all) {
                let of = |counts: &Counts| pick(counts).get(why).copied().unwrap_or(0);
                let by_mode: Vec<String> = Mode::ALL
                    .into_iter()
                    .filter_map(|mode| {
                        Some(format!("{} {}", mode.key(), of(self.by_mode.get(&mode)?)))
                    })
                    .collect();
                writeln!(f, "{title}: {total} ({}): {why}", by_mode.join(", "))?;
            }
        }
        for outcome in self.explained.iter().chain(&self.failures) {
            let how =
                if matches!(outcome.what, What::Failed { .. }) { "failed" } else { "differs" };
            writeln!(f, "{how}: {} {}", outcome.name, outcome.setting)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::{Level, Setting};
    use super::*;

    #[test]
    fn summary_counts_by_mode() {
        let outcome = |mode, what| Outcome {
            name: "a".into(),
            setting: Setting { level: Level::O2, pieces: 3, mode },
            what,
        };
        let outcomes = [
            outcome(Mode::Off, What::Same { pieces: 3 }),
            outcome(Mode::Off, What::Whole { definitions: 2, why: "it has assembly".into() }),
            outcome(Mode::Off, What::Whole { definitions: 1, why: "it has one definition".into() }),
            outcome(Mode::Off, What::Rejected("clang does not compile it".into())),
            outcome(Mode::Thin, What::Failed { pieces: 3, text: "text".into() }),
            outcome(Mode::Thin, What::Failed { pieces: 0, text: "text".into() }),
            outcome(Mode::Thin, What::Explained { pieces: 2, why: "undefined".into() }),
            outcome(Mode::Thin, What::Excluded("dg-do compile".into())),
        ];
        let summary = Summary::of(&outcomes);
        let off = &summary.by_mode[&Mode::Off];
        assert_eq!(
            (off.found, off.accepted, off.parted, off.cut, off.same, off.percent_cut()),
            (4, 3, 2, 1, 1, 50)
        );
        let thin = &summary.by_mode[&Mode::Thin];
        assert_eq!(
            (thin.found, thin.accepted, thin.cut, thin.failed, thin.explained),
            (4, 3, 2, 2, 1)
        );
        assert_eq!(
            (summary.all.found, summary.all.cut, summary.pairs.len(), summary.failures.len()),
            (8, 3, 5, 2)
        );
        let text = summary.to_string();
        assert!(
            text.contains("not accepted: 1 (off 1, thin 0): clang does not compile it"),
            "{text}"
        );
    }
}
