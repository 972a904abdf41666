//! `tender add` and `tender remove`: change the dependencies of a manifest. What they write is read
//! again, and taken back if it is wrong.

use super::env::CliEnvironment;
use super::error::{CliError, problems_text, suggestion};
use super::exit::CliExit;
use super::options::{
    AddOptions, DependencyArgs, MessageFormat, PlaceOptions, RemoveOptions, SourceArgs,
};
use super::project::{Project, current_dir};
use super::sources::{self, SourceReport};
use super::terminal::Terminal;
use crate::manifest::{
    self, DependencyKind, MANIFEST_NAME, NewDependency, normalise, package_name, replace_manifest,
    with_dependency, without_dependency,
};
use crate::report::style;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// `tender add`: adds a dependency.
///
/// # Errors
/// There is no such crate, or the workspace would be wrong with the dependency.
pub fn add(
    options: &AddOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let manifest = chosen_manifest(options.package.as_deref(), environment, terminal)?;
    let dir = manifest.parent().unwrap_or(Utf8Path::new("/"));
    let (name, mut place) = match place_of(&options.source, environment, terminal)? {
        Some(place) => (options.dependency.clone(), place),
        None => {
            let (name, path) = found_crate(&options.dependency, environment, terminal)?;
            (name, vec![("path", relative(dir, &path).into_string())])
        }
    };
    if let Some(file) = &options.source.manifest {
        let file = normalise(&current_dir()?.join(file));
        place.push(("manifest", relative(dir, &file).into_string()));
    }
    let (key, package) = match &options.rename {
        Some(other) if *other != name => (other.clone(), Some(name)),
        _ => (name, None),
    };
    let new = NewDependency {
        name: key,
        package,
        place,
        version: options.requirement.clone(),
        optional: options.optional,
        features: options.features.clone(),
        default_features: !options.no_default_features,
        public: options.private.then_some(false),
    };
    let (kind, table) = kind(options.kind);
    let old = manifest::read(&manifest)?.text;
    let text = with_dependency(&old, kind, &new).map_err(|why| broken(&manifest, &why))?;
    change(&manifest, &old, &text)?;
    let text = format!("`{}` to `{table}` of {manifest}", new.name);
    terminal.say(&style::status("Added", text));
    Ok(CliExit::Success)
}

/// `tender remove`: removes dependencies.
///
/// # Errors
/// The manifest has no such dependency, or the crate would be wrong without it.
pub fn remove(
    options: &RemoveOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let manifest = chosen_manifest(options.package.as_deref(), environment, terminal)?;
    let (kind, table) = kind(options.kind);
    let old = manifest::read(&manifest)?.text;
    let mut text = old.to_string();
    for name in &options.names {
        text = match without_dependency(&text, kind, name).map_err(|why| broken(&manifest, &why))? {
            Some(text) => text,
            None => {
                let others = DependencyKind::ALL.iter().filter(|(_, one)| *one != kind);
                let mut has = others.filter(|(_, one)| {
                    without_dependency(&old, *one, name).is_ok_and(|found| found.is_some())
                });
                let error = CliError::usage(format!("`{table}` of {manifest} has no `{name}`"));
                return Err(match has.next() {
                    Some((other, DependencyKind::Normal)) => {
                        error.with_help(format!("it is in `{other}`: leave the option out"))
                    }
                    Some((other, kind)) => {
                        error.with_help(format!("it is in `{other}`: `--{}`", kind.name()))
                    }
                    None => error,
                });
            }
        };
    }
    change(&manifest, &old, &text)?;
    let names: Vec<String> = options.names.iter().map(|name| format!("`{name}`")).collect();
    let text = format!("{} from `{table}` of {manifest}", names.join(", "));
    terminal.say(&style::status("Removed", text));
    Ok(CliExit::Success)
}

