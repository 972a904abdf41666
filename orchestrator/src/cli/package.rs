//! `tender package`: from options to `crate::package`, and the file.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::{PackageOptions, PlaceOptions};
use super::project::Project;
use super::terminal::Terminal;
use super::{print, target_dir};
use crate::manifest;
use crate::package::{archive, contents, list_files};
use crate::report::{style, words};
use camino::Utf8Path;
use std::io::Write;
use tender_units::Bytes;

/// `tender package`: writes an archive for each chosen crate.
///
/// # Errors
/// A crate needs what is not in the workspace, or a file cannot be read or written.
pub fn package(
    options: &PackageOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let place = PlaceOptions {
        target_dir: options.target_dir.clone(),
        manifest_path: options.manifest_path.clone(),
        ..PlaceOptions::default()
    };
    let project = Project::open(&place, environment, terminal)?;
    let workspace = &project.workspace;
    let root = manifest::read(&workspace.manifest)?;
    for id in project.select(&options.selection)? {
        let list = |dir: &Utf8Path| list_files(dir);
        let contents = contents(workspace, id, &root.text, &list, &|path| path.is_file())?;
        if options.list {
            let names = contents.files.keys().map(|name| format!("{}/{name}\n", contents.stem));
            print(&names.collect::<String>())?;
            continue;
        }
        let bytes = archive(&contents)?;
        target_dir::prepare(&project.target_dir)?;
        let path = project.target_dir.join("package").join(format!("{}.tar.gz", contents.stem));
        write(&path, &bytes).map_err(|error| {
            CliError::build(format!("cannot write `{path}`: {error}"))
                .with_help("choose another place with `--target-dir`")
        })?;
        let krate = &workspace[id];
        let files = words::count(contents.files.len(), "file");
        let size = Bytes(bytes.len() as u64);
        let text = format!("{} v{} ({files}, {size}) in {path}", krate.name, krate.version);
        terminal.say(&style::status("Packaged", text));
    }
    Ok(CliExit::Success)
}

/// Never half of it.
fn write(path: &Utf8Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Utf8Path::new("/"));
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode)?;
    file.persist(path)?;
    Ok(())
}
