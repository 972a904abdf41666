//! A directory for one test, in which `tender` runs.

use crate::features::{Feature, skip};
use crate::programs::program;
use crate::run::{Rebuild, Run, Started};
use crate::signals;
use crate::trace::Trace;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Variables that change builds, and are removed; so are all `TENDER_...`.
const CLEARED: &[&str] = &[
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "CARGO_MAKEFLAGS",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "LIBRARY_PATH",
    "LD_RUN_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "CCC_OVERRIDE_OPTIONS",
    "SOURCE_DATE_EPOCH",
    "DESTDIR",
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
];

pub struct TestSpace {
    /// `None` if the directory is to be kept.
    dir: Option<tempfile::TempDir>,
    root: Utf8PathBuf,
}

impl Default for TestSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl TestSpace {
    /// An empty directory.
    pub fn new() -> TestSpace {
        let dir = tempfile::Builder::new().prefix("tender-test-").tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        TestSpace { dir: Some(dir), root }
    }

    /// A copy of `workspace-examples/NAME` without its outputs. `vendor` is a symbolic link.
    pub fn example(name: &str) -> TestSpace {
        let space = TestSpace::new();
        copy(&examples().join(name), &space.root, &["target", "vendor", "compile_commands.json"]);
        let vendor = examples().join(name).join("vendor");
        if vendor.exists() {
            std::os::unix::fs::symlink(vendor, space.root.join("vendor")).unwrap();
        }
        space
    }

    /// `count` library crates `c0`, `c1`, ... of `files` small C files each, and a program `app`
    /// that calls them all.
    pub fn many_crates(count: usize, files: usize) -> TestSpace {
        let space = TestSpace::new();
        space.write("Tender.toml", "[workspace]\nmembers = [\"c*\", \"app\"]\n");
        let mut manifest = "[package]\nname = \"app\"\n[dependencies]\n".to_owned();
        let (mut declared, mut called) = (String::new(), String::new());
        for krate in 0..count {
            space.write(
                &format!("c{krate}/Tender.toml"),
                format!("[package]\nname = \"c{krate}\"\n"),
            );
            manifest += &format!("c{krate} = {{ path = \"../c{krate}\" }}\n");
            for file in 0..files {
                let name = format!("f{krate}_{file}");
                let text = format!("int {name}(int x) {{ return x * {krate} + {file}; }}\n");
                space.write(&format!("c{krate}/src/f{file}.c"), text);
                declared += &format!("int {name}(int);\n");
                called += &format!(" + {name}(2)");
            }
        }
        space.write("app/Tender.toml", manifest);
        let body = format!("int main(void) {{ printf(\"%d\\n\", 0{called}); return 0; }}\n");
        space.write("app/src/main.c", format!("#include <stdio.h>\n{declared}{body}"));
        space
    }

    /// Copies the directory `from` with all in it, hidden files included, to `to`.
    pub fn copy_in(&self, from: &Utf8Path, to: &str) {
        copy(from, &self.path(to), &[]);
    }

    /// A copy of the whole directory, outputs included.
    pub fn duplicate(&self) -> TestSpace {
        let space = TestSpace::new();
        copy(&self.root, &space.root, &[]);
        space
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    pub fn path(&self, path: &str) -> Utf8PathBuf {
        self.root.join(path)
    }

    /// Writes a file, and creates its directories if necessary.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Replaces `from`, which must occur, by `to`.
    #[track_caller]
    pub fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "no {from:?} in {path}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8(self.read_bytes(path)).unwrap()
    }

    #[track_caller]
    pub fn read_bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Sets a file's modification time to `ago` before now.
    pub fn touch(&self, path: &str, ago: Duration) {
        self.set_mtime(path, SystemTime::now() - ago);
    }

    pub fn mtime(&self, path: &str) -> SystemTime {
        fs::metadata(self.path(path)).unwrap().modified().unwrap()
    }

    /// Sets a file's modification time to `when`.
    pub fn set_mtime(&self, path: &str, when: SystemTime) {
        // Opened for reading, because a running program cannot be opened for writing.
        fs::File::open(self.path(path)).unwrap().set_modified(when).unwrap();
    }

    /// Removes a file, or a directory with its contents.
    #[track_caller]
    pub fn remove(&self, path: &str) {
        let full = self.path(path);
        let result = if full.is_dir() { fs::remove_dir_all(&full) } else { fs::remove_file(&full) };
        result.unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// The command `tender`, in this directory and with a clean environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("tender"));
        self.prepare(&mut command);
        command.args(args);
        command
    }

