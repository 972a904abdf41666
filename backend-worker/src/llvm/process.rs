//! Functions that concern the whole process: LLVM's initialisation, its version, and the allocator.

use super::ffi;
use std::ffi::CStr;
use std::sync::OnceLock;

static FATAL: OnceLock<fn(&str)> = OnceLock::new();

/// Initialises LLVM. Call it once, before any other function of `llvm`. `fatal` is called with the
/// text of a fatal error of LLVM; afterwards the process aborts.
pub fn initialise(fatal: fn(&str)) {
    let _ = FATAL.set(fatal);
    // SAFETY: called once, before any other use of LLVM.
    unsafe { ffi::tender_initialise(on_fatal) }
}

extern "C" fn on_fatal(message: ffi::TenderStr) {
    // SAFETY: the shim's string is valid during the call.
    let text = unsafe { message.to_string() };
    if let Some(fatal) = FATAL.get() {
        fatal(&text);
    }
}

/// The version of the loaded library, e.g. `22.1.8`.
pub fn llvm_version() -> String {
    // SAFETY: a static, null-terminated string.
    unsafe { CStr::from_ptr(ffi::tender_llvm_version()) }.to_string_lossy().into_owned()
}

/// Paths of the libraries of LLVM and clang that this process has loaded. The output depends on
/// them.
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

/// Starts to measure the peak of live allocations of the calling thread.
pub fn reset_thread_peak() {
    command(c"thread.peak.reset");
}

/// The peak since `reset_thread_peak`, bytes; 0 if the allocator does not count.
pub fn thread_peak() -> u64 {
    count(b"thread.peak.read\0")
}

/// Bytes that the calling thread has allocated, less those that it has freed, also for other
/// threads. Only differences are meaningful. 0 if the allocator does not count.
pub fn thread_live() -> i64 {
    count(b"thread.allocated\0").wrapping_sub(count(b"thread.deallocated\0")).cast_signed()
}

/// Drops file contents that are cached for later units, and returns free pages of all arenas to the
/// system.
pub fn purge() {
    // SAFETY: it takes its own lock; users of the contents share their ownership.
    unsafe { ffi::tender_forget_files() };
    // 4096 is MALLCTL_ARENAS_ALL.
    command(c"arena.4096.purge");
}

/// Reads a control of jemalloc(3) of type uint64_t; 0 if it does not exist. The name ends in a NUL.
#[cfg(feature = "jemalloc")]
fn count(name: &[u8]) -> u64 {
    // SAFETY: the controls read above have that type.
    unsafe { tikv_jemalloc_ctl::raw::read::<u64>(name) }.unwrap_or(0)
}

/// Runs a control of jemalloc(3) without a value. An unknown one does nothing.
#[cfg(feature = "jemalloc")]
fn command(name: &CStr) {
    use std::ptr::null_mut;
    // SAFETY: the name is null-terminated, and null pointers stand for no value in either
    // direction.
    unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

/// AddressSanitizer's allocator has no such counts and keeps no free memory.
#[cfg(not(feature = "jemalloc"))]
fn count(_name: &[u8]) -> u64 {
    0
}

#[cfg(not(feature = "jemalloc"))]
fn command(_name: &CStr) {}
