//! Changes manifests as text: comments, order and line breaks of what stays are as before. Pure.

use super::model::DependencyKind;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// A root manifest for the crates in these directories, below its own. `has_root`: its own package
/// is among them. None: it is no workspace's, and stays.
///
/// # Errors
/// Text for users: it is no TOML.
pub fn with_members(
    text: &str,
    members: &[&str],
    has_root: bool,
) -> Result<Option<String>, String> {
    let mut document = parse(text)?;
    let Some(workspace) = document.get_mut("workspace").and_then(Item::as_table_like_mut) else {
        return Ok(None);
    };
    let escaped = members.iter().map(|dir| globset::escape(dir));
    workspace.remove("exclude");
    workspace.insert("members", Item::Value(Value::Array(Array::from_iter(escaped))));
    if !has_root {
        let of_workspace = ["workspace", "build", "link", "profile", "target", "patch"];
        let others: Vec<String> = document.iter().map(|(key, _)| key.to_owned()).collect();
        for key in others.iter().filter(|key| !of_workspace.contains(&key.as_str())) {
            document.remove(key);
        }
        if let Some(targets) = document.get_mut("target").and_then(Item::as_table_like_mut) {
            // Conditions are for crates, tools of a platform for the workspace.
            let conditions: Vec<String> = targets.iter().map(|(key, _)| key.to_owned()).collect();
            conditions.iter().filter(|key| key.starts_with("cfg")).for_each(|key| {
                targets.remove(key);
            });
        }
    }
    Ok(Some(document.to_string()))
}

/// The name of the package of a manifest.
pub fn package_name(text: &str) -> Option<String> {
    let document: DocumentMut = text.parse().ok()?;
    Some(document.get("package")?.get("name")?.as_str()?.to_owned())
}

fn parse(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>().map_err(|error| format!("it is no TOML: {}", error.message()))
}

/// A dependency to write into a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewDependency {
    pub name: String,
    /// The crate's own name, if it is another one.
    pub package: Option<String>,
    /// Where it is: `path`, or `git` or `url` and what belongs to it.
    pub place: Vec<(&'static str, String)>,
    pub version: Option<String>,
    pub optional: bool,
    pub features: Vec<String>,
    pub default_features: bool,
    pub public: Option<bool>,
}

/// The manifest with the dependency. One of the same name keeps the keys that are not given.
///
/// # Errors
/// Text for users: it is no TOML, or the dependencies are no table.
pub fn with_dependency(
    text: &str,
    kind: DependencyKind,
    new: &NewDependency,
) -> Result<String, String> {
    let mut document = parse(text)?;
    let key = table_name(kind);
    if !document.contains_key(key) {
        let mut table = Table::new();
        if !document.is_empty() {
            table.decor_mut().set_prefix("\n");
        }
        document.insert(key, Item::Table(table));
    }
    let table = document.get_mut(key).and_then(Item::as_table_like_mut);
    let table = table.ok_or_else(|| format!("`{key}` is no table"))?;
    let is_sorted = is_sorted(table);
    match table.get_mut(&new.name) {
        Some(old) => match old.as_table_like_mut() {
            Some(old) => fill(old, new),
            None => return Err(format!("`{}` in `{key}` is no table", new.name)),
        },
        None => {
            let mut inline = InlineTable::new();
            fill(&mut inline, new);
            table.insert(&new.name, Item::Value(Value::InlineTable(inline)));
        }
    }
    if let Some(inline) = table.get_mut(&new.name).and_then(Item::as_inline_table_mut) {
        inline.fmt();
    }
    if is_sorted {
        table.sort_values();
    }
    Ok(document.to_string())
}

fn is_sorted(table: &dyn TableLike) -> bool {
    table.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>().is_sorted()
}

/// Keys that say where a dependency is.
const PLACES: [&str; 8] = ["path", "url", "sha256", "strip-prefix", "git", "branch", "tag", "rev"];

fn fill(table: &mut dyn TableLike, new: &NewDependency) {
    for key in PLACES.iter().filter(|key| new.place.iter().all(|(given, _)| given != *key)) {
        table.remove(key);
    }
    let mut set = |key: &str, value: Value| match table.get_mut(key).and_then(Item::as_value_mut) {
        // Comments and blanks around a value that is there belong to its place.
        Some(old) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => drop(table.insert(key, Item::Value(value))),
    };
    for (key, value) in &new.place {
        set(key, value.as_str().into());
    }
    if let Some(package) = &new.package {
        set("package", package.as_str().into());
    }
    if let Some(version) = &new.version {
        set("version", version.as_str().into());
    }
    if new.optional {
        set("optional", true.into());
    }
    if !new.features.is_empty() {
        set("features", Value::Array(Array::from_iter(new.features.iter().map(String::as_str))));
    }
    if !new.default_features {
        set("default-features", false.into());
    }
    if let Some(public) = new.public {
        set("public", public.into());
    }
}

