//! The keys of `Tender.toml`: their names, the kinds of their values, and a line of text about each.
//! The reader checks manifests against these tables, and `schema` makes the JSON schema of them.
//! Knows nothing of TOML and of what a value is used for.

use super::instead::{self, Instead};
use super::value::{
    ValueError, check_archive_url, check_c_std, check_cxx_std, check_define, check_duration,
    check_endian, check_extension, check_feature, check_feature_value, check_git_name,
    check_git_url, check_header, check_header_path, check_identifier, check_included_header,
    check_install_dir, check_library_name, check_library_version, check_link, check_linker,
    check_lock_name, check_macro, check_member, check_module_name, check_name, check_not_empty,
    check_one_line, check_output, check_profile_name, check_requirement, check_sha256,
    check_soname, check_target, check_template, check_test_variable, check_variable, check_version,
    check_warning, check_word,
};

/// The keys that a table may have.
pub(super) struct Table {
    pub groups: &'static [Group],
    /// Keys that a table must have, and how to write them. A list must have an element.
    pub required: &'static [(&'static str, &'static str)],
    /// Keys that people write into this table by mistake, and where they belong.
    pub elsewhere: &'static [(&'static str, &'static str)],
    /// Keys that other build tools have here.
    pub instead: Instead,
}

pub(super) struct Group {
    pub keys: &'static [Key],
    /// `key.workspace = true` takes the value of `[workspace.package]`.
    pub inherits: bool,
}

pub(super) struct Key {
    pub name: &'static str,
    pub kind: ValueKind,
    pub about: &'static str,
}

/// What is wrong with a text apart from its type.
pub(super) type Check = fn(&str) -> Result<(), ValueError>;

