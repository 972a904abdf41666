//! Which manifest is meant: reading it, finding the nearest one, and the workspace root above it.

use super::MANIFEST_NAME;
use super::pattern::{Pattern, PatternKind, normalise};
use super::problem::{ManifestErrors, ManifestText, Problem};
use super::raw::{WorkspaceTable, workspace_of};
use crate::sys::{looks, whole_file};
use camino::{Utf8Path, Utf8PathBuf};

/// Which manifests a directory leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundManifest {
    /// The nearest manifest, in the directory or above it.
    pub nearest: Utf8PathBuf,
    /// The root manifest of the workspace that `nearest` belongs to; a crate of no workspace is its
    /// own root.
    pub root: Utf8PathBuf,
}

/// The manifests that `dir` leads to: the nearest `Tender.toml` upwards, then on upwards to the one
/// whose `[workspace]` has it as a member. `logical` is another path of the same directory, by
/// symbolic links: what lies above it counts where `dir` leads to no manifest, or to a crate of no
/// workspace that is a member of one by this path.
///
/// # Errors
/// There is no manifest, or the nearest one cannot be read. Mistakes in it are left to `load`.
pub fn find(dir: &Utf8Path, logical: Option<&Utf8Path>) -> Result<FoundManifest, ManifestErrors> {
    let start = absolute(dir)?;
    let physical = find_above(&start)?;
    if physical.as_ref().is_some_and(Nearest::is_in_workspace) {
        return Ok(physical.expect("just seen").found);
    }
    let other = match logical {
        Some(logical) => find_above(&absolute(logical)?)?,
        None => None,
    };
    match (physical, other) {
        (None, Some(other)) => Ok(other.found),
        (Some(physical), Some(other))
            if other.is_in_workspace() && other.same_manifest(&physical) =>
        {
            Ok(other.found)
        }
        (Some(physical), _) => Ok(physical.found),
        (None, None) => {
            let problem = Problem::error(format!(
                "there is no `{MANIFEST_NAME}` in `{start}` or any directory above it"
            ));
            Err(ManifestErrors::one(
                problem.help("`tender init` makes one here, `tender new NAME` in a new directory"),
            ))
        }
    }
}

struct Nearest {
    found: FoundManifest,
    is_root: bool,
}

impl Nearest {
    fn is_in_workspace(&self) -> bool {
        self.is_root || self.found.root != self.found.nearest
    }

    fn same_manifest(&self, other: &Self) -> bool {
        let real = |nearest: &Self| looks::canonicalize(nearest.found.nearest.as_std_path()).ok();
        real(self).is_some() && real(self) == real(other)
    }
}

fn find_above(start: &Utf8Path) -> Result<Option<Nearest>, ManifestErrors> {
    let Some(nearest) =
        start.ancestors().map(|dir| dir.join(MANIFEST_NAME)).find(|path| looks::is_file(path))
    else {
        return Ok(None);
    };
    let is_root = workspace_of(&read(&nearest)?).is_some();
    let root = match is_root {
        true => nearest.clone(),
        false => match root_above(&nearest) {
            Above::Root(root, _) => root.path.to_path_buf(),
            Above::Stranger(_) | Above::None => nearest.clone(),
        },
    };
    Ok(Some(Nearest { found: FoundManifest { nearest, root }, is_root }))
}

/// The path made absolute and normalised, as text: symbolic links are not followed.
///
/// # Errors
/// The path is empty, or the current directory is not known.
pub(super) fn absolute(path: &Utf8Path) -> Result<Utf8PathBuf, ManifestErrors> {
    match camino::absolute_utf8(path) {
        Ok(path) => Ok(normalise(&path)),
        Err(error) => Err(ManifestErrors::one(Problem::error(format!(
            "cannot tell where `{path}` is: {error}"
        )))),
    }
}

/// Bytes. A list of a hundred thousand sources has less.
const LARGEST: u64 = 64 << 20;

/// Reads a manifest of at most `LARGEST` bytes.
///
/// # Errors
/// The file is absent, no regular file, too large, unreadable, or not UTF-8.
pub fn read(path: &Utf8Path) -> Result<ManifestText, ManifestErrors> {
    let problem = match whole_file::read(path.as_std_path(), LARGEST) {
        Ok(bytes) => return decode(path, bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Problem::error(format!("the manifest `{path}` does not exist"))
                .help("`tender init` makes one")
        }
        Err(_) if looks::is_dir(path) => {
            Problem::error(format!("`{path}` is a directory, not a manifest"))
                .help(format!("name its manifest: `{}`", path.join(MANIFEST_NAME)))
        }
        Err(error) => Problem::error(format!("cannot read `{path}`: {error}")),
    };
    Err(ManifestErrors::one(problem))
}

fn decode(path: &Utf8Path, bytes: Vec<u8>) -> Result<ManifestText, ManifestErrors> {
    String::from_utf8(bytes).map(|text| ManifestText::new(path.to_owned(), &text)).map_err(
        |error| {
            // The text up to the first bad byte is good, so the place can be shown.
            let at = error.utf8_error().valid_up_to();
            let source =
                ManifestText::new(path.to_owned(), &String::from_utf8_lossy(error.as_bytes()));
            let problem = Problem::error("the manifest is not UTF-8").at(source.at(at..at + 1));
            ManifestErrors::one(
                problem.label("the first byte that is not").help("save the file as UTF-8"),
            )
        },
    )
}

pub(super) enum Above {
    /// A workspace that has the crate as a member.
    Root(ManifestText, Box<WorkspaceTable>),
    /// A workspace that neither names nor excludes it.
    Stranger(Utf8PathBuf),
    None,
}

/// The workspace above a manifest. Manifests on the way that cannot be read are not this crate's
/// business.
pub(super) fn root_above(manifest: &Utf8Path) -> Above {
    let Some(dir) = manifest.parent() else { return Above::None };
    let mut stranger = None;
    for above in dir.ancestors().skip(1) {
        let path = above.join(MANIFEST_NAME);
        // Most directories above have no manifest at all.
        if !looks::is_file(&path) {
            continue;
        }
        let Some((source, table)) =
            read(&path).ok().and_then(|source| workspace_of(&source).map(|table| (source, table)))
        else {
            continue;
        };
        match membership(above, &table, dir) {
            Membership::Member => return Above::Root(source, Box::new(table)),
            Membership::Excluded => {}
            Membership::Unknown => stranger = stranger.or(Some(path)),
        }
    }
    stranger.map_or(Above::None, Above::Stranger)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Membership {
    Member,
    Excluded,
    Unknown,
}

fn membership(root: &Utf8Path, table: &WorkspaceTable, dir: &Utf8Path) -> Membership {
    let parse = |text: &super::reader::Text| Pattern::parse(root, &text.value).ok();
    let (out, members): (Vec<Pattern>, Vec<Pattern>) =
        table.members.iter().filter_map(parse).partition(|pattern| pattern.exclude);
    if out
        .iter()
        .chain(&table.exclude.iter().filter_map(parse).collect::<Vec<_>>())
        .any(|p| excludes(p, dir))
    {
        Membership::Excluded
    } else if members.iter().any(|pattern| pattern.matches(dir)) {
        Membership::Member
    } else {
        Membership::Unknown
    }
}

/// An excluded directory takes everything below it along.
pub(super) fn excludes(pattern: &Pattern, dir: &Utf8Path) -> bool {
    match &pattern.place {
        PatternKind::Path(path) => dir.starts_with(path),
        PatternKind::Glob(_) => dir.ancestors().any(|dir| pattern.matches(dir)),
    }
}
