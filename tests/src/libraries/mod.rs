//! Real libraries with programs that test them: built by `tender` and by clang with the same flags,
//! run, and compared.
//!
//! ```no_run
//! use tender_tests::libraries::{Library, build_with_clang, exercise, expect_same, find, workspace};
//!
//! let libraries = [Library::Zlib, Library::Lua];
//! let Some(sources) = find(&libraries) else { return };
//! let space = workspace(&sources, &libraries, "[profile.fat]\ninherits = \"release\"\nlto = \"fat\"\n");
//! space.tender(&["build", "--workspace", "--profile", "fat"]).expect_ok();
//! let clang = build_with_clang(&space, "fat", "clang");
//! for library in libraries {
//!     let expect = exercise(library, &sources, &space, "clang", &clang);
//!     let found = exercise(library, &sources, &space, "fat", &space.path("target/fat"));
//!     expect_same("fat", &expect, &found);
//! }
//! ```

mod clang;
mod exercise;
mod session;
mod sources;
mod sql;

pub use clang::{build_with_clang, compile_with_clang};
pub use exercise::exercise;
pub use session::{Session, expect_same};
pub use sources::{Sources, find, pinned, ports, sources};

use crate::space::TestSpace;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// The amalgamation and its shell.
    Sqlite,
    /// With its three test programs.
    Zlib,
    /// With its command-line program and its fuzzer.
    Zstd,
    /// The interpreter of Lua 5.1.
    Lua,
    /// C++, with its tests: exceptions, and tests that static initialisers register.
    JsonCpp,
}

impl Library {
    pub const ALL: [Library; 5] =
        [Library::Sqlite, Library::Zlib, Library::Zstd, Library::Lua, Library::JsonCpp];

    /// The crate's name.
    pub fn name(self) -> &'static str {
        match self {
            Library::Sqlite => "sqlite",
            Library::Zlib => "zlib",
            Library::Zstd => "zstd",
            Library::Lua => "lua",
            Library::JsonCpp => "jsoncpp",
        }
    }

    /// The programs that the crate makes.
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Library::Sqlite => &["sqlite3"],
            Library::Zlib => &["example", "minigzip", "infcover"],
            Library::Zstd => &["zstd", "fuzzer"],
            Library::Lua => &["lua"],
            Library::JsonCpp => &["jsontest"],
        }
    }

    /// System libraries of the links.
    fn links(self) -> &'static [&'static str] {
        match self {
            Library::Sqlite | Library::Lua => &["m"],
            Library::Zstd => &["pthread"],
            Library::Zlib | Library::JsonCpp => &[],
        }
    }

    fn manifest(self, sources: &Sources) -> String {
        let links =
            self.links().iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let package = format!(
            "[package]\nname = \"{}\"\n# What its authors do not mind, clang of today warns of.\nflags = [\"-w\"]\nlink = [{links}]\n",
            self.name()
        );
        let home = sources.of(self);
        let rest = match self {
            Library::Sqlite => format!(
                "defines = [\"SQLITE_ENABLE_DBPAGE_VTAB\", \"SQLITE_ENABLE_DBSTAT_VTAB\", \"SQLITE_ENABLE_FTS4\",\n\
                 \"SQLITE_ENABLE_FTS5\", \"SQLITE_ENABLE_GEOPOLY\", \"SQLITE_ENABLE_MATH_FUNCTIONS\",\n\
                 \"SQLITE_ENABLE_RTREE\", \"SQLITE_ENABLE_STAT4\", \"SQLITE_OMIT_LOAD_EXTENSION\"]\n\
                 [[bin]]\nname = \"sqlite3\"\nsources = [\"{home}/sqlite3.c\", \"{home}/shell.c\"]\n"
            ),
            Library::Zlib => format!(
                "include = [\"{home}\"]\ndefines = [\"HAVE_HIDDEN\", \"HAVE_UNISTD_H\", \"_LARGEFILE64_SOURCE=1\"]\n\
                 [lib]\nsources = [\"{home}/*.c\"]\n\
                 [[bin]]\nname = \"example\"\nsources = [\"{home}/test/example.c\"]\n\
                 [[bin]]\nname = \"minigzip\"\nsources = [\"{home}/test/minigzip.c\"]\n\
                 [[bin]]\nname = \"infcover\"\nsources = [\"infcover.c\"]\n"
            ),
            Library::Zstd => format!(
                "include = [\"{home}/lib\", \"{home}/lib/common\", \"{home}/lib/compress\", \"{home}/lib/dictBuilder\",\n\
                 \"{home}/programs\"]\n\
                 defines = [\"XXH_NAMESPACE=ZSTD_\", \"ZSTD_LEGACY_SUPPORT=0\", \"ZSTD_MULTITHREAD\"]\n\
                 [lib]\nsources = [\"{home}/lib/{{common,compress,decompress,dictBuilder}}/*.c\"]\n\
                 [[bin]]\nname = \"zstd\"\nsources = [\"{home}/programs/*.c\"]\n\
                 [[bin]]\nname = \"fuzzer\"\nsources = [\"{home}/tests/fuzzer.c\", \"{home}/programs/datagen.c\"]\n"
            ),
            Library::Lua => format!(
                "include = [\"{home}/src\"]\ndefines = [\"LUA_USE_POSIX\"]\n\
                 [lib]\nsources = [\"{home}/src/*.c\", \"!{home}/src/{{lua,luac,print}}.c\"]\n\
                 [[bin]]\nname = \"lua\"\nsources = [\"{home}/src/lua.c\"]\n"
            ),
            Library::JsonCpp => format!(
                "include = [\"{home}/include\"]\ncxx-std = \"c++17\"\n\
                 [lib]\nsources = [\"{home}/src/lib_json/*.cpp\"]\n\
                 [[bin]]\nname = \"jsontest\"\nsources = [\"{home}/src/test_lib_json/*.cpp\"]\n"
            ),
        };
        package + &rest
    }
}

/// A crate for each of `libraries`, and `profiles` in the root manifest.
pub fn workspace(sources: &Sources, libraries: &[Library], profiles: &str) -> TestSpace {
    let space = TestSpace::new();
    let members =
        libraries.iter().map(|library| format!("\"{}\"", library.name())).collect::<Vec<_>>();
    space.write(
        "Tender.toml",
        format!("[workspace]\nmembers = [{}]\n{profiles}", members.join(", ")),
    );
    for library in libraries {
        space.write(&format!("{}/Tender.toml", library.name()), library.manifest(sources));
        if *library == Library::Zlib {
            space.write("zlib/infcover.c", infcover(sources));
        }
    }
    space
}

/// zlib's coverage test without its one undefined read before the start of a literal: link-time
/// optimisation, also that of clang itself, treats the code after it as unreachable.
fn infcover(sources: &Sources) -> String {
    let path = sources.of(Library::Zlib).join("test/infcover.c");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let undefined = "inflateInit_(&strm, ZLIB_VERSION - 1,";
    assert!(text.contains(undefined), "no {undefined} in {path}");
    text.replace(undefined, "inflateInit_(&strm, \"another\",")
}
