//! Advice if clang does not find a header that the workspace has. Knows clang's text for that, and
//! checks which files exist.

use crate::graph::Item;
use crate::report::crates::{CrateInfo, Crates};
use camino::{Utf8Path, Utf8PathBuf};
use tender_protocol::{Diagnostic, Level};

/// The help for a diagnostic of a unit, if it is about a missing header that the workspace has.
pub(super) fn help(
    root: &Utf8Path,
    crates: &Crates,
    item: &Item,
    diagnostic: &Diagnostic,
) -> Option<String> {
    if !item.kind.is_unit() || diagnostic.level != Level::Error {
        return None;
    }
    let header = wanted(&diagnostic.message)?;
    let krate = crates.of(item);
    let manifest = krate.manifest.strip_prefix(root).unwrap_or(&krate.manifest);
    if krate.dir.join("include").join(header).is_file() {
        // Clang would have found a header in a directory that is searched.
        return Some(if krate.has_library() {
            format!(
                "`include/{header}` of this crate is not searched: add \"include\" to `headers` of `[lib]` in {manifest}, or to `include`"
            )
        } else {
            format!(
                "`include/{header}` is not searched, because this crate has no library: add `include = [\"include\"]` to `[package]` in {manifest}"
            )
        });
    }
    let other = crates.all().iter().find(|other| {
        other.dir != krate.dir && other.headers.iter().any(|dir| dir.join(header).is_file())
    })?;
    let CrateInfo { name, .. } = other;
    let path = relative(&krate.dir, &other.dir);
    Some(format!(
        "the library `{name}` has this header: add `{name} = {{ path = \"{path}\" }}` to `[dependencies]` in {manifest}"
    ))
}

/// The name in `'x.h' file not found`.
fn wanted(message: &str) -> Option<&str> {
    message.strip_prefix('\'')?.strip_suffix("' file not found")
}

/// The relative path from one absolute directory to another.
fn relative(from: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..");
    up.chain(to.components().skip(shared).map(|part| part.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_header_is_read_from_clangs_message() {
        assert_eq!(wanted("'a/b.h' file not found"), Some("a/b.h"));
        assert_eq!(wanted("'it's.h' file not found"), Some("it's.h"));
        for other in [
            "module 'x' not found",
            "'x.h' file not found with <angled> include",
            "x.h file not found",
        ] {
            assert_eq!(wanted(other), None, "{other}");
        }
    }

    #[test]
    fn missing_header_help_has_the_relative_path() {
        let check = |from: &str, to: &str, expect: &str| {
            assert_eq!(relative(from.into(), to.into()), expect, "{from} {to}");
        };
        check("/w/app", "/w/zip", "../zip");
        check("/w/deep/app", "/w/zip", "../../zip");
        check("/w", "/w/zip", "zip");
        check("/w/app", "/elsewhere/zip", "../../elsewhere/zip");
    }
}
