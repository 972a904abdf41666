//! What a library brings into the links of its dependents. Knows no items' work and does no I/O.

use crate::keys::ItemId;
use crate::manifest::TargetSettings;
use camino::{Utf8Path, Utf8PathBuf};
use tender_protocol::Member;

/// A library that dependents link.
#[derive(Clone, Debug)]
pub(super) struct LinkInput {
    /// The word that stands for it in links.
    pub path: Utf8PathBuf,
    pub form: LibraryForm,
    /// It has C++ code, so a program that links it as an archive needs the C++ runtime.
    pub cxx: bool,
}

#[derive(Clone, Debug)]
pub(super) enum LibraryForm {
    Archive(ItemId),
    Shared(ItemId),
    /// All objects are linked, as if they were the target's own.
    Objects {
        /// Of objects, and of archives that stand among the sources.
        paths: Vec<Utf8PathBuf>,
        /// Those that make the objects.
        items: Vec<ItemId>,
        /// Some are modules for link-time optimisation.
        bitcode: bool,
    },
    /// Under link-time optimisation over crates: the members of an archive that dependents do
    /// without.
    Members {
        members: Vec<Member>,
        /// Those that make the members.
        items: Vec<ItemId>,
    },
}

impl LinkInput {
    pub fn is_shared(&self) -> bool {
        matches!(self.form, LibraryForm::Shared(_))
    }

    /// The words that stand for it in links. `is_whole`: all objects of an archive are linked.
    pub fn words(&self, is_whole: bool) -> Vec<String> {
        match &self.form {
            LibraryForm::Shared(_) => vec![self.path.to_string()],
            LibraryForm::Archive(_) | LibraryForm::Members { .. } => archive(&self.path, is_whole),
            LibraryForm::Objects { paths, .. } => {
                let words = |path: &Utf8PathBuf| archive(path, path.extension() == Some("a"));
                paths.iter().flat_map(words).collect()
            }
        }
    }

    /// What a link comes after.
    pub fn items(&self) -> &[ItemId] {
        match &self.form {
            LibraryForm::Archive(item) | LibraryForm::Shared(item) => std::slice::from_ref(item),
            LibraryForm::Objects { items, .. } | LibraryForm::Members { items, .. } => items,
        }
    }
}

fn archive(path: &Utf8Path, is_whole: bool) -> Vec<String> {
    let path = path.to_string();
    match is_whole {
        true => vec!["-Wl,--whole-archive".into(), path, "-Wl,--no-whole-archive".into()],
        false => vec![path],
    }
}

/// Requirements of a link apart from the workspace's own files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LinkWords {
    /// In order, nothing dropped: their words may belong together (`-Xlinker --foo`).
    args: Vec<String>,
    /// Libraries, `-l` arguments from the manifest and those of pkg-config.
    libraries: Vec<String>,
}

impl LinkWords {
    /// `args`: words of the manifest; `settings` has the libraries.
    pub fn of(args: &[String], settings: &TargetSettings, pkg_config: Vec<String>) -> Self {
        let mut words = Self { args: args.to_vec(), libraries: Vec::new() };
        words.add_libraries(settings.link.iter().map(|name| format!("-l{name}")));
        words.add_libraries(pkg_config);
        words
    }

    /// What a link gets of them: the libraries, and the rest only where that is visible.
    pub fn shown(&self, is_visible: bool) -> Self {
        let args = if is_visible { self.args.clone() } else { Vec::new() };
        Self { args, libraries: self.libraries.clone() }
    }

    pub fn append(&mut self, other: Self) {
        self.args.extend(other.args);
        self.add_libraries(other.libraries);
    }

    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        self.args.iter().chain(&self.libraries).cloned()
    }

    /// A library named again moves to the end: it must stand after everything that uses it. Words
    /// that are not a name on their own, such as `-framework X` or `-L`, keep their place.
    fn add_libraries(&mut self, words: impl IntoIterator<Item = String>) {
        for word in words {
            if word.starts_with("-l") || word.starts_with("-L") || word == "-pthread" {
                self.libraries.retain(|known| *known != word);
            }
            self.libraries.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_stands_after_all_that_use_it() {
        let settings = |link: &[&str]| TargetSettings {
            link: link.iter().map(|s| s.to_string()).collect(),
            ..TargetSettings::default()
        };
        let mut words = LinkWords::of(&[], &settings(&["m", "z"]), vec![]);
        words.append(LinkWords::of(
            &[],
            &settings(&["dl", "m"]),
            vec!["-L/opt/lib".into(), "-lssl".into()],
        ));
        assert_eq!(words.all().collect::<Vec<_>>(), ["-lz", "-ldl", "-lm", "-L/opt/lib", "-lssl"]);
    }
}
