//! Where files of this user may lie that are for this boot alone. Knows no files.

#![expect(clippy::disallowed_methods, reason = "these directories are named in the environment")]

use std::path::PathBuf;

/// The user's own, `XDG_RUNTIME_DIR`
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>). It may be named and not be
/// there, as after `su`.
pub fn runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

/// For all users: `TMPDIR`, else `/tmp`.
pub fn temporary() -> PathBuf {
    std::env::temp_dir()
}