/// The keys of sources from elsewhere, if options name any.
///
/// # Errors
/// The checksum of an archive is not given, and the archive cannot be had.
fn place_of(
    source: &SourceArgs,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<Option<Vec<(&'static str, String)>>, CliError> {
    let SourceArgs { git, branch, tag, rev, url, sha256, strip_prefix, .. } = source;
    let mut checksum = sha256.clone();
    if let (Some(url), None) = (url, sha256) {
        let store = sources::store(&PlaceOptions::default(), false, environment, &current_dir()?);
        let mut report = SourceReport::new(terminal, MessageFormat::Human);
        let found = store.checksum(url, &mut report)?;
        checksum = Some(found);
    }
    if git.is_none() && url.is_none() {
        return Ok(None);
    }
    let keys = [
        ("git", git),
        ("branch", branch),
        ("tag", tag),
        ("rev", rev),
        ("url", url),
        ("sha256", &checksum),
        ("strip-prefix", strip_prefix),
    ];
    let given = keys.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
    Ok(Some(given.collect()))
}

fn kind(options: DependencyArgs) -> (DependencyKind, &'static str) {
    match (options.build, options.dev) {
        (true, _) => (DependencyKind::Build, "build-dependencies"),
        (_, true) => (DependencyKind::Dev, "dev-dependencies"),
        _ => (DependencyKind::Normal, "dependencies"),
    }
}

fn broken(manifest: &Utf8Path, why: &str) -> CliError {
    CliError::usage(format!("{manifest} cannot be changed: {why}"))
}

/// The manifest of the crate of this name; else the nearest, whose workspace may be broken.
fn chosen_manifest(
    package: Option<&str>,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<Utf8PathBuf, CliError> {
    let Some(name) = package else {
        let here = current_dir()?;
        return Ok(manifest::find(&here, environment.logical_dir.as_deref())?.nearest);
    };
    let project = Project::open(&PlaceOptions::default(), environment, terminal)?;
    let found = project.named(&[name.to_owned()])?;
    Ok(project.workspace[found[0]].manifest.clone())
}

/// The name and the directory of the crate that is meant.
fn found_crate(
    text: &str,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<(String, Utf8PathBuf), CliError> {
    let dir = normalise(&current_dir()?.join(text));
    let path = dir.join(MANIFEST_NAME);
    if path.is_file() {
        let name = package_name(&manifest::read(&path)?.text);
        let name = name.ok_or_else(|| CliError::usage(format!("{path} has no package")))?;
        return Ok((name, dir));
    }
    if text.contains('/') || dir.is_dir() {
        return Err(CliError::usage(format!("`{text}` has no `{MANIFEST_NAME}`"))
            .with_help("`tender init` makes one"));
    }
    let project = Project::open(&PlaceOptions::default(), environment, terminal)?;
    let crates = &project.workspace.crates;
    match crates.iter().find(|krate| krate.name == text) {
        Some(krate) => Ok((krate.name.clone(), krate.dir.clone())),
        None => {
            let error = CliError::usage(format!(
                "there is no crate `{text}` in {}, and no directory of this name",
                project.workspace.manifest
            ));
            Err(match suggestion(text, crates.iter().map(|krate| krate.name.as_str())) {
                Some(help) => error.with_help(help),
                None => error.with_help(
                    "name the directory of a crate: `tender add ../zlib`; or, as there is no registry, where it is from: `--git` or `--url`",
                ),
            })
        }
    }
}

/// Writes the manifest, and reads its workspace.
///
/// # Errors
/// The workspace is wrong with it, and was not before: then the old text is there again.
fn change(manifest: &Utf8Path, old: &str, text: &str) -> Result<(), CliError> {
    let cannot =
        |error: std::io::Error| CliError::build(format!("cannot write {manifest}: {error}"));
    let was_right = manifest::load(manifest).is_ok();
    replace_manifest(manifest, text).map_err(cannot)?;
    match manifest::load(manifest) {
        Err(errors) if was_right => {
            replace_manifest(manifest, old).map_err(cannot)?;
            let problems = problems_text(&errors.problems);
            Err(CliError::usage(format!(
                "the workspace would be wrong, so the manifest stays as it was\n{}",
                problems.trim_end()
            )))
        }
        _ => Ok(()),
    }
}

/// The way from a directory to another one, as a manifest has it.
fn relative(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Utf8Component::ParentDir);
    let way: Utf8PathBuf = up.chain(to[common..].iter().copied()).collect();
    if way.as_str().is_empty() { Utf8PathBuf::from(".") } else { way }
}
