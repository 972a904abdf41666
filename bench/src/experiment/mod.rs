//! What is measured beside whole builds against ninja: each measures one thing and hands back
//! tables of figures.

pub mod cut;
pub mod lto;
pub mod memory;
pub mod tokens;

use std::fmt;
use std::str::FromStr;

/// Pairs of runs of two programs of which a difference of a few percent matters: fewer make no
/// useful interval.
pub const PROGRAM_PAIRS: u32 = 21;

/// What a profile says of `codegen-units`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    Default,
    AtMost(u32),
}

impl Units {
    /// The line of a profile; empty where it says nothing.
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

/// Numbers of rounds, jobs and the like that are used where no option says otherwise.
#[derive(Clone, Debug)]
pub struct Settings {
    pub pairs: u32,
    /// Empty: each experiment's own.
    pub jobs: Vec<u32>,
    pub units: Vec<Units>,
    pub lto: Vec<lto::Mode>,
    pub program_pairs: u32,
    pub memory: memory::Options,
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
    fn units_are_written_as_they_are_read() {
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
