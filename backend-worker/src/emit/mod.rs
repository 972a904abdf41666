//! Objects, archives and links: what leaves the worker as files. Knows no tokens.

mod archive;
mod argument_files;
mod child;
mod children;
mod driver;
mod file;
mod join;
mod link;
mod lookups;
mod response;
mod said;
mod scan;
mod script;
mod thin;
mod unfinished;

pub use archive::{Archived, archive};
pub use children::keep_orphans;
pub use driver::{Answer, Drivers, is_input};
pub use file::{WriteError, make_parent, write};
pub use join::join;
pub use link::{Link, Linked, Links, Moment, link};
pub use response::expanded;
pub use script::{Named, inputs as script_inputs};
pub use thin::{is_thin, members as thin_members};
pub use unfinished::abandon;
