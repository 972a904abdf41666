//! Asks a link driver, gcc or clang, how it links: the linker's arguments (`-###`) and its search
//! directories (`-print-search-dirs`).
//!
//! Each question runs a process, so answers are cached. Inputs are left out of the question,
//! because most links differ only in their inputs. A worker may live for days, so an answer counts
//! only as long as the programs that gave it are what they were.

use super::{child, child_output, response};
use crate::frontend::stamp;
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tender_protocol::FileStamp;
use tender_units::Bytes;

/// The cached answers of drivers.
#[derive(Default)]
pub struct Drivers {
    /// By the arguments of the driver and of the question.
    answers: Mutex<HashMap<Vec<String>, KnownAnswer>>,
}

struct KnownAnswer {
    answer: Arc<DriverAnswer>,
    /// The driver itself.
    driver: Option<String>,
    /// Of each of its programs, in order.
    stamps: Vec<Option<FileStamp>>,
}

impl KnownAnswer {
    fn holds(&self, program: &str) -> bool {
        self.driver == found(program)
            && self.stamps == stamps(&self.answer.programs)
            && !self.answer.missing.iter().any(|place| is_program(Path::new(place)))
    }
}

/// Nanoseconds since the epoch, less the coarseness of time stamps.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.saturating_sub(COARSENESS).as_nanos()).unwrap_or(i64::MAX)
}

/// File systems stamp files with a clock that is late by up to a tick of the kernel; some keep whole
/// seconds.
const COARSENESS: Duration = Duration::from_secs(2);

fn stamps(programs: &[String]) -> Vec<Option<FileStamp>> {
    let stamp_of = |path: &String| std::fs::metadata(path).ok().as_ref().map(stamp);
    programs.iter().map(stamp_of).collect()
}

/// How a driver links.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DriverAnswer {
    /// The linker's arguments, without its name.
    pub words: Vec<String>,
    /// Paths of the programs that run: the driver and the programs that it starts.
    pub programs: Vec<String>,
    /// The directories in which the driver looks for its own files, such as `crt1.o`, in order.
    /// Some may not exist.
    pub directories: Vec<String>,
    /// Paths at which the driver looked for a program before it found it.
    pub missing: Vec<String>,
}

/// Replaces the inputs of a link in a question.
const INPUTS: &str = "-Wl,--tender-inputs";

impl Drivers {
    /// The answer for these arguments. Arguments that are certainly inputs are left out of the
    /// question.
    ///
    /// # Errors
    /// The driver cannot be started or shows no link command: a sentence fragment.
    pub fn ask_without_inputs(
        &self,
        driver: &[String],
        args: &[String],
    ) -> Result<Arc<DriverAnswer>, String> {
        let mut question: Vec<String> = Vec::new();
        let mut before = None;
        for word in args {
            if is_input(before, word) {
                if question.last().is_none_or(|last| last != INPUTS) {
                    question.push(INPUTS.to_owned());
                }
            } else {
                question.push(word.clone());
            }
            before = Some(word.as_str());
        }
        self.ask(driver, &question)
    }

    /// The answer for exactly these arguments.
    ///
    /// # Errors
    /// As `ask_without_inputs`.
    pub fn ask(&self, driver: &[String], question: &[String]) -> Result<Arc<DriverAnswer>, String> {
        let key = [driver, question].concat();
        let program = driver.first().map_or("", String::as_str);
        let answers = || self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = answers().get(&key).filter(|known| known.holds(program)) {
            return Ok(Arc::clone(&known.answer));
        }
        let before = now();
        let answer = Arc::new(ask(driver, question)?);
        let stamps = stamps(&answer.programs);
        // One that was replaced meanwhile may be another than the one that answered.
        let is_old = |stamp: &Option<FileStamp>| stamp.is_none_or(|one| one.latest_ns() < before);
        if stamps.iter().all(is_old) {
            let known = KnownAnswer { answer: Arc::clone(&answer), driver: found(program), stamps };
            answers().insert(key, known);
        }
        Ok(answer)
    }
}

impl DriverAnswer {
    /// The answer for a driver that is not asked: only what its arguments say themselves.
    pub fn of_words(driver: &[String], args: &[String]) -> DriverAnswer {
        let programs = driver.first().and_then(|program| found(program)).into_iter().collect();
        DriverAnswer { words: for_linker(args), programs, ..DriverAnswer::default() }
    }
}

