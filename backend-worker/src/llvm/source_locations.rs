//! Source locations for LLVM's messages about a module, for modules that another unit compiles than
//! the one that translated them.
//!
//! clang marks inline assembly and the like with its own encoded locations. Only the source manager
//! that made them can decode them.

use super::buffer::Buffer;
use super::clang::{Clang, Reported};
use super::ffi;
use super::module::{parse, serialise};
use inkwell::context::Context;
use inkwell::module::Module;

/// A table from encoded locations to file, line and column.
pub(super) struct SourceLocations(*mut ffi::TenderSourceLocations);

// SAFETY: the shim's table is plain data and is not changed after `of` has made it.
unsafe impl Send for SourceLocations {}
// SAFETY: as above; the shim only reads it.
unsafe impl Sync for SourceLocations {}

impl SourceLocations {
    /// The locations in a module that `clang` translated or adopted.
    pub fn of(clang: &Clang<'_>, module: &Module<'_>) -> SourceLocations {
        // SAFETY: unit and module are alive, and the unit made the module if it made any.
        SourceLocations(unsafe { ffi::tender_source_locations(clang.unit, module.as_mut_ptr()) })
    }

    /// Makes `clang` report at these locations.
    pub fn lend<'a>(&'a self, clang: &mut Clang<'a>) {
        // SAFETY: the table outlives the unit, by `'a`.
        unsafe { ffi::tender_clang_set_source_locations(clang.unit, self.0) };
    }
}

impl Drop for SourceLocations {
    fn drop(&mut self) {
        // SAFETY: the table is freed once; units that use it do not outlive it.
        unsafe { ffi::tender_source_locations_free(self.0) }
    }
}

/// A whole module that waits as bitcode for another thread.
pub struct WaitingModule {
    bitcode: Buffer,
    source_locations: SourceLocations,
}

impl WaitingModule {
    /// Serialises a module that `clang` translated or adopted.
    pub fn of(clang: &Clang<'_>, module: &Module<'_>) -> WaitingModule {
        WaitingModule {
            bitcode: serialise(module),
            source_locations: SourceLocations::of(clang, module),
        }
    }

    /// The size of the bitcode in bytes.
    pub fn size(&self) -> usize {
        self.bitcode.len()
    }

    /// Reads the module. `name` must be clang's name of it, because sanitizers derive symbols from
    /// it. Before it is optimised it must be passed to `Clang::adopt_waiting`.
    ///
    /// # Errors
    /// LLVM's text. It means a bug of ours.
    pub fn read<'c>(&self, context: &'c Context, name: &str) -> Result<Module<'c>, String> {
        parse(context, &self.bitcode, name)
    }
}

impl<'a> Clang<'a> {
    /// Sets this unit up for a module that was serialised, as `adopt` does. Diagnostics get the
    /// source locations of the original module.
    ///
    /// # Errors
    /// clang has no such target.
    pub fn adopt_waiting(
        &mut self,
        waiting: &'a WaitingModule,
        module: &Module<'_>,
    ) -> Result<(), Reported> {
        waiting.source_locations.lend(self);
        self.adopt(module)
    }
}
