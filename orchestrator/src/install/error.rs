//! Why nothing was installed or removed. Each text says what to do, or `help` does.

use camino::Utf8PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the directory of libraries, `{libdir}`, is not below the prefix `{prefix}`")]
    LibDir { libdir: Utf8PathBuf, prefix: Utf8PathBuf },
    #[error("there is nothing to install: {krate} has no programs, libraries or headers")]
    Nothing { krate: String },
    #[error(
        "the static library `{library}` of crate `{krate}` cannot be installed: it needs the objects of `{object}`, which has no file"
    )]
    Object { krate: String, library: String, object: String },
    #[error(
        "the library `{library}` of crate `{krate}` needs `{needed}` of crate `{owner}`, which `[install]` there leaves out"
    )]
    LeftOut { krate: String, library: String, needed: String, owner: String },
    #[error(
        "the module `{module}` of the library `{library}` cannot be installed: it imports a module of `{needed}` of crate `{owner}`, which is not installed with the library"
    )]
    ModuleLeftOut { module: String, library: String, needed: String, owner: String },
    #[error("two files would be installed as `{path}`: {first} and {second}")]
    Same { path: Utf8PathBuf, first: String, second: String },
    #[error(
        "`{path}` is among the lists of installed files, so nothing else can be installed there"
    )]
    Reserved { path: Utf8PathBuf },
    #[error("files that this installation did not make are in its way:\n{}", shown(.paths))]
    Foreign { paths: Vec<String> },
    #[error("cannot install to `{path}`: {why}")]
    Place { path: Utf8PathBuf, why: String },
    #[error("cannot write `{path}`: {source}")]
    Write { path: Utf8PathBuf, source: std::io::Error },
    #[error("cannot read `{path}`: {source}")]
    Read { path: Utf8PathBuf, source: std::io::Error },
    #[error("cannot remove `{path}`: {source}")]
    Remove { path: Utf8PathBuf, source: std::io::Error },
    #[error("`{path}` is no list of installed files: {why}")]
    List { path: Utf8PathBuf, why: String },
    #[error("the list of installed files `{path}` is of a newer version of tender")]
    NewerList { path: Utf8PathBuf },
    #[error("`{path}`: {why}")]
    RuntimePath { path: Utf8PathBuf, why: String },
    #[error("the crate `{krate}` is not installed in `{prefix}`")]
    NotInstalled { krate: String, prefix: Utf8PathBuf },
    #[error("the crate `{krate}` is needed by {}, installed in the same prefix", quoted(.by))]
    Needed { krate: String, by: Vec<String> },
}

impl InstallError {
    /// Whether the words of the user are wrong, not the state of the machine.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::LibDir { .. }
                | Self::Nothing { .. }
                | Self::Object { .. }
                | Self::LeftOut { .. }
                | Self::ModuleLeftOut { .. }
                | Self::Same { .. }
                | Self::Reserved { .. }
                | Self::NotInstalled { .. }
                | Self::Needed { .. }
        )
    }

    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::LibDir { .. } => "write it relative to the prefix: `--libdir lib64`".to_owned(),
            Self::Nothing { .. } => "name crates with `-p`, or run it in a crate's directory".to_owned(),
            Self::Object { object, .. } => format!(
                "make `{object}` a `staticlib`, and depend on it with `whole-archive = true`; or let the library be a `cdylib` alone"
            ),
            Self::LeftOut { needed, .. } => format!("add `{needed}` to `libraries` of that `[install]`"),
            Self::ModuleLeftOut { owner, .. } => format!(
                "let the dependency on `{owner}` be public, or import its module in implementation units alone"
            ),
            Self::Same { .. } => {
                "give one of the crates another `include-dir` in `[install]`, or rename the file".to_owned()
            }
            Self::Reserved { .. } => "install it under another name".to_owned(),
            Self::Foreign { .. } => {
                "remove them first if nothing needs them, or choose another `--prefix`".to_owned()
            }
            Self::Place { .. } => {
                "choose a place that you may write to, such as `--prefix ~/.local`, or run it as the user who may".to_owned()
            }
            Self::List { .. } => {
                "if the crate is not installed there any more, remove the list".to_owned()
            }
            Self::RuntimePath { .. } => "choose a shorter `--libdir`, or a shorter `plugin-dir`".to_owned(),
            Self::Needed { .. } => "remove those too, by naming them".to_owned(),
            _ => return None,
        })
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// More are not read.
const MOST_SHOWN: usize = 10;

fn shown(paths: &[String]) -> String {
    let mut lines: Vec<String> =
        paths.iter().take(MOST_SHOWN).map(|path| format!("  {path}")).collect();
    if paths.len() > MOST_SHOWN {
        lines.push(format!("  and {} more", paths.len() - MOST_SHOWN));
    }
    lines.join("\n")
}
