//! A manifest that is going to be written, as values and as text. Pure: paths are text, as they will
//! stand in the manifest.

use std::fmt::Write as _;

/// A manifest; what is empty is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManifestDraft {
    /// The members of a workspace root; None: the manifest is none.
    pub members: Option<Vec<String>>,
    pub package: Option<PackageDraft>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageDraft {
    pub name: String,
    pub version: String,
    pub settings: SettingsDraft,
    pub lib: Option<LibDraft>,
    pub bins: Vec<BinDraft>,
    /// Names of crates and the paths of their directories.
    pub dependencies: Vec<(String, String)>,
    /// Comments at the end, each a paragraph of lines.
    pub remarks: Vec<String>,
}

/// The settings of a package or a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsDraft {
    pub c_std: Option<String>,
    pub cxx_std: Option<String>,
    pub include: Vec<String>,
    pub defines: Vec<String>,
    pub flags: Vec<String>,
    pub c_flags: Vec<String>,
    pub cxx_flags: Vec<String>,
    pub link: Vec<String>,
    pub link_args: Vec<String>,
    pub precompiled_headers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibDraft {
    /// None: the default.
    pub sources: Option<Vec<String>>,
    /// None: the default.
    pub headers: Option<Vec<String>>,
    pub public_defines: Vec<String>,
    pub is_shared: bool,
    pub exports: Option<String>,
    pub settings: SettingsDraft,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinDraft {
    pub name: String,
    pub sources: Vec<String>,
    pub settings: SettingsDraft,
}

impl ManifestDraft {
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Some(members) = &self.members {
            text += "[workspace]\n";
            list(&mut text, "members", members);
        }
        let Some(package) = &self.package else { return text };
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "[package]\nname = {}", quoted(&package.name));
        let _ = writeln!(text, "version = {}", quoted(&package.version));
        settings(&mut text, &package.settings);
        if let Some(lib) = &package.lib {
            text += "\n[lib]\n";
            if lib.is_shared {
                text += "crate-type = [\"cdylib\"]\n";
            }
            optional_list(&mut text, "sources", lib.sources.as_deref());
            optional_list(&mut text, "headers", lib.headers.as_deref());
            list(&mut text, "public-defines", &lib.public_defines);
            if let Some(script) = &lib.exports {
                let _ = writeln!(text, "exports = {}", quoted(script));
            }
            settings(&mut text, &lib.settings);
        }
        for bin in &package.bins {
            let _ = writeln!(text, "\n[[bin]]\nname = {}", quoted(&bin.name));
            list(&mut text, "sources", &bin.sources);
            settings(&mut text, &bin.settings);
        }
        text += "\n[dependencies]\n";
        for (name, path) in &package.dependencies {
            let _ = writeln!(text, "{name} = {{ path = {} }}", quoted(path));
        }
        for remark in &package.remarks {
            text.push('\n');
            for line in remark.lines() {
                let _ = writeln!(text, "{}", format!("# {line}").trim_end());
            }
        }
        text
    }
}

fn settings(text: &mut String, settings: &SettingsDraft) {
    for (key, value) in [("c-std", &settings.c_std), ("cxx-std", &settings.cxx_std)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
    }
    list(text, "include", &settings.include);
    list(text, "defines", &settings.defines);
    list(text, "flags", &settings.flags);
    list(text, "c-flags", &settings.c_flags);
    list(text, "cxx-flags", &settings.cxx_flags);
    list(text, "link", &settings.link);
    list(text, "link-args", &settings.link_args);
    list(text, "precompiled-headers", &settings.precompiled_headers);
}

fn optional_list(text: &mut String, key: &str, values: Option<&[String]>) {
    match values {
        Some([]) => drop(writeln!(text, "{key} = []")),
        Some(values) => list(text, key, values),
        None => {}
    }
}

/// Columns of a line.
const WIDTH: usize = 100;

fn list(text: &mut String, key: &str, values: &[String]) {
    if values.is_empty() {
        return;
    }
    let quoted: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    let line = format!("{key} = [{}]", quoted.join(", "));
    if line.chars().count() <= WIDTH {
        let _ = writeln!(text, "{line}");
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for value in quoted {
        let _ = writeln!(text, "    {value},");
    }
    text.push_str("]\n");
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn draft_writes_what_is_there() {
        let draft = ManifestDraft {
            members: Some(texts(&["a"])),
            package: Some(PackageDraft {
                name: "zip".into(),
                version: "0.1.0".into(),
                settings: SettingsDraft {
                    c_std: Some("gnu17".into()),
                    include: texts(&["."]),
                    defines: texts(&["A=\"b c\"", "D"]),
                    ..SettingsDraft::default()
                },
                lib: Some(LibDraft {
                    sources: Some(vec![]),
                    headers: Some(texts(&["include"])),
                    public_defines: texts(&["P"]),
                    is_shared: true,
                    exports: Some("zip.map".into()),
                    settings: SettingsDraft { link: texts(&["m"]), ..SettingsDraft::default() },
                }),
                bins: vec![BinDraft {
                    name: "zip".into(),
                    sources: texts(&["main.c"]),
                    settings: SettingsDraft::default(),
                }],
                dependencies: vec![("z".into(), "../z".into())],
                remarks: vec!["[[generate]]\n\nrun = []".into()],
            }),
        };
        assert_eq!(
            draft.text(),
            "[workspace]\nmembers = [\"a\"]\n\n[package]\nname = \"zip\"\nversion = \"0.1.0\"\nc-std = \"gnu17\"\n\
             include = [\".\"]\ndefines = ['A=\"b c\"', \"D\"]\n\n[lib]\ncrate-type = [\"cdylib\"]\nsources = []\n\
             headers = [\"include\"]\npublic-defines = [\"P\"]\nexports = \"zip.map\"\nlink = [\"m\"]\n\n[[bin]]\nname = \"zip\"\n\
             sources = [\"main.c\"]\n\n[dependencies]\nz = { path = \"../z\" }\n\n# [[generate]]\n#\n# run = []\n"
        );
    }

    #[test]
    fn draft_breaks_long_lists() {
        let mut text = String::new();
        list(&mut text, "sources", &texts(&["a".repeat(50).as_str(), "b".repeat(50).as_str()]));
        assert_eq!(text.lines().count(), 4);
        assert!(text.starts_with("sources = [\n    \"aaa") && text.ends_with("\",\n]\n"), "{text}");
    }
}
