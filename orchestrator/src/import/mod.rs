//! Manifests for projects that have none: from the tree of their sources (`tender init`). What it
//! decides is pure; it starts nothing but cmake, and prints nothing.
//!
//! `survey` reads a tree, `source_text` one file of it; `places` knows names, `includes` directories
//! of headers; `adopt` decides, and `globs` shortens lists.

mod adopt;
mod globs;
mod includes;
mod places;
mod source_text;
mod survey;

pub use adopt::{Adoption, Decision, NothingToBuild, adopt, name_of_directory};
pub use survey::survey;