pub(super) enum ValueKind {
    Text(Check),
    Texts(Check),
    /// Words for clang. `cxx`: only C++ units get them.
    Flags {
        cxx: bool,
    },
    /// One text, or several.
    TextOrTexts(Check),
    /// Texts by names that the user chooses.
    TextsByName(Check),
    /// Lists of texts by names that the user chooses.
    ListsByName {
        check: Check,
        /// What is wrong with an element.
        value: Check,
    },
    Switch,
    /// A whole number from 1 to this.
    Count(u32),
    OneOf(Choice),
    ManyOf(Choice),
    /// A share of memory, or an amount: text, or a number of bytes.
    Memory,
    /// How many jobs run at once: a whole number but 0, or text.
    Jobs,
    Table(&'static Table),
    Tables(&'static Table),
    /// One table, or an array of them.
    OneOrMore(&'static Table),
    /// Values by names that the user chooses: text, whole numbers, `true` and `false`.
    Values(Check),
    /// A table of tables, by names that the user chooses.
    Named {
        each: &'static Table,
        check: Check,
        /// How to write an entry; `{}` is its name.
        help: &'static str,
    },
    /// Whatever the user likes.
    Free,
}

pub(super) struct Choice {
    pub values: &'static [Literal],
    /// Values that people write by mistake, and what to write instead.
    pub instead: &'static [(&'static str, &'static str)],
}

pub(super) enum Literal {
    Text(&'static str),
    Integer(u8),
    Switch(bool),
}

impl Table {
    pub fn keys(&self) -> impl Iterator<Item = (&'static Key, bool)> + use<> {
        self.groups.iter().flat_map(|group| group.keys.iter().map(|key| (key, group.inherits)))
    }

    pub fn key(&self, name: &str) -> Option<(&'static Key, bool)> {
        self.keys().find(|(key, _)| key.name == name)
    }
}

impl ValueKind {
    /// An array of strings.
    pub fn is_list(&self) -> bool {
        matches!(self, ValueKind::Texts(_) | ValueKind::Flags { .. } | ValueKind::ManyOf(_))
    }
}

impl std::fmt::Display for Literal {
    /// As it is written in a manifest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Literal::Text(text) => write!(f, "\"{text}\""),
            Literal::Integer(number) => write!(f, "{number}"),
            Literal::Switch(on) => write!(f, "{on}"),
        }
    }
}

fn any(_: &str) -> Result<(), ValueError> {
    Ok(())
}

const fn key(name: &'static str, kind: ValueKind, about: &'static str) -> Key {
    Key { name, kind, about }
}

const fn own(keys: &'static [Key]) -> Group {
    Group { keys, inherits: false }
}

const fn one_of(values: &'static [Literal]) -> ValueKind {
    ValueKind::OneOf(Choice { values, instead: &[] })
}

pub(super) static MANIFEST: Table = Table {
    groups: &[
        own(&DEPENDENCIES),
        own(&[
            key(
                "workspace",
                ValueKind::Table(&WORKSPACE),
                "A set of crates that are built together.",
            ),
            BUILD_KEY,
            LINK_KEY,
            PROFILE_KEY,
            key("package", ValueKind::Table(&PACKAGE), "A crate."),
            key("lib", ValueKind::OneOrMore(&LIB), "The library of the crate, or its libraries."),
            key("bin", ValueKind::Tables(&BIN), "A program of the crate."),
            key("test", ValueKind::Tables(&TEST), "A test of the crate, a program."),
            key(
                "example",
                ValueKind::Tables(&EXAMPLE),
                "A program that shows how to use the crate.",
            ),
            key("bench", ValueKind::Tables(&BENCH), "A benchmark of the crate, a program."),
            key(
                "generate",
                ValueKind::Tables(&GENERATE),
                "A command that writes files before compiling.",
            ),
            key(
                "features",
                ValueKind::ListsByName { check: check_feature, value: check_feature_value },
                "What users of the crate can choose, and what each choice enables.",
            ),
            key(
                "target",
                ValueKind::Named {
                    each: &TARGET,
                    check: check_target,
                    help: "write `[target.'{}']`",
                },
                "What counts on some platforms, or with some features, only.",
            ),
            key(
                "rule",
                ValueKind::Tables(&RULE),
                "A command that makes sources of files of another kind.",
            ),
            key(
                "config",
                ValueKind::OneOrMore(&CONFIG_HEADER),
                "A header that tells sources what the system has.",
            ),
            key("install", ValueKind::Table(&INSTALL), "What `tender install` installs."),
            key(
                "patch",
                ValueKind::Named {
                    each: &PATCH,
                    check: check_package_name,
                    help: "write `{} = { path = \"../{}\" }`",
                },
                "Other sources for crates that dependencies take from elsewhere.",
            ),
        ]),
    ],
    required: &[],
    elsewhere: &[
        ("name", "`[package]`"),
        ("members", "`[workspace]`"),
        ("sources", "`[lib]` or `[[bin]]`"),
    ],
    instead: instead::MANIFEST,
};

/// What one command may change on its command line.
pub(super) static CONFIG: Table = Table {
    groups: &[own(&USER), own(&[PROFILE_KEY])],
    required: &[],
    elsewhere: &NOT_ALONE,
    instead: &[],
};

/// A config file of a user.
pub(super) static CONFIG_FILE: Table = Table {
    groups: &[own(&USER)],
    required: &[],
    elsewhere: &[
        (
            "profile",
            "the root manifest, so that everybody builds the same; for one build, to `--config`",
        ),
        NOT_ALONE[0],
        NOT_ALONE[1],
        NOT_ALONE[2],
        NOT_ALONE[3],
    ],
    instead: &[],
};

static NOT_ALONE: [(&str, &str); 4] = [
    ("jobs", "`[build]`"),
    ("memory", "`[build]`"),
    ("target-dir", "`[build]`"),
    ("color", "`[term]`"),
];

static USER: [Key; 3] = [
    key("build", ValueKind::Table(&USER_BUILD), "How to build."),
    key("term", ValueKind::Table(&TERM), "The terminal."),
    key("cache", ValueKind::Table(&CACHE), "What all workspaces share."),
];

static CACHE: Table = Table {
    groups: &[own(&[key("dir", ValueKind::Text(check_not_empty), "Where downloads are kept.")])],
    required: &[],
    elsewhere: &[],
    instead: &[],
};

static USER_BUILD: Table = Table {
    groups: &[
        own(&LIMITS),
        own(&[
            key("target-dir", ValueKind::Text(check_not_empty), "Where all outputs go."),
            key("profile", ValueKind::Text(check_profile_name), "The profile to build by."),
        ]),
    ],
    required: &[],
    elsewhere: &[("color", "`[term]`")],
    instead: &[],
};

static TERM: Table = Table {
    groups: &[own(&[key(
        "color",
        one_of(&[Text("auto"), Text("always"), Text("never")]),
        "When to use colours.",
    )])],
    required: &[],
    elsewhere: &[],
    instead: &[],
};

const BUILD_KEY: Key =
    key("build", ValueKind::Table(&BUILD), "Limits of a build; in the root manifest only.");

const LINK_KEY: Key =
    key("link", ValueKind::Table(&LINK), "How to link; in the root manifest only.");

static LINK: Table =
    Table { groups: &[own(&[LINKER_KEY])], required: &[], elsewhere: &[], instead: &[] };

const LINKER_KEY: Key = key(
    "linker",
    ValueKind::Text(check_linker),
    "The program that links: `\"lld\"`, `\"mold\"`, a path.",
);

const PROFILE_KEY: Key = key(
    "profile",
    ValueKind::Named { each: &PROFILE, check: check_profile_name, help: "write `[profile.{}]`" },
    "How to compile; in the root manifest only.",
);

static WORKSPACE: Table = Table {
    groups: &[own(&[
        key("members", ValueKind::Texts(any), "Directories of crates, and globs of directories."),
        key("exclude", ValueKind::Texts(any), "Directories and globs that are no members."),
        key("package", ValueKind::Table(&SHARED), "Values for crates to inherit."),
        key("metadata", ValueKind::Free, "For other programs; not read."),
    ])],
    required: &[],
    elsewhere: &[],
    instead: instead::WORKSPACE,
};

static SHARED: Table = Table {
    groups: &[own(&VERSION), own(&SETTINGS)],
    required: &[],
    elsewhere: &[("name", "the `[package]` of each crate")],
    instead: instead::PACKAGE,
};

static BUILD: Table = Table {
    groups: &[own(&LIMITS)],
    required: &[],
    elsewhere: &[
        ("target-dir", "a config file, `.tender/config.toml`"),
        ("profile", "a config file, `.tender/config.toml`"),
    ],
    instead: &[],
};

static LIMITS: [Key; 2] = [
    key("jobs", ValueKind::Jobs, "How many jobs run at once."),
    key("memory", ValueKind::Memory, "`\"75%\"`, `\"8G\"`, `\"8Gi\"`, or `\"off\"`."),
];

/// More pieces than this are each too small to be worth a module's overhead.
const MAX_CODEGEN_UNITS: u32 = 256;

use Literal::{Integer, Switch, Text};

static PROFILE: Table = Table {
    groups: &[
        own(&[
            key(
                "inherits",
                ValueKind::Text(any),
                "Another profile, whose values count where none stands here.",
            ),
            key(
                "lto",
                ValueKind::OneOf(Choice {
                    values: &[Text("off"), Text("thin-local"), Text("thin"), Text("fat")],
                    instead: &[
                        ("true", "cargo's `true` is `\"fat\"`"),
                        ("false", "write `\"off\"`; cargo's `false` is `\"thin-local\"`"),
                    ],
                }),
                "Link-time optimisation.",
            ),
            key(
                "translate",
                one_of(&[Text("parallel"), Text("serial")]),
                "Whether units are translated on all threads of a worker.",
            ),
            key(
                "share-headers",
                one_of(&[Text("off"), Text("auto"), Text("verify")]),
                "Whether headers that several units of C++ include first are parsed once.",
            ),
            key("link-args", ValueKind::Texts(check_word), "Words for every link."),
            LINKER_KEY,
            key(
                "sanitize",
                ValueKind::ManyOf(Choice {
                    values: &[
                        Text("address"),
                        Text("undefined"),
                        Text("thread"),
                        Text("memory"),
                        Text("leak"),
                    ],
                    instead: &[
                        ("asan", "AddressSanitizer is `\"address\"`"),
                        ("ubsan", "UndefinedBehaviorSanitizer is `\"undefined\"`"),
                        ("tsan", "ThreadSanitizer is `\"thread\"`"),
                        ("msan", "MemorySanitizer is `\"memory\"`"),
                    ],
                }),
                "Faults that the program finds by itself when it runs.",
            ),
            key("coverage", ValueKind::Switch, "Programs count which lines run."),
            key("pgo-generate", ValueKind::Switch, "Programs write a profile of what runs often."),
            key(
                "pgo-use",
                ValueKind::Text(any),
                "A profile to optimise by, as llvm-profdata merges it.",
            ),
            key(
                "strip",
                one_of(&[
                    Switch(false),
                    Text("none"),
                    Text("debuginfo"),
                    Text("symbols"),
                    Switch(true),
                ]),
                "What a link leaves out of programs and shared libraries.",
            ),
            key(
                "split-debuginfo",
                ValueKind::OneOf(Choice {
                    values: &[Text("off"), Text("unpacked")],
                    instead: &[("packed", "write `\"unpacked\"`, and pack the files by llvm-dwp")],
                }),
                "Debug information in a file beside each object.",
            ),
            key("pic", ValueKind::Switch, "Static libraries can become part of shared ones."),
            key("pie", ValueKind::Switch, "Programs can be loaded at any address."),
            key(
                "compilation-dir",
                ValueKind::Text(check_word),
                "The directory that debug information names as the one where clang ran.",
            ),
            key(
                "package",
                ValueKind::Named {
                    each: &PROFILE_PACKAGE,
                    check: any,
                    help: "write `[profile.NAME.package.{}]`",
                },
                "Values for single crates.",
            ),
            key(
                "build-override",
                ValueKind::Table(&BUILD_OVERRIDE),
                "Values for programs that run in the build.",
            ),
        ]),
        own(&COMPILE),
    ],
    required: &[],
    elsewhere: &[],
    instead: instead::PROFILE,
};

static PROFILE_PACKAGE: Table = Table {
    groups: &[own(&COMPILE)],
    required: &[],
    elsewhere: &[("lto", WHOLE_PROFILE), ("sanitize", WHOLE_PROFILE)],
    instead: instead::PROFILE,
};

static BUILD_OVERRIDE: Table = Table {
    groups: &[own(&COMPILE)],
    required: &[],
    elsewhere: &[("lto", NOT_IN_BUILD), ("sanitize", NOT_IN_BUILD)],
    instead: instead::PROFILE,
};

const NOT_IN_BUILD: &str = "the profile: programs that run in the build are built without it";

const WHOLE_PROFILE: &str = "the profile: it concerns all crates of a program";

static COMPILE: [Key; 8] = [
    key(
        "opt-level",
        one_of(&[Integer(0), Integer(1), Integer(2), Integer(3), Text("s"), Text("z")]),
        "The level of optimisation.",
    ),
    key(
        "debug",
        ValueKind::OneOf(Choice {
            values: &[Switch(false), Text("line-tables-only"), Switch(true)],
            instead: &[
                ("0", "write `false`"),
                ("none", "write `false`"),
                ("1", "write `\"line-tables-only\"`"),
                ("limited", "write `\"line-tables-only\"`"),
                ("line-directives-only", "write `\"line-tables-only\"`"),
                ("2", "write `true`"),
                ("full", "write `true`"),
            ],
        }),
        "Debug information.",
    ),
    key("defines", ValueKind::Texts(check_define), "Macros."),
    key("flags", ValueKind::Flags { cxx: false }, "Flags for clang, for units of every language."),
    key("c-flags", ValueKind::Flags { cxx: false }, "Flags for clang, for C sources."),
    key("cxx-flags", ValueKind::Flags { cxx: true }, "Flags for clang, for C++ sources."),
    key(
        "codegen-units",
        ValueKind::Count(MAX_CODEGEN_UNITS),
        "At most this many pieces per source file.",
    ),
    key(
        "march",
        ValueKind::Text(check_word),
        "The processor to compile for, such as `\"native\"`.",
    ),
];

static PACKAGE: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_package_name), "The name of the crate."),
            key("autolib", ValueKind::Switch, "Sources in `src` make a library without `[lib]`."),
            key("autobins", ValueKind::Switch, "Sources in `src` make programs without `[[bin]]`."),
            key(
                "autotests",
                ValueKind::Switch,
                "Sources in `tests` make tests without `[[test]]`.",
            ),
            key(
                "autoexamples",
                ValueKind::Switch,
                "Sources in `examples` make programs without `[[example]]`.",
            ),
            key(
                "autobenches",
                ValueKind::Switch,
                "Sources in `benches` make benchmarks without `[[bench]]`.",
            ),
            key("default-run", ValueKind::Text(any), "The program that `tender run` runs."),
            key("description", ValueKind::Text(check_one_line), "What the crate is, in a line."),
            key("homepage", ValueKind::Text(check_word), "The address of its page."),
            key("license", ValueKind::Text(check_one_line), "Its licence, as SPDX names it."),
            key(
                "scan-modules",
                ValueKind::Switch,
                "C++20 units are scanned for named modules, whatever the names of sources are.",
            ),
            key("metadata", ValueKind::Free, "For other programs; not read."),
        ]),
        Group { keys: &VERSION, inherits: true },
        Group { keys: &SETTINGS, inherits: true },
    ],
    required: &[("name", "write `name = \"...\"`")],
    elsewhere: &[
        ("sources", "`[lib]` or `[[bin]]`"),
        ("headers", "`[lib]`"),
        ("modules", "`[lib]`; to have units scanned, `scan-modules = true`"),
        ("public-defines", "`[lib]`"),
        ("crate-type", "`[lib]`"),
        ("exports", "`[lib]`"),
    ],
    instead: instead::PACKAGE,
};

