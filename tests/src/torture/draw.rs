//! How a program is built: optimisation level, number of pieces and mode of link-time optimisation,
//! drawn by a hash of its name. Pure.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    O0,
    O1,
    O2,
    O3,
    Os,
}

impl Level {
    pub const ALL: [Level; 5] = [Level::O0, Level::O1, Level::O2, Level::O3, Level::Os];

    /// As in a profile of the manifest.
    pub fn key(self) -> &'static str {
        match self {
            Level::O0 => "0",
            Level::O1 => "1",
            Level::O2 => "2",
            Level::O3 => "3",
            Level::Os => "\"s\"",
        }
    }

    /// As an option of the compiler.
    pub fn flag(self) -> &'static str {
        match self {
            Level::O0 => "-O0",
            Level::O1 => "-O1",
            Level::O2 => "-O2",
            Level::O3 => "-O3",
            Level::Os => "-Os",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    Off,
    ThinLocal,
    Thin,
    Fat,
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Off, Mode::ThinLocal, Mode::Thin, Mode::Fat];

    /// As in a profile of the manifest.
    pub fn key(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::ThinLocal => "thin-local",
            Mode::Thin => "thin",
            Mode::Fat => "fat",
        }
    }
}

/// The values of `TENDER_FORCE_PIECES`.
const PIECES: std::ops::RangeInclusive<u32> = 2..=9;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    pub level: Level,
    pub pieces: u32,
    pub mode: Mode,
}

impl Setting {
    /// The setting of the program with this name; always the same.
    pub fn of(name: &str) -> Setting {
        let number = hash(name) as usize;
        let counts = PIECES.clone().count();
        Setting {
            level: Level::ALL[number % Level::ALL.len()],
            pieces: PIECES.start() + (number / Level::ALL.len() % counts) as u32,
            mode: Mode::ALL[number / (Level::ALL.len() * counts) % Mode::ALL.len()],
        }
    }

    /// A pair of two of the three values.
    pub fn pairs(self) -> [Pair; 3] {
        [
            Pair::LevelPieces(self.level, self.pieces),
            Pair::LevelMode(self.level, self.mode),
            Pair::PiecesMode(self.pieces, self.mode),
        ]
    }
}

impl Display for Setting {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.level.flag(), self.pieces, self.mode.key())
    }
}

impl FromStr for Setting {
    type Err = String;

    /// As it is displayed: `-O2,5,thin`.
    fn from_str(text: &str) -> Result<Setting, String> {
        let wrong = || format!("`{text}` is no setting such as `-O2,5,thin`");
        let mut parts = text.split(',');
        let (level, pieces, mode) = (parts.next(), parts.next(), parts.next());
        let setting = Setting {
            level: Level::ALL
                .into_iter()
                .find(|known| Some(known.flag()) == level)
                .ok_or_else(wrong)?,
            pieces: pieces.and_then(|pieces| pieces.parse().ok()).ok_or_else(wrong)?,
            mode: Mode::ALL
                .into_iter()
                .find(|known| Some(known.key()) == mode)
                .ok_or_else(wrong)?,
        };
        if PIECES.contains(&setting.pieces) && parts.next().is_none() {
            Ok(setting)
        } else {
            Err(wrong())
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pair {
    LevelPieces(Level, u32),
    LevelMode(Level, Mode),
    PiecesMode(u32, Mode),
}

impl Pair {
    /// How many there are.
    pub fn count() -> usize {
        let (levels, pieces, modes) = (Level::ALL.len(), PIECES.count(), Mode::ALL.len());
        levels * pieces + levels * modes + pieces * modes
    }
}

/// A hash of the name, evenly distributed.
fn hash(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap())
}

/// Whether a program belongs to a sample of `permille` of a thousand; independent of its setting.
pub(super) fn in_sample(name: &str, permille: u64) -> bool {
    hash(&format!("sample {name}")) % 1000 < permille
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn settings_cover_all_pairs_evenly() {
        let settings: Vec<Setting> =
            (1..=400).map(|number| Setting::of(&format!("csmith/{number}"))).collect();
        let mut pairs: BTreeMap<Pair, u32> = BTreeMap::new();
        settings
            .iter()
            .flat_map(|setting| setting.pairs())
            .for_each(|pair| *pairs.entry(pair).or_default() += 1);
        assert_eq!(pairs.len(), Pair::count());
        // Ten of each are expected of the most frequent kind, twenty of the least.
        assert!(pairs.values().all(|count| (3..40).contains(count)), "{pairs:?}");
        let distinct: BTreeSet<Setting> = settings.into_iter().collect();
        assert!(distinct.len() > 140, "{} of 160", distinct.len());
    }

    #[test]
    fn settings_depend_on_the_name_alone() {
        assert_eq!(Setting::of("csmith/1").to_string(), "-O2,7,off");
        for number in 0..200 {
            let setting = Setting::of(&format!("{number}"));
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        for wrong in [
            "",
            "-O2",
            "-O2,5",
            "-O4,5,thin",
            "-O2,1,thin",
            "-O2,10,thin",
            "-O2,5,thick",
            "-O2,5,thin,",
        ] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sample_has_its_share() {
        let count = (0..4000).filter(|number| in_sample(&format!("{number}"), 100)).count();
        assert!((300..500).contains(&count), "{count}");
    }
}
