//! Named modules of C++: scans a source for them, and makes module files.

use super::buffer::Buffer;
use super::clang::{Clang, Reported};
use super::ffi;
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ffi::c_void;
use tender_protocol::{ModuleName, ModuleScan};

impl Clang<'_> {
    /// Finds out which modules the source provides and requires.
    ///
    /// # Errors
    /// The source cannot be preprocessed, or imports a header unit, which clang itself refuses.
    pub fn scan(&mut self) -> Result<ModuleScan, Reported> {
        extern "C" fn found(
            context: *mut c_void,
            provided: bool,
            name: ffi::TenderStr,
            file: ffi::TenderStr,
            line: u32,
        ) {
            // SAFETY: `context` is the scan below, and the strings are valid during the call.
            let (scan, name, file) =
                unsafe { (&mut *context.cast::<ModuleScan>(), name.to_string(), file.to_string()) };
            let found = ModuleName { name, file, line };
            if provided {
                scan.provides = Some(found);
            } else if scan.requires.iter().all(|known| known.name != found.name) {
                scan.requires.push(found);
            }
        }
        let mut scan = ModuleScan::default();
        // SAFETY: the unit is alive, and `found` is called only during this call.
        let ok = unsafe { ffi::tender_clang_scan(self.unit, (&raw mut scan).cast(), found) };
        if ok { Ok(scan) } else { Err(Reported) }
    }

    /// Makes the module file of the source.
    ///
    /// # Errors
    /// The source has errors, or declares no module that others can import.
    pub fn interface(&mut self) -> Result<Buffer, Reported> {
        let mut out = ffi::TenderBuffer::EMPTY;
        // SAFETY: the unit is alive; `out` is written before it is read.
        let ok = unsafe { ffi::tender_clang_interface(self.unit, &raw mut out) };
        let out = Buffer::adopt(out).ok_or(Reported)?;
        if ok { Ok(out) } else { Err(Reported) }
    }

    /// As `interface` and `translate`, of one AST.
    ///
    /// # Errors
    /// As those.
    pub fn translate_interface<'c>(
        &mut self,
        context: &'c Context,
    ) -> Result<(Buffer, Module<'c>), Reported> {
        let mut out = ffi::TenderBuffer::EMPTY;
        // SAFETY: unit and context are alive; `out` is written before it is read. A module is in
        // `context`, and the shim gave it up.
        let module = unsafe {
            let made = ffi::tender_clang_translate_interface(
                self.unit,
                context.as_ctx_ref(),
                &raw mut out,
            );
            (!made.is_null()).then(|| Module::new(made))
        };
        Buffer::adopt(out).zip(module).ok_or(Reported)
    }
}
