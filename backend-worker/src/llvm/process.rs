//! What concerns the whole process: LLVM's set-up, its version, and the allocator.

use super::ffi;
use std::ffi::CStr;
use std::sync::OnceLock;

static FATAL: OnceLock<fn(&str)> = OnceLock::new();

/// Once, before anything else of this module. `fatal` is told the text of an LLVM fatal error,
/// after which the process aborts: LLVM cannot go on after one.
pub fn initialise(fatal: fn(&str)) {
    let _ = FATAL.set(fatal);
    // SAFETY: called once, before any other use of LLVM.
    unsafe { ffi::tender_initialise(on_fatal) }
}

extern "C" fn on_fatal(message: ffi::Str) {
    // SAFETY: the shim's string is valid during the call.
    let text = unsafe { message.to_string() };
    if let Some(fatal) = FATAL.get() {
        fatal(&text);
    }
}

/// Version of the library that is loaded, e.g. `22.1.8`.
pub fn llvm_version() -> String {
    // SAFETY: a static, null-terminated string.
    unsafe { CStr::from_ptr(ffi::tender_llvm_version()) }.to_string_lossy().into_owned()
}

/// Paths of the LLVM and clang libraries that this process has loaded: with them the output may
/// change.
pub fn libraries() -> Vec<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<String> = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| line[at..].to_owned()))
        .filter(|path| path.contains("/libLLVM") || path.contains("/libclang-cpp"))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// Starts measuring the peak of live allocations of the calling thread.
pub fn reset_thread_peak() {
    command(c"thread.peak.reset");
}

/// Peak since `reset_thread_peak`, bytes; 0 where the allocator does not tell.
pub fn thread_peak() -> u64 {
    count(b"thread.peak.read\0")
}

/// Bytes that the calling thread has allocated and not freed, more or less: what was freed for
/// another thread counts as well. Only differences mean something; always 0 where the allocator
/// does not tell.
pub fn thread_live() -> i64 {
    count(b"thread.allocated\0").wrapping_sub(count(b"thread.deallocated\0")).cast_signed()
}

/// Drops what is kept for later units, and returns free pages of all arenas to the system.
pub fn purge() {
    // SAFETY: takes a lock of its own; what others use of the contents they hold too.
    unsafe { ffi::tender_forget_files() };
    // 4096 is MALLCTL_ARENAS_ALL.
    command(c"arena.4096.purge");
}

/// A control of jemalloc(3) whose value is a uint64_t; 0 where there is none. The name ends with a
/// NUL.
#[cfg(feature = "jemalloc")]
fn count(name: &[u8]) -> u64 {
    // SAFETY: those that are asked for above have that type.
    unsafe { tikv_jemalloc_ctl::raw::read::<u64>(name) }.unwrap_or(0)
}

/// A control of jemalloc(3) that neither reads nor writes a value. An unknown one does nothing.
#[cfg(feature = "jemalloc")]
fn command(name: &CStr) {
    use std::ptr::null_mut;
    // SAFETY: the name is null-terminated, and null pointers stand for no value in either
    // direction.
    unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

/// AddressSanitizer's allocator has no such counts and keeps nothing for later.
#[cfg(not(feature = "jemalloc"))]
fn count(_name: &[u8]) -> u64 {
    0
}

#[cfg(not(feature = "jemalloc"))]
fn command(_name: &CStr) {}
