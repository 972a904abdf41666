//! The file that stands beside a library and says where the sources of its C++ modules are:
//! `libgreet.modules.json` beside `libgreet.a`, as LLVM's and GCC's C++ libraries have one. Pure: text to
//! types and back.
//!
//! https://wg21.link/p3286 has the format. That a module is for its own library alone has no place in it
//! but `vendor`.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// The newest version of the format that is understood. A revision only adds what may be ignored.
const VERSION: u32 = 1;

/// The fields that are read; others may be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleMetadata {
    #[serde(default = "version")]
    pub version: u32,
    #[serde(default = "version")]
    pub revision: u32,
    pub modules: Vec<ListedModule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ListedModule {
    pub logical_name: String,
    /// As all paths: absolute, or relative to the file's directory.
    pub source_path: Utf8PathBuf,
    /// Others can import it.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_interface: bool,
    #[serde(default, skip_serializing_if = "is_no")]
    pub is_std_library: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub local_arguments: LocalArguments,
    #[serde(default, skip_serializing_if = "is_default")]
    pub vendor: ModuleVendor,
}

/// What the source is compiled with besides the importer's mode.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LocalArguments {
    #[serde(default, skip_serializing_if = "is_default")]
    pub include_directories: Vec<Utf8PathBuf>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub system_include_directories: Vec<Utf8PathBuf>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub definitions: Vec<ModuleMacro>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleMacro {
    pub name: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub value: Option<String>,
    /// The macro is not defined.
    #[serde(default, skip_serializing_if = "is_no")]
    pub undef: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleVendor {
    #[serde(default, skip_serializing_if = "is_default")]
    tender: TenderVendor,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TenderVendor {
    /// Modules of the same library alone import it.
    #[serde(default, skip_serializing_if = "is_no")]
    private: bool,
}

/// Why a text is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ModuleMetadataError {
    #[error("is no list of a library's modules: {0}")]
    Damaged(String),
    #[error("is of version {0} of its format, and this tender knows version {VERSION}")]
    Newer(u64),
}

fn version() -> u32 {
    VERSION
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_yes(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_no(value: &bool) -> bool {
    !*value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ModuleVendor {
    pub fn new(private: bool) -> Self {
        Self { tender: TenderVendor { private } }
    }

    pub fn is_private(&self) -> bool {
        self.tender.private
    }
}

impl ModuleMetadata {
    pub fn new(modules: Vec<ListedModule>) -> Self {
        Self { version: VERSION, revision: VERSION, modules }
    }

    /// # Errors
    /// The text is no such file, or one of a newer version.
    pub fn parse(text: &[u8]) -> Result<Self, ModuleMetadataError> {
        let damaged = |error: serde_json::Error| ModuleMetadataError::Damaged(error.to_string());
        // In a newer version all else may be otherwise.
        let any: serde_json::Value = serde_json::from_slice(text).map_err(damaged)?;
        match any.get("version").and_then(serde_json::Value::as_u64) {
            Some(newer) if newer > u64::from(VERSION) => Err(ModuleMetadataError::Newer(newer)),
            _ => serde_json::from_value(any).map_err(damaged),
        }
    }

    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it has string keys only");
        text + "\n"
    }
}

impl ModuleMacro {
    /// Of a word for clang, such as `-DNAME=1` or `-UNAME`; none of others.
    pub fn of_word(word: &str) -> Option<Self> {
        if let Some(name) = word.strip_prefix("-U").filter(|name| !name.is_empty()) {
            return Some(Self { name: name.to_owned(), value: None, undef: true });
        }
        let define = word.strip_prefix("-D").filter(|define| !define.is_empty())?;
        let (name, value) = match define.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (define, None),
        };
        Some(Self { name: name.to_owned(), value, undef: false })
    }

    fn word(&self) -> String {
        match (&self.value, self.undef) {
            (_, true) => format!("-U{}", self.name),
            (Some(value), _) => format!("-D{}={value}", self.name),
            (None, _) => format!("-D{}", self.name),
        }
    }
}

impl LocalArguments {
    /// As words for clang. `place` is the directory of the file.
    pub fn words(&self, place: &Utf8Path) -> Vec<String> {
        let dirs = |option: &'static str, dirs: &[Utf8PathBuf]| -> Vec<String> {
            dirs.iter().map(|dir| format!("{option}{}", at(place, dir))).collect()
        };
        let mut words = dirs("-I", &self.include_directories);
        words.extend(dirs("-isystem", &self.system_include_directories));
        words.extend(self.definitions.iter().map(ModuleMacro::word));
        words
    }
}

/// A path of a file that stands in the directory `place`, without `..`, which would be part of messages
/// and of debug information.
pub(crate) fn at(place: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::new();
    for component in place.join(path).components() {
        match component {
            Utf8Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_metadata_is_read_as_it_was_written() {
        let module = |name: &str, private| ListedModule {
            logical_name: name.to_owned(),
            source_path: "../share/greet/modules/greet.cppm".into(),
            is_interface: true,
            is_std_library: false,
            local_arguments: LocalArguments {
                include_directories: vec![],
                system_include_directories: vec!["../include".into()],
                definitions: ["-DA", "-DB=1=2", "-UC"]
                    .iter()
                    .filter_map(|word| ModuleMacro::of_word(word))
                    .collect(),
            },
            vendor: ModuleVendor::new(private),
        };
        let metadata =
            ModuleMetadata::new(vec![module("greet", false), module("greet:part", true)]);
        let text = metadata.text();
        assert_eq!(ModuleMetadata::parse(text.as_bytes()), Ok(metadata.clone()));
        assert_eq!(
            metadata.modules[0].local_arguments.words("/opt/lib".into()),
            ["-isystem/opt/include", "-DA", "-DB=1=2", "-UC"]
        );
        assert_eq!(text.matches("private").count(), 1, "{text}");
        assert_eq!(text.matches("is-").count(), 0, "defaults are left out: {text}");
    }

    #[test]
    fn module_metadata_of_a_newer_version_is_refused() {
        let parse = |text: &str| ModuleMetadata::parse(text.as_bytes()).map(|found| found.modules);
        assert_eq!(parse(r#"{ "version": 1, "revision": 7, "modules": [], "x": 1 }"#), Ok(vec![]));
        assert_eq!(parse(r#"{ "modules": [] }"#), Ok(vec![]));
        assert_eq!(
            parse(r#"{ "version": 2, "libraries": {} }"#),
            Err(ModuleMetadataError::Newer(2))
        );
        for text in ["[]", "half {", "", r#"{ "version": 1 }"#, r#"{ "modules": [{}] }"#] {
            assert!(matches!(parse(text), Err(ModuleMetadataError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn module_metadata_paths_start_from_its_directory() {
        let check = |path: &str, expect: &str| {
            assert_eq!(at("/p/lib/arch".into(), path.as_ref()), expect, "{path}");
        };
        check("../../share/x.cppm", "/p/share/x.cppm");
        check("./x.cppm", "/p/lib/arch/x.cppm");
        check("/x/y.cppm", "/x/y.cppm");
    }

    #[test]
    fn fuzz_module_metadata() {
        tender_fuzz::check("module_metadata", 3_000, |input| {
            let Ok(metadata) = ModuleMetadata::parse(input) else { return };
            for module in &metadata.modules {
                module.local_arguments.words("/p/lib".into());
                at("/p/lib".into(), &module.source_path);
            }
            assert!(ModuleMetadata::parse(metadata.text().as_bytes()).is_ok());
        });
    }
}
