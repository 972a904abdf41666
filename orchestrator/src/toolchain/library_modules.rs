//! Which C++ modules the libraries of a package of pkg-config have: what the files `lib*.modules.json`
//! beside them name (https://wg21.link/p2701). Which unit imports them is not known here.
//!
//! A file is looked for in the directories that links with the package's archives search, and in its
//! `libdir`, which pkg-config leaves out of its answer where compilers search there anyway. Each look is
//! recorded, in vain or not, so a file that appears is seen by the next build.

use super::pkg_config::Cache;
use crate::graph::{InstalledLibrary, InstalledModule, PkgConfig};
use crate::module_metadata::{ListedModule, ModuleMetadata, ModuleMetadataError, at};
use crate::sys::{looks, whole_file};
use camino::{Utf8Path, Utf8PathBuf};
use std::io::ErrorKind;

/// Bytes. The real ones have a hundredth.
const LARGEST: u64 = 16 << 20;

/// The libraries with modules that links with the package name, each with what else its modules may
/// import.
///
/// # Errors
/// The text for users: a file is damaged or names what is not there, or what pkg-config says.
pub(super) fn find(packages: &Cache, package: &str) -> Result<Vec<InstalledLibrary>, String> {
    let found = packages.find(package)?;
    let mut libraries = Vec::new();
    for library in files(&found)? {
        let own = own_package(packages, package, &found, &library)?;
        let uses = files(&own)?.into_iter().map(|other| other.file);
        let uses = uses.filter(|file| *file != library.file).collect();
        if let Some(modules) = modules_of(&library)? {
            let FoundFile { name, file, .. } = library;
            libraries.push(InstalledLibrary { name, file, cflags: own.cflags, modules, uses });
        }
    }
    Ok(libraries)
}

/// The content, None where there is no file.
///
/// # Errors
/// The text for users.
pub(super) fn read(path: &Utf8Path) -> Result<Option<Vec<u8>>, String> {
    match whole_file::read(path.as_std_path(), LARGEST) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(format!("`{path}` cannot be read: {error}")),
    }
}

/// A file that names the modules of a library.
struct FoundFile {
    /// As after `-l`.
    name: String,
    file: Utf8PathBuf,
    text: Vec<u8>,
}

/// The package of the library itself, whose flags its interfaces are compiled with. `found` is of
/// `package`, which may only require it.
fn own_package(
    packages: &Cache,
    package: &str,
    found: &PkgConfig,
    library: &FoundFile,
) -> Result<PkgConfig, String> {
    let asked = package.split([' ', '<', '>', '=', '!']).next();
    if asked != Some(&library.name) && packages.has(&library.name) {
        let own = packages.find(&library.name)?;
        let is_own = files(&own)?.iter().any(|other| other.file == library.file);
        if is_own {
            return Ok(own);
        }
    }
    Ok(found.clone())
}

/// Those that are there, of each library the first.
fn files(found: &PkgConfig) -> Result<Vec<FoundFile>, String> {
    let mut files: Vec<FoundFile> = Vec::new();
    for (name, candidates) in candidates(&found.static_libs, found.libdir.as_deref()) {
        for file in candidates {
            let Some(text) = read(&file)? else { continue };
            if files.iter().all(|known| known.file != file) {
                files.push(FoundFile { name, file, text });
            }
            break;
        }
    }
    Ok(files)
}

/// For each library that words of a link name, where the file of its modules may be.
fn candidates(words: &[String], libdir: Option<&Utf8Path>) -> Vec<(String, Vec<Utf8PathBuf>)> {
    // `-Wl,--whole-archive,-lgreet,--no-whole-archive`
    let parts = words.iter().flat_map(|word| match word.strip_prefix("-Wl,") {
        Some(rest) => rest.split(',').collect::<Vec<_>>(),
        None => vec![word.as_str()],
    });
    let parts: Vec<&str> = parts.collect();
    let mut dirs: Vec<&Utf8Path> =
        parts.iter().filter_map(|part| part.strip_prefix("-L")).map(Utf8Path::new).collect();
    dirs.extend(libdir);
    let mut known: Vec<&Utf8Path> = Vec::new();
    dirs.retain(|dir| {
        dir.is_absolute() && !known.contains(dir) && {
            known.push(dir);
            true
        }
    });
    let mut found: Vec<(String, Vec<Utf8PathBuf>)> = Vec::new();
    for part in parts {
        let path = Utf8Path::new(part);
        let (name, places) = match part.strip_prefix("-l") {
            Some(file) if file.starts_with(':') => match library_of(&file[1..]) {
                Some(name) => (name, dirs.clone()),
                None => continue,
            },
            Some(name) if !name.is_empty() => (name, dirs.clone()),
            _ if path.is_absolute() => match path.file_name().and_then(library_of) {
                Some(name) => (name, path.parent().into_iter().collect()),
                None => continue,
            },
            _ => continue,
        };
        if found.iter().all(|(other, _)| other != name) {
            let file = format!("lib{name}.modules.json");
            let places = places.iter().map(|dir| dir.join(&file)).collect();
            found.push((name.to_owned(), places));
        }
    }
    found
}

