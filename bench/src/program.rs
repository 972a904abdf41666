//! Compares the time and code size of two programs that do the same. Does not know how they were
//! built.

use crate::measure::{self, Taken};
use crate::statistics::{Interval, Summary};
use std::error::Error;
use std::path::Path;
use std::process::Command;

/// The first program relative to the second.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// The ratio of user times; `None` for a single pair.
    pub ratio: Option<Interval>,
    /// The user time of the second, in seconds.
    pub other: Summary,
}

/// Runs both alternately, `pairs` times.
///
/// # Errors
/// One cannot be started or fails, or their outputs differ.
pub fn compare(
    ours: &Path,
    theirs: &Path,
    pairs: u32,
    scratch: &Path,
) -> Result<Speed, Box<dyn Error>> {
    let log = scratch.join("log");
    let mut expected: Option<Vec<u8>> = None;
    let mut take = |program: &Path| -> Result<Taken, Box<dyn Error>> {
        let taken = measure::run(measure::command(program, scratch), &log)?;
        let output = std::fs::read(&log)?;
        if expected.get_or_insert_with(|| output.clone()) != &output {
            return Err(format!(
                "{} and {} print different text",
                ours.display(),
                theirs.display()
            )
            .into());
        }
        Ok(taken)
    };
    let mut times = Vec::new();
    // The first run of each, which reads it from the disk, is not measured.
    take(ours)?;
    take(theirs)?;
    for round in 0..pairs {
        let (own, other) = if round.is_multiple_of(2) {
            let own = take(ours)?;
            (own, take(theirs)?)
        } else {
            let other = take(theirs)?;
            (take(ours)?, other)
        };
        times.push((own.user.as_secs_f64(), other.user.as_secs_f64()));
    }
    Ok(Speed {
        ratio: Interval::of(times.iter().map(|(own, other)| own / other)),
        other: Summary::of(times.iter().map(|(_, other)| *other)),
    })
}

/// The size of a program's machine code, bytes.
///
/// # Errors
/// llvm-size cannot be run or cannot read the file.
pub fn text_bytes(llvm_bin: &Path, program: &Path) -> Result<u64, Box<dyn Error>> {
    let output = Command::new(llvm_bin.join("llvm-size")).arg("-A").arg(program).output()?;
    if !output.status.success() {
        return Err(format!("llvm-size: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(parse_sections(&String::from_utf8_lossy(&output.stdout)))
}

/// The size of `.text` and of sections such as `.text.hot.`.
fn parse_sections(text: &str) -> u64 {
    let size = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let is_code = name == ".text" || name.starts_with(".text.");
        is_code.then(|| words.next()?.parse::<u64>().ok()).flatten()
    };
    text.lines().filter_map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_text_size_sums_sections_of_code() {
        let check = |text: &str, expect: u64| assert_eq!(parse_sections(text), expect, "{text}");
        check(
            "app  :\nsection  size  addr\n.text 100 4096\n.text.hot. 20 0\n.textual 7 0\n.data 3 0\nTotal 130\n",
            120,
        );
        check("app  :\nsection  size  addr\n.data 3 0\n", 0);
    }

    #[test]
    fn program_compare_refuses_different_outputs() {
        let dir = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let file = dir.path().join(name);
            std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            file
        };
        let (one, same, other) =
            (script("one", "echo 1"), script("same", "echo 1"), script("other", "echo 2"));
        assert!(compare(&one, &same, 1, dir.path()).is_ok());
        let error = compare(&one, &other, 1, dir.path()).unwrap_err().to_string();
        assert!(error.contains("print different text"), "{error}");
    }
}
