//! Decides which headers are parsed once for several units of C++, and which units may use them.
//! Pure. Knows no clang, only what the preprocessor made of each unit: tokens by file, in order.
//!
//! The rule that all else serves: the object of a unit does not depend on whether headers were
//! shared, nor on which.
//!
//! - *Project headers* never change places. Shared headers are the first text of the project that a
//!   unit has, whole files, each with the same tokens, in the same order. So no name is looked up
//!   where more, or less, is declared than in the unit alone.
//! - *Standard headers* (C++, C, POSIX; `standard`) may come before text that they follow in the
//!   unit: each of them may include each other one, so no program can rely on their order
//!   (<https://eel.is/c++draft/res.on.headers>). Every one of them is one that the unit includes.
//! - What the rest of the unit yields must be what it yields in the unit alone (`fit::check`).
//!   That is known only after it was compiled; if it differs, the unit is compiled once more, alone.
//! - A unit with any diagnostic is compiled alone.
//! - Templates are instantiated in the headers, as far as no unit can change what they become
//!   (`llvm-shim/instantiate.h`). A unit that could change one is compiled alone
//!   (`llvm-shim/template_inputs.h`).
//!
//! The rest is done where the module is made: `llvm-shim/unit_order.cpp`, `instantiations.cpp` and
//! `canonical.cpp` give it an order of its own, and debug information without the history of
//! declarations.
//!
//! Debug information shows where a declaration stands. So, where it is made, each statement of a
//! standard header must stand in the file in which it stands in the unit alone, and of several
//! declarations of a type the same one must come first.
//!
//! `examples/share.rs` measures it, and `tests/shared_headers.rs` proves the rule. What users can rely on
//! is in `docs/shared-headers.md`.
//!
//! The limit: a project that declares, in its own text before a standard header, something that
//! the standard header uses or that changes what its names mean. The standard reserves the names
//! with which that could be done.

mod choose;
mod facts;
mod fit;
mod standard;
#[cfg(test)]
mod tests;
mod tokens;

pub use choose::{Group, choose};
pub use facts::{HeaderFacts, NamedScope};
pub use fit::{Unfit, check, fit, is_sound};
pub use tokens::{Place, Redeclaration, TokenFile, TokenRun, Tokens};
