//! The two contestants: how each builds a subject, and how its output is removed.

use crate::measure::{self, Taken, Watch};
use crate::ninja::{self, Extra};
use crate::subject::{Kind, Subject, Target};
use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs that the benchmark runs.
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
        let prefix =
            std::env::var_os("LLVM_SYS_221_PREFIX").unwrap_or_else(|| "/usr/lib/llvm-22".into());
        let llvm_bin = PathBuf::from(prefix).join("bin");
        if !llvm_bin.join("clang").is_file() {
            return Err(format!("{} has no clang; run `make deps`", llvm_bin.display()).into());
        }
        Ok(Self { tender, ninja, llvm_bin })
    }

    /// `tender build` of the subject's packages, in its profile.
    pub fn build(&self, subject: &Subject, jobs: u32) -> Command {
        let mut command = measure::command(&self.tender, &subject.root);
        command.arg("build").args(subject.profile.words()).arg(format!("-j{jobs}"));
        for package in &subject.packages {
            command.args(["-p", package]);
        }
        command
    }
}

/// Removes a directory if it exists.
///
/// # Errors
/// It cannot be removed.
pub fn remove(dir: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contestant {
    Tender,
    Ninja,
}

/// A subject that is set up for both contestants.
#[derive(Debug)]
pub struct Contest<'a> {
    tools: &'a Tools,
    subject: &'a Subject,
    jobs: u32,
}

impl<'a> Contest<'a> {
    /// Builds once with each, unmeasured. That fills the page cache, writes the compile commands
    /// for ninja's build file, and checks that both build the same.
    ///
    /// # Errors
    /// A build fails, or the outputs differ.
    pub fn prepare(
        tools: &'a Tools,
        subject: &'a Subject,
        jobs: u32,
    ) -> Result<Self, Box<dyn Error>> {
        Self::prepare_with(tools, subject, jobs, &Extra::default())
    }

    /// As `prepare`, with more arguments for clang.
    ///
    /// # Errors
    /// As `prepare`.
    pub fn prepare_with(
        tools: &'a Tools,
        subject: &'a Subject,
        jobs: u32,
        extra: &Extra,
    ) -> Result<Self, Box<dyn Error>> {
        let contest = Self { tools, subject, jobs };
        contest.remove(Contestant::Tender)?;
        contest.build(Contestant::Tender, &[])?;
        let commands = ninja::read_commands(&subject.root.join("target/compile_commands.json"))?;
        let text = ninja::build_file(
            &commands,
            &subject.targets,
            &contest.ninja_out(),
            &tools.llvm_bin,
            extra,
        )?;
        std::fs::create_dir_all(contest.ninja_out())?;
        std::fs::write(subject.scratch.join("build.ninja"), text)?;
        contest.build(Contestant::Ninja, &[])?;
        // With link-time optimisation, archives contain no machine code, so only programs are
        // compared.
        contest.compare(!extra.link.is_empty())?;
        Ok(contest)
    }

    fn ninja_out(&self) -> PathBuf {
        self.subject.scratch.join("ninja")
    }

    /// The directory of a contestant's archives and programs.
    pub fn out(&self, who: Contestant) -> PathBuf {
        match who {
            Contestant::Tender => self.subject.root.join(self.subject.profile.directory()),
            Contestant::Ninja => self.ninja_out(),
        }
    }

    /// Builds with one of the two, with more arguments.
    ///
    /// # Errors
    /// The build fails.
    pub fn build(&self, who: Contestant, words: &[&OsStr]) -> Result<Taken, Box<dyn Error>> {
        measure::run(self.command(who, words), &self.subject.scratch.join("log"))
    }

    /// As `build`, watched.
    ///
    /// # Errors
    /// The build fails.
    pub fn build_watched(
        &self,
        who: Contestant,
        words: &[&OsStr],
        watch: Watch<'_>,
    ) -> Result<Taken, Box<dyn Error>> {
        measure::run_together(
            vec![self.command(who, words)],
            &self.subject.scratch.join("log"),
            Some(watch),
        )
    }

    /// The command that builds with one of the two.
    pub fn command(&self, who: Contestant, words: &[&OsStr]) -> Command {
        let mut command = match who {
            Contestant::Tender => self.tools.build(self.subject, self.jobs),
            Contestant::Ninja => {
                let mut command = measure::command(&self.tools.ninja, &self.subject.root);
                command.arg("-f").arg(self.subject.scratch.join("build.ninja"));
                command.arg(format!("-j{}", self.jobs));
                command
            }
        };
        command.args(words);
        command
    }

    /// Removes the output of a contestant, so that its next build is cold.
    ///
    /// # Errors
    /// The output cannot be removed.
    pub fn remove(&self, who: Contestant) -> std::io::Result<()> {
        let dir = match who {
            Contestant::Tender => self.subject.root.join("target"),
            Contestant::Ninja => self.ninja_out(),
        };
        remove(&dir)?;
        if who == Contestant::Ninja {
            std::fs::create_dir_all(dir)?;
        }
        Ok(())
    }

    /// # Errors
    /// An artifact is missing, or archives differ in their number of members, or programs in their
    /// output.
    fn compare(&self, programs_only: bool) -> Result<(), Box<dyn Error>> {
        // Checking a thousand archives would take long; the first ones and the last one are enough.
        let targets = &self.subject.targets;
        let chosen: Vec<&Target> = if programs_only {
            self.subject.programs().collect()
        } else {
            targets.iter().take(8).chain(targets.last()).collect()
        };
        for target in chosen {
            let [ours, theirs] = [Contestant::Tender, Contestant::Ninja]
                .map(|who| self.holds(target, &self.out(who).join(target.file_name())));
            if ours? != theirs? {
                return Err(
                    format!("{} differs between tender and ninja", target.file_name()).into()
                );
            }
        }
        Ok(())
    }

    /// What both must have in common: an archive's number of members, a program's output.
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
            return Err(
                format!("{}: {}", file.display(), String::from_utf8_lossy(&output.stderr)).into()
            );
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(match target.kind {
            Kind::Archive => text.lines().count().to_string(),
            Kind::Program { .. } => text.into_owned(),
        })
    }
}
