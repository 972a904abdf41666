//! The jobserver: which child may run how many jobs. Knows no compilers and no processes. Its
//! decisions get the time as an argument; only `escrow` reads a clock, to give up on a pool that
//! has no room.
//!
//! - `broker`: the account of slots, pure over `port`. `fifo`: the port that real children read.
//! - `dialect`: the form in which a port is announced in MAKEFLAGS.
//! - `pool`: the account, and the tokens borrowed from a parent's jobserver.
//! - `parent`: connects to that jobserver. If it is a pipe, its tokens are moved into the pipes of
//!   `escrow`; if not, `device` receives them.

mod broker;
mod device;
mod dialect;
mod escrow;
#[cfg(test)]
pub(crate) mod fake;
mod fifo;
mod parent;
mod pool;
mod port;

pub use broker::{Admission, AdmitError, Broker, ChildKind, Offers, Settled, Surplus, Terms};
pub use dialect::Dialect;
pub use escrow::{Escrow, MOST_PIPES, RETURN_TIMEOUT, Taken, give_back, never_blocking};
pub use fifo::{Fifo, Fifos};
pub use parent::{Parent, Returner};
pub use pool::{Arrived, Lender, Pool};
pub use port::{Pair, Port, Ports};
