//! Counts of what rounds did.

use super::kind::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub rounds: u32,
    pub steps: BTreeMap<Kind, u32>,
    /// Steps that changed the result of a clean build.
    pub changing: u32,
    /// Builds that were compared with a clean one, and how many of them failed, as the clean one
    /// did.
    pub compared: u32,
    pub failing: u32,
    /// Clean builds that were run; the results of others were known from the same files.
    pub clean: u32,
    /// Builds without changes, which did nothing.
    pub idle: u32,
    /// Builds for which a certificate said that nothing has changed since one with nothing to do, and those
    /// for which it said that something has.
    pub certified: u32,
    pub refuted: u32,
    /// Builds that were interrupted or not compared.
    pub between: u32,
    /// Outputs that were compared.
    pub outputs: u64,
}

impl Figures {
    pub fn add(&mut self, other: &Figures) {
        self.rounds += other.rounds;
        for (kind, count) in &other.steps {
            *self.steps.entry(*kind).or_default() += count;
        }
        self.changing += other.changing;
        self.compared += other.compared;
        self.failing += other.failing;
        self.clean += other.clean;
        self.idle += other.idle;
        self.certified += other.certified;
        self.refuted += other.refuted;
        self.between += other.between;
        self.outputs += other.outputs;
    }

    pub fn all_steps(&self) -> u32 {
        self.steps.values().sum()
    }

    pub(super) fn to_json(&self) -> Value {
        let steps: BTreeMap<String, u32> =
            self.steps.iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect();
        json!({
            "rounds": self.rounds, "steps": steps, "changing": self.changing, "compared": self.compared,
            "failing": self.failing, "clean": self.clean, "idle": self.idle, "between": self.between,
            "outputs": self.outputs, "certified": self.certified, "refuted": self.refuted,
        })
    }

    pub(super) fn from_json(value: &Value) -> Figures {
        let number = |name: &str| value[name].as_u64().unwrap_or(0) as u32;
        let count = |kind: Kind| value["steps"][format!("{kind:?}")].as_u64().unwrap_or(0) as u32;
        Figures {
            rounds: number("rounds"),
            steps: Kind::all().map(|kind| (kind, count(kind))).collect(),
            changing: number("changing"),
            compared: number("compared"),
            failing: number("failing"),
            clean: number("clean"),
            idle: number("idle"),
            certified: number("certified"),
            refuted: number("refuted"),
            between: number("between"),
            outputs: value["outputs"].as_u64().unwrap_or(0),
        }
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Figures { rounds, steps, changing, compared, failing, clean, idle, .. } = self;
        let Figures { certified, refuted, between, outputs, .. } = self;
        let all = self.all_steps();
        let percent = |count: u32| f64::from(count) * 100.0 / f64::from(all.max(1));
        writeln!(
            f,
            "{all} steps in {rounds} rounds, {changing} of which changed an output ({:.1} %):",
            percent(*changing)
        )?;
        for (kind, count) in steps {
            writeln!(f, "{count:6}  {:4.1} %  {kind:?}", percent(*count))?;
        }
        write!(
            f,
            "{compared} builds were compared with clean ones, in {outputs} outputs; {failing} failed, as the clean ones did. \
             {clean} clean builds were run, {idle} builds had nothing to do, {between} builds were not compared. \
             Certificates held {certified} times, and did not hold {refuted} times"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_were_written() {
        let steps = Kind::all().zip(1..).collect();
        let figures = Figures {
            rounds: 1,
            steps,
            changing: 2,
            compared: 3,
            failing: 4,
            clean: 5,
            idle: 6,
            certified: 9,
            refuted: 10,
            between: 7,
            outputs: 8,
        };
        assert_eq!(Figures::from_json(&figures.to_json()), figures);
    }
}
