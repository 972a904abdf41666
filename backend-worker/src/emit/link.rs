//! Runs a link: the driver runs as a child process, with no more threads than the link has tokens.
//!
//! The driver is the program that `CC` or `CXX` names. It is told to link with lld, or with the linker
//! that the manifest chooses (`linker`), which lists the files that it has read in its dependency file;
//! the members of thin archives are added to these (`thin`). The paths that both have tried and not found follow from the files
//! that were found and from the arguments of the linker (`lookups`), for which the driver is asked
//! by `-###`: once for all links of a worker that differ only in their objects (`driver`). Long
//! command lines become response files (`response`).

use super::argument_files::argument_files;
use super::driver::{DriverAnswer, Drivers};
use super::file::{make_parent, partial, publish};
use super::linker::Linker;
use super::lookups::{self, LibrarySearch};
use super::scan::{NamedFiles, scan};
use super::unfinished::{Unfinished, remove_unfinished};
use super::{child, child_output, response, thin};
use crate::frontend::{HashCache, stamp};
use object::ReadCache;
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tender_protocol::depfile::prerequisites;
use tender_protocol::{InputFile, OutputFile};

/// The result of a link.
#[derive(Default)]
pub struct Linked {
    /// The output of the driver and the linker, in colour.
    pub text: String,
    /// `None` if the link failed. Then `error` is the reason, in one line.
    pub output: Option<OutputFile>,
    pub error: Option<String>,
    /// Files that the linker read, system libraries included, if the linker reports them.
    pub inputs: Vec<InputFile>,
    /// Paths at which the linker and the driver looked before they found these files.
    pub missing: Vec<String>,
    /// The programs that ran.
    pub programs: Vec<String>,
}

/// A link to run.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    pub driver: &'a [String],
    pub args: &'a [String],
    /// Response files that are already expanded in `args`.
    pub response_files: &'a [String],
    pub output: &'a str,
    /// How many threads the linker may use.
    pub threads: u32,
    /// When the link began. Files that changed later count as not read.
    pub began: ChangeTime,
    /// How the driver links, if it was asked before.
    pub answer: Option<&'a Arc<DriverAnswer>>,
}

/// Caches that all items of one worker share.
#[derive(Default)]
pub struct LinkCaches {
    pub drivers: Drivers,
    pub stamps: HashCache,
}

/// Nanoseconds since the epoch, by the clock of file time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeTime(i64);

