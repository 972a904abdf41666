//! What a link driver says of its links: the linker's words (`-###`), and where it looks for files
//! of its own (`-print-search-dirs`). gcc and clang both do.
//!
//! Each question takes a process, so answers are kept, and inputs of a link, by which most links
//! differ, are left out of it.

use super::{child, response, said};
use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// All that drivers have said to this worker.
#[derive(Default)]
pub struct Drivers {
    /// By the driver's words and the question's.
    answers: Mutex<HashMap<Vec<String>, Arc<Answer>>>,
}

/// How a driver links.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The linker's words, its own name not among them.
    pub words: Vec<String>,
    /// The programs that run: the driver, and what it starts. Paths.
    pub programs: Vec<String>,
    /// Directories in which the driver looks for files of its own, such as `crt1.o`, the first one
    /// first. Some do not exist.
    pub directories: Vec<String>,
    /// Where the driver would rather have found a program.
    pub missing: Vec<String>,
}

/// Stands for the inputs of a link that a question leaves out.
const INPUTS: &str = "-Wl,--tender-inputs";

impl Drivers {
    /// The answer for these words. Files among them that are inputs for certain do not matter to
    /// it.
    ///
    /// # Errors
    /// The driver cannot be started, or tells nothing: a sentence fragment.
    pub fn ask_without_inputs(
        &self,
        driver: &[String],
        args: &[String],
    ) -> Result<Arc<Answer>, String> {
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

    /// The answer for exactly these words.
    ///
    /// # Errors
    /// As `ask_without_inputs`.
    pub fn ask(&self, driver: &[String], question: &[String]) -> Result<Arc<Answer>, String> {
        let key = [driver, question].concat();
        if let Some(known) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        let answer = Arc::new(ask(driver, question)?);
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::clone(&answer));
        Ok(answer)
    }
}

impl Answer {
    /// What can be told of a link whose driver tells nothing: the words that say it themselves.
    pub fn of_words(driver: &[String], args: &[String]) -> Answer {
        let programs = driver.first().and_then(|program| found(program)).into_iter().collect();
        Answer { words: for_linker(args), programs, ..Answer::default() }
    }
}

/// Whether `word`, behind `before`, is the name of an input, whatever driver reads it. It is not
/// where the word before may want it for a value.
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

fn ask(driver: &[String], question: &[String]) -> Result<Answer, String> {
    let (program, _) = driver.split_first().ok_or("the link has no driver")?;
    let question = short_words(question);
    let (told, text) = run(driver, &question, &["-###", "-o", "output"])?;
    let Some((linker, words)) = told.then(|| linker_command(&text)).flatten() else {
        return Err(format!(
            "the link driver `{program}` does not tell how it links:\n{}",
            shown(&text)
        ));
    };
    let searched =
        run(driver, &question, &["-print-search-dirs"]).map(|(_, text)| text).unwrap_or_default();
    let directories = searched.lines().find_map(|line| line.strip_prefix("libraries: ="));
    let directories =
        directories.unwrap_or_default().split(':').filter(|dir| !dir.is_empty()).map(str::to_owned);

    let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    // Behind a wrapper: gcc tells its own name, clang its directory.
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
            let places: Vec<String> = dirs
                .iter()
                .map(|dir| Path::new(dir).join(&name).to_string_lossy().into_owned())
                .collect();
            let at = places.iter().position(|place| is_program(Path::new(place)));
            missing.extend(places[..at.unwrap_or(places.len())].iter().cloned());
            // Behind the first one, which may be a wrapper, stands the one that it starts.
            programs.extend(places.into_iter().filter(|place| is_program(Path::new(place))));
            programs.extend(found(&name));
        }
    }
    programs.extend(programs.iter().flat_map(|program| own_libraries(program)).collect::<Vec<_>>());
    programs.sort();
    programs.dedup();
    Ok(Answer { words, programs, directories: directories.collect(), missing })
}

/// The linker that collect2 starts: the last `-fuse-ld` decides.
fn linker_name(words: &[String]) -> String {
    let chosen = words.iter().rev().find_map(|word| word.strip_prefix("-fuse-ld="));
    chosen.map_or_else(|| "ld".to_owned(), |name| format!("ld.{name}"))
}

/// Bytes of each stream. What is asked for has the words of a whole link in it.
const LONGEST_ANSWER: usize = 64 << 20;

/// Characters of an answer that people are shown.
const MOST_SHOWN: usize = 64 << 10;

/// Whether the driver was content, and what it said on both streams.
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
        .and_then(|driver| said::until_end(driver, LONGEST_ANSWER))
        .map_err(|why| format!("cannot start the link driver `{program}`: {why}"))?;
    if done.cut {
        return Err(format!(
            "the link driver `{program}` says more than {} MiB to {more:?}",
            LONGEST_ANSWER >> 20
        ));
    }
    Ok((done.status.success(), done.text))
}

/// The start of what a driver said.
fn shown(text: &str) -> &str {
    text.char_indices().nth(MOST_SHOWN).map_or(text, |(end, _)| &text[..end]).trim_end()
}

/// A kernel takes no word of more than 128 KiB, but words for the linker may be taken apart. A
/// response file is no way here: gcc then shows the name of one of its own, which it removes.
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

/// The linker and its words. Commands are the lines that start with a blank, and the link is the
/// last one.
fn linker_command(text: &str) -> Option<(String, Vec<String>)> {
    let line = text.lines().rfind(|line| line.starts_with(' '))?;
    let mut words = split(line).into_iter();
    Some((words.next()?, words.collect()))
}

/// gcc and clang quote with double quotes, and a backslash takes the next character as it is.
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

/// What a driver's words say to the linker, without the driver's own.
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

/// The file that starting `program` runs, as execvp(3) finds it.
fn found(program: &str) -> Option<String> {
    if program.contains('/') {
        return is_program(Path::new(program)).then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH")?;
    let mut places = std::env::split_paths(&path).map(|dir| dir.join(program));
    places.find(|place| is_program(place)).map(|place| place.to_string_lossy().into_owned())
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The libraries that came with a program: `libLLVM.so` in `../lib`. Those of the system are no
/// part of it.
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
    fn the_link_is_the_last_command_that_the_driver_shows() {
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
    fn inputs_are_told_from_values_of_options() {
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
    fn words_for_the_linker_are_found_without_a_driver() {
        let words =
            for_linker(&owned("-pie a.o -Wl,-Lx,-ly -Xlinker -Lz -L w -lm -o out -O2 -Ldir b.a"));
        assert_eq!(words, ["a.o", "-Lx", "-ly", "-Lz", "-L", "w", "-lm", "-Ldir", "b.a"]);
    }

    #[test]
    fn the_drivers_of_this_machine_tell_what_they_run() {
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
            // Links that differ in their inputs have one answer.
            let same = drivers
                .ask_without_inputs(&driver, &owned("-pie other.o -Lsomewhere -lm"))
                .unwrap();
            assert!(Arc::ptr_eq(&answer, &same));
        }
        let absent = Drivers::default().ask(&owned("/absent/cc"), &owned("a.o")).unwrap_err();
        assert!(absent.contains("cannot start the link driver `/absent/cc`"), "{absent}");
    }
}
