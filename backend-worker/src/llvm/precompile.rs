//! Makes precompiled headers.

use super::buffer::Buffer;
use super::clang::{Clang, Reported};
use super::ffi;

impl Clang<'_> {
    /// Makes a precompiled header of the source (`clang::PCHGenerator`), without times and with
    /// paths as they are in the arguments.
    ///
    /// # Errors
    /// The source has errors.
    pub fn precompile(&mut self) -> Result<Buffer, Reported> {
        let mut out = ffi::TenderBuffer::EMPTY;
        // SAFETY: the unit is alive; `out` is written before it is read.
        let ok = unsafe { ffi::tender_clang_precompile(self.unit, &raw mut out) };
        let out = Buffer::adopt(out).ok_or(Reported)?;
        if ok { Ok(out) } else { Err(Reported) }
    }
}
