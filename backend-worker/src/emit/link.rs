//! A link: the driver runs as a child process, with no more threads than the link has tokens.
#![expect(unsafe_code, reason = "the link must die with the worker, which only pre_exec can arrange")]

use super::argument_files::argument_files;
use super::file::{make_parent, partial, publish};
use super::unfinished::{Unfinished, remove_left};
use crate::frontend::stamp;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tender_protocol::{FileStamp, OutputFile};

#[derive(Default)]
pub struct Linked {
    /// What the driver and the linker said, in colour.
    pub text: String,
    /// Absent if the link failed; `error` then says how, in one line.
    pub output: Option<OutputFile>,
    pub error: Option<String>,
    /// Files that the link read: those that the linker tells of, libraries of the system among them, and those that the words name.
    pub inputs: Vec<(String, FileStamp)>,
    /// Paths that were looked for and not found.
    pub missing: Vec<String>,
}

/// Runs `driver` with `args` so that `output` appears whole or not at all.
pub fn link(driver: &[String], args: &[String], output: &str, threads: u32) -> Linked {
    match run(driver, args, output, threads) {
        Ok(linked) => linked,
        Err(error) => {
            remove_left(&partial(output));
            Linked { error: Some(error), ..Linked::default() }
        }
    }
}

fn run(driver_words: &[String], args: &[String], output: &str, threads: u32) -> Result<Linked, String> {
    let (program, words) = driver_words.split_first().ok_or("the link has no driver")?;
    make_parent(output).map_err(|why| why.to_string())?;
    let temporary = partial(output);
    // Of a linker that was killed together with its worker.
    remove_left(&temporary);
    let depfile = PathBuf::from(format!("{output}.link.d"));
    let lld = driver_words.iter().any(|word| word == "-fuse-ld=lld");

    let mut command = Command::new(program);
    command.args(words).args(args).arg("-o").arg(&temporary);
    if lld {
        command.arg(format!("-Wl,--threads={}", threads.max(1)));
        command.arg("-Wl,--color-diagnostics=always");
        command.arg(format!("-Wl,--dependency-file={}", depfile.display()));
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // The link is one job: a driver that finds a jobserver (gcc's -flto does) would start more.
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("CARGO_MAKEFLAGS");
    // SAFETY: prctl is async-signal-safe and touches nothing of the parent's.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
    let failed = |why| format!("cannot start the link driver `{program}`: {why}");
    let (_unfinished, driver) =
        Unfinished::begin(&[&temporary, &depfile], || command.spawn()).map_err(failed)?;
    let done = driver.wait_with_output().map_err(failed)?;
    let mut linked = Linked {
        text: String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned(),
        ..Linked::default()
    };
    if done.status.success() {
        linked.inputs = dependencies(&depfile);
        for path in argument_files(driver_words, args) {
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_file() => linked.inputs.push((path, stamp(&metadata))),
                Ok(_) => {}
                Err(_) => linked.missing.push(path),
            }
        }
        linked.output = Some(publish(output).map_err(|why| why.to_string())?);
    } else {
        // Before what the linker left is removed, which makes room again.
        let full = full_disk(&temporary);
        remove_left(&temporary);
        let error = match (done.status.code(), done.status.signal()) {
            (Some(code), _) => format!("the link driver `{program}` failed with exit status {code}"),
            (None, Some(signal)) => format!("the link driver `{program}` was killed by signal {signal}"),
            (None, None) => format!("the link driver `{program}` failed"),
        };
        linked.error = Some(match full {
            Some(place) => {
                // What the linker says then is a stack dump of its own.
                linked.text.clear();
                format!("{error}: the disk is full at {place}")
            }
            None => error,
        });
    }
    let _ = std::fs::remove_file(&depfile);
    Ok(linked)
}

/// lld maps its output, and where the disk is full it dies by SIGBUS without a word. Less room than this tells why.
const HARDLY_ANY_ROOM: u64 = 1 << 20;

/// The directory of `path`, if its file system has no room left.
fn full_disk(path: &Path) -> Option<String> {
    let dir = path.parent()?;
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let room = rustix::fs::statvfs(dir).ok()?;
    (room.f_bavail * room.f_frsize < HARDLY_ANY_ROOM).then(|| dir.display().to_string())
}

/// The prerequisites of the first rule of a make-style file, as lld writes it.
fn dependencies(depfile: &Path) -> Vec<(String, FileStamp)> {
    let Ok(text) = std::fs::read_to_string(depfile) else { return Vec::new() };
    prerequisites(&text)
        .into_iter()
        .filter_map(|path| {
            let metadata = std::fs::metadata(&path).ok()?;
            Some((path, stamp(&metadata)))
        })
        .collect()
}

/// lld escapes blanks and `#` with a backslash and `$` by doubling it; a backslash before a newline goes on.
fn prerequisites(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let word = words.last_mut().expect("never empty");
        match c {
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
                words.push(String::new());
            }
            '\\' if matches!(chars.peek(), Some(' ' | '#')) => word.extend(chars.next()),
            '$' if chars.peek() == Some(&'$') => word.extend(chars.next()),
            // The first rule ends here; the empty rules that follow are for make.
            '\n' => break,
            c if c.is_whitespace() => words.push(String::new()),
            c => word.push(c),
        }
    }
    let mut words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    match words.iter().position(|word| word.ends_with(':')) {
        Some(target) => words.split_off(target + 1),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_file_is_read_as_make_would() {
        let text = "app.part: \\\n  /lib/crt1.o \\\n  a\\ b.o \\\n  c$$d.a\n\n/lib/crt1.o:\n";
        assert_eq!(prerequisites(text), ["/lib/crt1.o", "a b.o", "c$d.a"]);
        assert!(prerequisites("").is_empty());
    }

    #[test]
    fn fuzz_depfile() {
        tender_fuzz::check_text("depfile", 3_000, |text| {
            let found = prerequisites(text);
            assert!(found.iter().map(String::len).sum::<usize>() <= text.len());
        });
    }
}
