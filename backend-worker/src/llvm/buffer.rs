//! Bytes that LLVM made: owned here, freed where they were allocated, never copied.

use super::ffi;

pub struct Buffer(ffi::Buffer);

// SAFETY: the memory is plain malloc'd bytes with one owner.
unsafe impl Send for Buffer {}
// SAFETY: nothing changes them until they are freed.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Takes over what the shim filled in; `None` if it filled in nothing.
    pub(super) fn adopt(raw: ffi::Buffer) -> Option<Buffer> {
        (!raw.data.is_null()).then_some(Buffer(raw))
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `adopt` got a pointer to `len` initialised bytes, and nobody else has it.
        unsafe { std::slice::from_raw_parts(self.0.data.cast::<u8>(), self.0.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let raw = std::mem::replace(&mut self.0, ffi::Buffer::EMPTY);
        // SAFETY: the buffer came from the shim and is given back once.
        unsafe { ffi::tender_buffer_free(raw) }
    }
}