static INSTALL: Table = Table {
    groups: &[own(&[
        key(
            "headers",
            ValueKind::Texts(any),
            "The public headers that are installed: files and globs; `!` excludes.",
        ),
        key(
            "include-dir",
            ValueKind::Text(check_install_dir),
            "The directory of headers below the prefix, such as `\"include/greet\"`.",
        ),
        key(
            "plugin-dir",
            ValueKind::Text(check_install_dir),
            "The directory of plugins below the prefix.",
        ),
        key("programs", ValueKind::Texts(any), "The programs that are installed."),
        key("libraries", ValueKind::Texts(any), "The libraries that are installed."),
        key("man", ValueKind::Texts(any), "Manual pages: files and globs; `!` excludes."),
        key(
            "data",
            ValueKind::ListsByName { check: check_install_dir, value: any },
            "Other files and globs, by the directory below the prefix that they go to.",
        ),
    ])],
    required: &[],
    elsewhere: &[
        ("prefix", "the command line: `tender install --prefix DIR`"),
        ("description", "`[package]`"),
    ],
    instead: &[],
};

static VERSION: [Key; 1] =
    [key("version", ValueKind::Text(check_version), "The version of the crate.")];

static SETTINGS: [Key; 13] = [
    key("include", ValueKind::Texts(any), "Private include directories."),
    key("defines", ValueKind::Texts(check_define), "Macros: `\"NAME\"`, `\"NAME=value\"`."),
    key("flags", ValueKind::Flags { cxx: false }, "Flags for clang, for units of every language."),
    key("c-flags", ValueKind::Flags { cxx: false }, "Flags for clang, for C sources."),
    key("cxx-flags", ValueKind::Flags { cxx: true }, "Flags for clang, for C++ sources."),
    key("c-std", ValueKind::Text(check_c_std), "The standard of C sources, such as `\"c17\"`."),
    key(
        "cxx-std",
        ValueKind::Text(check_cxx_std),
        "The standard of C++ sources, such as `\"c++20\"`.",
    ),
    key(
        "warnings",
        ValueKind::Texts(check_warning),
        "Warnings for the crate's own code, as after `-W`: `[\"all\", \"extra\", \"error\"]`.",
    ),
    key("link", ValueKind::Texts(check_link), "System libraries, as after `-l`."),
    key("link-args", ValueKind::Texts(check_word), "Words for the link."),
    key("pkg-config", ValueKind::Texts(check_word), "Packages, such as `\"openssl >= 3\"`."),
    key(
        "inputs",
        ValueKind::Texts(any),
        "Files and globs that units read and that no compiler reports.",
    ),
    key(
        "precompiled-headers",
        ValueKind::Texts(check_included_header),
        "Headers that each unit of C++ includes first, and that are parsed once.",
    ),
];

