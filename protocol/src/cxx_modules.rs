//! What a unit of C++ provides and requires of named modules.

use serde::{Deserialize, Serialize};

/// The result of `Work::Scan`, written to its output as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleScan {
    /// The module or partition that the unit declares, if others can import it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provides: Option<ModuleName>,
    /// What it imports, each once, in the order of the source. An implementation unit imports the
    /// interface of its own module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<ModuleName>,
}

/// A module, and where a source names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleName {
    /// `math`, or `math:vectors` for a partition.
    pub name: String,
    pub file: String,
    /// From 1.
    pub line: u32,
}
