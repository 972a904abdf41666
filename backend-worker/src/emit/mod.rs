//! Writes objects, archives and linked files. Knows no tokens.

mod archive;
mod argument_files;
mod child;
mod child_output;
mod descendants;
mod driver;
mod file;
mod join;
mod link;
mod linker;
mod lookups;
mod object_archive;
mod response;
mod scan;
mod script;
mod thin;
mod unfinished;

pub use archive::{Archived, archive};
pub use descendants::adopt_orphans;
pub use driver::{DriverAnswer, Drivers, is_input};
pub use file::{WriteError, make_parent, remove_intermediate, write};
pub use join::join;
pub use link::{ChangeTime, Link, LinkCaches, Linked, library_paths, link};
pub use linker::Linker;
pub use response::expanded;
pub use script::{ScriptInput, inputs as script_inputs};
pub use thin::{is_thin, members as thin_members};
pub use unfinished::abandon;