const SHARED_LIBRARY: &str = "a shared library is `cdylib`";
const STATIC_LIBRARY: &str = "a static library is `staticlib`";

static LIB: Table = Table {
    groups: &[
        own(&[
            key(
                "name",
                ValueKind::Text(check_library_name),
                "The name of the library; by default that of the package.",
            ),
            key("sources", ValueKind::Texts(any), "Files and globs; `!` excludes."),
            REQUIRED_FEATURES,
            key("headers", ValueKind::Texts(any), "Public include directories."),
            key(
                "modules",
                ValueKind::Texts(check_module_name),
                "Names of C++20 modules that dependents may import; by default all.",
            ),
            key(
                "public-defines",
                ValueKind::Texts(check_define),
                "Macros for this crate and all that depend on it.",
            ),
            key(
                "public-link-args",
                ValueKind::Texts(check_word),
                "Words for the links of this crate and of all that depend on it.",
            ),
            key(
                "crate-type",
                ValueKind::ManyOf(Choice {
                    values: &[Text("staticlib"), Text("cdylib"), Text("object")],
                    instead: &[
                        ("bin", "programs are `[[bin]]`"),
                        ("dylib", SHARED_LIBRARY),
                        ("shared", SHARED_LIBRARY),
                        ("so", SHARED_LIBRARY),
                        ("lib", STATIC_LIBRARY),
                        ("rlib", STATIC_LIBRARY),
                        ("static", STATIC_LIBRARY),
                        ("objects", "an object library is `object`"),
                    ],
                }),
                "The forms of the library.",
            ),
            key("exports", ValueKind::Text(any), "A version script for the shared library."),
            key(
                "output",
                ValueKind::Text(check_output),
                "A plugin: a shared library at this path below the directory of outputs.",
            ),
            key(
                "soname",
                ValueKind::Text(check_soname),
                "The name by which programs find the shared library when they start.",
            ),
            key(
                "version",
                ValueKind::Text(check_library_version),
                "The version in the file name of the shared library, such as `\"1.3.1\"`.",
            ),
            key(
                "uses",
                ValueKind::Texts(any),
                "Other libraries of the crate, which this one is linked with.",
            ),
        ]),
        own(&SETTINGS),
    ],
    required: &[],
    elsewhere: &[],
    instead: instead::LIB,
};

