//! Adds a crate to the workspace above it, as `cargo new` does. The rest of the root manifest stays
//! as its user wrote it: its comments, its order, its line breaks.

use super::MANIFEST_NAME;
use super::locate::{Above, absolute, read, root_above};
use super::scaffold::ScaffoldError;
use camino::{Utf8Path, Utf8PathBuf};
use std::io::Write;
use toml_edit::{Array, DocumentMut, Item, TableLike, Value};

/// The workspace that a new crate is going to be part of.
#[derive(Debug)]
pub(super) struct Joining {
    pub root: Utf8PathBuf,
    /// The root manifest with the crate among its members; None if they have it already, by name or
    /// by a glob.
    edited: Option<String>,
    /// Keys of `[workspace.package]`.
    shared: Vec<String>,
}

impl Joining {
    /// The nearest workspace above `dir` that does not exclude it. Changes nothing yet.
    ///
    /// # Errors
    /// The root manifest cannot be read or edited.
    pub fn plan(dir: &Utf8Path) -> Result<Option<Joining>, ScaffoldError> {
        let unknown = |_| ScaffoldError::Place { path: dir.to_owned() };
        let dir = absolute(dir).map_err(unknown)?;
        let (root, is_member) = match root_above(&dir.join(MANIFEST_NAME)) {
            Above::Root(root, _) => (root.path.to_path_buf(), true),
            Above::Stranger(root) => (root, false),
            Above::None => return Ok(None),
        };
        let broken = |why: String| ScaffoldError::Root { path: root.clone(), why };
        let text = read(&root).map_err(|_| broken("it cannot be read".to_owned()))?.text;
        let mut document: DocumentMut =
            text.parse().map_err(|_| broken("it is no TOML".to_owned()))?;
        let workspace = document
            .get_mut("workspace")
            .and_then(Item::as_table_like_mut)
            .ok_or_else(|| broken("`workspace` is no table".to_owned()))?;
        let shared = workspace.get("package").and_then(Item::as_table_like);
        let shared = shared.map(|table| table.iter().map(|(key, _)| key.to_owned()).collect());
        let edited = if is_member {
            None
        } else {
            let above = root.parent().unwrap_or(Utf8Path::new("/"));
            let below = dir.strip_prefix(above).unwrap_or(&dir);
            add_member(workspace, &globset::escape(below.as_str()))
                .map_err(|why| broken(why.to_owned()))?;
            Some(document.to_string())
        };
        Ok(Some(Joining { root, edited, shared: shared.unwrap_or_default() }))
    }

    /// Whether the crate can take the value of a key from the workspace.
    pub fn shares(&self, key: &str) -> bool {
        self.shared.iter().any(|shared| shared == key)
    }

    /// Writes the root manifest where the crate is not among its members yet. Says whether it did.
    ///
    /// # Errors
    /// The file cannot be written; then the old one stays.
    pub fn write(&self) -> Result<bool, ScaffoldError> {
        let Some(text) = &self.edited else { return Ok(false) };
        replace(&self.root, text)
            .map_err(|source| ScaffoldError::Join { path: self.root.clone(), source })?;
        Ok(true)
    }
}