/// Whether `word`, after `before`, is certainly an input for every driver. It is not if `before`
/// may take it as its value.
pub fn is_input(before: Option<&str>, word: &str) -> bool {
    let complete = |before: &str| {
        let joined = ["-Wl,", "-L", "-l", "-f"]
            .iter()
            .any(|start| before.len() > start.len() && before.starts_with(start));
        let alone = matches!(
            before,
            "-pie" | "-no-pie" | "-shared" | "-static" | "-static-pie" | "-pthread" | "-rdynamic"
        );
        joined || alone || !before.starts_with(['-', '@'])
    };
    !word.is_empty() && !word.starts_with(['-', '@']) && before.is_none_or(complete)
}

fn ask(driver: &[String], question: &[String]) -> Result<DriverAnswer, String> {
    let (program, _) = driver.split_first().ok_or("the link has no driver")?;
    let question = short_words(question);
    let (succeeded, text) = run(driver, &question, &["-###", "-o", "output"])?;
    let Some((linker, words)) = succeeded.then(|| linker_command(&text)).flatten() else {
        return Err(format!(
            "the link driver `{program}` did not print its linker command for `-###`:\n{}",
            shown(&text)
        ));
    };
    let searched =
        run(driver, &question, &["-print-search-dirs"]).map(|(_, text)| text).unwrap_or_default();
    let directories = searched.lines().find_map(|line| line.strip_prefix("libraries: ="));
    let directories =
        directories.unwrap_or_default().split(':').filter(|dir| !dir.is_empty()).map(str::to_owned);

    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    // If the driver is a wrapper: gcc prints its own name, clang its directory.
    let inner = line("COLLECT_GCC=").map(str::to_owned);
    let inner = inner.or_else(|| line("InstalledDir: ").map(|dir| format!("{dir}/clang")));
    let mut programs: Vec<String> = [Some(program.clone()), inner, Some(linker.clone())]
        .into_iter()
        .flatten()
        .filter_map(|name| found(&name))
        .collect();
    let mut missing = Vec::new();
    // gcc's collect2 looks for the linker in these directories, then in PATH.
    if let Some(path) = line("COMPILER_PATH=") {
        let dirs: Vec<&str> = path.split(':').filter(|dir| !dir.is_empty()).collect();
        for name in [file_name(&linker).to_owned(), linker_name(&words)] {
            let source_locations: Vec<String> = dirs
                .iter()
                .map(|dir| Path::new(dir).join(&name).to_string_lossy().into_owned())
                .collect();
            let at = source_locations.iter().position(|place| is_program(Path::new(place)));
            missing
                .extend(source_locations[..at.unwrap_or(source_locations.len())].iter().cloned());
            // The first one may be a wrapper that starts one of the others.
            programs
                .extend(source_locations.into_iter().filter(|place| is_program(Path::new(place))));
            programs.extend(found(&name));
        }
    }
    programs.extend(programs.iter().flat_map(|program| own_libraries(program)).collect::<Vec<_>>());
    programs.sort();
    programs.dedup();
    Ok(DriverAnswer { words, programs, directories: directories.collect(), missing })
}

/// The linker that collect2 starts. The last `-fuse-ld` counts.
fn linker_name(words: &[String]) -> String {
    let chosen = words.iter().rev().find_map(|word| word.strip_prefix("-fuse-ld="));
    chosen.map_or_else(|| "ld".to_owned(), |name| format!("ld.{name}"))
}

/// The longest answer, in bytes of each stream. An answer contains the arguments of a whole link.
const LONGEST_ANSWER: usize = 64 << 20;

/// How many characters of an answer an error message shows.
const MOST_SHOWN: usize = 64 << 10;

