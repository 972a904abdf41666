//! Links to a shared library, which its worker does not make: outputs with the library's content.
//! Knows no commands.

use super::fingerprints::{Fingerprints, StateError};
use crate::graph::{Graph, Item, ItemKind};
use camino::Utf8Path;
use std::io;
use tender_protocol::OutputFile;

impl Fingerprints {
    /// Makes the links to a shared library that its worker has written, where they are not there,
    /// and returns them as outputs. None of other items.
    ///
    /// # Errors
    /// A link cannot be made.
    pub(super) fn link_outputs(
        &self,
        graph: &Graph,
        item: &Item,
        written: &[OutputFile],
    ) -> Result<Vec<OutputFile>, StateError> {
        let (ItemKind::Shared, [library]) = (item.kind, written) else { return Ok(Vec::new()) };
        let Some(name) = Utf8Path::new(&library.path).file_name() else { return Ok(Vec::new()) };
        let mut links = Vec::new();
        for path in item.outputs.iter().skip(1) {
            let link = graph.root.join(path);
            make_link(&link, name).map_err(|source| StateError::Link { path: link, source })?;
            // Its stamp and content are those of the library.
            links.push(OutputFile { path: path.to_string(), ..library.clone() });
        }
        Ok(links)
    }
}

/// # Errors
/// The link cannot be made, for instance because a directory has its name.
fn make_link(path: &Utf8Path, target: &str) -> io::Result<()> {
    if std::fs::read_link(path).is_ok_and(|to| to.as_os_str() == target) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default();
    let new = path.with_file_name(format!(".{name}.part"));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &new)?;
    std::fs::rename(&new, path).inspect_err(|_| drop(std::fs::remove_file(&new)))
}
