//! How a port is announced in MAKEFLAGS; the form depends on the child. Knows no processes.
//!
//! There are two forms: the descriptors of a pipe, and the path of a FIFO. Tools differ in which
//! one they read:
//!
//! - GNU make before 4.4 ends with an error if it finds `fifo:` among its options.
//! - ninja warns about descriptors, ignores them, and runs as many jobs as there are processors.
//! - Most other clients search MAKEFLAGS for `--jobserver-auth=` and take the last; gcc takes the
//!   first.
//!
//! So for an old make MAKEFLAGS has both: the descriptors as an option, and the FIFO after `--`.
//! After `--` GNU make expects variables of its command line. It takes the FIFO for a variable with
//! an odd name, and passes it to its children after its own options, as it does with all variables
//! ("Communicating Options to a Sub-make", GNU make manual). Programs that use the `jobserver`
//! crate, as cargo and rustc, prefer CARGO_MAKEFLAGS, which no other program reads.

use std::os::fd::RawFd;

/// Which forms of `--jobserver-auth` a child gets, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Only the FIFO. For our own workers.
    Fifo,
    /// Descriptors for GNU make of any version, and the FIFO for clients that take the last
    /// `--jobserver-auth=`.
    AnyMake,
    /// For children that may start any program, if GNU make is 4.4 or newer, or absent. The FIFO is
    /// better for them: it still works if a program in between has closed the descriptors. The
    /// descriptors are for clients that take the first `--jobserver-auth=`.
    NewMake,
}

impl Dialect {
    /// Whether the child needs descriptors.
    pub fn has_pair(self) -> bool {
        self != Dialect::Fifo
    }

    /// Values of MAKEFLAGS and CARGO_MAKEFLAGS in a pool of `n`.
    ///
    /// They begin with a blank, because the first word of MAKEFLAGS is reserved for make's
    /// single-letter flags. CARGO_MAKEFLAGS is always set, so that an inherited value has no
    /// effect.
    pub(super) fn announce(self, n: u32, path: &str, pair: Option<(RawFd, RawFd)>) -> [String; 2] {
        let jobs = format!(" -j{n}");
        let fifo = format!(" --jobserver-auth=fifo:{path}");
        let pair = pair
            .map_or_else(String::new, |(read, write)| format!(" --jobserver-auth={read},{write}"));
        let makeflags = match self {
            Dialect::Fifo => format!("{jobs}{fifo}"),
            Dialect::AnyMake => format!("{jobs}{pair} --{fifo}"),
            Dialect::NewMake => format!("{jobs}{pair}{fifo}"),
        };
        [makeflags, format!("{jobs}{fifo}")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialect_announces_the_forms_that_the_child_reads() {
        let check = |dialect: Dialect, makeflags: &str| {
            let announced = dialect.announce(8, "/d/1", Some((5, 6)));
            assert_eq!(announced, [makeflags, " -j8 --jobserver-auth=fifo:/d/1"], "{dialect:?}");
        };
        check(Dialect::Fifo, " -j8 --jobserver-auth=fifo:/d/1");
        check(Dialect::AnyMake, " -j8 --jobserver-auth=5,6 -- --jobserver-auth=fifo:/d/1");
        check(Dialect::NewMake, " -j8 --jobserver-auth=5,6 --jobserver-auth=fifo:/d/1");
    }
}
