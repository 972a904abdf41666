//! The target directory: marked when tender makes it, so that `clean` never removes another
//! directory.

use super::error::CliError;
use crate::sys::looks;
use camino::Utf8Path;

/// The convention of https://bford.info/cachedir: backup programs skip a directory with such a
/// file.
const TAG_NAME: &str = "CACHEDIR.TAG";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory was made by tender. `tender clean` removes it.\n";

/// Creates the directory if it is absent. Marks it if it is new or empty.
///
/// # Errors
/// It cannot be created or written.
pub fn prepare(dir: &Utf8Path) -> Result<(), CliError> {
    let tag = dir.join(TAG_NAME);
    if looks::exists(&tag) {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        CliError::build(format!("cannot write to the target directory `{dir}`: {error}"))
            .with_help("choose another one with `--target-dir`")
    };
    std::fs::create_dir_all(dir).map_err(failed)?;
    if looks::read_dir(dir.as_std_path()).map_err(failed)?.next().is_none() {
        looks::doubt("the target directory is made");
        std::fs::write(&tag, TAG).map_err(failed)?;
    }
    Ok(())
}

/// A target directory that may come into being while this is alive, as answers of programs are kept
/// there. It is marked then.
pub struct UnmadeTargetDir<'a> {
    dir: &'a Utf8Path,
    was_absent: bool,
}

impl UnmadeTargetDir<'_> {
    pub fn watch(dir: &Utf8Path) -> UnmadeTargetDir<'_> {
        UnmadeTargetDir { dir, was_absent: !looks::exists(dir) }
    }
}

impl Drop for UnmadeTargetDir<'_> {
    fn drop(&mut self) {
        if self.was_absent && looks::exists(self.dir) {
            // Where it cannot be marked, `tender clean` says so.
            let _ = std::fs::write(self.dir.join(TAG_NAME), TAG);
        }
    }
}

/// Whether tender has made it.
pub fn is_ours(dir: &Utf8Path) -> bool {
    std::fs::read_to_string(dir.join(TAG_NAME)).is_ok_and(|text| text == TAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_directory_is_ours_only_if_we_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let (ours, theirs) = (dir.join("a/target"), dir.join("b"));
        prepare(&ours).unwrap();
        prepare(&ours).unwrap();
        assert!(is_ours(&ours));
        std::fs::create_dir(&theirs).unwrap();
        std::fs::write(theirs.join("thesis.tex"), "").unwrap();
        prepare(&theirs).unwrap();
        assert!(!is_ours(&theirs));
    }

    #[test]
    fn target_directory_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(dir.path()).unwrap().join("file");
        std::fs::write(&file, "").unwrap();
        let error = prepare(&file.join("target")).unwrap_err();
        assert!(error.text().contains(file.as_str()), "{}", error.text());
    }
}
