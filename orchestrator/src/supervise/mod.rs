//! Starts children, talks to them, watches and reaps them; passes signals on. Carries out what
//! `schedule` decides.
//!
//! - `engine.rs`: the loop of a build; `engine/` in parts: decisions carried out, children heard,
//!   signals.
//! - `worker.rs`, `command.rs`: the two kinds of children of a build.
//! - `crash.rs`: what is said and saved when a worker crashes.
//! - `foreground.rs`: a program that is given the terminal (`tender run`, `tender exec`);
//!   `guest.rs`: its job slots.
//! - `family.rs`: the processes below a process; `foreign.rs`: keeps those of foreign trees within
//!   the memory that there is.
//! - `guardian.rs`: what is put right if this process is killed; `group.rs`: whether that has
//!   ended.
//! - `host.rs`: what all hosts of a pool have in common; `tools.rs`: which form of it programs
//!   understand; `outside.rs`: which will not share it; `survivors.rs`: what a foreign child leaves
//!   running.
//! - `process.rs`, `pipe.rs`, `lines.rs`, `watch.rs`, `signals.rs`, `clock.rs`, `sample.rs`: the
//!   system, each wrapped once.
//!
//! One thread owns everything and starts all children. Prints nothing: all that happens goes to the
//! `Sink`.

mod clock;
mod command;
mod crash;
mod engine;
mod error;
mod family;
mod foreground;
mod foreign;
mod group;
mod guardian;
mod guest;
mod guest_memory;
mod host;
mod lines;
mod outside;
mod pipe;
mod process;
mod sample;
mod signals;
mod survivors;
mod tools;
mod watch;
mod worker;

pub use clock::now_us;
pub use engine::{Request, Summary, build};
pub use error::EngineError;
pub use foreground::{RunError, run_foreground};
pub use guest::Guest;
pub use host::Slots;
pub use process::Exit;
pub use signals::die_by;