/// `greet` of `libgreet.a` or `libgreet.so.1`.
fn library_of(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("lib")?;
    let end = rest.strip_suffix(".a").map(str::len).or_else(|| rest.find(".so"))?;
    Some(&rest[..end]).filter(|name| !name.is_empty())
}

/// None if they are the modules of the standard library, which `std_modules` finds.
fn modules_of(library: &FoundFile) -> Result<Option<Vec<InstalledModule>>, String> {
    let file = &library.file;
    let metadata = ModuleMetadata::parse(&library.text).map_err(|why| {
        let help = match why {
            ModuleMetadataError::Newer(_) => "update tender",
            ModuleMetadataError::Damaged(_) => "install the library again",
        };
        format!(
            "`{file}` {why}\n  help: {help}, or write `scan-modules = false` into the manifest if no unit imports a module"
        )
    })?;
    let place = file.parent().unwrap_or(Utf8Path::new(""));
    let own = metadata.modules.into_iter().filter(|module| !module.is_std_library);
    let modules: Vec<InstalledModule> = own.map(|module| installed(module, place)).collect();
    if let Some(module) = modules.iter().find(|module| !looks::is_file(&module.source)) {
        let InstalledModule { name, source, .. } = module;
        return Err(format!(
            "`{file}` says that the module `{name}` is in `{source}`, which is not there\n  help: install the library again"
        ));
    }
    Ok(Some(modules).filter(|modules| !modules.is_empty()))
}

fn installed(module: ListedModule, place: &Utf8Path) -> InstalledModule {
    InstalledModule {
        source: at(place, &module.source_path),
        args: module.local_arguments.words(place),
        is_private: module.vendor.is_private() || module.logical_name.contains(':'),
        name: module.logical_name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str], libdir: Option<&str>) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = candidates(&words, libdir.map(Utf8Path::new)).into_iter();
        found.flat_map(|(_, places)| places).map(Utf8PathBuf::into_string).collect()
    }

    #[test]
    fn library_modules_are_looked_for_beside_the_libraries_of_a_link() {
        assert_eq!(
            shown(&["-L/a/lib", "-lone", "-L/b", "-pthread", "-lone"], Some("/a/lib")),
            ["/a/lib/libone.modules.json", "/b/libone.modules.json"]
        );
        assert_eq!(
            shown(&["-Wl,--whole-archive,-llow,--no-whole-archive"], Some("/usr/lib")),
            ["/usr/lib/liblow.modules.json"]
        );
        assert_eq!(
            shown(
                &["/p/lib/libtwo.so.1.2", "/p/x.o", "-l:libthree.a", "-l", "-Lrelative"],
                Some("/l")
            ),
            ["/p/lib/libtwo.modules.json", "/l/libthree.modules.json"]
        );
    }

    #[test]
    fn library_modules_name_the_file_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("libx.modules.json");
        std::fs::write(dir.path().join("x.cppm"), "").unwrap();
        let modules = |text: &str| {
            let text = text.as_bytes().to_vec();
            let found = FoundFile { name: "x".into(), file: file.clone(), text };
            modules_of(&found).map(|found| found.unwrap_or_default())
        };
        let one = |path: &str| {
            format!(r#"{{ "modules": [{{ "logical-name": "x", "source-path": "{path}" }}] }}"#)
        };
        assert_eq!(modules(&one("x.cppm")).unwrap()[0].source, file.with_file_name("x.cppm"));
        for (text, expect) in [
            (one("y.cppm"), "y.cppm`, which is not there\n  help: install the library again"),
            ("{".to_owned(), "is no list of a library's modules"),
            (r#"{ "version": 9 }"#.to_owned(), "is of version 9 of its format"),
        ] {
            let error = modules(&text).unwrap_err();
            assert!(error.contains(file.as_str()) && error.contains(expect), "{error}");
        }
        let std = one("x.cppm").replace("}]", ", \"is-std-library\": true }]");
        assert_eq!(modules(&std), Ok(Vec::new()));
    }
}
