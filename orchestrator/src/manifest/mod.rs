//! Tender.toml -> Workspace. The only code that knows TOML. Prints nothing, starts nothing, knows
//! no compilers.
//!
//! `locate` finds the root manifest; `raw` reads one manifest through `reader` and `value`, without
//! I/O; `load` follows members and path dependencies; `targets` applies defaults and expands lists
//! through `sources`, `pattern` and `walk`; `profile` resolves profiles; `check` compares crates;
//! `scaffold` writes new ones. All problems are collected as values (`problem`) and shown by
//! `render`.

mod check;
mod load;
mod locate;
mod model;
mod pattern;
mod problem;
mod profile;
mod raw;
mod reader;
mod render;
mod scaffold;
mod sources;
mod targets;
#[cfg(test)]
mod tests;
mod value;
mod walk;

pub use load::{Loaded, load};
pub use locate::{FoundManifest, find};
pub use model::*;
pub use pattern::{Mention, OUT_DIR, SourceKind, mention, normalise, resolve, source_kind};
pub use problem::{Location, ManifestErrors, ManifestText, Problem, ProblemSeverity, suggestion};
pub use render::render;
pub use scaffold::{CrateKind, CrateLanguage, ScaffoldError, init_crate, new_crate};
pub use value::{ValueError, check_name, parse_memory};

pub const MANIFEST_NAME: &str = "Tender.toml";
