//! A link: the driver runs as a child process, with no more threads than the link has tokens.
//!
//! The driver is the program that `CC` or `CXX` names. It gets lld to link with, and lld tells in
//! its dependency file what it has read; members of thin archives are added to that (`thin`). Where
//! lld and the driver have looked in vain follows from what was found and from the linker's words
//! (`lookups`), for which the driver is asked by `-###`: once for all links of a worker that differ
//! only in their objects (`driver`). Long command lines become response files (`response`).

use super::argument_files::argument_files;
use super::driver::{Answer, Drivers};
use super::file::{make_parent, partial, publish};
use super::lookups::{self, Search};
use super::scan::{Names, scan};
use super::unfinished::{Unfinished, remove_left};
use super::{child, response, said, thin};
use crate::frontend::{StampCache, stamp};
use object::ReadCache;
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tender_protocol::{InputFile, OutputFile};

#[derive(Default)]
pub struct Linked {
    /// What the driver and the linker said, in colour.
    pub text: String,
    /// Absent if the link failed; `error` then says how, in one line.
    pub output: Option<OutputFile>,
    pub error: Option<String>,
    /// Files the linker read, libraries of the system among them, where the linker tells.
    pub inputs: Vec<InputFile>,
    /// Where it and its driver have looked for them before.
    pub missing: Vec<String>,
    /// The programs that ran.
    pub programs: Vec<String>,
}

/// A link to be made.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    pub driver: &'a [String],
    pub args: &'a [String],
    /// Response files that were read before, whose words stand in `args`.
    pub response_files: &'a [String],
    pub output: &'a str,
    /// How many the linker may use.
    pub threads: u32,
    /// Whatever changes after this was not seen.
    pub begun: Moment,
    /// How the driver links, where that is known already.
    pub answer: Option<&'a Arc<Answer>>,
}

/// What links of one worker share.
#[derive(Default)]
pub struct Links {
    pub drivers: Drivers,
    pub stamps: StampCache,
}

/// Nanoseconds since the epoch, by the clock that file systems stamp with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i64);

impl Moment {
    pub fn now() -> Moment {
        let now = clock_gettime(ClockId::Realtime);
        Moment(now.tv_sec * 1_000_000_000 + now.tv_nsec)
    }

    /// When a file last changed, be it its content, its name or its place.
    fn of_change(metadata: &std::fs::Metadata) -> Moment {
        Moment(metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec())
    }
}

/// The hash of what nobody has read: no content has it, so that the next build links again.
const UNKNOWN_CONTENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Bytes of each stream of the linker that are kept for people.
const MOST_SAID: usize = 1 << 20;

/// Makes a link, so that its output appears whole or not at all.
pub fn link(link: &Link<'_>, links: &Links) -> Linked {
    match run(link, links) {
        Ok(linked) => linked,
        Err(error) => {
            remove_left(&partial(link.output));
            Linked { error: Some(error), ..Linked::default() }
        }
    }
}