const REQUIRED_FEATURES: Key = key(
    "required-features",
    ValueKind::Texts(check_feature),
    "Without these features it is left out.",
);

static BIN: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_program_name), "The name of the program."),
            key("sources", ValueKind::Texts(any), "Files and globs; `!` excludes."),
            REQUIRED_FEATURES,
        ]),
        own(&SETTINGS),
    ],
    required: &[("name", "write `name = \"...\"`")],
    elsewhere: &[
        ("headers", "`[lib]`; a program's own directories are `include`"),
        ("modules", "`[lib]`; nothing can import modules of a program"),
        ("public-defines", "`[lib]`"),
    ],
    instead: instead::PROGRAM,
};

/// Of the manifest, and of a condition.
static DEPENDENCIES: [Key; 3] = [
    key(
        "dependencies",
        ValueKind::Named { each: &DEPENDENCY, check: any, help: DEPENDENCY_HELP },
        "Crates that this one uses.",
    ),
    key(
        "build-dependencies",
        ValueKind::Named { each: &BUILD_DEPENDENCY, check: any, help: DEPENDENCY_HELP },
        "Crates whose programs run in the build.",
    ),
    key(
        "dev-dependencies",
        ValueKind::Named { each: &DEPENDENCY, check: any, help: DEPENDENCY_HELP },
        "Crates that its tests, examples and benchmarks use.",
    ),
];

const DEPENDENCY_HELP: &str = "there is no registry: write `{} = { path = \"../{}\" }`, or name its sources by `git` or `url`";