impl ChangeTime {
    pub fn now() -> ChangeTime {
        let now = clock_gettime(ClockId::Realtime);
        ChangeTime(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }

    /// When the content, name or inode of a file last changed.
    fn of_change(metadata: &std::fs::Metadata) -> ChangeTime {
        ChangeTime(metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec())
    }
}

/// The hash of a file whose content was not read. It matches no content, so the next build links
/// again.
const UNKNOWN_CONTENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How many bytes of each of the linker's streams are kept.
const MOST_OUTPUT: usize = 1 << 20;

/// Runs a link. Its output appears complete or not at all.
pub fn link(link: &Link<'_>, caches: &LinkCaches) -> Linked {
    match run(link, caches) {
        Ok(linked) => linked,
        Err(error) => {
            remove_unfinished(&partial(link.output));
            Linked { error: Some(error), ..Linked::default() }
        }
    }
}

fn run(link: &Link<'_>, caches: &LinkCaches) -> Result<Linked, String> {
    let Link { driver, args, output, threads, .. } = *link;
    let (program, words) = driver.split_first().ok_or("the link has no driver")?;
    make_parent(output).map_err(|why| why.to_string())?;
    let temporary = partial(output);
    // Left by a linker that was killed together with its worker.
    remove_unfinished(&temporary);
    let depfile = PathBuf::from(format!("{output}.link.d"));
    let words_file = PathBuf::from(format!("{output}.link.rsp"));
    let linker = Linker::of(driver);
    let mut own = vec!["-o".to_owned(), temporary.display().to_string()];
    own.extend(linker.words(threads.max(1)).iter().map(|word| format!("-Wl,{word}")));
    if linker.reports_inputs() {
        own.push(format!("-Wl,--dependency-file={}", depfile.display()));
    }
    let mut command = Command::new(program);
    command.args(words);
    let long = response::is_long(args);
    if long {
        command.arg(format!("@{}", words_file.display()));
    } else {
        command.args(args);
    }
    command
        .args(own)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // The link is one job: a driver that finds a jobserver (gcc's -flto does) would start more.
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("CARGO_MAKEFLAGS");
    child::bind(&mut command, Vec::new());
    let start = || {
        if long {
            std::fs::write(&words_file, response::content(args))?;
        }
        command.spawn()
    };
    let failed = |why| format!("cannot start the link driver `{program}`: {why}");
    let (_unfinished, driver) =
        Unfinished::begin(&[&temporary, &depfile, &words_file], start).map_err(failed)?;
    let done = child_output::wait_with_output(driver, MOST_OUTPUT).map_err(failed)?;
    let _ = std::fs::remove_file(&words_file);
    let mut linked = Linked { text: done.text, ..Linked::default() };
    if done.cut {
        linked.text += "\n(the rest of the output is left out)\n";
    }
    if done.status.success() {
        let reported =
            std::fs::read_to_string(&depfile).ok().and_then(|text| prerequisites(&text).ok());
        // Users wait for the program, and not for the record of what it was made of.
        linked.output = Some(publish(output).map_err(|why| why.to_string())?);
        record_inputs(&mut linked, link, caches, reported.unwrap_or_default());
    } else {
        // Checked before the linker's files are removed, which frees space.
        let full = full_disk(&temporary);
        remove_unfinished(&temporary);
        let error = match (done.status.code(), done.status.signal()) {
            (Some(code), _) => {
                format!("the link driver `{program}` failed with exit status {code}")
            }
            (None, Some(signal)) => {
                format!("the link driver `{program}` was killed by signal {signal}")
            }
            (None, None) => format!("the link driver `{program}` failed"),
        };
        linked.error = Some(match full {
            Some(place) => {
                // The linker's output is only its stack dump then.
                linked.text.clear();
                format!("{error}: the disk is full at {place}")
            }
            None => error,
        });
    }
    let _ = std::fs::remove_file(&depfile);
    Ok(linked)
}

/// The paths at which the linker looks for the library of `-lNAME`, in order.
///
/// # Errors
/// The driver does not tell how it links: a sentence fragment.
pub fn library_paths(
    driver: &[String],
    args: &[String],
    name: &str,
    drivers: &Drivers,
) -> Result<Vec<String>, String> {
    // A driver links only if there is something to link.
    let question = [&["input.o".to_owned()], args].concat();
    let answer = drivers.ask_without_inputs(driver, &question)?;
    let (words, _) = response::expanded(&answer.words);
    Ok(LibrarySearch::of(&words).candidates(name))
}

/// Records what the link has read and run, and where it has looked. `reported`: the files in the
/// linker's dependency file.
fn record_inputs(linked: &mut Linked, link: &Link<'_>, caches: &LinkCaches, reported: Vec<String>) {
    let (program, leading) =
        link.driver.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    // Each response file is read once, here; everything below uses the expanded arguments.
    let (leading, of_leading) = response::expanded(leading);
    let (args, of_args) = response::expanded(link.args);
    // A linker that does not report what it reads is at least known as a program, if it was chosen.
    let is_chosen = Linker::of(link.driver) != Linker::OfDriver;
    let ask = || caches.drivers.ask_without_inputs(link.driver, &args).ok();
    let answer = link.answer.cloned().or_else(|| if is_chosen { ask() } else { None });
    let answer = answer.unwrap_or_else(|| Arc::new(DriverAnswer::of_words(link.driver, &args)));
    let (mut words, of_linker) = response::expanded(&answer.words);
    let named = argument_files(program, &[&leading[..], &args].concat(), &words);
    let (named, absent): (Vec<String>, Vec<String>) =
        named.into_iter().partition(|path| Path::new(path).exists());
    let mut files = [link.response_files, &of_leading, &of_args, &of_linker].concat();
    files.extend(named.into_iter().filter(|path| Path::new(path).is_file()));
    words.extend(args.into_iter().filter(|word| !word.starts_with('-')));
    let search = LibrarySearch::of(&words);

    let mut read = search.opened(&words, &reported);
    let mut scripts = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut waiting: Vec<String> = files.into_iter().chain(read.iter().cloned()).rev().collect();
    while let Some(path) = waiting.pop() {
        if !known.insert(path.clone()) {
            continue;
        }
        let Some((input, named)) = input(&path, link.began, &caches.stamps) else { continue };
        linked.inputs.push(input);
        match named {
            // lld opens every member, but reports only the archive.
            NamedFiles::ThinArchive => waiting.extend(members(&path).into_iter().rev()),
            NamedFiles::Script(text) => scripts.push((path, text)),
            NamedFiles::None | NamedFiles::Unknown => {}
        }
    }
    read.retain(|path| known.contains(path));
    let mut looked = search.before(&read, &scripts);
    looked.extend(lookups::of_driver(&answer.directories, &words, |dir| Path::new(dir).is_dir()));
    looked.extend(answer.missing.iter().cloned());
    looked.extend(absent);
    linked.missing = not_found(looked, &known, link.began);
    linked.programs = answer.programs.clone();
}

/// A file that was read, and the files that it names. If it has changed since the link began, the
/// linker may have read the old content.
fn input(path: &str, began: ChangeTime, hashes: &HashCache) -> Option<(InputFile, NamedFiles)> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let stamp = stamp(&metadata);
    let cached = hashes.entry(path, stamp);
    let found = scan(file, cached.hash()).ok()?;
    let is_known = ChangeTime::of_change(&metadata) <= began && found.named != NamedFiles::Unknown;
    let hash = match is_known {
        true => found.hash.to_hex().to_string(),
        false => UNKNOWN_CONTENT.to_owned(),
    };
    if is_known {
        cached.keep(found.hash);
    }
    Some((InputFile { path: path.to_owned(), stamp, hash }, found.named))
}

