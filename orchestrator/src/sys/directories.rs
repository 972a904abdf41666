//! Directories for files of this user that need not survive a reboot. Knows no files.

#![expect(clippy::disallowed_methods, reason = "these directories are named in the environment")]

use std::path::PathBuf;

/// The user's own, `XDG_RUNTIME_DIR`
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>). The variable may name a
/// directory that does not exist, for example after `su`.
pub fn runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

/// For all users: `TMPDIR`, else `/tmp`.
pub fn temporary() -> PathBuf {
    std::env::temp_dir()
}
