//! The jobserver: who may run how many jobs. Knows no compilers and no processes. Its decisions get
//! the time as an argument; only `purse` reads a clock, to give up on a pool that has no room.
//!
//! `broker` is the account, pure over `port`; `fifo` is the port that real children read; `dialect`
//! is how it is announced; `pool` is the account together with what is borrowed of a parent's
//! jobserver, which `parent` reaches: what it lends lies in a `purse`, or, where it is no pipe,
//! comes from a `waiter`.

mod broker;
mod dialect;
#[cfg(test)]
pub(crate) mod fake;
mod fifo;
mod parent;
mod pool;
mod port;
mod purse;
mod waiter;

pub use broker::{Admission, AdmitError, Broker, Kind, Offers, Settled, Surplus, Terms};
pub use dialect::Dialect;
pub use fifo::{Fifo, Fifos};
pub use parent::{Parent, Returner};
pub use pool::{Arrived, Lender, Pool};
pub use port::{Pair, Port, Ports};
pub use purse::{MOST_PIPES, PATIENCE, Purse, Taken, give_back, never_blocking};
