//! The linker that `linker` in a manifest chooses, as words for a link driver. Starts nothing.
//!
//! gcc and clang start `ld.NAME` for `-fuse-ld=NAME`, and look for it in the directories of `-B`, then
//! in PATH. gcc takes no path there, so a linker that is named by its path is found by `-B`, and has to
//! be called as the driver calls it.

use super::driver::resolve;
use crate::manifest::Linker;
use camino::Utf8Path;

/// The names that gcc has for linkers; clang takes any.
const KNOWN: [&str; 4] = ["bfd", "gold", "lld", "mold"];

/// # Errors
/// The text for users: there is no such program, or it has a name by which no driver finds it.
pub(super) fn words(linker: &Linker, llvm_bin: &Utf8Path) -> Result<Vec<String>, String> {
    match linker {
        Linker::Lld => {
            let lld = llvm_bin.join("ld.lld");
            match resolve(lld.as_str(), Utf8Path::new("")) {
                Some(_) => Ok(vec![format!("-B{llvm_bin}"), "-fuse-ld=lld".to_owned()]),
                None => Err(missing(&lld, Some(&format!("lld-{}", tender_protocol::LLVM_MAJOR)))),
            }
        }
        Linker::Named(name) => match resolve(&format!("ld.{name}"), Utf8Path::new("")) {
            Some(_) => Ok(vec![format!("-fuse-ld={name}")]),
            None => Err(missing(Utf8Path::new(&format!("ld.{name}")), package_of(name))),
        },
        Linker::Path(path) => of_path(path),
    }
}

fn of_path(path: &Utf8Path) -> Result<Vec<String>, String> {
    let name = path.file_name().unwrap_or_default();
    let dir = path.parent().unwrap_or(Utf8Path::new("/"));
    let (called, word) = match name {
        "ld" => (path.to_owned(), None),
        // They are installed by these names too, with the others as links beside them.
        "mold" | "lld" => (dir.join(format!("ld.{name}")), Some(name)),
        _ => match name.strip_prefix("ld.").filter(|rest| KNOWN.contains(rest)) {
            Some(rest) => (path.to_owned(), Some(rest)),
            None => {
                return Err(format!(
                    "link drivers do not find a linker that is called `{name}`\n  help: make a link to it that is called `ld`, and name that"
                ));
            }
        },
    };
    if resolve(called.as_str(), Utf8Path::new("")).is_none() {
        return Err(format!("`{called}`, which `linker` names, is not found or is no program"));
    }
    let word = word.map(|name| format!("-fuse-ld={name}"));
    Ok([format!("-B{dir}")].into_iter().chain(word).collect())
}

fn missing(program: &Utf8Path, package: Option<&str>) -> String {
    let install = match package {
        Some(package) => format!("on Debian and Ubuntu: apt-get install {package};"),
        None => "install it,".to_owned(),
    };
    format!(
        "`{program}`, which `linker` names, is not found\n  help: {install} or choose another: `linker = \"lld\"`"
    )
}

/// The package of Debian that has the linker.
fn package_of(name: &str) -> Option<&str> {
    match name {
        "bfd" | "gold" => Some("binutils"),
        "mold" => Some("mold"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn linker_is_found_as_drivers_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let bin = Utf8Path::from_path(dir.path()).unwrap();
        let program = |name: &str| {
            std::fs::write(bin.join(name), "").unwrap();
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(bin.join(name), mode).unwrap();
        };
        let of = |linker: Linker| words(&linker, bin);
        let path = |name: &str| Linker::Path(bin.join(name));
        let refused = |linker: Linker, expect: &str| {
            let why = of(linker).unwrap_err();
            assert!(why.contains(expect), "{why}");
        };
        refused(Linker::Lld, "apt-get install lld-22");
        program("ld.lld");
        let found = [format!("-B{bin}"), "-fuse-ld=lld".to_owned()];
        assert_eq!(of(Linker::Lld).unwrap(), found);
        assert_eq!(of(path("ld.lld")).unwrap(), found);
        assert_eq!(of(path("lld")).unwrap(), found);
        refused(Linker::Named("absent".into()), "`ld.absent`, which `linker` names, is not found");
        refused(path("mold"), "/ld.mold`, which `linker` names, is not found or is no program");
        refused(path("ld.wild"), "that is called `ld.wild`");
        refused(path("ld"), "is not found");
        program("ld");
        assert_eq!(of(path("ld")).unwrap(), [format!("-B{bin}")]);
    }
}
