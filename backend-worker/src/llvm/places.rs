//! Where in the source LLVM's messages about a module belong, for modules that leave the unit that
//! translated them.
//!
//! clang marks inline assembly and the like with locations of its own, which mean something only to
//! the source manager that made them.

use super::buffer::Buffer;
use super::clang::{Clang, Reported};
use super::ffi;
use super::module::{parse, serialise};
use inkwell::context::Context;
use inkwell::module::Module;

/// A table of such locations.
pub(super) struct Places(*mut ffi::Places);

// SAFETY: nothing is written after `of` made it: the shim's table is plain data.
unsafe impl Send for Places {}
// SAFETY: as above; the shim only looks places up.
unsafe impl Sync for Places {}

impl Places {
    /// Of a module that `clang` translated or adopted.
    pub fn of(clang: &Clang<'_>, module: &Module<'_>) -> Places {
        // SAFETY: unit and module are alive, and the unit made the module if it made any.
        Places(unsafe { ffi::tender_places(clang.unit, module.as_mut_ptr()) })
    }

    /// Lets `clang` report at these places.
    pub fn lend<'a>(&'a self, clang: &mut Clang<'a>) {
        // SAFETY: the table outlives the unit, by `'a`.
        unsafe { ffi::tender_clang_set_places(clang.unit, self.0) };
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // SAFETY: the table is freed once; units that were told of it do not outlive it.
        unsafe { ffi::tender_places_free(self.0) }
    }
}

/// A whole module that waits as bitcode for another thread.
pub struct WaitingModule {
    bitcode: Buffer,
    places: Places,
}

impl WaitingModule {
    /// Of a module that `clang` translated or adopted.
    pub fn of(clang: &Clang<'_>, module: &Module<'_>) -> WaitingModule {
        WaitingModule { bitcode: serialise(module), places: Places::of(clang, module) }
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.bitcode.len()
    }

    /// Reads it. `name` is the module's, as clang has it: sanitizers make symbols of it. Before it
    /// is optimised it has to be given to `Clang::adopt_waiting`. The error is LLVM's text, and
    /// means a defect of ours.
    pub fn read<'c>(&self, context: &'c Context, name: &str) -> Result<Module<'c>, String> {
        parse(context, &self.bitcode, name)
    }
}

impl<'a> Clang<'a> {
    /// Sets this unit up for a module that waited, as `adopt` does, and lets it report at the
    /// places in the source that the module came from.
    pub fn adopt_waiting(
        &mut self,
        waiting: &'a WaitingModule,
        module: &Module<'_>,
    ) -> Result<(), Reported> {
        waiting.places.lend(self);
        self.adopt(module)
    }
}
