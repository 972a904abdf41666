//! Small programs, cut into pieces by force, joined, linked and run: they must behave as with
//! clang's own objects.

mod addresses;
mod assembly;
mod objects;
mod order;
mod program;
mod programs;
