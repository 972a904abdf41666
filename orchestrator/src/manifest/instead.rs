//! Keys that other build tools have in their manifests and that `Tender.toml` has not, with what to
//! write in their place. Only where there is one clear translation. Knows nothing of TOML, and not
//! which table of the format takes which list.

/// Keys of the same meaning, and what to do. `{}` stands for the value as it is written.
pub(super) type Instead = &'static [(&'static [&'static str], &'static str)];

const STANDARDS: &[&str] = &[
    "edition",
    "std",
    "standard",
    "language",
    "c-standard",
    "cxx-standard",
    "cpp-std",
    "cpp-standard",
];
const STANDARDS_HELP: &str = "the standards are `c-std = \"c17\"` and `cxx-std = \"c++20\"`";
const INCLUDES: &[&str] = &["include-dirs", "include-directories", "include-dir"];
const FLAGS: &[&str] = &["compile-flags", "compiler-flags", "cppflags", "cxxopts", "copts"];
const FLAGS_HELP: &str = "flags for clang are `flags`, `c-flags` and `cxx-flags`";
const LINK_ARGS: &[&str] = &["ldflags", "link-flags", "linker-flags", "linkopts"];
const LINK_ARGS_HELP: &str = "words for the link are `link-args`";
const LIBRARIES: &[&str] = &["links", "libs", "libraries"];
const LIBRARIES_HELP: &str = "libraries of the system are `link = [\"m\"]`";
const SOURCES: &[&str] = &["path", "main", "src", "srcs", "source", "files"];
const SOURCES_HELP: &str = "sources are a list: write `sources = [{}]`";
const NOT_TESTED: &[&str] = &["test", "doctest", "bench"];
const NOT_TESTED_HELP: &str = "leave it out: tests are `tests/*` and `[[test]]`";

pub(super) const MANIFEST: Instead = &[
    (&["project"], "a crate is a `[package]`"),
    (&["library"], "the library of the crate is `[lib]`"),
    (&["executable", "program", "binary"], "a program is a `[[bin]]`"),
    (&["lints"], "warnings are `warnings` in `[package]`"),
    (&["replace", "overrides"], "other sources of a crate are a `[patch]`"),
    (&["tool", "badges"], "what other programs keep here goes below `[package.metadata]`"),
];

pub(super) const WORKSPACE: Instead = &[
    (&["dependencies"], "dependencies stand in the manifest of each crate"),
    (&["lints"], "warnings are `warnings` in `[workspace.package]`"),
    (&["default-members"], "choose crates by `-p`; in the root all members are built"),
    (&["resolver"], "leave it out: a build has one crate of a name"),
];

pub(super) const PACKAGE: Instead = &[
    (STANDARDS, STANDARDS_HELP),
    (&["build"], "a command that runs before compiling is a `[[generate]]`"),
    (&["repository", "url"], "the address of its page is `homepage`"),
    (
        &[
            "authors",
            "documentation",
            "readme",
            "keywords",
            "categories",
            "license-file",
            "publish",
            "rust-version",
        ],
        "it is not used; keep it below `[package.metadata]`",
    ),
    (&["workspace"], "leave it out: the workspace above is found"),
    (&["resolver"], "leave it out: a build has one crate of a name"),
    (&["src", "srcs", "source", "files"], "sources are `sources` in `[lib]` or `[[bin]]`"),
    (INCLUDES, "private include directories are `include`; public ones, `headers` in `[lib]`"),
    (FLAGS, FLAGS_HELP),
    (LINK_ARGS, LINK_ARGS_HELP),
    (LIBRARIES, LIBRARIES_HELP),
];

pub(super) const LIB: Instead = &[
    (SOURCES, SOURCES_HELP),
    (
        &["type", "kind"],
        "write `crate-type = [\"cdylib\"]` for a shared library, `[\"staticlib\"]` for a static one",
    ),
    (INCLUDES, "public include directories are `headers`, private ones `include`"),
    (STANDARDS, STANDARDS_HELP),
    (FLAGS, FLAGS_HELP),
    (LINK_ARGS, LINK_ARGS_HELP),
    (LIBRARIES, LIBRARIES_HELP),
    (NOT_TESTED, NOT_TESTED_HELP),
];

/// Of `[[bin]]`, `[[test]]` and `[[example]]`.
pub(super) const PROGRAM: Instead = &[
    (SOURCES, SOURCES_HELP),
    (INCLUDES, "include directories are `include`"),
    (STANDARDS, STANDARDS_HELP),
    (FLAGS, FLAGS_HELP),
    (LINK_ARGS, LINK_ARGS_HELP),
    (LIBRARIES, LIBRARIES_HELP),
    (NOT_TESTED, NOT_TESTED_HELP),
];

pub(super) const BENCH: Instead = &[
    (SOURCES, SOURCES_HELP),
    (&["harness"], "leave it out: a benchmark is any program, and fails by its exit code"),
    (INCLUDES, "include directories are `include`"),
    (STANDARDS, STANDARDS_HELP),
    (FLAGS, FLAGS_HELP),
    (LINK_ARGS, LINK_ARGS_HELP),
    (LIBRARIES, LIBRARIES_HELP),
];

/// Also of `[patch]` and of a `fallback`.
pub(super) const DEPENDENCY: Instead = &[
    (
        &["registry", "registry-index"],
        "there is no registry: name the sources by `path`, `git` or `url`",
    ),
    (&["workspace"], "dependencies are not inherited: name the sources here"),
    (&["commit", "ref"], "a commit is `rev`"),
    (&["checksum", "hash", "sha"], "the checksum of an archive is `sha256`"),
    (&["archive"], "the address of an archive is `url`"),
    (&["subdir", "subdirectory"], "leave it out: the crate is found by its name among the members"),
    (&["submodules"], "leave it out: submodules are always fetched"),
];

pub(super) const PROFILE: Instead = &[
    (&["debuginfo"], "debug information is `debug`"),
    (&["optimize", "optimization"], "the level of optimisation is `opt-level`"),
    (&["debug-assertions"], "asserts are there unless `defines` has `\"NDEBUG\"`, as in `release`"),
    (&["overflow-checks"], "`sanitize = [\"undefined\"]` finds overflows"),
    (&["incremental"], "leave it out: what has not changed is never built again"),
    (FLAGS, FLAGS_HELP),
    (LINK_ARGS, LINK_ARGS_HELP),
];

/// Of `[[generate]]` and `[[rule]]`.
pub(super) const COMMAND: Instead = &[
    (&["command", "cmd", "args"], "`run` has the program and its words"),
    (&["cwd"], "leave it out: it runs in the crate's directory"),
];

/// What stands for `key` in this list, with its value.
pub(super) fn help(list: Instead, key: &str, value: &str) -> Option<String> {
    let (_, help) = list.iter().find(|(names, _)| names.contains(&key))?;
    Some(help.replace("{}", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_the_value_as_it_is_written() {
        let path = help(PROGRAM, "path", "\"src/main.c\"");
        assert_eq!(path.as_deref(), Some("sources are a list: write `sources = [\"src/main.c\"]`"));
        assert_eq!(help(PROGRAM, "sources", ""), None);
        assert_eq!(help(DEPENDENCY, "commit", "\"1\"").as_deref(), Some("a commit is `rev`"));
    }
}
