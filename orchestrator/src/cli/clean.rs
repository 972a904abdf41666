//! `tender clean`: removes what builds made, and nothing else.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::CleanOptions;
use super::project::Project;
use super::target_dir;
use super::terminal::Terminal;
use crate::fingerprint::DirectoryLock;
use crate::graph::{self, GraphRequest, Mode, Targets, profile_dir};
use crate::manifest::{CrateId, Profile};
use crate::report::{style, words};
use crate::sys::looks;
use crate::toolchain::Machine;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use tender_units::Bytes;

/// `tender clean`: removes the target directory, or the chosen parts of it.
///
/// # Errors
/// The manifest or the selection is wrong, the directory was not made by tender, or a file cannot
/// be removed.
pub fn clean(
    options: &CleanOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let project = Project::open(&options.place, environment, terminal)?;
    let crates = project.named(&options.package)?;
    let chosen = options.place.release || options.place.profile.is_some();
    let chosen = if chosen { Some(project.profile()?) } else { None };
    let dir = &project.target_dir;
    let mut removed = Removed::default();
    if dir.symlink_metadata().is_ok() {
        if !target_dir::is_ours(dir) {
            return Err(CliError::usage(format!(
                "`{dir}` was not made by tender, so it is not removed"
            ))
            .with_help("remove it by hand if nothing in it is needed"));
        }
        let profiles: Vec<&Profile> = match chosen {
            Some(profile) => vec![profile],
            None => project.workspace.profiles.values().collect(),
        };
        let profiles =
            profiles.into_iter().filter(|profile| state_dir(&project.output_dir, profile).is_dir());
        let profiles: Vec<&Profile> = profiles.collect();
        // Waits, because a running build needs its files.
        let locks: Vec<DirectoryLock> = profiles
            .iter()
            .map(|profile| lock(&state_dir(&project.output_dir, profile), terminal))
            .collect::<Result<_, _>>()?;
        let result = match (crates.is_empty(), chosen) {
            (true, None) if project.output_dir != *dir => removed.tree(&project.output_dir),
            (true, None) => whole(&project, &mut removed),
            (true, Some(profile)) => removed.tree(&project.output_dir.join(profile_dir(profile))),
            (false, _) => parts(&project, &profiles, &crates, &mut removed)?,
        };
        drop(locks);
        result
            .map_err(|error| CliError::build(format!("cannot remove all of `{dir}`: {error}")))?;
    }
    terminal.say(&style::status("Removed", removed.text(dir)));
    Ok(CliExit::Success)
}

fn state_dir(target_dir: &Utf8Path, profile: &Profile) -> Utf8PathBuf {
    target_dir.join(profile_dir(profile)).join(".tender")
}

/// Waits for a build that runs.
///
/// # Errors
/// The directory cannot be written.
pub fn lock(state_dir: &Utf8Path, terminal: Terminal) -> Result<DirectoryLock, CliError> {
    let waiting = |first| {
        if first {
            looks::doubt("it has waited");
            terminal.say(&style::caution(
                "Blocking",
                "waiting for another build in this target directory",
            ));
        }
        true
    };
    DirectoryLock::acquire(state_dir, waiting)
        .map(|lock| lock.expect("a wait that is never given up ends with the lock"))
        .map_err(|error| {
            CliError::build(format!("cannot write to the target directory `{state_dir}`: {error}"))
                .with_help("choose another one with `--target-dir`")
        })
}

fn whole(project: &Project, removed: &mut Removed) -> io::Result<()> {
    let dir = &project.target_dir;
    // The symbolic link in the root, which clangd reads, would dangle.
    let link = project.workspace.root.join("compile_commands.json");
    if link
        .read_link_utf8()
        .is_ok_and(|to| project.workspace.root.join(to) == dir.join("compile_commands.json"))
    {
        removed.file(&link)?;
    }
    removed.tree(dir)
}

/// The files that items of these crates write, in these profiles.
fn parts(
    project: &Project,
    profiles: &[&Profile],
    crates: &[CrateId],
    removed: &mut Removed,
) -> Result<io::Result<()>, CliError> {
    for profile in profiles {
        let state_dir = state_dir(&project.output_dir, profile);
        let machine = Machine::new(&state_dir, project.workspace.target.as_ref());
        let request = GraphRequest {
            profile,
            mode: Mode::Build,
            roots: crates.to_vec(),
            named: crates.to_vec(),
            whole: Vec::new(),
            targets: Targets::ALL,
            force_pieces: None,
            target_dir: project.output_dir.clone(),
            surroundings: &machine,
            scans: &graph::Scans::new(),
        };
        let graph = graph::build(&project.workspace, &request)?;
        for item in graph.items.iter().filter(|item| crates.contains(&item.krate)) {
            for output in &item.outputs {
                // Only files below the target directory: a generated file may be in the crate's
                // directory, among the user's files.
                let output = graph.root.join(output);
                if output.starts_with(&graph.out_dir)
                    && let Err(error) = removed.file(&output)
                {
                    return Ok(Err(error));
                }
            }
        }
        for krate in crates {
            let krate = &project.workspace.crates[krate.0 as usize];
            let own = [state_dir.join(&krate.name)];
            for path in own.into_iter().chain(graph::host_outputs(&state_dir, krate)) {
                if let Err(error) = removed.tree(&path) {
                    return Ok(Err(error));
                }
            }
        }
    }
    Ok(Ok(()))
}

/// Counts the removed files.
#[derive(Debug, Default)]
struct Removed {
    files: usize,
    bytes: Bytes,
}

impl Removed {
    fn tree(&mut self, dir: &Utf8Path) -> io::Result<()> {
        match dir.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(meta) if !meta.is_dir() => return self.file(dir),
            Ok(_) => {}
        }
        for entry in dir.read_dir_utf8()? {
            self.tree(entry?.path())?;
        }
        std::fs::remove_dir(dir)
    }

    fn file(&mut self, path: &Utf8Path) -> io::Result<()> {
        let bytes = match path.symlink_metadata() {
            Ok(meta) => Bytes(meta.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        std::fs::remove_file(path)?;
        self.files += 1;
        self.bytes += bytes;
        Ok(())
    }

    fn text(&self, dir: &Utf8Path) -> String {
        match self.files {
            0 => format!("nothing: no output to remove is in `{dir}`"),
            files => format!("{}, {}, from `{dir}`", words::count(files, "file"), self.bytes),
        }
    }
}
