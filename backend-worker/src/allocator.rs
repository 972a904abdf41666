//! jemalloc for the whole process, LLVM and clang included, and how it is set.
#![expect(unsafe_code, reason = "jemalloc finds its settings under a C name")]

use std::ffi::c_char;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One arena per core: an item runs on a thread of its own, and with jemalloc's default each of
/// these would begin with cold memory. See jemalloc(3), `malloc_conf`.
///
/// No `thp:always`: a huge page of which some was given back is no use of ours any more, and in the
/// kernel's account of the memory cgroup all the same, until something presses. In 768 MiB that hid
/// 400 from what is free, and the RocksDB files took 33 s instead of 23. On Lua at `-j 2` it is
/// worth nothing, on all of real-world it costs 2 % of the processor time.
///
// SAFETY: the name is jemalloc's own for this purpose, and nothing else of this program has it.
#[unsafe(export_name = "malloc_conf")]
pub static SETTINGS: Option<&'static c_char> =
    // SAFETY: a literal that is null-terminated and lives for ever.
    Some(unsafe { &*c"percpu_arena:percpu,metadata_thp:auto".as_ptr() });
