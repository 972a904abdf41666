//! Which form of jobserver the programs of this machine understand: GNU make is asked once for its version.

use crate::tokens::Dialect;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What is known of the programs that are found by PATH. Asked when first needed.
#[derive(Debug, Default)]
pub(super) struct Tools {
    make: OnceLock<Option<Version>>,
}

/// Major and minor.
type Version = (u32, u32);

/// GNU make reads `fifo:PATH` from this version on.
const MAKE_WITH_FIFO: Version = (4, 4);

impl Tools {
    /// For a child that starts as `program`, and may start anything.
    pub(super) fn dialect(&self, program: &str) -> Dialect {
        let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match name {
            // One that is named by a path may be another than the one that PATH finds.
            "make" | "gmake" if program.contains('/') => of_make(make_version(program)),
            _ => of_make(*self.make.get_or_init(|| make_version("make"))),
        }
    }
}

fn of_make(version: Option<Version>) -> Dialect {
    match version {
        Some(version) if version < MAKE_WITH_FIFO => Dialect::AnyMake,
        _ => Dialect::NewMake,
    }
}

/// `None` if there is none, or it is not GNU's.
fn make_version(program: &str) -> Option<Version> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null());
    for variable in ["MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS"] {
        command.env_remove(variable);
    }
    let output = command.output().ok()?;
    parse_make_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_make_version(text: &str) -> Option<Version> {
    let version = text.lines().next()?.strip_prefix("GNU Make ")?;
    let mut numbers = version.split('.').map(|number| number.trim().parse::<u32>());
    Some((numbers.next()?.ok()?, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_says_its_version() {
        let check =
            |text: &str, expect: Option<Version>| assert_eq!(parse_make_version(text), expect, "{text:?}");
        check("GNU Make 4.3\nBuilt for x86_64-pc-linux-gnu\n", Some((4, 3)));
        check("GNU Make 4.4.1\n", Some((4, 4)));
        check("GNU Make 3.81\n", Some((3, 81)));
        check("GNU Make 4.4.0.90\n", Some((4, 4)));
        check("GNU Make 5\n", Some((5, 0)));
        check("usage: make [-BeikNnqrSstWwX]\n", None);
        check("", None);
    }

    #[test]
    fn old_make_reads_no_fifo() {
        assert_eq!(of_make(Some((4, 3))), Dialect::AnyMake);
        assert_eq!(of_make(Some((4, 4))), Dialect::NewMake);
        assert_eq!(of_make(None), Dialect::NewMake);
    }
}
