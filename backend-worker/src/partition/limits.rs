//! The limits of a cut, with the measurements behind them.

/// The limits of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of pieces.
    pub units: u32,
    /// The least number of pieces, if there are as many groups, even in a small module. For tests.
    pub least: u32,
    /// The target cost of a piece. A module of less than twice this cost stays whole. At -O2 this
    /// is about a fifth of a second of optimising and emitting; the fixed cost of a piece is some
    /// tens of milliseconds. Other values were not measured: it only decides from which size on
    /// files are cut.
    pub piece: u64,
    /// Functions up to this number of instructions are copied to the pieces that call them.
    pub copy: u32,
    /// How many calls deep functions are copied.
    pub depth: u32,
    /// Constants up to this number of bytes are copied to the pieces that read them.
    pub table: u64,
    /// How much all pieces together may cost, in percent of the whole module. If they cost more,
    /// the module is cut into fewer pieces or stays whole.
    pub price: u64,
}

impl Limits {
    /// Limits with optimisation. Measured on sqlite3.c at -O2 (`make bench BENCH="--only cut"`),
    /// relative to clang's processor time without cutting: 0.94 to 1.00 with 4 pieces, 0.89 to 1.09
    /// with 8, 1.01 to 1.12 with 16. In all cases .text grows by 3 to 4 %, and an SQL workload
    /// takes the same time within the accuracy of 21 pairs (1.04 with 8 pieces, 95 %: 0.98 to
    /// 1.10). Without copies cutting takes a quarter less time and .text shrinks by a fifth, but
    /// the workload takes 1.025 times as long.
    ///
    /// `price`: 8 pieces cost 118 for sqlite3.c and 102 for the large files of zstd, so cutting
    /// pays. For each of 13 C++ files of RocksDB two pieces cost 138 to 167, most of it in one
    /// piece: cut into up to 8 pieces, their build took 1.18 times the processor time.
    ///
    /// The other limits were not varied one by one.
    pub fn optimised(units: u32) -> Limits {
        Limits { units, least: 1, piece: 12_000, copy: 100, depth: 4, table: 4096, price: 125 }
    }

    /// Limits without optimisation. An instruction costs a tenth, and only forced inlining happens.
    /// The cut itself and the reading of the pieces are what they are with it, so that cutting does not
    /// pay: profiles without optimisation do not ask for it, unless they set `codegen-units`.
    pub fn unoptimised(units: u32) -> Limits {
        Limits { units, least: 1, piece: 120_000, copy: 0, depth: 0, table: 0, price: 125 }
    }

    /// The largest allowed number of pieces, at any cost.
    pub fn forced(self) -> Limits {
        Limits { least: self.units, ..self }
    }

    /// Whether a module of this cost is cut.
    pub fn allow_cut(&self, cost: u64) -> bool {
        self.pieces(cost) > 1
    }

    pub(super) fn pieces(&self, total: u64) -> u32 {
        let wanted = u32::try_from(total / self.piece.max(1)).unwrap_or(u32::MAX);
        wanted.min(self.units).max(self.least)
    }

    /// Whether `count` pieces that cost `sum` together are worth the extra cost.
    pub(super) fn allow_price(&self, count: u32, sum: u64, whole: u64) -> bool {
        count <= self.least || sum.saturating_mul(100) <= whole.saturating_mul(self.price)
    }
}
