//! What the shim tells while it works: diagnostics, files read, look-ups that failed, environment
//! variables that matter.

use super::ffi;
use std::ffi::{c_char, c_void};
use tender_protocol::{Diagnostic, FileStamp, FileTime, Level};

/// Receives one unit's events, on the thread that runs it.
pub trait Listen {
    fn diagnostic(&self, diagnostic: Diagnostic);
    /// `content` is absent for a file that was only found to exist, and for directories. The path
    /// of one whose entries were listed ends in `/`.
    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>);
    fn missing(&self, path: &str);
    /// The time of change of a file went into the result.
    fn dated(&self, _file: FileTime) {}
    /// The result depends on this environment variable.
    fn variable(&self, _name: &str) {}
}

/// Lends a listener to the shim. The address of this value is what C++ keeps, so it must not move
/// while lent.
pub(super) struct Lent<'a> {
    pub events: ffi::Events,
    listener: &'a dyn Listen,
}

impl<'a> Lent<'a> {
    pub fn new(listener: &'a dyn Listen) -> Box<Lent<'a>> {
        let mut lent = Box::new(Lent {
            events: ffi::Events {
                context: std::ptr::null_mut(),
                diagnostic,
                read,
                missing,
                dated,
                variable,
            },
            listener,
        });
        lent.events.context = std::ptr::from_mut(&mut *lent).cast();
        lent
    }
}

fn with(context: *mut c_void, tell: impl FnOnce(&dyn Listen)) {
    // SAFETY: `context` is the boxed `Lent` that `new` stored, alive while the shim holds its
    // events; the shim calls on the thread that called it.
    let lent = unsafe { &*context.cast::<Lent<'_>>() };
    tell(lent.listener);
}

extern "C" fn diagnostic(
    context: *mut c_void,
    level: i32,
    message: ffi::Str,
    file: ffi::Str,
    line: u32,
    column: u32,
    rendered: ffi::Str,
) {
    let level = match level {
        0 => Level::Remark,
        1 => Level::Note,
        2 => Level::Warning,
        _ => Level::Error,
    };
    // SAFETY: the shim's strings are valid during the call.
    let (message, file, rendered) =
        unsafe { (message.to_string(), file.to_string(), rendered.to_string()) };
    let file = (!file.is_empty()).then_some(file);
    with(context, |l| l.diagnostic(Diagnostic { level, message, file, line, column, rendered }));
}

extern "C" fn read(
    context: *mut c_void,
    path: ffi::Str,
    stamp: *const ffi::Stamp,
    data: *const c_char,
    size: u64,
) {
    // SAFETY: the shim's strings and its stamp are valid during the call.
    let (path, stamp) = unsafe { (path.to_string(), &*stamp) };
    let &ffi::Stamp { size: on_disk, mtime_ns, ctime_ns, inode } = stamp;
    let stamp = FileStamp { size: on_disk, mtime_ns, ctime_ns, inode };
    let content = (!data.is_null())
        // SAFETY: the shim passes a buffer of `size` bytes, valid during the call.
        .then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size as usize) });
    with(context, |l| l.read(&path, stamp, content));
}

extern "C" fn missing(context: *mut c_void, path: ffi::Str) {
    // SAFETY: the shim's strings are valid during the call.
    let path = unsafe { path.to_string() };
    with(context, |l| l.missing(&path));
}

extern "C" fn variable(context: *mut c_void, name: ffi::Str) {
    // SAFETY: the shim's strings are valid during the call.
    let name = unsafe { name.to_string() };
    with(context, |l| l.variable(&name));
}

extern "C" fn dated(context: *mut c_void, path: ffi::Str, mtime_s: i64) {
    // SAFETY: the shim's strings are valid during the call.
    let path = unsafe { path.to_string() };
    with(context, |l| l.dated(FileTime { path, mtime_s }));
}
