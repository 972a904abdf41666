//! Manifests for projects that have none: from the tree of their sources, from what cmake builds, or
//! from `compile_commands.json` (`tender init`). What it decides is pure; it starts nothing but
//! cmake, and prints nothing.
//!
//! `survey` reads a tree, `source_text` one file of it; `places` knows names, `includes` directories
//! of headers; `adopt` decides, and `globs` shortens lists. `cmake` and `compdb` read other builds, whose compile
//! commands `words` understands.

mod adopt;
mod cmake;
mod compdb;
mod globs;
mod includes;
mod places;
mod source_text;
mod survey;
mod words;

pub use adopt::{Adoption, Decision, NothingToBuild, adopt, name_of_directory};
pub use cmake::{CmakeError, CmakeProject, project as cmake_project, translate as translate_cmake};
pub use compdb::{CompiledSource, of_compile_commands, read_compile_commands};
pub use survey::{defines_main, survey};
