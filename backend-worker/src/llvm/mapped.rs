//! Maps a file into memory, for what LLVM reads in place.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The content of a file, which must be replaced by renaming, never written in place.
///
/// # Errors
/// The file cannot be opened or mapped.
pub fn map(path: &Path) -> io::Result<Arc<dyn AsRef<[u8]> + Send + Sync>> {
    let file = File::open(path)?;
    // SAFETY: the bytes change only if a program writes to the file in place. Ours rename another file
    // over it, and the lock of the target directory excludes a second build.
    Ok(Arc::new(unsafe { memmap2::Mmap::map(&file) }?))
}
