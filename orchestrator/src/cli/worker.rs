//! Finds `tender-worker`: beside `tender` itself, or at the path in `TENDER_WORKER`.

use super::env::{self, CliEnvironment};
use super::error::CliError;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};

const NAME: &str = "tender-worker";

/// # Errors
/// It does not exist, so nothing can be compiled.
pub fn find(environment: &CliEnvironment) -> Result<Utf8PathBuf, CliError> {
    if let Some(path) = &environment.worker {
        // Workers are started in the workspace root, so a relative path would mean something else
        // there.
        let path = camino::absolute_utf8(path).unwrap_or_else(|_| path.into());
        return match is_program(&path) {
            true => Ok(path),
            false => Err(CliError::build(format!(
                "{} names `{path}`, which is not a program",
                env::WORKER
            ))),
        };
    }
    // Through /proc/self/exe, so a symbolic link to `tender` is followed to where both are
    // installed.
    let own = std::env::current_exe().map_err(|error| {
        CliError::build(format!("cannot find the path of the running `tender`: {error}"))
    })?;
    let own = Utf8PathBuf::from_path_buf(own).map_err(|path| {
        CliError::build(format!("the path of `tender` is not UTF-8: `{}`", path.display()))
    })?;
    let path = own.with_file_name(NAME);
    if is_program(&path) {
        return Ok(path);
    }
    let error =
        CliError::build(format!("`{NAME}` is not beside `tender`: there is no program `{path}`"));
    Err(error.with_help(format!("install both programs in one directory, or set {}", env::WORKER)))
}

fn is_program(path: &Utf8Path) -> bool {
    looks::is_file(path) && rustix::fs::access(path.as_str(), rustix::fs::Access::EXEC_OK).is_ok()
}
