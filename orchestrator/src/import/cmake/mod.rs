//! Manifests of a project that cmake builds: `query` asks cmake's file API, `reply` reads what it
//! answers, `translate` makes manifests of that.

mod query;
mod reply;
mod translate;

pub use query::{CmakeError, project};
pub use reply::CmakeProject;
pub use translate::translate;
