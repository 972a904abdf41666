//! The estimate: how much memory an item probably needs, by its kind and size, and by measurements
//! of earlier builds. Pure.

use crate::graph::{Item, ItemKind, Run};
use crate::measurements::Stage;
use tender_protocol::{ItemMemory, Language, Work};
use tender_units::Bytes;

/// The estimate of an item: how much memory it needs at most, bytes, without its process's
/// baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// From its beginning to its end, or until it is cut into pieces.
    pub begin: Bytes,
    /// Each of its pieces.
    pub piece: Bytes,
    /// The join of the pieces, if that needs much: the linker after link-time optimisation. Else 0.
    pub join: Bytes,
}

impl Need {
    /// The estimate: what stages were `measured` to take in earlier builds, or were killed at, in
    /// place of what is expected by kind and size. Bytes.
    pub fn with_measured(self, measured: impl Fn(Stage) -> Option<Bytes>) -> Need {
        let begin = measured(Stage::FrontEnd);
        // An item that was measured without pieces does not need more when it has some.
        let piece = measured(Stage::BackEnd).or(begin).unwrap_or(self.piece);
        // A need of 0 means that no lease is requested, and stays 0.
        let join = measured(Stage::Join).filter(|_| self.join > Bytes::ZERO);
        Need { begin: begin.unwrap_or(self.begin), piece, join: join.unwrap_or(self.join) }
    }

    /// The estimate of an item that turned out to need more than was expected.
    pub fn doubled(self) -> Need {
        let [begin, piece, join] =
            [self.begin, self.piece, self.join].map(|bytes| bytes.saturating_mul(2));
        Need { begin, piece, join }
    }
}

impl From<Need> for ItemMemory {
    fn from(Need { begin, piece, join }: Need) -> ItemMemory {
        ItemMemory { begin, piece, join }
    }
}

const MIB: u64 = 1 << 20;

/// Estimates from the kind of the item and the size of its source. The headers that it includes are
/// unknown.
///
/// Fitted with clang 22 at -O2 to live allocations, as jemalloc counts them by thread: 18 C++ files
/// of RocksDB of 1 to 184 kB took 139 to 243 MiB, two nearly empty ones 20 and less; 79 C files of
/// Lua, zlib and zstd 1 to 15 MiB, the 9.6 MB of SQLite 120. For C++ the median error is 10 %, and
/// the worst 13 % too little; for C it is 5 MiB too much at the median, and for one file, which is
/// one large loop, 1 to 2 too little. Pieces: 10 to 110 % too much, but for one.
pub fn expected_need(item: &Item) -> Need {
    let size = item.size;
    match (&item.run, item.kind) {
        (Run::Worker(Work::Interface { .. }), _) => unit_need(Language::Cxx, size),
        // As a unit of many headers, of which nothing tells the size.
        (Run::Worker(Work::Precompile { language, .. }), _) => {
            let need = unit_need(*language, 256 << 10);
            Need { piece: Bytes::ZERO, ..need }
        }
        (Run::Worker(Work::ShareHeaders { .. }), _) => {
            let need = unit_need(Language::Cxx, 256 << 10);
            Need { piece: Bytes::ZERO, ..need }
        }
        (Run::Worker(Work::Compile { language, .. } | Work::Check { language, .. }), _) => {
            unit_need(*language, size)
        }
        (Run::Worker(Work::Link { lto: Some(_), .. }), _) => {
            let each = Bytes(64 * MIB);
            Need { begin: each, piece: each, join: each }
        }
        // The members are read into memory.
        (_, ItemKind::Archive) => {
            let members = item.after.len() as u64;
            Need {
                begin: Bytes((4 * MIB).saturating_add(members.saturating_mul(MIB))),
                piece: Bytes(64 * MIB),
                join: Bytes::ZERO,
            }
        }
        _ => Need { begin: Bytes(64 * MIB), piece: Bytes::ZERO, join: Bytes::ZERO },
    }
}