/// The manifest without the dependency; an empty table goes too. None: it has none of that name.
///
/// # Errors
/// Text for users: it is no TOML.
pub fn without_dependency(
    text: &str,
    kind: DependencyKind,
    name: &str,
) -> Result<Option<String>, String> {
    let mut document = parse(text)?;
    let key = table_name(kind);
    let table = document.get_mut(key).and_then(Item::as_table_like_mut);
    let Some(table) = table.filter(|table| table.contains_key(name)) else { return Ok(None) };
    table.remove(name);
    if table.is_empty() {
        document.remove(key);
    }
    Ok(Some(document.to_string()))
}

fn table_name(kind: DependencyKind) -> &'static str {
    let known = DependencyKind::ALL.iter().find(|(_, one)| *one == kind);
    known.map_or("dependencies", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_root_manifest_are_replaced() {
        let check = |text: &str, has_root: bool, expect: Option<&str>| {
            let found = with_members(text, &["a", "b[1]"], has_root).unwrap();
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("[package]\nname = \"x\"\n", true, None);
        check(
            "# ours\n[workspace]\nmembers = [\"*\"]\nexclude = [\"c\"]\n\n[profile.dev]\nopt-level = 1\n",
            false,
            Some(
                "# ours\n[workspace]\nmembers = [\"a\", \"b[[]1[]]\"]\n\n[profile.dev]\nopt-level = 1\n",
            ),
        );
        let both = "[workspace]\n[package]\nname = \"x\"\n[dependencies]\na = { path = \"a\" }\n\
                    [target.'cfg(unix)']\nlink = [\"m\"]\n[target.x]\nlinker = \"ld\"\n";
        let members = "[workspace]\nmembers = [\"a\", \"b[[]1[]]\"]\n";
        check(both, true, Some(&both.replace("[workspace]\n", members)));
        check(both, false, Some(&format!("{members}[target.x]\nlinker = \"ld\"\n")));
    }

    fn new(name: &str) -> NewDependency {
        NewDependency {
            name: name.into(),
            place: vec![("path", format!("../{name}"))],
            default_features: true,
            ..NewDependency::default()
        }
    }

    #[test]
    fn dependency_is_added_where_its_order_asks_for_it() {
        let check = |text: &str, new: &NewDependency, expect: &str| {
            let found = with_dependency(text, DependencyKind::Normal, new).unwrap();
            assert_eq!(found, expect);
        };
        check(
            "[package]\nname = \"x\" # mine\n",
            &new("zip"),
            "[package]\nname = \"x\" # mine\n\n[dependencies]\nzip = { path = \"../zip\" }\n",
        );
        check(
            "[dependencies]\na = { path = \"a\" } # first\nz = { path = \"z\" }\n[lib]\n",
            &new("m"),
            "[dependencies]\na = { path = \"a\" } # first\nm = { path = \"../m\" }\nz = { path = \"z\" }\n[lib]\n",
        );
        check(
            "[dependencies]\nz = { path = \"z\" }\na = { path = \"a\" }\n",
            &new("m"),
            "[dependencies]\nz = { path = \"z\" }\na = { path = \"a\" }\nm = { path = \"../m\" }\n",
        );
        let more = NewDependency {
            version: Some("1.2".into()),
            features: vec!["fast".into()],
            default_features: false,
            optional: true,
            public: Some(false),
            ..new("zip")
        };
        check(
            "[dependencies]\nzip = { path = \"old\", system = true }\n",
            &more,
            "[dependencies]\nzip = { path = \"../zip\", system = true, version = \"1.2\", optional = true, features = [\"fast\"], default-features = false, public = false }\n",
        );
        check(
            "[dependencies.zip]\n# here\npath = \"old\"\n",
            &new("zip"),
            "[dependencies.zip]\n# here\npath = \"../zip\"\n",
        );
        assert!(with_dependency("dependencies = 1", DependencyKind::Normal, &new("a")).is_err());
    }

    #[test]
    fn dependency_is_removed_with_its_table() {
        let check = |text: &str, name: &str, expect: Option<&str>| {
            let found = without_dependency(text, DependencyKind::Dev, name).unwrap();
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        let text =
            "[package] # mine\n[dev-dependencies]\na = { path = \"a\" }\nb = { path = \"b\" }\n";
        check(text, "a", Some("[package] # mine\n[dev-dependencies]\nb = { path = \"b\" }\n"));
        check("[lib]\n[dev-dependencies]\na = { path = \"a\" }\n", "a", Some("[lib]\n"));
        check(text, "c", None);
        check("[dependencies]\na = { path = \"a\" }\n", "a", None);
    }
}
