//! Experiments in addition to builds against ninja. Each measures one thing and returns tables of
//! figures.

pub mod cut;
pub mod edit;
pub mod lto;
pub mod memory;
pub mod tokens;

use std::fmt;
use std::str::FromStr;

/// Pairs of runs for programs that differ by a few percent. Fewer pairs give no useful interval.
pub const PROGRAM_PAIRS: u32 = 21;

/// A profile's `codegen-units`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    Default,
    AtMost(u32),
}

impl Units {
    /// The line of a profile; empty for the default.
    pub fn line(self) -> String {
        match self {
            Self::Default => String::new(),
            Self::AtMost(units) => format!("codegen-units = {units}"),
        }
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::AtMost(units) => units.fmt(f),
        }
    }
}

impl FromStr for Units {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse()) {
            ("default", _) => Ok(Self::Default),
            (_, Ok(units)) if units > 0 => Ok(Self::AtMost(units)),
            _ => Err("not `default`, and no number above 0"),
        }
    }
}

/// The settings of all experiments.
#[derive(Clone, Debug)]
pub struct Settings {
    pub pairs: u32,
    /// Empty: the default of each experiment.
    pub jobs: Vec<u32>,
    pub units: Vec<Units>,
    pub lto: Vec<lto::Mode>,
    pub program_pairs: u32,
    pub memory: memory::MemoryOptions,
}

impl Settings {
    pub fn jobs_or(&self, default: u32) -> Vec<u32> {
        if self.jobs.is_empty() { vec![default] } else { self.jobs.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round_trip() {
        let check = |text: &str, expect: Units| {
            assert_eq!(text.parse(), Ok(expect));
            assert_eq!(expect.to_string(), text);
        };
        check("default", Units::Default);
        check("16", Units::AtMost(16));
        assert!("0".parse::<Units>().is_err() && "".parse::<Units>().is_err());
        assert_eq!(Units::AtMost(4).line(), "codegen-units = 4");
    }
}
