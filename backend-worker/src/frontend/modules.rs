//! The modules that the translation of a unit left for others, as bitcode: the whole one, or the
//! pieces it was cut into.
//!
//! A module that waits is never kept as IR, which takes about ten times the memory. So a
//! worker that runs n parts has at most n modules as IR.

use crate::llvm::{Clang, Context, CutModule, Module, Reported, WaitingModule};

pub enum Modules {
    Whole(WaitingModule),
    Cut(CutModule),
}

impl Modules {
    /// Expected costs of the pieces relative to each other; one if the module is whole.
    pub fn costs(&self) -> Vec<u64> {
        match self {
            Modules::Whole(module) => vec![module.size() as u64],
            Modules::Cut(module) => module.costs().collect(),
        }
    }

    /// Bytes that wait as bitcode.
    pub fn held_bytes(&self) -> u64 {
        match self {
            Modules::Whole(module) => module.size() as u64,
            Modules::Cut(module) => module.bitcode_len() as u64,
        }
    }

    /// How the module was cut, if it was.
    pub fn cut(&self) -> Option<&CutModule> {
        match self {
            Modules::Whole(_) => None,
            Modules::Cut(module) => Some(module),
        }
    }

    /// Reads one piece, named as clang names the module of `source`. The error is LLVM's text.
    pub fn read<'c>(
        &self,
        context: &'c Context,
        piece: u32,
        source: &str,
    ) -> Result<Module<'c>, String> {
        match self {
            Modules::Whole(module) => module.read(context, source),
            Modules::Cut(module) => module.piece(context, piece as usize),
        }
    }

    /// Sets `clang` up for a piece that was read.
    pub fn adopted_by<'a>(
        &'a self,
        clang: &mut Clang<'a>,
        module: &Module<'_>,
    ) -> Result<(), Reported> {
        match self {
            Modules::Whole(waiting) => clang.adopt_waiting(waiting, module),
            Modules::Cut(cut) => clang.adopt_piece(cut, module),
        }
    }
}