/// Of a unit of this many bytes: its front end, and what follows it.
fn unit_need(language: Language, size: u64) -> Need {
    match language {
        Language::Cxx => Need {
            begin: Bytes(152 * MIB + size.saturating_mul(480)),
            piece: Bytes(10 * MIB + size.saturating_mul(64)),
            join: Bytes::ZERO,
        },
        _ => Need {
            begin: Bytes(6 * MIB + size.saturating_mul(128).min(6 * MIB + size.saturating_mul(16))),
            piece: Bytes(8 * MIB + size.saturating_mul(4)),
            join: Bytes::ZERO,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Command, Ingredients};
    use crate::keys::ItemId;
    use crate::manifest::CrateId;
    use proptest::prelude::*;
    use tender_protocol::{Lto, LtoLink};

    fn item(kind: ItemKind, run: Run, size: u64, after: u32) -> Item {
        Item {
            krate: CrateId(0),
            krate_name: String::new(),
            host: false,
            kind,
            key: String::new(),
            label: String::new(),
            after: (0..after).map(ItemId).collect(),
            run,
            program: None,
            inputs: vec![],
            outputs: vec![],
            ingredients: Ingredients { own: vec![], profile: vec![], interfaces: vec![] },
            size,
        }
    }

    fn compile(language: Language, size: u64) -> Item {
        let (source, object) = (String::new(), String::new());
        let work = Work::Compile {
            source,
            language,
            args: vec![],
            object,
            cut: None,
            lto: Lto::Off,
            share: None,
            translation: None,
        };
        item(ItemKind::Compile, Run::Worker(work), size, 0)
    }

    fn check(language: Language, size: u64) -> Item {
        let work = Work::Check { source: String::new(), language, args: vec![] };
        item(ItemKind::Check, Run::Worker(work), size, 0)
    }

    fn archive(members: u32) -> Item {
        let work = Work::Archive { output: String::new(), members: vec![], lto: None };
        item(ItemKind::Archive, Run::Worker(work), 0, members)
    }

    fn link(kind: ItemKind, mode: Option<Lto>) -> Item {
        let lto = mode.map(|mode| LtoLink {
            mode,
            opt_level: 2,
            work_dir: String::new(),
            libraries: vec![],
        });
        let work = Work::Link { driver: vec![], args: vec![], output: String::new(), lto };
        item(kind, Run::Worker(work), 0, 3)
    }

    fn command() -> Item {
        let run = Command {
            words: vec![],
            shown: None,
            dir: "/".into(),
            env: vec![],
            depfile: None,
            retry: true,
        };
        item(ItemKind::Generate, Run::Command(run), 1 << 40, 3)
    }

    #[test]
    fn need_depends_on_kind_and_size() {
        const KIB: u64 = 1 << 10;
        let expect_kib = |what: &str, item: Item, expect: [u64; 3]| {
            let Need { begin, piece, join } = expected_need(&item);
            assert_eq!([begin, piece, join], expect.map(|kib| Bytes(kib * KIB)), "{what}");
        };
        expect_kib("an empty file", compile(Language::C, 0), [6144, 8192, 0]);
        expect_kib("a short one", compile(Language::C, 10 * KIB), [7424, 8232, 0]);
        expect_kib("a long one", compile(Language::C, 58 * KIB), [13216, 8424, 0]);
        expect_kib("a very long one", compile(Language::C, 337 * KIB), [17680, 9540, 0]);
        expect_kib("SQLite", compile(Language::C, 9_600_000), [162_288, 45_692, 0]);
        expect_kib("an empty file of C++", compile(Language::Cxx, 0), [155_648, 10_240, 0]);
        expect_kib("a short one of C++", compile(Language::Cxx, KIB), [156_128, 10_304, 0]);
        expect_kib("a long one of C++", compile(Language::Cxx, 180 * KIB), [242_048, 21_760, 0]);
        expect_kib("bitcode", compile(Language::Bitcode, 10 * KIB), [7424, 8232, 0]);
        expect_kib("C that is only checked", check(Language::C, 10 * KIB), [7424, 8232, 0]);
        expect_kib("C++ that is only checked", check(Language::Cxx, KIB), [156_128, 10_304, 0]);
        expect_kib("an empty archive", archive(0), [4096, 65_536, 0]);
        expect_kib("an archive", archive(10), [14_336, 65_536, 0]);
        expect_kib("a link", link(ItemKind::Program, None), [65_536, 0, 0]);
        let lto = link(ItemKind::Program, Some(Lto::Thin));
        expect_kib("a link with optimisation", lto, [65_536, 65_536, 65_536]);
        let lto = link(ItemKind::Shared, Some(Lto::Fat));
        expect_kib("a library with optimisation", lto, [65_536, 65_536, 65_536]);
        expect_kib("a command", command(), [65_536, 0, 0]);
    }

    proptest! {
        #[test]
        fn need_never_decreases_with_size(size in 0..400_000u64, more in 0..400_000u64) {
            let compile_c = |size| compile(Language::C, size);
            let compile_cxx = |size| compile(Language::Cxx, size);
            let pairs = [
                (compile_c(size), compile_c(size + more)),
                (compile_cxx(size), compile_cxx(size + more)),
                (archive(size as u32), archive((size + more) as u32)),
            ];
            for (small, large) in pairs {
                let (small, large) = (expected_need(&small), expected_need(&large));
                prop_assert!(small.begin <= large.begin && small.piece <= large.piece && small.join <= large.join);
            }
        }
    }
}
