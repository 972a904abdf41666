//! Static archives, by LLVM's archive writer.

use super::buffer::Buffer;
use super::ffi;

pub struct Member<'a> {
    pub name: &'a str,
    pub content: &'a [u8],
}

/// A deterministic GNU archive with its symbol table. Members that are archives themselves are
/// opened. The error is LLVM's text.
pub fn archive(members: &[Member<'_>]) -> Result<Buffer, String> {
    let raw: Vec<ffi::Member> = members
        .iter()
        .map(|m| ffi::Member {
            name: ffi::Str::new(m.name),
            data: m.content.as_ptr().cast(),
            len: m.content.len(),
        })
        .collect();
    let (mut out, mut error) = (ffi::Buffer::EMPTY, ffi::Buffer::EMPTY);
    // SAFETY: the members outlive the call; the buffers are written before they are read.
    unsafe { ffi::tender_archive(raw.as_ptr(), raw.len(), &raw mut out, &raw mut error) };
    match (Buffer::adopt(out), Buffer::adopt(error)) {
        (Some(bytes), None) => Ok(bytes),
        (_, Some(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
        (None, None) => Err("the archive writer gave nothing".to_owned()),
    }
}
