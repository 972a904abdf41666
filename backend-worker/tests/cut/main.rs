//! Real small programs, cut into pieces by force, joined, linked and run: they must do what clang's
//! own objects do.

mod addresses;
mod assembly;
mod objects;
mod order;
mod program;
mod programs;
