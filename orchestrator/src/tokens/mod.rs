//! The jobserver: who may run how many jobs. Knows no compilers, no processes and no clocks.
//!
//! `broker` is the account, pure over `port`; `fifo` is the port that real children read; `dialect` is how it is announced;
//! `pool` is the account together with what is borrowed of a parent's jobserver, which `parent` reaches.

mod broker;
mod dialect;
#[cfg(test)]
mod fake;
mod fifo;
mod parent;
mod pool;
mod port;

pub use broker::{Admission, AdmitError, Broker, ChildId, Kind, Offers, Settled, Surplus, Terms};
pub use dialect::Dialect;
pub use fifo::{Fifo, Fifos};
pub use parent::{Parent, Witness};
pub use pool::{Arrived, Lender, Pool};
pub use port::{Pair, Port, Ports};
