//! Pools of job tokens as GNU make creates them, client programs, and their notes.

pub mod client;
pub mod note;
pub mod pool;

/// CLOCK_MONOTONIC, which all processes share.
pub fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
