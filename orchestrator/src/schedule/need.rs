//! How much memory an item probably needs that was never measured. Pure figures.

use crate::graph::{Item, ItemKind, Run};
use tender_protocol::{ItemMemory, Language, Work};

/// How much memory an item is expected to need at most, bytes, what its process has anyway not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// From its beginning to its end, or until it comes in pieces.
    pub begin: u64,
    /// Each of its pieces.
    pub piece: u64,
    /// What joins the pieces, where that takes much: the linker behind link-time optimisation. Else 0.
    pub join: u64,
}

impl From<Need> for ItemMemory {
    fn from(Need { begin, piece, join }: Need) -> ItemMemory {
        ItemMemory { begin, piece, join }
    }
}

const MIB: u64 = 1 << 20;

/// From the kind of the item and the bytes of its source, which say little of what it includes. So this is meant to be too much more
/// often than too little: one item that was thought to be small costs a kill, one that was thought to be large a moment.
///
/// (Measured with clang 22 at -O2, live allocations: Lua 4 to 17 MiB, zstd 6 to 44, SQLite's 9 MB of C 190, 18 files of RocksDB of 2
/// to 230 kB 70 to 270.)
pub fn expected_need(item: &Item) -> Need {
    let size = item.size;
    match (&item.run, item.kind) {
        (Run::Worker(Work::Compile { language, .. } | Work::Check { language, .. }), _) => match language {
            Language::Cxx => Need {
                begin: 96 * MIB + size.saturating_mul(800),
                piece: 32 * MIB + size.saturating_mul(200),
                join: 0,
            },
            _ => Need {
                begin: 12 * MIB + size.saturating_mul(24),
                piece: 8 * MIB + size.saturating_mul(8),
                join: 0,
            },
        },
        (Run::Worker(Work::Link { lto: Some(_), .. }), _) => {
            Need { begin: 64 * MIB, piece: 64 * MIB, join: 64 * MIB }
        }
        (_, ItemKind::Archive) => Need { begin: 4 * MIB, piece: 64 * MIB, join: 0 },
        _ => Need { begin: 64 * MIB, piece: 0, join: 0 },
    }
}
