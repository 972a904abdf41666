//! Runs programs one after the other in a directory, and collects their output for comparison.

use crate::space::TestSpace;
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;

pub struct Session<'a> {
    space: &'a TestSpace,
    /// The directory of the programs.
    programs: Utf8PathBuf,
    /// The directory in which they run. It has the same name for all compared sessions, because
    /// programs print it.
    place: Utf8PathBuf,
    said: String,
}

impl<'a> Session<'a> {
    /// In the empty directory `sessions/NAME`.
    pub fn new(space: &'a TestSpace, name: &str, programs: &Utf8Path) -> Session<'a> {
        let place = space.path("sessions").join(name);
        if place.exists() {
            std::fs::remove_dir_all(&place).unwrap();
        }
        std::fs::create_dir_all(&place).unwrap();
        Session { space, programs: programs.to_owned(), place, said: String::new() }
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.place.join(name), content).unwrap();
    }

    pub fn make_directory(&self, name: &str) {
        std::fs::create_dir_all(self.place.join(name)).unwrap();
    }

    /// Runs a program with a file as its input, records its exit and its output, and returns its
    /// standard output.
    pub fn run(&mut self, program: &str, args: &[&str], input: Option<&str>) -> Vec<u8> {
        let mut command = Command::new(self.programs.join(program));
        self.space.prepare(&mut command);
        // The names of programs in messages, and the directory of user settings.
        command.arg0(program).args(args).current_dir(&self.place).env("HOME", &self.place);
        if let Some(input) = input {
            command.stdin(File::open(self.place.join(input)).unwrap());
        }
        let output =
            command.output().unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
        writeln!(self.said, "$ {program} {}: {}", args.join(" "), output.status).unwrap();
        for stream in [&output.stdout, &output.stderr] {
            match std::str::from_utf8(stream) {
                Ok(text) => text.lines().for_each(|line| {
                    // Drops text before a carriage return: progress, which depends on the time.
                    let line = line.trim_end().rsplit('\r').next().unwrap_or_default();
                    writeln!(self.said, "{line}").unwrap();
                }),
                Err(_) => self.note(stream),
            }
        }
        output.stdout
    }

    /// Records the content of a file that a program wrote.
    pub fn look_at(&mut self, name: &str) {
        writeln!(self.said, "{name}:").unwrap();
        match std::fs::read(self.place.join(name)) {
            Ok(bytes) => self.note(&bytes),
            Err(error) => writeln!(self.said, "{error}").unwrap(),
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        writeln!(self.said, "{} bytes, {}", bytes.len(), blake3::hash(bytes)).unwrap();
    }

    /// All records.
    pub fn finish(self) -> String {
        self.said
    }
}

/// Panics with the first different line and the lines before it.
#[track_caller]
pub fn expect_same(what: &str, expect: &str, found: &str) {
    if expect == found {
        return;
    }
    let mut shown = Vec::new();
    for (number, (left, right)) in
        expect.lines().chain([""]).zip(found.lines().chain([""])).enumerate()
    {
        if left != right {
            let before = shown[shown.len().saturating_sub(8)..].join("\n");
            panic!(
                "{what}: line {number} differs\n{before}\n-- expected\n{left}\n-- found\n{right}"
            );
        }
        shown.push(left);
    }
    panic!("{what}: {} lines expected, {} found", expect.lines().count(), found.lines().count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_difference_is_shown_with_the_lines_before_it() {
        expect_same("equal", "a\nb\n", "a\nb\n");
        let panic =
            std::panic::catch_unwind(|| expect_same("what", "a\nb\nc\n", "a\nb\nd\n")).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert_eq!(text, "what: line 2 differs\na\nb\n-- expected\nc\n-- found\nd");
        assert!(std::panic::catch_unwind(|| expect_same("shorter", "a\nb\n", "a\n")).is_err());
        assert!(std::panic::catch_unwind(|| expect_same("ends otherwise", "a\n", "a")).is_err());
    }
}
