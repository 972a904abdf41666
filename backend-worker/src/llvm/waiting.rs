//! Whole modules that wait, as bitcode, for the unit that compiles them: in memory for another
//! thread, or in a file for another item.
//!
//! clang marks inline assembly and the like with its own encoded locations, and only the source
//! manager that made them can decode them. So the bitcode says where they lead, and `Clang::adopt`
//! takes that out again.

use super::clang::Clang;
use super::ffi;
use super::module::{parse, serialise};
use inkwell::context::Context;
use inkwell::module::Module;

/// A whole module as bitcode, not optimised yet.
pub struct WaitingModule(Box<dyn AsRef<[u8]> + Send + Sync>);

impl WaitingModule {
    /// Serialises a module that `clang` translated or adopted.
    pub fn of(clang: &Clang<'_>, module: Module<'_>) -> WaitingModule {
        clang.note_locations(&module);
        WaitingModule(Box::new(serialise(&module)))
    }

    /// The content of a file with such a module.
    pub fn of_file(content: Vec<u8>) -> WaitingModule {
        WaitingModule(Box::new(content))
    }

    /// Reads the module. `name` must be clang's name of it, because sanitizers derive symbols from
    /// it. Before it is optimised it must be passed to `Clang::adopt`.
    ///
    /// # Errors
    /// LLVM's text. It means a bug of ours, or a file that is damaged.
    pub fn read<'c>(&self, context: &'c Context, name: &str) -> Result<Module<'c>, String> {
        parse(context, self.as_ref(), name)
    }
}

impl AsRef<[u8]> for WaitingModule {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl Clang<'_> {
    /// Notes in a module that this unit translated or adopted where its locations lead, for the unit
    /// that adopts it next.
    pub(super) fn note_locations(&self, module: &Module<'_>) {
        // SAFETY: unit and module are alive, and the unit made the module if it made any.
        unsafe { ffi::tender_clang_note_locations(self.unit, module.as_mut_ptr()) }
    }
}
