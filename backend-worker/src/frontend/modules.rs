//! The modules that the translation of a unit left for others, as bitcode: the whole one, or the pieces it was cut into.
//!
//! A module that waits is never kept as IR, which takes about ten times the memory.

use crate::llvm::{Buffer, Context, Module, parse};

pub struct Modules {
    kind: Kind,
}

enum Kind {
    Whole(Buffer),
}

impl Modules {
    pub fn whole(bitcode: Buffer) -> Modules {
        Modules { kind: Kind::Whole(bitcode) }
    }

    /// Expected costs of the pieces relative to each other; one if the module is whole.
    pub fn costs(&self) -> Vec<u64> {
        match &self.kind {
            Kind::Whole(bitcode) => vec![bitcode.len() as u64],
        }
    }

    /// Reads one piece. `source` names the module as clang does: sanitizers make symbols of it. The error is LLVM's text.
    pub fn piece<'c>(&self, context: &'c Context, _index: u32, source: &str) -> Result<Module<'c>, String> {
        match &self.kind {
            Kind::Whole(bitcode) => parse(context, bitcode, source),
        }
    }
}
