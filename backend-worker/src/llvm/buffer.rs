//! Bytes that the shim allocated. They are not copied, and the shim frees them.

use super::ffi;

/// Owned bytes of the shim.
pub struct Buffer(ffi::TenderBuffer);

// SAFETY: the memory is plain malloc'd bytes with one owner.
unsafe impl Send for Buffer {}
// SAFETY: nothing changes them until they are freed.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Takes ownership of a buffer that the shim has filled; `None` if it is empty.
    pub(super) fn adopt(raw: ffi::TenderBuffer) -> Option<Buffer> {
        (!raw.data.is_null()).then_some(Buffer(raw))
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `adopt` got a pointer to `len` initialised bytes, and there is no other owner.
        unsafe { std::slice::from_raw_parts(self.0.data.cast::<u8>(), self.0.len) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let raw = std::mem::replace(&mut self.0, ffi::TenderBuffer::EMPTY);
        // SAFETY: the buffer came from the shim and is given back once.
        unsafe { ffi::tender_buffer_free(raw) }
    }
}
