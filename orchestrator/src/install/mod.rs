//! Puts what was built where users and other builds find it, and takes it away again. Knows crates and
//! artifacts, and not how they are built. Prints nothing.
//!
//! - `layout`: the directories below the prefix
//! - `needs`: which crates others cannot be used without; `interface`: what users of a library need
//! - `pkg_config`, `cmake`: the same as text for pkg-config and for CMake
//! - `modules`: interfaces of C++ modules, and the text that names them
//! - `plan`: which files go where; `survey` finds those that no artifact is (reads directories)
//! - `list`: the list of installed files of a crate, by which it is removed
//! - `runtime_path`: where programs look for shared libraries, which is not where they were built
//! - `changes`: what there is, and what is to be done; `files`: does it (writes and removes)

mod changes;
mod cmake;
mod error;
mod files;
mod interface;
mod layout;
mod list;
mod modules;
mod needs;
mod pkg_config;
mod plan;
mod runtime_path;
mod survey;
#[cfg(test)]
mod tests;

pub use changes::{
    InstallChanges, InstallLists, RemovalChanges, installation, paths_of_installation, removal,
    removed_crates,
};
pub use error::InstallError;
pub use files::{
    InstallLock, changes_of, check_place, examine, installed_lists, replace, take_away,
};
pub use layout::InstallLayout;
pub use list::InstallList;
pub use needs::needed_crates;
pub use plan::{CratePlan, InstallEntry, InstallPlan, InstallRequest, plan};
pub use survey::{CrateFiles, survey};
