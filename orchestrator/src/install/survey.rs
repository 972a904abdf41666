//! The files of a crate that are installed and that no build makes as an artifact: headers, manual
//! pages, data. Reads directories, and decides nothing that the tree does not tell.

use crate::manifest::{
    Crate, InstallSource, Lib, OUT_DIR, files_below, manual_section, source_kind,
};
use camino::{Utf8Path, Utf8PathBuf};

/// Absolute paths, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrateFiles {
    /// Below the directory of headers.
    pub headers: Vec<InstallSource>,
    pub man: Vec<Utf8PathBuf>,
    /// By the directory below the prefix.
    pub data: Vec<(String, Vec<InstallSource>)>,
}

/// `out_dir`: where the crate's commands write.
pub fn survey(krate: &Crate, out_dir: &Utf8Path) -> CrateFiles {
    let expanded = |path: &Utf8Path| match path.strip_prefix(OUT_DIR) {
        Ok(rest) => out_dir.join(rest),
        Err(_) => path.to_owned(),
    };
    let absolute = |sources: &[InstallSource]| -> Vec<InstallSource> {
        let source = |one: &InstallSource| InstallSource {
            path: expanded(&one.path),
            below: one.below.clone(),
        };
        sources.iter().map(source).collect()
    };
    let rules = &krate.install;
    let headers = match &rules.headers {
        Some(named) => absolute(named),
        None => {
            let mut headers = found_headers(krate);
            headers.extend(absolute(&generated_headers(krate)));
            headers
        }
    };
    let man = rules.man.clone().unwrap_or_else(|| {
        let pages = list(&krate.dir.join("man")).into_iter();
        pages.filter(|path| manual_section(path).is_some()).collect()
    });
    let data = rules.data.iter().map(|(dir, sources)| (dir.clone(), absolute(sources))).collect();
    CrateFiles { headers, man: man.iter().map(|path| expanded(path)).collect(), data }
}

/// The files in a directory, sorted.
fn list(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let below = files_below(dir).into_iter();
    below.filter(|path| path.components().count() == 1).map(|path| dir.join(path)).collect()
}

/// The libraries that have users: plugins are loaded by path, and object libraries have no file.
pub(super) fn linkable_libs(krate: &Crate) -> impl Iterator<Item = &Lib> {
    krate.libs.iter().filter(|lib| !lib.is_plugin() && !lib.object)
}

/// Of nested directories files are found in the outermost, which the others are directories of
/// there too.
fn found_headers(krate: &Crate) -> Vec<InstallSource> {
    let mut dirs: Vec<&Utf8PathBuf> = linkable_libs(krate).flat_map(|lib| &lib.headers).collect();
    dirs.retain(|dir| !dir.starts_with(OUT_DIR));
    dirs.sort();
    dirs.dedup();
    let mut headers = Vec::new();
    for dir in dirs.iter().filter(|dir| outermost(&dirs, dir) == ***dir) {
        for below in files_below(dir) {
            let path = dir.join(&below);
            if is_header(dir, &path) {
                headers.push(InstallSource { path, below });
            }
        }
    }
    headers
}

/// The outermost of `dirs` that `dir` is or lies in.
fn outermost<'a>(dirs: &[&'a Utf8PathBuf], dir: &'a Utf8Path) -> &'a Utf8Path {
    let above = dirs.iter().filter(|other| dir.starts_with(other));
    above.min_by_key(|other| other.as_str().len()).map_or(dir, |other| other.as_path())
}

/// Directories of a library's headers below the directory that headers of its crate are installed
/// to; that one is `""`.
pub(super) fn include_dirs(krate: &Crate, lib: &Lib) -> Vec<Utf8PathBuf> {
    let all: Vec<&Utf8PathBuf> = linkable_libs(krate).flat_map(|lib| &lib.headers).collect();
    let mut dirs = vec![Utf8PathBuf::new()];
    for dir in lib.headers.iter().filter(|dir| !dir.starts_with(OUT_DIR)) {
        let below = dir.strip_prefix(outermost(&all, dir)).unwrap_or(Utf8Path::new(""));
        if !dirs.iter().any(|known| known == below) {
            dirs.push(below.to_owned());
        }
    }
    dirs
}

/// Extensions of files that sources include.
const HEADER_EXTENSIONS: [&str; 14] =
    ["h", "hh", "hpp", "hxx", "h++", "H", "inc", "inl", "ipp", "ixx", "tcc", "tpp", "txx", "def"];

/// Whether a file in a public include directory is a header. Those of C++ libraries may have no
/// extension, but only in a directory that is for headers alone.
fn is_header(dir: &Utf8Path, path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    match path.extension() {
        Some(extension) => HEADER_EXTENSIONS.contains(&extension),
        None => {
            let is_other = ["Makefile", "README", "LICENSE", "COPYING", "BUILD"].contains(&name);
            dir.file_name() == Some("include") && !is_other
        }
    }
}

/// Headers that dependents see and that the build writes: public ones of `[config]`, and outputs of
/// commands.
fn generated_headers(krate: &Crate) -> Vec<InstallSource> {
    let out_dir = Utf8Path::new(OUT_DIR);
    if linkable_libs(krate).next().is_none() {
        return Vec::new();
    }
    let config = krate.config_headers.iter().filter(|config| config.public);
    let config = config.map(|config| out_dir.join(&config.header));
    let commands =
        krate.generate.iter().flat_map(|command| &command.outputs).map(Utf8PathBuf::from);
    let commands = commands.filter(|path| {
        path.starts_with(OUT_DIR) && source_kind(path).is_none() && is_header(out_dir, path)
    });
    let dirs: Vec<&Utf8PathBuf> = linkable_libs(krate).flat_map(|lib| &lib.headers).collect();
    let header = |path: Utf8PathBuf| {
        let inner = dirs.iter().filter(|dir| dir.starts_with(OUT_DIR) && path.starts_with(dir));
        let base = inner.max_by_key(|dir| dir.as_str().len()).map_or(out_dir, |dir| dir.as_path());
        let below = path.strip_prefix(base).unwrap_or(&path).components().collect();
        InstallSource { path, below }
    };
    config.chain(commands).map(header).collect()
}

/// Whether the build writes headers that dependents of the crate see.
pub(super) fn has_public_headers(krate: &Crate) -> bool {
    !generated_headers(krate).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_by_names() {
        let check = |path: &str, expect: bool| {
            let dir = Utf8Path::new(path)
                .ancestors()
                .find(|dir| ["src", "include"].contains(&dir.file_name().unwrap_or_default()));
            assert_eq!(is_header(dir.unwrap(), path.as_ref()), expect, "{path}");
        };
        check("/w/include/greet/greet.h", true);
        check("/w/include/greet.hpp", true);
        check("/w/include/Eigen/Dense", true);
        check("/w/include/Makefile", false);
        check("/w/include/config.h.in", false);
        check("/w/src/greet.h", true);
        check("/w/src/greet.c", false);
        check("/w/src/Makefile", false);
    }
}
