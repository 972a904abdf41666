//! Pure: events in, actions out, time is a parameter. No processes, paths, clocks.
