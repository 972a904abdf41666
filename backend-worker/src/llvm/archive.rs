//! Writes static archives with LLVM's archive writer.

use super::buffer::Buffer;
use super::ffi;

/// A member of a static archive.
pub struct ArchiveMember<'a> {
    pub name: &'a str,
    pub content: &'a [u8],
}

/// A deterministic GNU archive with its symbol table. If a member is an archive, its members are
/// added instead.
///
/// # Errors
/// LLVM's text, if an archive among the members is damaged.
pub fn archive(members: &[ArchiveMember<'_>]) -> Result<Buffer, String> {
    let raw: Vec<ffi::TenderMember> = members
        .iter()
        .map(|m| ffi::TenderMember {
            name: ffi::TenderStr::new(m.name),
            data: m.content.as_ptr().cast(),
            len: m.content.len(),
        })
        .collect();
    let (mut out, mut error) = (ffi::TenderBuffer::EMPTY, ffi::TenderBuffer::EMPTY);
    // SAFETY: the members outlive the call; the buffers are written before they are read.
    unsafe { ffi::tender_archive(raw.as_ptr(), raw.len(), &raw mut out, &raw mut error) };
    match (Buffer::adopt(out), Buffer::adopt(error)) {
        (Some(bytes), None) => Ok(bytes),
        (_, Some(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
        (None, None) => Err("the archive writer gave no result".to_owned()),
    }
}