fn run(link: &Link<'_>, links: &Links) -> Result<Linked, String> {
    let Link { driver, args, output, threads, .. } = *link;
    let (program, words) = driver.split_first().ok_or("the link has no driver")?;
    make_parent(output).map_err(|why| why.to_string())?;
    let temporary = partial(output);
    // Of a linker that was killed together with its worker.
    remove_left(&temporary);
    let depfile = PathBuf::from(format!("{output}.link.d"));
    let words_file = PathBuf::from(format!("{output}.link.rsp"));
    let lld = tells_what_it_reads(driver);

    let mut own = vec!["-o".to_owned(), temporary.display().to_string()];
    if lld {
        own.push(format!("-Wl,--threads={}", threads.max(1)));
        own.push("-Wl,--color-diagnostics=always".to_owned());
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
    let done = said::until_end(driver, MOST_SAID).map_err(failed)?;
    let _ = std::fs::remove_file(&words_file);
    let mut linked = Linked { text: done.text, ..Linked::default() };
    if done.cut {
        linked.text += "\n(the rest of what it wrote is left out)\n";
    }
    if done.status.success() {
        let told =
            std::fs::read_to_string(&depfile).map(|text| prerequisites(&text)).unwrap_or_default();
        note_read(&mut linked, link, links, told);
        linked.output = Some(publish(output).map_err(|why| why.to_string())?);
    } else {
        // Before what the linker left is removed, which makes room again.
        let full = full_disk(&temporary);
        remove_left(&temporary);
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

/// Whether the driver starts lld.
fn tells_what_it_reads(driver: &[String]) -> bool {
    driver.iter().any(|word| word == "-fuse-ld=lld")
}

/// Notes what the link has read and run, and where it has looked. `told`: the files that the linker
/// tells of.
fn note_read(linked: &mut Linked, link: &Link<'_>, links: &Links, told: Vec<String>) {
    let (program, leading) =
        link.driver.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    // Each response file is read once: what is asked of the words is asked of those that are
    // expanded here.
    let (leading, of_leading) = response::expanded(leading);
    let (args, of_args) = response::expanded(link.args);
    // Other linkers than lld do not tell what they read, so that where they have looked is worth no
    // question.
    let ask = || links.drivers.ask_without_inputs(link.driver, &args).ok();
    let answer = link
        .answer
        .cloned()
        .or_else(|| if tells_what_it_reads(link.driver) { ask() } else { None });
    let answer = answer.unwrap_or_else(|| Arc::new(Answer::of_words(link.driver, &args)));
    let (mut words, of_linker) = response::expanded(&answer.words);
    let named = argument_files(program, &[&leading[..], &args].concat(), &words);
    let (named, absent): (Vec<String>, Vec<String>) =
        named.into_iter().partition(|path| Path::new(path).exists());
    let mut files = [link.response_files, &of_leading, &of_args, &of_linker].concat();
    files.extend(named.into_iter().filter(|path| Path::new(path).is_file()));
    words.extend(args.into_iter().filter(|word| !word.starts_with('-')));
    let search = Search::of(&words);

    let mut read = search.opened(&words, &told);
    let mut scripts = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut waiting: Vec<String> = files.into_iter().chain(read.iter().cloned()).rev().collect();
    while let Some(path) = waiting.pop() {
        if !known.insert(path.clone()) {
            continue;
        }
        let Some((input, names)) = input(&path, link.begun, &links.stamps) else { continue };
        linked.inputs.push(input);
        match names {
            // lld has every member in its hands, wanted or not, but tells of the archive alone.
            Names::ThinArchive => waiting.extend(members(&path).into_iter().rev()),
            Names::Script(text) => scripts.push((path, text)),
            Names::None | Names::Unknown => {}
        }
    }
    read.retain(|path| known.contains(path));
    let mut looked = search.before(&read, &scripts);
    looked.extend(lookups::of_driver(&answer.directories, &words, |dir| Path::new(dir).is_dir()));
    looked.extend(answer.missing.iter().cloned());
    looked.extend(absent);
    linked.missing = in_vain(looked, &known, link.begun);
    linked.programs = answer.programs.clone();
}

/// A file that was read, and what it names. One that has changed since the link began may have been
/// read as it was before.
fn input(path: &str, begun: Moment, stamps: &StampCache) -> Option<(InputFile, Names)> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let stamp = stamp(&metadata);
    let cached = stamps.entry(path, stamp);
    let found = scan(file, cached.hash()).ok()?;
    let is_known = Moment::of_change(&metadata) <= begun && found.names != Names::Unknown;
    let hash = match is_known {
        true => found.hash.to_hex().to_string(),
        false => UNKNOWN_CONTENT.to_owned(),
    };
    if is_known {
        cached.keep(found.hash);
    }
    Some((InputFile { path: path.to_owned(), stamp, hash }, found.names))
}

/// The members of a thin archive, as far as it can be read.
fn members(path: &str) -> Vec<String> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    thin::members(Path::new(path), &ReadCache::new(file)).unwrap_or_default()
}

/// Those of `looked` that were not there. What has come since the link began was not there for it.
fn in_vain(looked: BTreeSet<String>, read: &HashSet<String>, begun: Moment) -> Vec<String> {
    let was_there = |path: &String| {
        std::fs::symlink_metadata(path).is_ok_and(|found| Moment::of_change(&found) <= begun)
            && Path::new(path).exists()
    };
    looked.into_iter().filter(|path| !read.contains(path) && !was_there(path)).collect()
}

/// lld maps its output, and where the disk is full it dies by SIGBUS without a word. Less room than
/// this tells why.
const HARDLY_ANY_ROOM: u64 = 1 << 20;

/// The directory of `path`, if its file system has no room left.
fn full_disk(path: &Path) -> Option<String> {
    let dir = path.parent()?;
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let room = rustix::fs::statvfs(dir).ok()?;
    (room.f_bavail * room.f_frsize < HARDLY_ANY_ROOM).then(|| dir.display().to_string())
}

/// The prerequisites of the first rule of a make-style file, as lld writes it.
///
/// lld escapes blanks and `#` with a backslash and `$` by doubling it; a backslash before a newline
/// goes on.
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

    /// An archive of a gigabyte is linked in less memory than that.
    #[test]
    fn input_of_a_link_is_never_held_as_a_whole() {
        use crate::llvm::{reset_thread_peak, thread_peak};
        const SIZE: u64 = 256 << 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big.a").to_str().unwrap().to_owned();
        std::fs::write(&path, "!<arch>\n").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(SIZE).unwrap();
        let begun = Moment(Moment::now().0 + 1_000_000_000);
        reset_thread_peak();
        let (input, names) = input(&path, begun, &StampCache::default()).unwrap();
        let most = thread_peak();
        assert!(most < 1 << 20, "{most} bytes for one of {SIZE}");
        assert_eq!((input.stamp.size, names), (SIZE, Names::None));
        assert_ne!(input.hash, UNKNOWN_CONTENT);
    }

    #[test]
    fn fuzz_depfile() {
        tender_fuzz::check_text("depfile", 3_000, |text| {
            let found = prerequisites(text);
            assert!(found.iter().map(String::len).sum::<usize>() <= text.len());
        });
    }
}
