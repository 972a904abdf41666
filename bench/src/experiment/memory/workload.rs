//! The workloads of the memory experiments, and their builders. Knows no limits.

use crate::ninja::Extra;
use crate::subject::{Name, Profile};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// 18 C++ files of RocksDB
    Rocksdb,
    /// Lua, zlib, zstd, SQLite and a program
    RealWorld,
    /// The same without optimisation
    RealWorldDev,
    /// The same with ThinLTO, compared with clang and lld
    RealWorldThin,
    Lua,
    Zstd,
}

/// Those of which `docs/memory.md` has the figures.
pub const USUAL: [Workload; 3] = [Workload::Rocksdb, Workload::RealWorld, Workload::RealWorldThin];

impl Workload {
    /// The name in options.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rocksdb => "rocksdb",
            Self::RealWorld => "real-world",
            Self::RealWorldDev => "real-world-dev",
            Self::RealWorldThin => "real-world-thin",
            Self::Lua => "lua",
            Self::Zstd => "zstd",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Rocksdb => "18 C++ files of RocksDB, -O2",
            Self::RealWorld => "Lua, zlib, zstd, SQLite and a program, -O2",
            Self::RealWorldDev => "Lua, zlib, zstd, SQLite and a program, -O0 -g",
            Self::RealWorldThin => "Lua, zlib, zstd, SQLite and a program, -O2, ThinLTO",
            Self::Lua => "Lua, -O2",
            Self::Zstd => "zstd, -O2",
        }
    }

    pub fn name(self) -> Name {
        match self {
            Self::Rocksdb => Name::Rocksdb,
            Self::RealWorld | Self::RealWorldDev | Self::RealWorldThin => Name::RealWorld,
            Self::Lua => Name::Lua,
            Self::Zstd => Name::Zstd,
        }
    }

    pub fn profile(self) -> Profile {
        if self == Self::RealWorldDev { Profile::Dev } else { Profile::Release }
    }

    /// Lines of the release profile, and the equivalent arguments of clang.
    pub fn lto(self, jobs: u32) -> Option<(&'static str, Extra)> {
        (self == Self::RealWorldThin).then(|| ("lto = \"thin\"", Extra::thin(jobs)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// tender without a history
    Tender,
    /// tender with the peaks of a build before
    History,
    /// ninja with clang, and lld for LTO
    Ninja,
    /// GNU make with gcc, archives only
    Make,
}

impl Builder {
    pub fn word(self) -> &'static str {
        match self {
            Self::Tender => "tender",
            Self::History => "history",
            Self::Ninja => "ninja",
            Self::Make => "make",
        }
    }

    pub fn title(self, workload: Workload) -> &'static str {
        match self {
            Self::Tender => "tender, first build",
            Self::History => "tender, with history",
            Self::Ninja if workload == Workload::RealWorldThin => "ninja, clang -flto=thin, lld",
            Self::Ninja => "ninja and clang",
            Self::Make => "make and gcc",
        }
    }

    pub fn is_tender(self) -> bool {
        matches!(self, Self::Tender | Self::History)
    }

    /// gcc has no ThinLTO.
    pub fn can(self, workload: Workload) -> bool {
        self != Self::Make || workload != Workload::RealWorldThin
    }
}
