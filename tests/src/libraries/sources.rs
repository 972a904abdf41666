//! Finds the sources of real libraries, and downloads missing ones. Does not know their use.

use super::Library;
use crate::features::{Feature, skip};
use crate::programs::profile_directory;
use crate::space::{examples, fetched};
use camino::{Utf8Path, Utf8PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The directory of all sources.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The sources from `make sources`.
    got: Utf8PathBuf,
    /// RocksDB's package, which contains the sources of other libraries.
    bundle: Utf8PathBuf,
}

impl Sources {
    pub fn of(&self, library: Library) -> Utf8PathBuf {
        match library {
            Library::Sqlite => self.got.join("sqlite"),
            Library::Zlib => self.bundle.join("zlib"),
            Library::Zstd => self.bundle.join("zstd"),
            Library::Lua => self.got.join("lua5.1"),
            Library::JsonCpp => self.got.join("jsoncpp"),
        }
    }

    /// Lua's own test suite, for 5.1.
    pub fn lua_tests(&self) -> Utf8PathBuf {
        self.got.join("lua-tests")
    }
}

/// The directories of the sources of these libraries. `None` if some are missing; then a skip is
/// reported. The first call of a process downloads missing ones.
pub fn find(libraries: &[Library]) -> Option<Sources> {
    static SOURCES: OnceLock<Sources> = OnceLock::new();
    let sources = SOURCES.get_or_init(get);
    let mut missing: Vec<&str> = Vec::new();
    for library in libraries {
        if !sources.of(*library).exists()
            || *library == Library::Lua && !sources.lua_tests().exists()
        {
            missing.push(library.name());
        }
    }
    if missing.is_empty() {
        return Some(sources.clone());
    }
    let names = missing.join(", ");
    let why = format!("the sources of {names} are not there; run `make fetch sources`");
    skip(Feature::Sources, &why);
    None
}

/// The sources of a project, in the one version that `make sources` downloads. `None` where Debian has
/// another by now, or none can be had; the test is skipped then.
pub fn pinned(name: &str) -> Option<Utf8PathBuf> {
    let dir = sources().join(name);
    if dir.exists() {
        return Some(dir);
    }
    skip(
        Feature::PinnedSources,
        &format!("the sources of {name} are not there; run `make sources`"),
    );
    None
}

/// Makes a workspace of `names` (none: of all ports) from their sources and manifests, and returns
/// those that are complete. The script itself reports the others.
pub fn ports(sources: &Utf8Path, workspace: &Utf8Path, names: &[&str]) -> Vec<String> {
    let script = examples().parent().unwrap().join("tools/ports.sh");
    let output = Command::new(script)
        .args([sources, workspace])
        .args(names)
        .stderr(Stdio::inherit())
        .output()
        .expect("tools/ports.sh starts");
    assert!(output.status.success(), "tools/ports.sh: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Runs the scripts, which do nothing if all sources exist, and themselves report what cannot be
/// downloaded.
fn get() -> Sources {
    let got = sources().to_owned();
    fetched();
    Sources { got, bundle: examples().join("rocksdb/vendor/librocksdb-sys") }
}

/// The directory with all sources that tests need, as far as they can be had. The first call of a
/// process downloads them.
pub fn sources() -> &'static Utf8Path {
    static GOT: OnceLock<Utf8PathBuf> = OnceLock::new();
    GOT.get_or_init(|| {
        let target =
            profile_directory().parent().expect("a profile lies in a target directory").to_owned();
        let got = target.join("sources");
        let script = examples().parent().unwrap().join("tools/sources.sh");
        let status = Command::new(script).arg(&got).status().expect("tools/sources.sh starts");
        assert!(status.success(), "tools/sources.sh: {status}");
        got
    })
}
