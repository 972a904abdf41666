//! A workload in a scratch directory, set up for all builders. Knows no limits.

use super::messages::{self, Item};
use super::workload::{Builder, Workload};
use crate::contest::{self, Tools};
use crate::measure::{self, Watch};
use crate::subject::{Kind, Subject};
use crate::{makefile, ninja};
use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Debug)]
pub struct Site {
    pub workload: Workload,
    tools: Tools,
    jobs: u32,
    subject: Subject,
    /// A directory of its own for notes about running builds, so that other builds of this user are
    /// not affected.
    runtime_dir: PathBuf,
    /// The measurements of an earlier build.
    history: Option<PathBuf>,
    _scratch: tempfile::TempDir,
}

impl Site {
    /// # Errors
    /// The sources were not fetched, or `tender` does not start to build them.
    pub fn new(
        tools: &Tools,
        examples: &Path,
        workload: Workload,
        jobs: u32,
    ) -> Result<Self, Box<dyn Error>> {
        let site = Self::without_files(tools, examples, workload, jobs)?;
        let extra = workload.lto(jobs).map(|(_, extra)| extra).unwrap_or_default();
        let Subject { root, targets, scratch, .. } = &site.subject;
        let commands = site.commands()?;
        let text = ninja::build_file(
            &commands,
            targets,
            &site.out(Builder::Ninja),
            &tools.llvm_bin,
            &extra,
        )?;
        fs::write(scratch.join("build.ninja"), text)?;
        fs::write(
            scratch.join("Makefile"),
            makefile::text(&commands, targets, &site.out(Builder::Make))?,
        )?;
        contest::remove(&root.join("target"))?;
        Ok(site)
    }

    /// The same with one unit only, for `tender` with one job.
    ///
    /// # Errors
    /// As for `new`, or the package is not a library that lists its sources.
    pub fn of_unit(
        tools: &Tools,
        examples: &Path,
        workload: Workload,
        unit: &Item,
    ) -> Result<Self, Box<dyn Error>> {
        let mut site = Self::without_files(tools, examples, workload, 1)?;
        let file = site.subject.root.join(&unit.manifest_path);
        let (text, package) =
            with_source(&fs::read_to_string(&file)?, &site.subject.root.join(&unit.unit))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        fs::write(file, text)?;
        site.subject.packages = vec![package];
        site.subject.targets.clear();
        Ok(site)
    }

    fn without_files(
        tools: &Tools,
        examples: &Path,
        workload: Workload,
        jobs: u32,
    ) -> Result<Self, Box<dyn Error>> {
        let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
        let mut subject = Subject::prepare(workload.name(), examples, scratch.path())?;
        subject.profile = workload.profile();
        if let Some((lines, _)) = workload.lto(jobs) {
            subject.set_profile(lines)?;
        }
        let runtime_dir = scratch.path().join("runtime");
        fs::create_dir(&runtime_dir)?;
        Ok(Self {
            workload,
            tools: tools.clone(),
            jobs,
            subject,
            runtime_dir,
            history: None,
            _scratch: scratch,
        })
    }

    /// The compile commands. `tender` writes them before it compiles, so it is killed as soon as
    /// they exist.
    fn commands(&self) -> Result<Vec<ninja::Entry>, Box<dyn Error>> {
        let file = self.subject.root.join("target/compile_commands.json");
        let mut look = |pids: &[u32]| {
            for pid in pids.iter().filter_map(|&pid| Pid::from_raw(pid as i32)) {
                if file.exists() {
                    // An error is ignored: the process has ended.
                    let _ = kill_process(pid, Signal::INT);
                }
            }
        };
        let watch = Watch { every: Duration::from_millis(10), look: &mut look };
        measure::attempt(self.command(Builder::Tender), &self.log(), Some(watch))?;
        if !file.exists() {
            return Err(format!(
                "tender writes no compile commands\n{}",
                measure::end_of(&self.log())?
            )
            .into());
        }
        ninja::read_commands(&file)
    }

    /// The command that builds the workload.
    pub fn command(&self, by: Builder) -> Command {
        let Subject { root, scratch, .. } = &self.subject;
        let jobs = format!("-j{}", self.jobs);
        match by {
            Builder::Tender | Builder::History => {
                let mut command = self.tools.build(&self.subject, self.jobs);
                command
                    .args(["--message-format", "json"])
                    .env("XDG_RUNTIME_DIR", &self.runtime_dir);
                command
            }
            Builder::Ninja => {
                let mut command = measure::command(&self.tools.ninja, root);
                command.arg("-f").arg(scratch.join("build.ninja")).arg(jobs);
                command
            }
            Builder::Make => {
                let mut command = measure::command(Path::new("make"), root);
                command.arg("-f").arg(scratch.join("Makefile")).arg(jobs);
                command
            }
        }
    }

