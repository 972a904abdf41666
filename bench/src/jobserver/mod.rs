//! Pools of job tokens as GNU make makes them, programs that are clients of one, and what these
//! note. Knows nothing of `tender` but its name.

pub mod client;
pub mod note;
pub mod pool;

/// CLOCK_MONOTONIC, which is one for all processes.
pub fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