    /// Sets this directory and a clean environment for `command`, without colours and input, and
    /// with no signal ignored.
    pub fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("TENDER_") || CLEARED.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        // The config file of who runs the tests does not count.
        command.env("XDG_CONFIG_HOME", self.root.join(".no-config"));
        command.current_dir(&self.root).stdin(Stdio::null());
        signals::reset_in(command);
    }

    /// Runs `tender ARGS` and waits for its end.
    pub fn tender(&self, args: &[&str]) -> Run {
        self.run(self.command(args))
    }

    /// Runs a command that `command` or `prepare` made, and waits for its end.
    pub fn run(&self, command: Command) -> Run {
        self.start(command).finish()
    }

    /// Starts a command. Its output is read at the end only, so it must fit into a pipe.
    pub fn start(&self, mut command: Command) -> Started {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line =
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run `{line}`: {error}"));
        Started { child, line, root: self.root.to_string() }
    }

    /// Runs a program that was built here, such as `target/debug/app`.
    pub fn built(&self, path: &str) -> Run {
        let mut command = Command::new(self.path(path));
        self.prepare(&mut command);
        self.run(command)
    }

    /// Builds with `-v`, and expects success. Returns what was rebuilt and why, sorted.
    #[track_caller]
    pub fn build(&self, args: &[&str]) -> Vec<Rebuild> {
        self.tender(&[&["build", "-v"], args].concat()).expect_ok().rebuilt()
    }

    /// Builds, and expects that nothing is done and no worker is started.
    #[track_caller]
    pub fn expect_fresh(&self, args: &[&str]) {
        let file = self.path("trace.json");
        let run = self.tender(&[&["build", "-v", "--trace", file.as_str()], args].concat());
        let run = run.expect_ok().expect_nothing_done();
        let trace = Trace::read(&file);
        assert_eq!((trace.workers(), trace.jobs()), (0, vec![]), "{run}");
    }

    /// Builds with a trace, and expects success.
    #[track_caller]
    pub fn trace_build(&self, args: &[&str]) -> Trace {
        let file = self.path("trace.json");
        self.tender(&[&["build", "--trace", file.as_str()], args].concat()).expect_ok();
        Trace::read(&file)
    }

    /// The contents of all programs, archives and shared libraries in `target/PROFILE`, by name.
    pub fn outputs(&self, profile: &str) -> BTreeMap<String, Vec<u8>> {
        let directory = self.path("target").join(profile);
        let entries =
            directory.read_dir_utf8().unwrap_or_else(|error| panic!("{directory}: {error}"));
        entries
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().unwrap().is_file())
            .map(|entry| (entry.file_name().to_owned(), fs::read(entry.path()).unwrap()))
            .collect()
    }

    /// Keeps the directory, and prints its path.
    pub fn eject(&mut self) {
        if let Some(dir) = self.dir.take() {
            say(&format!("kept: {}", dir.keep().display()));
        }
    }
}

impl Drop for TestSpace {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("TENDER_TEST_KEEP").is_some() {
            self.eject();
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one thing that tests have to say")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// `workspace-examples`.
pub fn examples() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("workspace-examples")
}

/// Whether the sources of `real-world` exist; tries to fetch them. If not, reports a skip.
pub fn vendored() -> bool {
    let there = fetched();
    if !there {
        skip(
            Feature::RealWorld,
            "the sources of real-world cannot be fetched; `make fetch` says why",
        );
    }
    there
}

/// Whether the sources of all examples exist; tries to fetch them.
pub(crate) fn fetched() -> bool {
    let script = examples().parent().unwrap().join("tools/fetch.sh");
    // Only one of several tests at the same time fetches.
    let lock = fs::File::open(&script).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    Command::new("sh").arg(script).status().is_ok_and(|status| status.success())
}

fn copy(from: &Utf8Path, to: &Utf8Path, except: &[&str]) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if except.contains(&entry.file_name()) {
            continue;
        } else if kind.is_dir() {
            copy(entry.path(), &to, except);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), &to).unwrap();
        } else {
            fs::copy(entry.path(), &to).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            fs::File::open(&to).unwrap().set_modified(modified).unwrap();
        }
    }
}
