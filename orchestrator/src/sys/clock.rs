//! The clock that all events and workers share.

use tender_units::Micros;

/// CLOCK_MONOTONIC.
pub fn now_us() -> Micros {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Micros::from_secs(now.tv_sec as u64) + Micros(now.tv_nsec as u64 / 1_000)
}
