//! The two contestants: how each builds a subject, and how what it built is taken away.

use crate::measure::{self, Taken};
use crate::ninja;
use crate::subject::{Kind, Subject, Target};
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Debug)]
pub struct Tools {
    /// Absolute.
    pub tender: PathBuf,
    pub ninja: PathBuf,
    pub llvm_bin: PathBuf,
}

impl Tools {
    /// # Errors
    /// One of them is missing; the message says how to get it.
    pub fn find(tender: &Path) -> Result<Self, Box<dyn Error>> {
        let tender = tender.canonicalize().map_err(|error| {
            format!("{}: {error}; run `make build`, or name it by --tender", tender.display())
        })?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ninja = std::env::split_paths(&path)
            .map(|dir| dir.join("ninja"))
            .find(|file| file.is_file())
            .ok_or("ninja is missing; run `make deps-test`")?;
        let prefix = std::env::var_os("LLVM_SYS_221_PREFIX").unwrap_or_else(|| "/usr/lib/llvm-22".into());
        let llvm_bin = PathBuf::from(prefix).join("bin");
        if !llvm_bin.join("clang").is_file() {
            return Err(format!("{} has no clang; run `make deps`", llvm_bin.display()).into());
        }
        Ok(Self { tender, ninja, llvm_bin })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    Tender,
    Ninja,
}

/// A subject set up for both.
#[derive(Debug)]
pub struct Contest<'a> {
    tools: &'a Tools,
    subject: &'a Subject,
    jobs: u32,
}

impl<'a> Contest<'a> {
    /// Builds once with each, unmeasured: that fills the page cache, gives the compile commands that ninja's build is made
    /// of, and shows that both build the same.
    pub fn prepare(tools: &'a Tools, subject: &'a Subject, jobs: u32) -> Result<Self, Box<dyn Error>> {
        let contest = Self { tools, subject, jobs };
        contest.remove(Contestant::Tender)?;
        contest.build(Contestant::Tender, &[])?;
        let commands = ninja::read_commands(&subject.root.join("target/compile_commands.json"))?;
        let text = ninja::build_file(&commands, &subject.targets, &contest.ninja_out(), &tools.llvm_bin)?;
        std::fs::create_dir_all(contest.ninja_out())?;
        std::fs::write(subject.scratch.join("build.ninja"), text)?;
        contest.build(Contestant::Ninja, &[])?;
        contest.compare()?;
        Ok(contest)
    }

    fn ninja_out(&self) -> PathBuf {
        self.subject.scratch.join("ninja")
    }

    fn tender_out(&self) -> PathBuf {
        self.subject.root.join("target/release")
    }

    /// Builds with one of the two, with more words for it.
    pub fn build(&self, who: Contestant, words: &[&OsStr]) -> Result<Taken, Box<dyn Error>> {
        let jobs = format!("-j{}", self.jobs);
        let mut command = match who {
            Contestant::Tender => {
                let mut command = measure::command(&self.tools.tender, &self.subject.root);
                command.args(["build", "--release", &jobs]);
                for package in &self.subject.packages {
                    command.args(["-p", package]);
                }
                command
            }
            Contestant::Ninja => {
                let mut command = measure::command(&self.tools.ninja, &self.subject.root);
                command.arg("-f").arg(self.subject.scratch.join("build.ninja")).arg(&jobs);
                command
            }
        };
        command.args(words);
        measure::run(command, &self.subject.scratch.join("log"))
    }

    /// Takes away all that a contestant built, so that its next build is cold.
    pub fn remove(&self, who: Contestant) -> std::io::Result<()> {
        let dir = match who {
            Contestant::Tender => self.subject.root.join("target"),
            Contestant::Ninja => self.ninja_out(),
        };
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if who == Contestant::Ninja {
            std::fs::create_dir_all(dir)?;
        }
        Ok(())
    }

    /// # Errors
    /// An artifact is missing, an archive holds another number of members, or the programs say different things.
    fn compare(&self) -> Result<(), Box<dyn Error>> {
        // A thousand calls of llvm-ar would take long; the first and the last will do.
        let targets = &self.subject.targets;
        for target in targets.iter().take(8).chain(targets.last()) {
            let [ours, theirs] = [self.tender_out(), self.ninja_out()]
                .map(|dir| self.holds(target, &dir.join(target.file_name())));
            if ours? != theirs? {
                return Err(format!("{} differs between tender and ninja", target.file_name()).into());
            }
        }
        Ok(())
    }

    /// What an artifact holds, as far as the two must agree: an archive's number of members, what a program prints.
    fn holds(&self, target: &Target, file: &Path) -> Result<String, Box<dyn Error>> {
        let mut command = match target.kind {
            Kind::Archive => {
                let mut command = Command::new(self.tools.llvm_bin.join("llvm-ar"));
                command.arg("t").arg(file);
                command
            }
            Kind::Program { .. } => Command::new(file),
        };
        let output = command.output().map_err(|error| format!("{}: {error}", file.display()))?;
        if !output.status.success() {
            return Err(format!("{}: {}", file.display(), String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(match target.kind {
            Kind::Archive => text.lines().count().to_string(),
            Kind::Program { .. } => text.into_owned(),
        })
    }
}
