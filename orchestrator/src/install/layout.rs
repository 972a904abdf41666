//! Where the kinds of files go below a prefix, by the GNU coding standards. Pure: paths in, paths out.
//! https://www.gnu.org/prep/standards/html_node/Directory-Variables.html

use super::InstallError;
use crate::manifest::normalise;
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

/// The directories of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallLayout {
    /// Absolute. Programs and libraries are used from here.
    prefix: Utf8PathBuf,
    /// Relative to the prefix.
    libdir: Utf8PathBuf,
    /// Absolute. Files are written below it, as if it were the root directory.
    destdir: Option<Utf8PathBuf>,
}

pub(super) const BIN_DIR: &str = "bin";
pub(super) const INCLUDE_DIR: &str = "include";

/// Of the lists of installed files, below the prefix.
pub(super) const LIST_DIR: &str = "share/tender";

impl InstallLayout {
    /// Relative paths start from `here`, apart from `libdir`, which starts from the prefix.
    ///
    /// # Errors
    /// `libdir` is no directory below the prefix.
    pub fn new(
        here: &Utf8Path,
        prefix: &Utf8Path,
        libdir: &Utf8Path,
        destdir: Option<&Utf8Path>,
    ) -> Result<InstallLayout, InstallError> {
        let prefix = normalise(&here.join(prefix));
        let below = match libdir.is_absolute() {
            true => libdir.strip_prefix(&prefix).ok(),
            false => Some(libdir),
        };
        let is_plain = |dir: &&Utf8Path| {
            let mut parts = dir.components();
            !dir.as_str().is_empty() && parts.all(|part| matches!(part, Utf8Component::Normal(_)))
        };
        let libdir = below.filter(is_plain).ok_or_else(|| InstallError::LibDir {
            libdir: libdir.to_owned(),
            prefix: prefix.clone(),
        })?;
        let destdir = destdir.map(|dir| normalise(&here.join(dir)));
        Ok(InstallLayout { libdir: libdir.components().collect(), prefix, destdir })
    }

    pub fn prefix(&self) -> &Utf8Path {
        &self.prefix
    }

    pub fn libdir(&self) -> &Utf8Path {
        &self.libdir
    }

    pub fn is_staged(&self) -> bool {
        self.destdir.is_some()
    }

    /// Where the prefix is written.
    pub fn root(&self) -> Utf8PathBuf {
        match &self.destdir {
            Some(destdir) => normalise(&destdir.join(self.prefix.as_str().trim_start_matches('/'))),
            None => self.prefix.clone(),
        }
    }

    /// Where a path below the prefix is written.
    pub fn place(&self, below: &Utf8Path) -> Utf8PathBuf {
        self.root().join(below)
    }

    /// Below the prefix.
    pub(super) fn pkg_config_file(&self, library: &str) -> Utf8PathBuf {
        self.libdir.join("pkgconfig").join(format!("{library}.pc"))
    }

    /// Below the prefix: the directory of a library's files for CMake.
    pub(super) fn cmake_dir(&self, library: &str) -> Utf8PathBuf {
        self.libdir.join("cmake").join(library)
    }

    /// Below the prefix: the file that names the modules of a library, beside it.
    pub(super) fn module_file(&self, library: &str) -> Utf8PathBuf {
        self.libdir.join(format!("lib{library}.modules.json"))
    }

    /// Below the prefix: the directory of the interfaces of a library's modules.
    pub(super) fn module_dir(&self, library: &str) -> Utf8PathBuf {
        Utf8Path::new("share").join(library).join("modules")
    }

    /// Below the prefix: the list of installed files of a crate.
    pub(super) fn list_below(&self, krate: &str) -> Utf8PathBuf {
        Utf8Path::new(LIST_DIR).join(format!("{krate}.json"))
    }

    /// Of the lists of installed files.
    pub fn list_dir(&self) -> Utf8PathBuf {
        self.place(LIST_DIR.as_ref())
    }

    /// Whether the loader looks for shared libraries in `dir`, below the prefix, without being told
    /// (ld.so(8)). Directories of /etc/ld.so.conf do not count: what is in them is found only after
    /// ldconfig has run.
    pub(super) fn is_searched_by_loader(&self, dir: &Utf8Path) -> bool {
        let dir = self.prefix.join(dir);
        let multiarch = |root: &str| {
            dir.parent() == Some(Utf8Path::new(root))
                && dir.file_name().is_some_and(|name| name.contains("-linux-"))
        };
        ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].iter().any(|known| dir == *known)
            || multiarch("/lib")
            || multiarch("/usr/lib")
    }
}

/// The way from one directory to another, both below the prefix.
pub(super) fn way(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Utf8Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(prefix: &str, libdir: &str, destdir: Option<&str>) -> Result<InstallLayout, String> {
        InstallLayout::new(
            "/here".into(),
            prefix.as_ref(),
            libdir.as_ref(),
            destdir.map(Utf8Path::new),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn layout_places_files_below_destdir_and_prefix() {
        let check = |prefix: &str, destdir: Option<&str>, expect: &str| {
            let layout = layout(prefix, "lib", destdir).unwrap();
            assert_eq!(layout.place("bin/app".as_ref()), expect, "{prefix} {destdir:?}");
        };
        check("/usr/local", None, "/usr/local/bin/app");
        check("/usr/local/", Some("/stage"), "/stage/usr/local/bin/app");
        // Relative to the current directory, not to wherever the build runs.
        check("/usr", Some("stage"), "/here/stage/usr/bin/app");
        check("/usr", Some("../stage/./x"), "/stage/x/usr/bin/app");
        check("out", None, "/here/out/bin/app");
        check("out", Some("stage"), "/here/stage/here/out/bin/app");
        check("/", Some("stage"), "/here/stage/bin/app");
    }

    #[test]
    fn layout_has_the_libraries_below_the_prefix() {
        let check = |libdir: &str, expect: Option<&str>| {
            let found = layout("/usr", libdir, None).ok().map(|layout| layout.libdir);
            assert_eq!(found.as_deref(), expect.map(Utf8Path::new), "{libdir}");
        };
        check("lib", Some("lib"));
        check("lib/x86_64-linux-gnu/", Some("lib/x86_64-linux-gnu"));
        check("/usr/lib64", Some("lib64"));
        check("/opt/lib", None);
        check("../lib", None);
        check("", None);
        check("/usr", None);
    }

    #[test]
    fn loader_searches_directories_of_the_system() {
        let check = |prefix: &str, libdir: &str, expect: bool| {
            let layout = layout(prefix, libdir, None).unwrap();
            assert_eq!(layout.is_searched_by_loader(&layout.libdir), expect, "{prefix} {libdir}");
        };
        check("/usr", "lib", true);
        check("/usr", "lib64", true);
        check("/usr", "lib/x86_64-linux-gnu", true);
        check("/", "lib", true);
        check("/usr", "lib/greet", false);
        check("/usr/local", "lib", false);
        check("/opt/x", "lib", false);
    }

    #[test]
    fn ways_lead_from_one_directory_to_another() {
        let check = |from: &str, to: &str, expect: &str| {
            assert_eq!(way(from.as_ref(), to.as_ref()), expect, "{from} {to}");
        };
        check("bin", "lib", "../lib");
        check("lib", "lib", "");
        check("lib/lua/5.4/socket", "lib", "../../..");
        check("bin", "lib/x86_64-linux-gnu", "../lib/x86_64-linux-gnu");
    }
}