static TEST: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_test_name), "The name of the test."),
            key("sources", ValueKind::Texts(any), "Files and globs; `!` excludes."),
            REQUIRED_FEATURES,
            key(
                "harness",
                ValueKind::OneOf(Choice {
                    values: &[
                        Text("exit-code"),
                        Text("gtest"),
                        Text("catch2"),
                        Text("doctest"),
                        Text("tap"),
                    ],
                    instead: &[
                        ("false", "write `\"exit-code\"`; cargo's `false` means that"),
                        ("true", "leave it out: it is found by what the program links"),
                    ],
                }),
                "How the program tells its cases, and which have failed.",
            ),
            key("timeout", ValueKind::Text(check_duration), "It is killed after this time."),
            key(
                "slow-after",
                ValueKind::Text(check_duration),
                "It counts as slow after this time.",
            ),
            key(
                "jobserver",
                ValueKind::Switch,
                "What it starts, such as make, shares the job slots.",
            ),
            key(
                "locks",
                ValueKind::Texts(check_lock_name),
                "Tests that have one of these names in common do not run at the same time.",
            ),
        ]),
        own(&LAUNCH),
        own(&SETTINGS),
    ],
    required: DEV_PROGRAM_REQUIRES,
    elsewhere: DEV_PROGRAM_ELSEWHERE,
    instead: instead::PROGRAM,
};

static EXAMPLE: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_example_name), "The name of the example."),
            key("sources", ValueKind::Texts(any), "Files and globs; `!` excludes."),
            REQUIRED_FEATURES,
        ]),
        own(&SETTINGS),
    ],
    required: DEV_PROGRAM_REQUIRES,
    elsewhere: DEV_PROGRAM_ELSEWHERE,
    instead: instead::PROGRAM,
};

static BENCH: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_bench_name), "The name of the benchmark."),
            key("sources", ValueKind::Texts(any), "Files and globs; `!` excludes."),
            REQUIRED_FEATURES,
        ]),
        own(&LAUNCH),
        own(&SETTINGS),
    ],
    required: DEV_PROGRAM_REQUIRES,
    elsewhere: DEV_PROGRAM_ELSEWHERE,
    instead: instead::BENCH,
};

const DEV_PROGRAM_REQUIRES: &[(&str, &str)] = &[("name", "write `name = \"...\"`")];

const DEV_PROGRAM_ELSEWHERE: &[(&str, &str)] = &[
    ("headers", "`[lib]`; a program's own directories are `include`"),
    ("public-defines", "`[lib]`"),
];

/// How a test or a benchmark is run.
static LAUNCH: [Key; 3] = [
    key("args", ValueKind::Texts(any), "Its arguments."),
    key("env", ValueKind::TextsByName(check_test_variable), "Variables of its environment."),
    key("cwd", ValueKind::Text(any), "The directory in which it runs."),
];

static DEPENDENCY: Table = Table {
    groups: &[
        own(&SOURCE_KEYS),
        own(&SYSTEM_KEYS),
        own(&DEPENDENCY_KEYS),
        own(&LINKED_DEPENDENCY_KEYS),
    ],
    required: &[],
    elsewhere: &[],
    instead: instead::DEPENDENCY,
};

static BUILD_DEPENDENCY: Table = Table {
    groups: &[own(&SOURCE_KEYS), own(&DEPENDENCY_KEYS)],
    required: &[],
    elsewhere: &[
        ("lib", LINKED_DEPENDENCY),
        ("pkg-config", LINKED_DEPENDENCY),
        ("fallback", LINKED_DEPENDENCY),
        ("public", LINKED_DEPENDENCY),
        ("headers-only", LINKED_DEPENDENCY),
        ("system", LINKED_DEPENDENCY),
        ("whole-archive", LINKED_DEPENDENCY),
    ],
    instead: instead::DEPENDENCY,
};

const LINKED_DEPENDENCY: &str = "`[dependencies]`: nothing of a build-dependency is linked";

/// Where the sources of a crate are.
static SOURCE_KEYS: [Key; 10] = [
    key("path", ValueKind::Text(any), "The directory of the other crate."),
    key("url", ValueKind::Text(check_archive_url), "The address of an archive with its sources."),
    key("sha256", ValueKind::Text(check_sha256), "The checksum of the archive."),
    key(
        "strip-prefix",
        ValueKind::Text(check_install_dir),
        "The directory in the archive that has the sources.",
    ),
    key("git", ValueKind::Text(check_git_url), "The address of a git repository."),
    key("branch", ValueKind::Text(check_git_name), "A branch of the repository."),
    key("tag", ValueKind::Text(check_git_name), "A tag of the repository."),
    key("rev", ValueKind::Text(check_git_name), "A commit of the repository."),
    key("patches", ValueKind::Texts(any), "Patches of the sources, applied in order."),
    key("manifest", ValueKind::Text(any), "A manifest for sources that have none."),
];

/// Of a library that the system may have.
static SYSTEM_KEYS: [Key; 2] = [
    key(
        "pkg-config",
        ValueKind::Text(check_word),
        "A package of the system, such as `\"zlib >= 1.2\"`, in place of a crate.",
    ),
    key("fallback", ValueKind::Table(&PATCH), "The crate, where the system lacks the package."),
];

static PATCH: Table = Table {
    groups: &[own(&SOURCE_KEYS)],
    required: &[],
    elsewhere: &[],
    instead: instead::DEPENDENCY,
};

