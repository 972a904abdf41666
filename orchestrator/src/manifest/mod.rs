//! Tender.toml -> Workspace. The only code that knows TOML.

mod model;

pub use model::*;
