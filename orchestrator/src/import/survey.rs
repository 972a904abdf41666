//! Reads the tree that `adopt` decides about. Decides nothing.

use super::includes::SourceTree;
use super::source_text::facts;
use crate::manifest::{SourceKind, files_below, source_kind};
use crate::sys::whole_file;
use camino::Utf8Path;
use std::collections::BTreeMap;
use tender_protocol::Language;

/// Bytes of a source that is looked into. A larger one, such as a table or an amalgamation, counts
/// as one that includes nothing.
const LARGEST: u64 = 16 << 20;

/// All files below `dir`, but hidden ones and those of other crates.
pub fn survey(dir: &Utf8Path) -> SourceTree {
    let mut files = BTreeMap::new();
    for path in files_below(dir) {
        let facts = is_read(&path)
            .then(|| whole_file::read(dir.join(&path).as_std_path(), LARGEST).ok())
            .flatten()
            .map(|bytes| facts(&String::from_utf8_lossy(&bytes), is_cxx(&path)));
        files.insert(path, facts);
    }
    SourceTree::new(files)
}

/// Whether a source defines `main`; not if it cannot be read.
pub fn defines_main(path: &Utf8Path) -> bool {
    let bytes = whole_file::read(path.as_std_path(), LARGEST).unwrap_or_default();
    facts(&String::from_utf8_lossy(&bytes), is_cxx(path)).main
}

/// Whether a file is C or C++, a header included.
pub(super) fn is_read(path: &Utf8Path) -> bool {
    let is_unit = matches!(
        source_kind(path),
        Some(SourceKind::Unit(Language::C | Language::Cxx | Language::AssemblyWithCpp))
    );
    is_unit || super::adopt::is_header(path)
}

fn is_cxx(path: &Utf8Path) -> bool {
    !matches!(source_kind(path), Some(SourceKind::Unit(Language::C | Language::AssemblyWithCpp)))
}
