//! jemalloc for the whole process, LLVM and clang included, and its settings.
#![expect(unsafe_code, reason = "jemalloc finds its settings under a C name")]

use std::ffi::c_char;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One arena per core: with jemalloc's default each thread of a part would start with memory that
/// is not in the caches. See jemalloc(3), `malloc_conf`.
///
/// No `thp:always`: if a part of a huge page is returned, the kernel still counts the whole page
/// for the memory cgroup until there is memory pressure. In a cgroup of 768 MiB, 400 MiB were
/// counted in this way, and the RocksDB files took 33 s instead of 23 s. For Lua at `-j 2` huge
/// pages gain nothing, and for all of real-world they cost 2 % more processor time.
///
// SAFETY: jemalloc reads this symbol for this purpose, and nothing else in this program defines it.
#[unsafe(export_name = "malloc_conf")]
pub static SETTINGS: Option<&'static c_char> =
    // SAFETY: a null-terminated literal with static lifetime.
    Some(unsafe { &*c"percpu_arena:percpu,metadata_thp:auto".as_ptr() });
