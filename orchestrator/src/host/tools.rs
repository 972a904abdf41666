//! Which form of jobserver the programs of this machine understand: each is asked once for its
//! version.

use crate::sys::bounded_output;
use crate::tokens::Dialect;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

/// What programs have answered to `--version`, the first line. Asked when first needed.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    answers: RefCell<BTreeMap<OsString, Option<String>>>,
}

/// Major and minor.
type Version = (u32, u32);

/// Bytes of an answer. One that says more is no program that we know.
const LONGEST_ANSWER: u64 = 64 << 10;

/// GNU make reads `fifo:PATH` from this version on.
const MAKE_WITH_FIFO: Version = (4, 4);

impl Tools {
    /// For a child that starts as `program`, and may start anything.
    pub(crate) fn dialect(&self, program: &str) -> Dialect {
        let name =
            Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let make = match name {
            // One that is named by a path may be another than the one that PATH finds.
            "make" | "gmake" if program.contains('/') => program,
            _ => "make",
        };
        // None if there is none, or it is not GNU's.
        of_make(self.answer(OsStr::new(make)).and_then(|answer| parse_make_version(&answer)))
    }

    /// What a program answers to `--version`, the first line. None if it cannot be started.
    pub(crate) fn answer(&self, program: &OsStr) -> Option<String> {
        if let Some(answer) = self.answers.borrow().get(program) {
            return answer.clone();
        }
        let answer = ask(program);
        self.answers.borrow_mut().insert(program.to_owned(), answer.clone());
        answer
    }
}

fn ask(program: &OsStr) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    for variable in ["MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS"] {
        command.env_remove(variable);
    }
    let output = bounded_output::run(&mut command, LONGEST_ANSWER).ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned())
}

fn of_make(version: Option<Version>) -> Dialect {
    match version {
        Some(version) if version < MAKE_WITH_FIFO => Dialect::AnyMake,
        _ => Dialect::NewMake,
    }
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
        let check = |text: &str, expect: Option<Version>| {
            assert_eq!(parse_make_version(text), expect, "{text:?}")
        };
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

    #[test]
    fn a_program_is_asked_once() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let [program, asked] = ["make", "asked"].map(|name| directory.path().join(name));
        let script =
            format!("#!/bin/sh\necho >> {}\necho GNU Make 4.3\necho more\n", asked.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let tools = Tools::default();
        for _ in 0..3 {
            // One that another thread is forking at this moment may have the file open for writing.
            while tools.answer(program.as_os_str()).is_none() {
                tools.answers.borrow_mut().clear();
            }
            assert_eq!(tools.answer(program.as_os_str()).as_deref(), Some("GNU Make 4.3"));
            assert_eq!(tools.dialect(program.to_str().unwrap()), Dialect::AnyMake);
        }
        assert_eq!(std::fs::read_to_string(asked).unwrap(), "\n");
        assert_eq!(tools.answer(OsStr::new("/no/such/program")), None);
    }

    #[test]
    fn fuzz_make_version() {
        tender_fuzz::check_text("make_version", 2_000, |text| {
            of_make(parse_make_version(text));
        });
    }
}
