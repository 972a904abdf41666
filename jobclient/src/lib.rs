//! Joins a GNU make jobserver pool.
