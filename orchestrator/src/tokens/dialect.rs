//! How a pool is announced to a child, which depends on what the child is. Knows no processes.
//!
//! No single text works for all: GNU make before 4.4 ends with an error where it reads `fifo:`, and upstream ninja runs at full
//! width where it reads `R,W`. So the child's program and version decide, and users of the `jobserver` crate, cargo and rustc
//! above all, have CARGO_MAKEFLAGS, which they prefer and nobody else reads.

use std::os::fd::RawFd;

/// Which forms of `--jobserver-auth` a child gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `fifo:PATH` alone. For our own workers, other `tender`s and ninja.
    Fifo,
    /// `R,W` alone, and the FIFO in CARGO_MAKEFLAGS. For GNU make before 4.4, and for children that may start one.
    Pair,
    /// The FIFO, and `R,W` under the older name, for whoever knows only that. For children that may start anything where
    /// make is new enough, or absent.
    Both,
}

impl Dialect {
    /// Whether the child needs descriptors.
    pub fn has_pair(self) -> bool {
        self != Dialect::Fifo
    }

    /// Values of MAKEFLAGS and CARGO_MAKEFLAGS in a pool of `n`.
    ///
    /// They start with a blank because the first word of MAKEFLAGS, make's single-letter flags, is empty. CARGO_MAKEFLAGS is
    /// set in every case, so that an inherited one does not survive.
    pub(super) fn announce(self, n: u32, path: &str, pair: Option<(RawFd, RawFd)>) -> [String; 2] {
        let fifo = format!(" -j{n} --jobserver-auth=fifo:{path}");
        let makeflags = match (self, pair) {
            (Dialect::Fifo, _) | (_, None) => fifo.clone(),
            (Dialect::Pair, Some((read, write))) => format!(" -j{n} --jobserver-auth={read},{write}"),
            // The last one counts for those that take both names for one.
            (Dialect::Both, Some((read, write))) => {
                format!(" -j{n} --jobserver-fds={read},{write} --jobserver-auth=fifo:{path}")
            }
        };
        [makeflags, fifo]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_child_reads_what_it_understands() {
        let check = |dialect: Dialect, makeflags: &str| {
            let announced = dialect.announce(8, "/d/1", Some((5, 6)));
            assert_eq!(announced, [makeflags, " -j8 --jobserver-auth=fifo:/d/1"], "{dialect:?}");
        };
        check(Dialect::Fifo, " -j8 --jobserver-auth=fifo:/d/1");
        check(Dialect::Pair, " -j8 --jobserver-auth=5,6");
        check(Dialect::Both, " -j8 --jobserver-fds=5,6 --jobserver-auth=fifo:/d/1");
    }
}