/// The members of a thin archive; none if it cannot be read.
fn members(path: &str) -> Vec<String> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    thin::members(Path::new(path), &ReadCache::new(file)).unwrap_or_default()
}

/// The paths of `looked` at which no file existed when the link began.
fn not_found(looked: BTreeSet<String>, read: &HashSet<String>, began: ChangeTime) -> Vec<String> {
    let was_there = |path: &String| {
        std::fs::symlink_metadata(path).is_ok_and(|found| ChangeTime::of_change(&found) <= began)
            && Path::new(path).exists()
    };
    looked.into_iter().filter(|path| !read.contains(path) && !was_there(path)).collect()
}

/// lld maps its output, and on a full disk it dies by SIGBUS without a message. If less space than
/// this is free, in bytes, the disk counts as full.
const FULL_DISK: u64 = 1 << 20;

/// The directory of `path`, if its file system is full.
fn full_disk(path: &Path) -> Option<String> {
    let dir = path.parent()?;
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let room = rustix::fs::statvfs(dir).ok()?;
    (room.f_bavail * room.f_frsize < FULL_DISK).then(|| dir.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large input takes no more memory than a buffer.
    #[test]
    fn link_input_is_read_through_a_buffer() {
        use crate::llvm::{reset_thread_peak, thread_peak};
        const SIZE: u64 = 256 << 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.a").to_str().unwrap().to_owned();
        std::fs::write(&path, "!<arch>\n").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(SIZE).unwrap();
        let began = ChangeTime(ChangeTime::now().0 + 1_000_000_000);
        reset_thread_peak();
        let (input, named) = input(&path, began, &HashCache::default()).unwrap();
        let most = thread_peak();
        assert!(most < 1 << 20, "{most} bytes for one of {SIZE}");
        assert_eq!((input.stamp.size, named), (SIZE, NamedFiles::None));
        assert_ne!(input.hash, UNKNOWN_CONTENT);
    }
}
