//! The description of a workspace: its kind, its seed, the number of its crates and their weight.
//! Knows no sources.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// The kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Many crates of a few small units that depend on each other.
    Many,
    /// A few units that are large, with debug information.
    Huge,
    /// C++ whose templates take most of the memory.
    Templates,
    /// One file, which is cut into pieces.
    Giant,
    /// Crates with thin link-time optimisation.
    Lto,
    /// Crates with fat link-time optimisation, which merges them into one module.
    Fat,
    /// Crates with a source that a command generates, which takes memory.
    Generated,
}

impl Kind {
    pub const ALL: [Kind; 7] = [
        Kind::Many,
        Kind::Huge,
        Kind::Templates,
        Kind::Giant,
        Kind::Lto,
        Kind::Fat,
        Kind::Generated,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Many => "many",
            Kind::Huge => "huge",
            Kind::Templates => "templates",
            Kind::Giant => "giant",
            Kind::Lto => "lto",
            Kind::Fat => "fat",
            Kind::Generated => "generated",
        }
    }
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| {
            format!("`{text}` is no kind of workspace: {}", Kind::ALL.map(Kind::name).join(", "))
        })
    }
}

/// The same recipe gives the same workspace, byte for byte, on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub kind: Kind,
    pub seed: u64,
    /// How many library crates, at least 1. A giant always has one.
    pub width: u32,
    /// How large each unit is, at least 1. Twice the weight is about twice the memory.
    pub weight: u32,
}

impl Recipe {
    /// With the usual width and the smallest weight.
    pub fn new(kind: Kind, seed: u64) -> Recipe {
        let width = match kind {
            Kind::Many => 8,
            Kind::Huge => 4,
            Kind::Templates => 6,
            Kind::Giant => 1,
            Kind::Lto => 6,
            Kind::Fat => 6,
            Kind::Generated => 8,
        };
        Recipe { kind, seed, width, weight: 1 }
    }
}

/// Such as `huge, seed 3, width 4, weight 1`.
impl Display for Recipe {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Recipe { kind, seed, width, weight } = self;
        write!(f, "{kind}, seed {seed}, width {width}, weight {weight}")
    }
}
