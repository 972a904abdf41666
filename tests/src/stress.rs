//! Generated workspaces that need much memory, and checks of builds with little memory.
//!
//! - [`Recipe`] describes a workspace; [`Workspace`] has its files and the expected output of its
//!   program.
//! - [`start_in`] and [`run_in`] run a command in a cgroup and measure it.
//! - [`Workload`] is a workspace that was built and measured with enough memory; [`Case`] is a
//!   build of it with less, with checks.

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
