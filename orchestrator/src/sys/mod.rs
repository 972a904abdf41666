//! The operating system, each part of it wrapped once. Knows no builds, no tokens and no policy.
//!
//! - `process.rs`: a child with a process group of its own, which dies with us; `group.rs`: which
//!   processes of a group still run; `family.rs`: the descendants of a process.
//! - `stat.rs`: /proc/PID/stat; `usage.rs`: the memory and processor time of processes;
//!   `kernel_file.rs`: files of the kernel that are read repeatedly; `pressure_trigger.rs`: when memory
//!   gets short.
//! - `file_watch.rs`: inotify; `looks.rs`: looks at paths, and the record of them.
//! - `pipe.rs`, `lines.rs`: our ends of pipes, and lines; `watch.rs`: epoll; `signals.rs`: signals
//!   to this process; `clock.rs`: the clock of all events.
//! - `bounded_output.rs`, `whole_file.rs`: output of programs, and files, up to a limit;
//!   `shell.rs`: quoting for a shell; `directories.rs`: directories for temporary files.

pub(crate) mod bounded_output;
pub(crate) mod clock;
pub(crate) mod directories;
pub(crate) mod family;
pub(crate) mod file_watch;
pub(crate) mod group;
pub(crate) mod kernel_file;
pub(crate) mod lines;
pub(crate) mod looks;
pub(crate) mod pipe;
pub(crate) mod pressure_trigger;
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
