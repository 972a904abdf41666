//! The list of installed files of a crate, `share/tender/NAME.json` below the prefix. By it a later
//! installation knows which files it may replace, and `tender uninstall` what to remove. Pure: text
//! in, text out.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// Changes of the format that earlier versions cannot read count it up.
const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallList {
    pub format: u32,
    pub name: String,
    pub version: String,
    /// The user chose it; else it is there for others.
    pub chosen: bool,
    /// Crates whose libraries those of this one need.
    pub needs: Vec<String>,
    /// A path may be there twice, where an installation was interrupted: with what was there before,
    /// and with what was to be there.
    pub files: Vec<ListedFile>,
    /// Those that installations have made; outer ones first.
    pub directories: Vec<Utf8PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ListedFile {
    /// Below the prefix.
    pub path: Utf8PathBuf,
    #[serde(flatten)]
    pub content: ListedContent,
}

/// By which a file is known again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedContent {
    /// The digest of a file, in hexadecimal digits.
    Blake3(String),
    /// What a symbolic link contains.
    Link(String),
}

/// Why a list cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ListProblem {
    Newer,
    Damaged(String),
}

impl InstallList {
    pub fn new(name: &str, version: &str) -> InstallList {
        InstallList {
            format: FORMAT,
            name: name.to_owned(),
            version: version.to_owned(),
            chosen: false,
            needs: Vec::new(),
            files: Vec::new(),
            directories: Vec::new(),
        }
    }

    pub fn has(&self, path: &Utf8Path) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("a list has no maps with odd keys");
        text + "\n"
    }

    /// # Errors
    /// It is no list, or one that may not be trusted: files are removed by it.
    pub(super) fn parse(text: &[u8]) -> Result<InstallList, ListProblem> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| ListProblem::Damaged(error.to_string());
        if serde_json::from_slice::<Version>(text).map_err(damaged)?.format > FORMAT {
            return Err(ListProblem::Newer);
        }
        let list: InstallList = serde_json::from_slice(text).map_err(damaged)?;
        let is_plain = |path: &Utf8Path| {
            let mut parts = path.components();
            !path.as_str().is_empty() && parts.all(|part| matches!(part, Utf8Component::Normal(_)))
        };
        let paths = list.files.iter().map(|file| &file.path).chain(&list.directories);
        match paths.into_iter().find(|path| !is_plain(path)) {
            Some(path) => {
                Err(ListProblem::Damaged(format!("`{path}` is no path below the prefix")))
            }
            None => Ok(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_read_as_it_was_written() {
        let list = InstallList {
            chosen: true,
            needs: vec!["zip".into()],
            files: vec![
                ListedFile {
                    path: "bin/a \"b\"".into(),
                    content: ListedContent::Blake3("00ff".into()),
                },
                ListedFile {
                    path: "lib/libz.so".into(),
                    content: ListedContent::Link("libz.so.1".into()),
                },
            ],
            directories: vec!["include/greet".into()],
            ..InstallList::new("greet", "1.2.0")
        };
        assert_eq!(InstallList::parse(list.text().as_bytes()).unwrap(), list);
        assert!(list.text().contains(r#""link": "libz.so.1""#), "{}", list.text());
    }

    #[test]
    fn list_that_names_other_files_is_refused() {
        let parse = |path: &str| {
            let file = ListedFile { path: path.into(), content: ListedContent::Link("x".into()) };
            let list = InstallList { files: vec![file], ..InstallList::new("greet", "1") };
            InstallList::parse(list.text().as_bytes())
        };
        assert!(parse("bin/greet").is_ok());
        for path in ["/etc/passwd", "../x", "bin/../../x", "", "."] {
            assert!(matches!(parse(path), Err(ListProblem::Damaged(_))), "{path}");
        }
        assert!(matches!(InstallList::parse(b"{"), Err(ListProblem::Damaged(_))));
        assert!(matches!(InstallList::parse(b"[]"), Err(ListProblem::Damaged(_))));
        assert_eq!(InstallList::parse(b"{\"format\":2}"), Err(ListProblem::Newer));
    }

    #[test]
    fn fuzz_install_list() {
        tender_fuzz::check("install_list", 300, |bytes| {
            if let Ok(list) = InstallList::parse(bytes) {
                let mut named = list.files.iter().map(|file| &file.path).chain(&list.directories);
                let is_below = |path: &Utf8PathBuf| {
                    !path.is_absolute() && path.components().all(|part| part.as_str() != "..")
                };
                assert!(named.all(is_below), "{list:?}");
            }
        });
    }
}
