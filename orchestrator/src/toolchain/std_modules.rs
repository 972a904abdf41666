//! Where the C++ standard library has the sources of its modules: the file `*.modules.json` that it
//! installs (https://wg21.link/p3286). Which unit imports them is not known here.

use crate::graph::StdModule;
use crate::module_metadata::{ModuleMetadata, at};
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};

/// The modules of LLVM's library, or of GCC's newest; none where it has none.
pub(super) fn find(llvm_bin: &Utf8Path, is_libcxx: bool) -> Vec<StdModule> {
    let candidates = if is_libcxx {
        vec![llvm_bin.with_file_name("lib").join("libc++.modules.json")]
    } else {
        of_gcc(Utf8Path::new("/usr/lib/gcc"))
    };
    let read = |path: &Utf8PathBuf| {
        let text = super::library_modules::read(path).ok()??;
        let metadata = ModuleMetadata::parse(&text).ok()?;
        Some(std_modules(metadata, path.parent().unwrap_or(Utf8Path::new(""))))
    };
    candidates.iter().find_map(read).unwrap_or_default()
}

/// `/usr/lib/gcc/TRIPLE/VERSION/libstdc++.modules.json` of each version that clang would take, the
/// newest first: https://gcc.gnu.org/onlinedocs/gcc/Directory-Options.html
fn of_gcc(root: &Utf8Path) -> Vec<Utf8PathBuf> {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let Ok(entries) = looks::read_dir(root.join(triple).as_std_path()) else { return Vec::new() };
    let mut versions: Vec<(u32, Utf8PathBuf)> = entries
        .filter_map(|entry| {
            let path = Utf8PathBuf::from_path_buf(entry.ok()?.path()).ok()?;
            Some((path.file_name()?.split('.').next()?.parse().ok()?, path))
        })
        .collect();
    versions.sort();
    let file = |(_, path): (u32, Utf8PathBuf)| path.join("libstdc++.modules.json");
    versions.into_iter().rev().map(file).collect()
}

/// Of a file in the directory `place`.
fn std_modules(metadata: ModuleMetadata, place: &Utf8Path) -> Vec<StdModule> {
    let modules = metadata.modules.into_iter().filter(|module| module.is_std_library);
    let module = modules.map(|module| StdModule {
        source: at(place, &module.source_path),
        include: (module.local_arguments.system_include_directories.iter())
            .map(|dir| at(place, dir))
            .collect(),
        name: module.logical_name,
    });
    module.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn std_modules_are_read_from_the_library_s_manifest() {
        let text = r#"{ "version": 1, "revision": 1, "modules": [
            { "logical-name": "std", "source-path": "../share/v1/std.cppm", "is-std-library": true,
              "local-arguments": { "system-include-directories": [ "../share/v1" ] } },
            { "logical-name": "other", "source-path": "o.cppm" },
            { "logical-name": "std.compat", "source-path": "/x/std.compat.cc", "is-std-library": true }
        ] }"#;
        let module = |name: &str, source: &str, include: &[&str]| StdModule {
            name: name.into(),
            source: source.into(),
            include: include.iter().map(Into::into).collect(),
        };
        assert_eq!(
            std_modules(
                ModuleMetadata::parse(text.as_bytes()).unwrap(),
                Utf8Path::new("/llvm/lib")
            ),
            [
                module("std", "/llvm/share/v1/std.cppm", &["/llvm/share/v1"]),
                module("std.compat", "/x/std.compat.cc", &[]),
            ]
        );
    }

    #[test]
    fn std_modules_of_gcc_are_those_of_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
        for version in ["9", "12", "15.2.0", "plugin"] {
            std::fs::create_dir_all(root.join(&triple).join(version)).unwrap();
        }
        let found = of_gcc(root);
        let versions: Vec<_> =
            found.iter().map(|path| path.parent().unwrap().file_name().unwrap()).collect();
        assert_eq!(versions, ["15.2.0", "12", "9"]);
        assert_eq!(of_gcc(&root.join("none")), Vec::<Utf8PathBuf>::new());
    }
}
