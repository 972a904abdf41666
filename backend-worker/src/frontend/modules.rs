//! The modules of a translated unit, kept as bitcode for other threads: the whole module or its
//! pieces.
//!
//! A waiting module is never kept as IR, which takes about ten times the memory. So a worker that
//! runs n parts has at most n modules as IR.

use crate::llvm::{Context, CutModule, Module, WaitingModule};

/// The modules of a translated unit.
pub enum Modules {
    Whole(WaitingModule),
    Cut(CutModule),
}

impl Modules {
    /// Expected costs of the pieces, relative to each other; one element if the module is whole.
    pub fn costs(&self) -> Vec<u64> {
        match self {
            Modules::Whole(module) => vec![module.as_ref().len() as u64],
            Modules::Cut(module) => module.costs().collect(),
        }
    }

    /// The size of the bitcode in bytes.
    pub fn held_bytes(&self) -> u64 {
        match self {
            Modules::Whole(module) => module.as_ref().len() as u64,
            Modules::Cut(module) => module.bitcode_len() as u64,
        }
    }

    /// The pieces, if the module was cut.
    pub fn cut(&self) -> Option<&CutModule> {
        match self {
            Modules::Whole(_) => None,
            Modules::Cut(module) => Some(module),
        }
    }

    /// Reads one piece. A whole module gets the name `source`, as clang names it.
    ///
    /// # Errors
    /// LLVM's text, if it cannot read the bitcode.
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
}
