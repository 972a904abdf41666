//! What can be wrong with a workspace only once its crates are seen together.

use super::module_names::ModuleError;
use camino::Utf8PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum GraphError {
    #[error(
        "two parts of the workspace write the same file\n  file: {path}\n  first: {first}\n  second: {second}\n  help: rename one of them"
    )]
    SameOutput { path: Utf8PathBuf, first: String, second: String },

    #[error(
        "crate `{krate}` needs the package `{package}`, named by `pkg-config` in {manifest}: {message}"
    )]
    PkgConfig { krate: String, manifest: Utf8PathBuf, package: String, message: String },

    #[error("`{target}` of crate `{krate}` needs clang's run-time library: {message}")]
    NoRuntime { krate: String, target: String, message: String },

    #[error("`{source_file}` of crate `{krate}` needs nasm or yasm: {message}")]
    NoAssembler { krate: String, source_file: Utf8PathBuf, message: String },

    #[error("`{target}` of crate `{krate}` cannot be linked: {message}")]
    NoDriver { krate: String, target: String, message: String },

    #[error("`{target}` of crate `{krate}` cannot be linked: {message}")]
    NoLinker { krate: String, target: String, message: String },

    #[error(
        "crate `{krate}` generates `{output}`, which lies neither in $OUT_DIR nor in the crate's directory ({dir})"
    )]
    OutputOutside { krate: String, output: String, dir: Utf8PathBuf },

    #[error(
        "the `[[generate]]` commands of crate `{krate}` wait for each other's outputs: {commands}\n  manifest: {manifest}"
    )]
    GenerateCycle { krate: String, manifest: Utf8PathBuf, commands: String },

    /// It is about the text of sources, not about manifests.
    #[error(transparent)]
    Modules(Box<ModuleError>),
}
