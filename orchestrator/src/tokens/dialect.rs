//! How a pool is announced to a child, which depends on what the child is. Knows no processes.
//!
//! There are two forms, the descriptors of a pipe and the name of a FIFO, and no tool knows which
//! one another understands. GNU make before 4.4 ends with an error where it finds `fifo:` among its
//! options. Upstream's ninja warns about descriptors, and runs at full width. Most other clients
//! look for `--jobserver-auth=` in the words of MAKEFLAGS and take the last, gcc the first.
//!
//! So old make is told both in one text: the descriptors as an option, and the FIFO after `--`.
//! There GNU make expects variables of its command line: it takes the word for a variable of an odd
//! name, and hands it on to what it starts behind its own options, as it does with all of them
//! ("Communicating Options to a Sub-make", GNU make manual). Users of the `jobserver` crate, cargo
//! and rustc above all, have CARGO_MAKEFLAGS besides, which they prefer and nobody else reads.

use std::os::fd::RawFd;

/// Which forms of `--jobserver-auth` a child gets, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The FIFO alone. For our own workers.
    Fifo,
    /// Descriptors for GNU make of any version, the FIFO for whoever takes the last word for the
    /// right one.
    AnyMake,
    /// For children that may start anything where GNU make reads the FIFO, or is absent. It is the
    /// better one for them: it is there too where a program between has closed the descriptors,
    /// which are for clients that take the first word.
    NewMake,
}

impl Dialect {
    /// Whether the child needs descriptors.
    pub fn has_pair(self) -> bool {
        self != Dialect::Fifo
    }

    /// Values of MAKEFLAGS and CARGO_MAKEFLAGS in a pool of `n`.
    ///
    /// They start with a blank because the first word of MAKEFLAGS, make's single-letter flags, is
    /// empty. CARGO_MAKEFLAGS is set in every case, so that an inherited one does not survive.
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
    fn each_child_reads_what_it_understands() {
        let check = |dialect: Dialect, makeflags: &str| {
            let announced = dialect.announce(8, "/d/1", Some((5, 6)));
            assert_eq!(announced, [makeflags, " -j8 --jobserver-auth=fifo:/d/1"], "{dialect:?}");
        };
        check(Dialect::Fifo, " -j8 --jobserver-auth=fifo:/d/1");
        check(Dialect::AnyMake, " -j8 --jobserver-auth=5,6 -- --jobserver-auth=fifo:/d/1");
        check(Dialect::NewMake, " -j8 --jobserver-auth=5,6 --jobserver-auth=fifo:/d/1");
    }
}
