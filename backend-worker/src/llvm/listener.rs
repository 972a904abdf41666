//! Receives the shim's events: diagnostics, files read, failed look-ups, environment variables
//! used.

use super::ffi;
use std::ffi::{c_char, c_void};
use tender_protocol::{Diagnostic, FileStamp, FileTime, Level};

/// Receives the events of one unit, on the thread that runs it.
pub trait Listener {
    fn diagnostic(&self, diagnostic: Diagnostic);
    /// A file was read or looked up. `content` is absent if it was only looked up, and for
    /// directories. The path of a directory whose entries were listed ends in `/`.
    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>);
    fn missing(&self, path: &str);
    /// The modification time of a file is part of the result.
    fn dated(&self, _file: FileTime) {}
    /// The result depends on this environment variable.
    fn variable(&self, _name: &str) {}
}

/// Passes a listener to the shim. C++ keeps the address of this value, so it must not move
/// meanwhile.
pub(super) struct ListenerHandle<'a> {
    pub events: ffi::TenderEvents,
    listener: &'a dyn Listener,
}

impl<'a> ListenerHandle<'a> {
    pub fn new(listener: &'a dyn Listener) -> Box<ListenerHandle<'a>> {
        let mut handle = Box::new(ListenerHandle {
            events: ffi::TenderEvents {
                context: std::ptr::null_mut(),
                diagnostic,
                read,
                missing,
                dated,
                variable,
            },
            listener,
        });
        handle.events.context = std::ptr::from_mut(&mut *handle).cast();
        handle
    }
}

fn with(context: *mut c_void, tell: impl FnOnce(&dyn Listener)) {
    // SAFETY: `context` is the boxed `ListenerHandle` that `new` stored, alive while the shim holds
    // its events; the shim calls on the thread that called it.
    let handle = unsafe { &*context.cast::<ListenerHandle<'_>>() };
    tell(handle.listener);
}

extern "C" fn diagnostic(
    context: *mut c_void,
    level: i32,
    message: ffi::TenderStr,
    file: ffi::TenderStr,
    line: u32,
    column: u32,
    rendered: ffi::TenderStr,
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
    path: ffi::TenderStr,
    stamp: *const ffi::TenderStamp,
    data: *const c_char,
    size: u64,
) {
    // SAFETY: the shim's strings and its stamp are valid during the call.
    let (path, stamp) = unsafe { (path.to_string(), &*stamp) };
    let &ffi::TenderStamp { size: on_disk, mtime_ns, ctime_ns, inode } = stamp;
    let stamp = FileStamp { size: on_disk, mtime_ns, ctime_ns, inode };
    let content = (!data.is_null())
        // SAFETY: the shim passes a buffer of `size` bytes, valid during the call.
        .then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size as usize) });
    with(context, |l| l.read(&path, stamp, content));
}

extern "C" fn missing(context: *mut c_void, path: ffi::TenderStr) {
    // SAFETY: the shim's strings are valid during the call.
    let path = unsafe { path.to_string() };
    with(context, |l| l.missing(&path));
}

extern "C" fn variable(context: *mut c_void, name: ffi::TenderStr) {
    // SAFETY: the shim's strings are valid during the call.
    let name = unsafe { name.to_string() };
    with(context, |l| l.variable(&name));
}

extern "C" fn dated(context: *mut c_void, path: ffi::TenderStr, mtime_s: i64) {
    // SAFETY: the shim's strings are valid during the call.
    let path = unsafe { path.to_string() };
    with(context, |l| l.dated(FileTime { path, mtime_s }));
}
