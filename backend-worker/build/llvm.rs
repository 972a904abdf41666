//! Checks whether a directory contains the needed LLVM and clang, and which package is missing if
//! not.
//!
//! Part of the build script; a test includes it too. Does not depend on cargo.

use std::path::Path;

/// A missing package.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is missing: one line, without a newline.
    pub what: String,
    /// The package's name in Debian and Ubuntu.
    pub package: &'static str,
}

/// # Errors
/// The headers of LLVM 22 or of its clang are not in `prefix`.
pub fn check(prefix: &Path) -> Result<(), Missing> {
    let missing = |what: String, package| Err(Missing { what, package });
    let include = prefix.join("include");
    let Ok(text) = std::fs::read_to_string(include.join("llvm/Config/llvm-config.h")) else {
        return missing(format!("LLVM 22 is not found in {}", prefix.display()), "llvm-22-dev");
    };
    let major = text.lines().find_map(|line| line.strip_prefix("#define LLVM_VERSION_MAJOR "));
    let major = major.map_or("unknown", str::trim);
    if major != "22" {
        let what = format!("LLVM in {} is version {major}, but 22 is needed", prefix.display());
        return missing(what, "llvm-22-dev");
    }
    if !include.join("clang/Frontend/CompilerInstance.h").exists() {
        return missing(
            format!("clang's headers are not found in {}", include.display()),
            "libclang-22-dev",
        );
    }
    Ok(())
}
