//! Workspaces that need much memory, generated, and what has to hold when they are built with
//! little of it.
//!
//! - [`Recipe`] says what a workspace is to be, [`Workspace`] is its files and what its program
//!   prints.
//! - [`start_in`] and [`run_in`] run a command in a group and watch it.
//! - [`Workload`] is a workspace that was built and measured with plenty; [`Case`] is a build of it
//!   with less, and is judged.

mod case;
mod code;
mod confined;
mod lists;
mod recipe;
mod tables;
mod workload;
mod workspace;

pub use case::{Case, Limit, Row, SetBy};
pub use confined::{Confined, Confining, run_in, start_in};
pub use recipe::{Kind, Recipe};
pub use workload::{Figures, Workload};
pub use workspace::Workspace;
