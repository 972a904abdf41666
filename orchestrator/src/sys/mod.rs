//! The operating system, each part of it wrapped once. Knows no builds, no tokens and no policy: what
//! is found out here is decided upon elsewhere.
//!
//! - `process.rs`: one child in a group of its own, which dies with us; `group.rs`: what of process
//!   groups still runs; `family.rs`: the processes below a process.
//! - `stat.rs`: a process as /proc/PID/stat tells of it; `usage.rs`: what processes use now;
//!   `kernel_file.rs`: files of the kernel that are read again and again.
//! - `pipe.rs`, `lines.rs`: our ends of pipes, and the lines that come through them; `watch.rs`:
//!   what this process sleeps on; `signals.rs`: the signals that reach it; `clock.rs`: the clock
//!   that all events share.
//! - `bounded_output.rs`, `whole_file.rs`: programs and files that ought to be short; `shell.rs`:
//!   words quoted for a shell; `directories.rs`: where files may lie for a while.

pub(crate) mod bounded_output;
pub(crate) mod clock;
pub(crate) mod directories;
pub(crate) mod family;
pub(crate) mod group;
pub(crate) mod kernel_file;
pub(crate) mod lines;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod shell;
pub(crate) mod signals;
pub(crate) mod stat;
pub(crate) mod usage;
pub(crate) mod watch;
pub(crate) mod whole_file;

pub use clock::now_us;
pub use process::Exit;
pub use signals::die_by;
