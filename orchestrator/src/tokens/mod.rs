//! The jobserver: who may run how many jobs. Knows no compilers, no processes and no clocks.
//!
//! `broker` is the account, pure over `port`; `fifo` is the port that real children read.

mod broker;
mod fifo;
mod port;

pub use broker::{Admission, AdmitError, Broker, ChildId, Settled, Surplus};
pub use fifo::{Fifo, Fifos};
pub use port::{Port, Ports};
