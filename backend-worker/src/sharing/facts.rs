//! What must be known of shared headers to use them, beside their parsed form.

use super::{Place, Tokens};
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct HeaderFacts {
    /// The source that includes them, which need not exist, and its text.
    pub source: String,
    pub text: String,
    pub tokens: Tokens,
    pub scopes: Vec<NamedScope>,
    /// Of functions that their templates have looked up when they were instantiated. None: they are not.
    pub names: Option<Vec<String>>,
    /// The files that were read, and the BLAKE3 hash of each, in hexadecimal.
    pub inputs: Vec<(String, String)>,
}

/// A using-declaration or the like, which debug information lists. No code refers to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct NamedScope {
    pub place: Place,
    /// `clang::LocalDeclID`.
    pub id: u64,
}