static DEPENDENCY_KEYS: [Key; 5] = [
    key(
        "version",
        ValueKind::Text(check_requirement),
        "The versions of the other crate that will do, such as `\"1.2\"`.",
    ),
    key(
        "package",
        ValueKind::Text(check_package_name),
        "The name of the other crate, if the key of the table is a name for this crate alone.",
    ),
    key("optional", ValueKind::Switch, "It is used only if a feature enables it."),
    key("features", ValueKind::Texts(check_feature), "Features of the other crate."),
    key("default-features", ValueKind::Switch, "Whether its feature `default` is enabled."),
];

/// Those of crates whose libraries are used.
static LINKED_DEPENDENCY_KEYS: [Key; 5] = [
    key("lib", ValueKind::Texts(any), "The libraries of the other crate that are used."),
    key("public", ValueKind::Switch, "Dependents of this crate see the other one's headers."),
    key("headers-only", ValueKind::Switch, "Nothing of the other crate is linked."),
    key("system", ValueKind::Switch, "Clang does not warn of what is in its headers."),
    key("whole-archive", ValueKind::Switch, "Links take all objects of its archives."),
];

/// The keys of `[target.'cfg(...)']` and `[target.TRIPLE]`.
static TARGET: Table = Table {
    groups: &[
        own(&[key("lib", ValueKind::Table(&TARGET_LIB), "What the library has in addition.")]),
        own(&DEPENDENCIES),
        own(&TOOLS_OF_TARGET),
        own(&SETTINGS),
    ],
    required: &[],
    elsewhere: &[
        ("sources", "`[target.'cfg(...)'.lib]`"),
        ("headers", "`[target.'cfg(...)'.lib]`"),
    ],
    instead: &[],
};

/// The keys that a triple alone may have, in the root manifest.
pub(super) static TOOLS_OF_TARGET: [Key; 3] = [
    key("linker", ValueKind::Text(check_word), "The program that links for the platform."),
    key("sysroot", ValueKind::Text(any), "The directory with its headers and libraries."),
    key(
        "runner",
        ValueKind::TextOrTexts(check_word),
        "The program, and its words, that runs programs of the platform here.",
    ),
];

static TARGET_LIB: Table = Table {
    groups: &[
        own(&[
            key("name", ValueKind::Text(check_library_name), "Which of several libraries."),
            key("sources", ValueKind::Texts(any), "More files and globs; `!` excludes."),
            key("headers", ValueKind::Texts(any), "More public include directories."),
            key("public-defines", ValueKind::Texts(check_define), "More public macros."),
            key("public-link-args", ValueKind::Texts(check_word), "More words for links."),
        ]),
        own(&SETTINGS),
    ],
    required: &[],
    elsewhere: &[("crate-type", "`[lib]`"), ("exports", "`[lib]`")],
    instead: &[],
};

static GENERATE: Table = Table {
    groups: &[
        own(&[key(
            "for-each",
            ValueKind::TextOrTexts(any),
            "Files and globs: one command for each file.",
        )]),
        own(&COMMAND),
    ],
    required: &[
        ("run", "name the command: `run = [\"sh\", \"gen.sh\"]`"),
        ("outputs", "name what it writes: `outputs = [\"$OUT_DIR/config.h\"]`"),
    ],
    elsewhere: &[],
    instead: instead::COMMAND,
};

static RULE: Table = Table {
    groups: &[
        own(&[key(
            "extensions",
            ValueKind::Texts(check_extension),
            "Sources of these extensions are its inputs.",
        )]),
        own(&COMMAND),
    ],
    required: &[
        ("extensions", "name the sources that it is for: `extensions = [\"re\"]`"),
        ("run", "name the command: `run = [\"re2c\", \"-o\", \"{output}\", \"{input}\"]`"),
        ("outputs", "name what it writes: `outputs = [\"{outdir}/{stem}.c\"]`"),
    ],
    elsewhere: &[(
        "for-each",
        "`[[generate]]`; the files of a rule stand in `sources` of a target",
    )],
    instead: instead::COMMAND,
};

static COMMAND: [Key; 7] = [
    key("name", ValueKind::Text(check_command_name), "What messages call the command."),
    key("run", ValueKind::Texts(any), "The program and its words."),
    key("inputs", ValueKind::Texts(any), "Files and globs that it reads."),
    key("outputs", ValueKind::Texts(any), "Files that it writes."),
    key("depfile", ValueKind::Text(any), "A file in which it names what else it has read."),
    key("env", ValueKind::TextsByName(check_variable), "Variables of its environment."),
    key("retry", ValueKind::Switch, "It may run again if it was killed for memory."),
];

static CONFIG_HEADER: Table = Table {
    groups: &[own(&[
        key(
            "template",
            ValueKind::Text(check_template),
            "The header's template, as autoconf and cmake have it.",
        ),
        key("header", ValueKind::Text(check_header_path), "The header's name in `$OUT_DIR`."),
        key("public", ValueKind::Switch, "Dependents can include the header."),
        key(
            "probes",
            ValueKind::Named {
                each: &PROBE,
                check: check_macro,
                help: "write `{} = { has-function = \"...\" }`",
            },
            "What is asked of the compiler and the linker, by the macro that gets the answer.",
        ),
        key("values", ValueKind::Values(check_macro), "Macros that are no probes."),
    ])],
    required: &[],
    elsewhere: &[],
    instead: &[],
};