/// Runs the driver. Returns whether it succeeded, and its output on both streams.
fn run(driver: &[String], question: &[String], more: &[&str]) -> Result<(bool, String), String> {
    let (program, words) = driver.split_first().ok_or("the link has no driver")?;
    let mut command = Command::new(program);
    command
        .args(words)
        .args(question)
        .args(more)
        .env("LC_ALL", "C")
        .env_remove("MAKEFLAGS")
        .env_remove("MFLAGS")
        .env_remove("CARGO_MAKEFLAGS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    child::bind(&mut command, Vec::new());
    let done = command
        .spawn()
        .and_then(|driver| child_output::wait_with_output(driver, LONGEST_ANSWER))
        .map_err(|why| format!("cannot start the link driver `{program}`: {why}"))?;
    if done.cut {
        return Err(format!(
            "the link driver `{program}` printed more than {} when called with {}",
            Bytes(LONGEST_ANSWER as u64),
            more.join(" ")
        ));
    }
    Ok((done.status.success(), done.text))
}

/// The start of a driver's output.
fn shown(text: &str) -> &str {
    text.char_indices().nth(MOST_SHOWN).map_or(text, |(end, _)| &text[..end]).trim_end()
}

/// Splits long `-Wl,` arguments, because the kernel accepts no argument of more than 128 KiB. A
/// response file does not help: gcc then shows the name of a response file of its own, which it
/// removes.
fn short_words(question: &[String]) -> Vec<String> {
    let mut short = Vec::with_capacity(question.len());
    for word in question {
        match word.strip_prefix("-Wl,") {
            Some(rest) if response::is_long(std::slice::from_ref(word)) => {
                short.extend(rest.split(',').map(|part| format!("-Wl,{part}")));
            }
            _ => short.push(word.clone()),
        }
    }
    short
}

/// The linker and its arguments. Commands are the lines that start with a blank; the link is the
/// last one.
fn linker_command(text: &str) -> Option<(String, Vec<String>)> {
    let line = text.lines().rfind(|line| line.starts_with(' '))?;
    let mut words = split(line).into_iter();
    Some((words.next()?, words.collect()))
}

/// Splits a command as gcc and clang print it: quoted with double quotes, and a backslash escapes
/// the next character.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The arguments of a driver that are for the linker.
fn for_linker(args: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut args = args.iter();
    while let Some(word) = args.next() {
        match word.as_str() {
            "-Xlinker" => out.extend(args.next().cloned()),
            "-L" | "-l" | "-T" | "-u" | "-z" => {
                out.push(word.clone());
                out.extend(args.next().cloned());
            }
            "-o" | "-B" | "-x" | "-e" => drop(args.next()),
            _ => match word.strip_prefix("-Wl,") {
                Some(words) => out.extend(words.split(',').map(str::to_owned)),
                None if ["-L", "-l", "-T"].iter().any(|start| word.starts_with(start)) => {
                    out.push(word.clone())
                }
                None if !word.starts_with('-') => out.push(word.clone()),
                None => {}
            },
        }
    }
    out
}

/// The file that execvp(3) runs for `program`.
fn found(program: &str) -> Option<String> {
    if program.contains('/') {
        return is_program(Path::new(program)).then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let mut source_locations = std::env::split_paths(&path).map(|dir| dir.join(program));
    source_locations
        .find(|place| is_program(place))
        .map(|place| place.to_string_lossy().into_owned())
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The libraries that belong to a program, such as `libLLVM.so` in `../lib`. System libraries are
/// left out.
fn own_libraries(program: &str) -> Vec<String> {
    let needed = || -> Option<Vec<String>> {
        let real = std::fs::canonicalize(program).ok()?;
        let lib: PathBuf = real.parent()?.parent()?.join("lib");
        let file = object::read::ReadCache::new(std::fs::File::open(&real).ok()?);
        let names = needed_libraries(&file)?;
        let beside = names.iter().map(|name| lib.join(name)).filter(|path| path.is_file());
        Some(beside.map(|path| path.to_string_lossy().into_owned()).collect())
    };
    needed().unwrap_or_default()
}

/// `DT_NEEDED` of an ELF file.
fn needed_libraries<'data>(data: impl object::read::ReadRef<'data>) -> Option<Vec<String>> {
    use object::read::elf::{Dyn, FileHeader};
    let header = object::elf::FileHeader64::<object::Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, data).ok()?;
    let (entries, strings) = sections.dynamic(endian, data).ok()??;
    let strings = sections.strings(endian, data, strings).ok()?;
    let needed = entries.iter().filter(|entry| entry.tag(endian) == object::elf::DT_NEEDED);
    let name = |entry: &object::elf::Dyn64<object::Endianness>| {
        Some(String::from_utf8_lossy(entry.string(endian, strings).ok()?).into_owned())
    };
    Some(needed.filter_map(name).collect())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn driver_link_is_the_last_command_shown() {
        let text = "Using built-in specs.\nCOLLECT_GCC=cc\nTarget: x86_64-linux-gnu\n /usr/lib/cc1 x.c\n \
                    /usr/lib/collect2 -o \"a b\" \"-fuse-ld=lld\" x\\\"y.o \"c\\\\d\"\nCOLLECT_GCC_OPTIONS='-o'\n";
        let (linker, words) = linker_command(text).unwrap();
        assert_eq!(linker, "/usr/lib/collect2");
        assert_eq!(words, ["-o", "a b", "-fuse-ld=lld", "x\"y.o", "c\\d"]);
        assert_eq!(linker_command("cc: error: no such file\n"), None);
    }

    #[test]
    fn fuzz_driver_answer() {
        tender_fuzz::check_text("driver_answer", 3_000, |text| {
            let words = linker_command(text).map(|(_, words)| words).unwrap_or_default();
            assert!(words.iter().map(String::len).sum::<usize>() <= text.len());
        });
    }

    #[test]
    fn driver_inputs_are_distinguished_from_option_values() {
        let check = |before: Option<&str>, word: &str, expect: bool| {
            assert_eq!(is_input(before, word), expect, "{before:?} {word}");
        };
        check(None, "a.o", true);
        check(Some("a.o"), "b.o", true);
        check(Some("-pie"), "a.o", true);
        check(Some("-Wl,-z,now"), "a.o", true);
        check(Some("-lm"), "a.o", true);
        check(Some("-Xlinker"), "a.o", false);
        check(Some("-o"), "a.o", false);
        check(Some("-T"), "a.ld", false);
        check(Some("-L"), "a", false);
        check(Some("@words"), "a.o", false);
        check(None, "-lm", false);
        check(None, "@words", false);
    }

    #[test]
    fn driver_arguments_for_the_linker_are_found_without_asking() {
        let words =
            for_linker(&owned("-pie a.o -Wl,-Lx,-ly -Xlinker -Lz -L w -lm -o out -O2 -Ldir b.a"));
        assert_eq!(words, ["a.o", "-Lx", "-ly", "-Lz", "-L", "w", "-lm", "-Ldir", "b.a"]);
    }

    #[test]
    fn driver_that_was_replaced_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("cc").to_str().unwrap().to_owned();
        let install = |word: &str| {
            let other = dir.path().join("other");
            let line = format!(r#" "/bin/true" "{word}" "-o" "output" "--tender-inputs""#);
            std::fs::write(&other, format!("#!/bin/sh\necho '{line}' >&2\n")).unwrap();
            std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
            // A new program is not older than the question.
            let old = SystemTime::now() - Duration::from_secs(3600);
            std::fs::File::options().write(true).open(&other).unwrap().set_modified(old).unwrap();
            std::fs::rename(&other, &program).unwrap();
        };
        let drivers = Drivers::default();
        let ask = || drivers.ask(std::slice::from_ref(&program), &owned("a.o")).unwrap();
        install("-Lone");
        let first = ask();
        assert!(first.words.contains(&"-Lone".to_owned()), "{first:?}");
        install("-Ltwo");
        let second = ask();
        assert!(second.words.contains(&"-Ltwo".to_owned()), "{second:?}");
    }

    #[test]
    fn driver_answers_for_the_drivers_of_this_machine() {
        let llvm = option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22");
        for program in ["cc".to_owned(), format!("{llvm}/bin/clang")] {
            let drivers = Drivers::default();
            let driver = [program.clone(), format!("-B{llvm}/bin"), "-fuse-ld=lld".to_owned()];
            let answer = drivers
                .ask_without_inputs(&driver, &owned("-pie one.o two.o -Lsomewhere -lm"))
                .unwrap();
            assert!(answer.words.contains(&"-Lsomewhere".to_owned()), "{answer:?}");
            assert!(answer.words.iter().all(|word| !word.contains("one.o")), "{answer:?}");
            assert!(answer.programs.contains(&format!("{llvm}/bin/ld.lld")), "{answer:?}");
            assert!(answer.programs.contains(&found(&program).unwrap()), "{answer:?}");
            assert!(!answer.directories.is_empty(), "{answer:?}");
            // Links that differ only in their inputs share an answer.
            let same = drivers
                .ask_without_inputs(&driver, &owned("-pie other.o -Lsomewhere -lm"))
                .unwrap();
            assert!(Arc::ptr_eq(&answer, &same));
        }
        let absent = Drivers::default().ask(&owned("/absent/cc"), &owned("a.o")).unwrap_err();
        assert!(absent.contains("cannot start the link driver `/absent/cc`"), "{absent}");
    }
}
