//! Counts of what storms did.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub rounds: u32,
    /// How often each signal was sent to each kind of process.
    pub strikes: BTreeMap<String, u32>,
    /// Builds that succeeded anyway.
    pub succeeded: u32,
    /// Tokens of the tests' own pools that were counted after rounds; none was missing.
    pub tokens: u32,
    /// Checked values of the slot counter in traces.
    pub ledger: u32,
    /// The longest time from the end of a round's command to the end of the last process of its
    /// tree, and which process that was.
    pub longest_rest: (Duration, String),
}

impl Figures {
    pub(super) fn struck(&mut self, what: String) {
        *self.strikes.entry(what).or_default() += 1;
    }

    pub fn add(&mut self, other: Figures) {
        self.rounds += other.rounds;
        for (what, count) in other.strikes {
            *self.strikes.entry(what).or_default() += count;
        }
        self.succeeded += other.succeeded;
        self.tokens += other.tokens;
        self.ledger += other.ledger;
        if other.longest_rest.0 > self.longest_rest.0 {
            self.longest_rest = other.longest_rest;
        }
    }

    pub fn hits(&self) -> u32 {
        self.strikes.values().sum()
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Figures { rounds, strikes, succeeded, tokens, ledger, longest_rest } = self;
        writeln!(
            f,
            "{rounds} rounds, {succeeded} of which succeeded anyway; {} strikes:",
            self.hits()
        )?;
        for (what, count) in strikes {
            writeln!(f, "{count:6}  {what}")?;
        }
        write!(
            f,
            "{tokens} tokens and {ledger} values of the ledger were counted; the last member of a tree ended at most {} ms \
             after its command: {}",
            longest_rest.0.as_millis(),
            longest_rest.1
        )
    }
}