static PROBE: Table = Table {
    groups: &[
        own(&PROBE_KINDS),
        own(&[
            key("headers", ValueKind::Texts(check_header), "Headers that the probe includes."),
            key("libs", ValueKind::Texts(check_link), "Libraries that the probe links."),
            key("language", one_of(&[Text("c"), Text("c++")]), "The language of the probe."),
        ]),
    ],
    required: &[],
    elsewhere: &[],
    instead: &[],
};

/// The kinds of probes. A probe has one of them.
pub(super) static PROBE_KINDS: [Key; 13] = [
    key(
        "has-function",
        ValueKind::Text(check_identifier),
        "It can be linked; with `headers` it must be declared too.",
    ),
    key("has-header", ValueKind::Text(check_header), "It can be included."),
    key(
        "has-symbol",
        ValueKind::Text(check_one_line),
        "It is a macro, or it is declared and can be linked.",
    ),
    key("has-member", ValueKind::Text(check_member), "`\"struct stat.st_blocks\"`."),
    key("has-type", ValueKind::Text(check_one_line), "A type."),
    key("has-decl", ValueKind::Text(check_one_line), "It is a macro or declared: 1, else 0."),
    key("has-library", ValueKind::Text(check_link), "It can be linked."),
    key("sizeof", ValueKind::Text(check_one_line), "The size of a type; 0 if there is none."),
    key("alignof", ValueKind::Text(check_one_line), "The alignment of a type, likewise."),
    key("compiles", ValueKind::Text(any), "This source compiles."),
    key("links", ValueKind::Text(any), "This source, which has a `main`, can be linked."),
    key("endian", ValueKind::Text(check_endian), "`\"big\"` or `\"little\"`: the byte order."),
    key("has-flag", ValueKind::Text(check_word), "clang accepts the flag without a warning."),
];

fn check_package_name(text: &str) -> Result<(), ValueError> {
    check_name("package name", text)
}

fn check_test_name(text: &str) -> Result<(), ValueError> {
    check_name("test name", text)
}

fn check_example_name(text: &str) -> Result<(), ValueError> {
    check_name("example name", text)
}

fn check_bench_name(text: &str) -> Result<(), ValueError> {
    check_name("benchmark name", text)
}

fn check_command_name(text: &str) -> Result<(), ValueError> {
    check_name("command name", text)
}

fn check_program_name(text: &str) -> Result<(), ValueError> {
    check_name("program name", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(table: &'static Table, names: &mut Vec<&'static str>) {
        for (key, _) in table.keys() {
            names.push(key.name);
            match &key.kind {
                ValueKind::Table(inner)
                | ValueKind::Tables(inner)
                | ValueKind::OneOrMore(inner)
                | ValueKind::Named { each: inner, .. } => {
                    keys(inner, names);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn format_keys_are_all_documented() {
        let document = include_str!("../../../docs/manifest.md");
        let mut names = Vec::new();
        keys(&MANIFEST, &mut names);
        names.retain(|key| {
            let shown = [
                format!("`{key}`"),
                format!("`[{key}]`"),
                format!("[{key}."),
                format!("[[{key}]]"),
            ];
            !shown.iter().any(|shown| document.contains(shown))
        });
        assert_eq!(names, [""; 0], "docs/manifest.md does not say what these are");
    }

    #[test]
    fn format_keys_of_config_files_are_documented() {
        let document = include_str!("../../../docs/cli.md");
        for (table, _) in CONFIG_FILE.keys() {
            let ValueKind::Table(inner) = &table.kind else { panic!("{} is no table", table.name) };
            for (key, _) in inner.keys() {
                let shown = format!("| `{}.{}` |", table.name, key.name);
                assert!(document.contains(&shown), "docs/cli.md does not say what {shown} is");
            }
        }
    }

    #[test]
    fn format_has_no_key_that_stands_for_another() {
        fn check(table: &'static Table, title: &str) {
            let has = |name: &&str| table.key(name).is_some();
            let instead = table.instead.iter().flat_map(|(names, _)| names.iter());
            let mut wrong = table.elsewhere.iter().map(|(name, _)| name).chain(instead);
            assert_eq!(wrong.find(|name| has(name)), None, "in {title}");
            for (key, _) in table.keys() {
                match &key.kind {
                    ValueKind::Table(inner)
                    | ValueKind::Tables(inner)
                    | ValueKind::OneOrMore(inner)
                    | ValueKind::Named { each: inner, .. } => check(inner, key.name),
                    _ => {}
                }
            }
        }
        check(&MANIFEST, "the manifest");
        check(&CONFIG_FILE, "config files");
    }

    #[test]
    fn format_texts_say_something() {
        let mut names = Vec::new();
        keys(&MANIFEST, &mut names);
        assert!(names.len() > 40, "{names:?}");
        for (key, _) in MANIFEST.keys().chain(PROFILE.keys()).chain(LIB.keys()) {
            assert!(key.about.ends_with('.') && key.about.len() < 100, "{}", key.name);
        }
    }
}
