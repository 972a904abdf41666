//! Tender.toml -> Workspace. The only code that knows TOML. Prints nothing, starts nothing, knows
//! no compilers.
//!
//! `locate` finds the root manifest; `format` has the keys, `reader` checks a document by them, `raw`
//! reads one manifest, without I/O; `load` follows members and path dependencies; `commands` has
//! the commands of `[[generate]]`, with their placeholders (`template`) filled; `targets` applies
//! defaults and expands lists through `sources`, `pattern` and `walk`; `profile` resolves profiles;
//! `install` reads `[install]`; `check` compares crates; `scaffold` writes new ones, of which `draft` makes the text, and
//! `join` adds them to a workspace, `edit` changes their dependencies; `schema` tells editors the keys; `user`
//! reads config files. All problems are collected as values (`problem`) and shown by
//! `render`.

mod cfg;
mod check;
mod commands;
mod draft;
mod edit;
mod enabled;
mod features;
mod format;
mod install;
mod instead;
mod job_count;
mod join;
mod libs;
mod load;
mod locate;
mod lock_file;
mod model;
mod origin;
mod pattern;
mod problem;
mod profile;
mod raw;
mod reader;
mod render;
mod scaffold;
mod schema;
mod sources;
mod targets;
mod template;
#[cfg(test)]
mod tests;
mod user;
mod value;
mod walk;

pub use draft::{BinDraft, LibDraft, ManifestDraft, PackageDraft, SettingsDraft};
pub use edit::{NewDependency, package_name, with_dependency, with_members, without_dependency};
pub use enabled::{FeatureCrates, FeatureOptions};
pub use install::manual_section;
pub use job_count::JobCount;
pub use join::replace as replace_manifest;
pub use load::{DeclaredSources, LoadError, LoadOptions, Loaded, ProbeAnswers, load, load_with};
pub use locate::{FoundManifest, find, read};
pub use lock_file::{LOCK_NAME, LockFile, LockFileError, LockedSource, digest_text, is_commit};
pub use model::*;
pub use origin::{
    FoundSource, GitReference, PackageFinder, SourceChoice, SourceFinder, SourceOrigin, SourceSpec,
};
pub use pattern::{
    Mention, OUT_DIR, SourceKind, is_header, is_interface, mention, normalise, resolve, source_kind,
};
pub use problem::{Location, ManifestErrors, ManifestText, Problem, ProblemSeverity, suggestion};
pub use profile::Profile;
pub use render::render;
pub use scaffold::{
    CrateKind, CrateLanguage, ScaffoldError, Scaffolded, adopt_crate, init_crate, new_crate,
    write_manifests,
};
pub use schema::json_schema;
pub use user::{UserSettings, user_settings};
pub use value::{
    ValueError, check_archive_url, check_define, check_git_url, check_link, check_name,
    flags_without_operands, parse_duration, parse_memory,
};
pub use walk::files_below;

pub const MANIFEST_NAME: &str = "Tender.toml";
