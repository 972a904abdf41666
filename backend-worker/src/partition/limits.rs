//! The numbers that a cut obeys, with the measurements they come from.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most this many pieces.
    pub units: u32,
    /// At least this many, or as many as there are groups, however small the module. For tests.
    pub least: u32,
    /// A module is cut into pieces of about this cost, and one under twice this stays whole. At -O2
    /// that is a fifth of a second or so of optimising and emitting; starting over for a piece
    /// costs some tens of milliseconds. Not swept: it decides only where small files begin to be
    /// cut.
    pub piece: u64,
    /// Instructions up to which a function is copied to the pieces that call it.
    pub copy: u32,
    /// How many calls deep copies go.
    pub depth: u32,
    /// Bytes up to which a constant is copied to the pieces that read it.
    pub table: u64,
    /// What all pieces may cost together, in percent of the whole module. One of which the pieces
    /// cost more is cut into fewer, or not.
    pub price: u64,
}

impl Limits {
    /// With optimisation. Measured on sqlite3.c at -O2 (`make bench BENCH="--only cut"`), against
    /// clang's processor time for it uncut: 0.94 to 1.00 with 4 pieces, 0.89 to 1.09 with 8, 1.01
    /// to 1.12 with 16; the text grows by 3 to 4 % with each, and an SQL workload takes the same
    /// time as far as 21 pairs can tell (1.04 with 8, 95 %: 0.98 to 1.10). Without any copies the
    /// cut takes a quarter less and the text shrinks by a fifth, but the workload takes 1.025 of
    /// the time.
    ///
    /// `price`: of sqlite3.c 8 pieces cost 118, of the large files of zstd 102, and so they gain
    /// what they should. Of each of 13 C++ files of RocksDB two pieces cost 138 to 167, most of it
    /// in one of them: when these were cut into up to 8, the build of them took 1.18 of the
    /// processor time of one without cuts.
    ///
    /// The other limits were set once and not swept one by one.
    pub fn optimised(units: u32) -> Limits {
        Limits { units, least: 1, piece: 12_000, copy: 100, depth: 4, table: 4096, price: 125 }
    }

    /// Without: an instruction costs a tenth, and nothing is inlined but what must be, so a cut
    /// costs next to nothing (the same files at `-j2` and `-j8`: no difference to be seen).
    pub fn unoptimised(units: u32) -> Limits {
        Limits { units, least: 1, piece: 120_000, copy: 0, depth: 0, table: 0, price: 125 }
    }

    /// As many pieces as are allowed, whatever they cost.
    pub fn forced(self) -> Limits {
        Limits { least: self.units, ..self }
    }

    /// Whether a module of this cost is worth more than one piece.
    pub fn allow_cut(&self, cost: u64) -> bool {
        self.pieces(cost) > 1
    }

    pub(super) fn pieces(&self, total: u64) -> u32 {
        let wanted = u32::try_from(total / self.piece.max(1)).unwrap_or(u32::MAX);
        wanted.min(self.units).max(self.least)
    }

    /// Whether `count` pieces that cost `sum` are worth what they cost more than the whole does.
    pub(super) fn allow_price(&self, count: u32, sum: u64, whole: u64) -> bool {
        count <= self.least || sum.saturating_mul(100) <= whole.saturating_mul(self.price)
    }
}