    /// The log of a builder.
    pub fn log(&self) -> PathBuf {
        self.subject.scratch.join("log")
    }

    fn out(&self, by: Builder) -> PathBuf {
        match by {
            Builder::Tender | Builder::History => {
                self.subject.root.join(self.subject.profile.directory())
            }
            _ => self.subject.scratch.join(by.word()),
        }
    }

    /// Removes all output, and restores the history if the builder has one.
    ///
    /// # Errors
    /// A file cannot be removed or written, or there is no history to restore.
    pub fn clear(&self, by: Builder) -> Result<(), Box<dyn Error>> {
        contest::remove(&self.subject.root.join("target"))?;
        contest::remove(&self.out(by))?;
        match by {
            Builder::Tender => {}
            Builder::History => {
                let from = self.history.as_ref().ok_or("there is no history")?;
                let to = self.history_file();
                fs::create_dir_all(to.parent().unwrap_or(&to))?;
                fs::copy(from, to)?;
            }
            Builder::Ninja | Builder::Make => fs::create_dir_all(self.out(by))?,
        }
        Ok(())
    }

    fn history_file(&self) -> PathBuf {
        self.out(Builder::History).join(".tender/memory")
    }

    /// Stores the measurements of the last build in `file`.
    ///
    /// # Errors
    /// There are no measurements, or the file cannot be written.
    pub fn keep_history(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let from = self.history_file();
        fs::copy(&from, file).map_err(|error| format!("{}: {error}", from.display()))?;
        Ok(())
    }

    /// Sets the history for later builds.
    pub fn use_history(&mut self, file: &Path) {
        self.history = Some(file.to_owned());
    }

    /// Whether all artifacts exist.
    pub fn is_built(&self, by: Builder) -> bool {
        let targets = self.subject.targets.iter();
        let mut wanted =
            targets.filter(|target| by != Builder::Make || matches!(target.kind, Kind::Archive));
        // With link-time optimisation over the whole program `tender` writes no archives.
        let is_made = |target: &&crate::subject::Target| {
            self.workload != Workload::RealWorldThin || !matches!(target.kind, Kind::Archive)
        };
        wanted.all(|target| !is_made(&target) || self.out(by).join(target.file_name()).exists())
    }

    /// The items of the last build of `tender`, with manifests relative to the workspace.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn items(&self) -> std::io::Result<Vec<Item>> {
        // The path of the workspace may contain symbolic links.
        let root = self.subject.root.canonicalize()?;
        let mut items = messages::read(&self.log())?;
        for item in &mut items {
            if let Ok(manifest) = Path::new(&item.manifest_path).strip_prefix(&root) {
                item.manifest_path = manifest.to_string_lossy().into_owned();
            }
        }
        Ok(items)
    }

    /// The unit with the largest peak.
    pub fn largest<'a>(&self, items: &'a [Item]) -> Option<&'a Item> {
        let is_unit = |item: &&Item| self.subject.root.join(&item.unit).is_file();
        items.iter().filter(is_unit).max_by_key(|item| item.peak_bytes)
    }
}

/// Changes a manifest so that the library has only this source. Returns it with the package's name.
fn with_source(manifest: &str, source: &Path) -> Result<(String, String), Box<dyn Error>> {
    let mut table: toml::Table = manifest.parse()?;
    let name = table.get("package").and_then(|package| package.get("name")?.as_str());
    let name = name.ok_or("no package has a name")?.to_owned();
    let library =
        table.get_mut("lib").and_then(toml::Value::as_table_mut).ok_or("it has no [lib]")?;
    let source = source.to_str().ok_or("the source's path is not UTF-8")?;
    library.insert("sources".into(), vec![source].into());
    Ok((toml::to_string(&table)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_manifest_with_one_source() {
        let manifest = "[package]\nname = \"p\"\n\n[lib]\nsources = [\"*.c\"]\nheaders = [\"h\"]\n";
        let (text, package) = with_source(manifest, Path::new("/w/a.c")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(package, "p");
        assert_eq!(table["lib"]["sources"].as_array().unwrap(), &["/w/a.c".into()]);
        assert_eq!(table["lib"]["headers"].as_array().unwrap(), &["h".into()]);
        let check = |manifest: &str, expect: &str| {
            assert_eq!(with_source(manifest, Path::new("a.c")).unwrap_err().to_string(), expect);
        };
        check("[lib]\n", "no package has a name");
        check("[package]\nname = \"p\"\n", "it has no [lib]");
    }
}
