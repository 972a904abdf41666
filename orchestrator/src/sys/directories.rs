//! Directories for files of this user that can be made again. Knows no files.

#![expect(clippy::disallowed_methods, reason = "these directories are named in the environment")]

use std::path::PathBuf;

/// The user's own, `XDG_RUNTIME_DIR`
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>). The variable may name a
/// directory that does not exist, for example after `su`.
pub fn runtime() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
}

/// For what takes long to make again: `XDG_CACHE_HOME`, else `.cache` in the home directory. Both count
/// only if they are absolute, as the specification says.
pub fn cache() -> Option<PathBuf> {
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}

/// For all users: `TMPDIR`, else `/tmp`.
pub fn temporary() -> PathBuf {
    std::env::temp_dir()
}
