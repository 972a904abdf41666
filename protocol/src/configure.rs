//! The work of a configuration header: questions about the system, and the answers.

use crate::Language;
use serde::{Deserialize, Serialize};

/// A header that tells sources what the system has. Paths are as in `Work`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configure {
    /// The header to write.
    pub header: String,
    /// The file for the answers, `ConfigResults` as JSON.
    pub results: String,
    /// The header's template. Absent: the header has a line for each probe and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Arguments of clang's driver for probes in C.
    pub c_args: Vec<String>,
    /// As `c_args`, for probes in C++.
    pub cxx_args: Vec<String>,
    /// The link driver for probes in C, as `Work::Link` has it.
    pub c_driver: Vec<String>,
    /// As `c_driver`, for probes in C++; empty if there are none.
    pub cxx_driver: Vec<String>,
    pub link_args: Vec<String>,
    pub probes: Vec<Probe>,
    /// What is no probe.
    pub values: Vec<(String, ConfigValue)>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The macro that gets the answer.
    pub name: String,
    pub test: ProbeTest,
    /// What the probe includes. Absent: for functions nothing, else the common headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<String>>,
    /// Libraries that it links, without `-l`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libs: Vec<String>,
    /// `C` or `Cxx`.
    pub language: Language,
}

/// What is asked. The names are those of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeTest {
    /// It can be linked; with headers it must be declared too.
    HasFunction(String),
    /// It can be included after the common headers.
    HasHeader(String),
    /// It is a macro, or it is declared and can be linked.
    HasSymbol(String),
    /// `struct stat.st_blocks`
    HasMember(String),
    HasType(String),
    /// It is a macro or declared; the answer is 0 or 1.
    HasDecl(String),
    /// The library can be linked.
    HasLibrary(String),
    /// Bytes; 0 if there is no such type.
    Sizeof(String),
    /// As `Sizeof`.
    Alignof(String),
    /// The source compiles.
    Compiles(String),
    /// The source, which has a `main`, compiles and links.
    Links(String),
    /// `big` or `little`.
    Endian(String),
    /// clang accepts the flag without a warning.
    HasFlag(String),
}

impl ProbeTest {
    /// The name of the kind in the manifest, and what is asked for.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            ProbeTest::HasFunction(what) => ("has-function", what),
            ProbeTest::HasHeader(what) => ("has-header", what),
            ProbeTest::HasSymbol(what) => ("has-symbol", what),
            ProbeTest::HasMember(what) => ("has-member", what),
            ProbeTest::HasType(what) => ("has-type", what),
            ProbeTest::HasDecl(what) => ("has-decl", what),
            ProbeTest::HasLibrary(what) => ("has-library", what),
            ProbeTest::Sizeof(what) => ("sizeof", what),
            ProbeTest::Alignof(what) => ("alignof", what),
            ProbeTest::Compiles(what) => ("compiles", what),
            ProbeTest::Links(what) => ("links", what),
            ProbeTest::Endian(what) => ("endian", what),
            ProbeTest::HasFlag(what) => ("has-flag", what),
        }
    }
}

/// A value of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ConfigValue {
    Switch(bool),
    Integer(i64),
    /// As it stands after the macro's name.
    Text(String),
}

/// The answers, in the order of the header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigResults {
    pub probes: Vec<ProbeResult>,
    pub values: Vec<(String, ConfigValue)>,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    pub name: String,
    /// The kind of the probe, as the manifest names it.
    pub kind: String,
    /// What was asked for: a function, a header, ...
    pub of: String,
    pub found: bool,
    /// Of `sizeof` and `alignof`, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// What the compiler or the linker wrote, if it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