/// Replaces a manifest by another text.
///
/// # Errors
/// It cannot be written; then the old one stays.
pub fn replace(path: &Utf8Path, text: &str) -> std::io::Result<()> {
    // A link stays one, and what it points to is replaced.
    let path = path.canonicalize_utf8()?;
    let permissions = std::fs::metadata(&path)?.permissions();
    // Opened for writing, so that a file that its owner has locked is not replaced.
    std::fs::File::options().write(true).open(&path)?;
    let dir = path.parent().unwrap_or(Utf8Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(permissions)?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// # Errors
/// `members` is not a list.
fn add_member(workspace: &mut dyn TableLike, member: &str) -> Result<(), &'static str> {
    if !workspace.contains_key("members") {
        workspace.insert("members", Item::Value(Value::Array(Array::from_iter([member]))));
        return Ok(());
    }
    let members = workspace.get_mut("members").and_then(Item::as_array_mut);
    insert(members.ok_or("`members` is no list")?, member);
    Ok(())
}

/// Adds an element where its order asks for it, or at the end of a list without order. Each on a
/// line of its own, if they are so already.
fn insert(list: &mut Array, member: &str) {
    let names: Vec<&str> = list.iter().map(|value| value.as_str().unwrap_or_default()).collect();
    let at = match names.is_sorted() {
        true => names.partition_point(|name| *name < member),
        false => names.len(),
    };
    let is_last = at == list.len();
    // Comments and line breaks lie before the element that they follow, or behind the last one.
    let gap = match list.get(at) {
        Some(next) => prefix(next),
        None if list.trailing_comma() || list.is_empty() => raw(list.trailing()),
        None => {
            let last = list.get_mut(at - 1).expect("the list is not empty");
            let gap = last.decor().suffix().map(raw).unwrap_or_default();
            last.decor_mut().set_suffix("");
            gap
        }
    };
    let indent = list
        .iter()
        .map(prefix)
        .find_map(|prefix| prefix.rsplit_once('\n').map(|(_, indent)| format!("\n{indent}")));
    let mut value = Value::from(member);
    let (before, behind) = match (gap.split_once('\n'), indent) {
        // What follows on the same line is about the element before.
        (Some((same_line, _)), indent) => {
            let indent = indent.unwrap_or_else(|| "\n    ".to_owned());
            (format!("{same_line}{indent}"), gap[same_line.len()..].to_owned())
        }
        (None, Some(indent)) => (indent, gap),
        (None, None) if is_last && at > 0 => (" ".to_owned(), gap),
        (None, None) if is_last => (String::new(), gap),
        (None, None) => (gap, " ".to_owned()),
    };
    let is_multi_line = behind.contains('\n');
    value.decor_mut().set_prefix(before);
    if is_last {
        list.set_trailing(behind);
        list.set_trailing_comma(is_multi_line);
    } else {
        list.get_mut(at).expect("it is not the last").decor_mut().set_prefix(behind);
    }
    list.insert_formatted(at, value);
}

fn prefix(value: &Value) -> String {
    value.decor().prefix().map(raw).unwrap_or_default()
}

fn raw(text: &toml_edit::RawString) -> String {
    // A document that may be edited keeps no spans, so that there always is a text.
    text.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, member: &str, expect: &str) {
        let mut document: DocumentMut = text.parse().unwrap();
        let workspace = document.get_mut("workspace").unwrap().as_table_like_mut().unwrap();
        add_member(workspace, member).unwrap();
        assert_eq!(document.to_string(), expect);
    }

    #[test]
    fn join_adds_the_list_where_there_is_none() {
        check("[workspace]\n", "a", "[workspace]\nmembers = [\"a\"]\n");
        check("workspace = {}\n", "a", "workspace = { members = [\"a\"] }\n");
        check(
            "# mine\n[workspace] # all\nexclude = [\"x\"]\n\n[build]\njobs = 2\n",
            "a",
            "# mine\n[workspace] # all\nexclude = [\"x\"]\nmembers = [\"a\"]\n\n[build]\njobs = 2\n",
        );
    }

    #[test]
    fn join_keeps_the_order_of_a_list() {
        let line = |list: &str| format!("[workspace]\nmembers = [{list}] # all\n");
        let check = |list: &str, member, expect: &str| check(&line(list), member, &line(expect));
        check("", "a", "\"a\"");
        check("\"b\"", "a", "\"a\", \"b\"");
        check("\"a\"", "b", "\"a\", \"b\"");
        check("\"a\", \"c\"", "b", "\"a\", \"b\", \"c\"");
        check("\"z\", \"c\"", "b", "\"z\", \"c\", \"b\"");
        check("\"crates/*\"", "x/y", "\"crates/*\", \"x/y\"");
        check(" \"b\" ", "c", " \"b\", \"c\" ");
    }

    #[test]
    fn join_keeps_lines_and_comments_of_a_list() {
        let lines = |list: &str| format!("[workspace]\nmembers = [\n{list}]\n");
        let check = |list: &str, member, expect: &str| check(&lines(list), member, &lines(expect));
        check("  \"a\",\n", "b", "  \"a\",\n  \"b\",\n");
        check("  \"a\"\n", "b", "  \"a\",\n  \"b\",\n");
        check("  \"b\",\n", "a", "  \"a\",\n  \"b\",\n");
        check(
            "    # first\n    \"a\", # one\n    # third\n    \"c\", # two\n    # end\n",
            "b",
            "    # first\n    \"a\", # one\n    \"b\",\n    # third\n    \"c\", # two\n    # end\n",
        );
        check(
            "    \"a\", # one\n    \"c\" # two\n    # end\n",
            "d",
            "    \"a\", # one\n    \"c\", # two\n    \"d\",\n    # end\n",
        );
    }

    #[test]
    fn join_refuses_what_is_no_list() {
        let mut document: DocumentMut = "[workspace]\nmembers = 1\n".parse().unwrap();
        let workspace = document.get_mut("workspace").unwrap().as_table_like_mut().unwrap();
        assert_eq!(add_member(workspace, "a"), Err("`members` is no list"));
    }
}
