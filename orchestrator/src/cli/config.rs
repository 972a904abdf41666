//! What users set by `--config` and in config files: where these are, and what they say together.
//! Knows no keys (see `manifest`) and not what a setting is for.

use super::env::CliEnvironment;
use super::error::CliError;
use super::project::current_dir;
use crate::manifest::{self, ManifestErrors, ManifestText, Problem, UserSettings, user_settings};
use crate::sys::looks::{self, PathKind};
use camino::{Utf8Path, Utf8PathBuf};
use std::io;

/// Of a directory, and of those below it.
const IN_DIRECTORY: &str = ".tender/config.toml";
/// Of a user, below the directory of all settings.
const OF_USER: &str = "tender/config.toml";

/// Settings, by where they come from. Options come before `line`, and variables of the environment
/// between it and `files`.
#[derive(Clone, Debug, Default)]
pub struct CliConfig {
    /// The texts of `--config`, of which the last counts: their profiles change the root manifest.
    pub texts: Vec<ManifestText>,
    /// Of `--config`.
    pub line: UserSettings,
    /// Of config files.
    pub files: UserSettings,
    /// The values of `--config`.
    options: Vec<String>,
}

impl CliConfig {
    /// Reads the values of `--config`, the config files of the current directory and of those above
    /// it, and the user's own, of which the nearest counts.
    ///
    /// # Errors
    /// One of them is wrong, or cannot be read.
    pub fn read(options: &[String], environment: &CliEnvironment) -> Result<Self, CliError> {
        let here = current_dir()?;
        let texts = options.iter().map(|text| option_text(text, &here));
        let texts: Vec<ManifestText> = texts.collect::<Result<_, CliError>>()?;
        let mut line = UserSettings::default();
        for text in &texts {
            let mut settings = user_settings(text, true)?;
            settings.target_dir = settings.target_dir.map(|dir| here.join(dir).into_string());
            settings.cache_dir = settings.cache_dir.map(|dir| here.join(dir).into_string());
            line = settings.or(line);
        }
        let mut files = UserSettings::default();
        for dir in here.ancestors() {
            let Some(mut settings) = read_file(&dir.join(IN_DIRECTORY))? else { continue };
            settings.target_dir = settings.target_dir.map(|path| dir.join(path).into_string());
            settings.cache_dir = settings.cache_dir.map(|path| dir.join(path).into_string());
            files = files.or(settings);
        }
        // Its target directory, if it is relative, is one of each workspace.
        if let Some(dir) = &environment.config_dir
            && let Some(mut settings) = read_file(&dir.join(OF_USER))?
        {
            settings.cache_dir = settings.cache_dir.map(|path| dir.join(path).into_string());
            files = files.or(settings);
        }
        Ok(Self { texts, line, files, options: options.to_vec() })
    }

    /// Reads all of it again.
    ///
    /// # Errors
    /// As `read`.
    pub fn again(&self, environment: &CliEnvironment) -> Result<Self, CliError> {
        Self::read(&self.options, environment)
    }

    /// The config files that there are, or may be: those of directories that exist.
    ///
    /// # Errors
    /// The current directory is not known.
    pub fn places(environment: &CliEnvironment) -> Result<Vec<Utf8PathBuf>, CliError> {
        let here = current_dir()?;
        let of_user = environment.config_dir.iter().map(|dir| dir.join(OF_USER));
        let all = here.ancestors().map(|dir| dir.join(IN_DIRECTORY)).chain(of_user);
        Ok(all.filter(|path| path.parent().is_some_and(Utf8Path::is_dir)).collect())
    }
}

/// A value of `--config`: TOML if it has a `=`, else a file of it.
fn option_text(text: &str, here: &Utf8Path) -> Result<ManifestText, CliError> {
    if text.contains('=') {
        return Ok(ManifestText::new(here.join("--config"), text));
    }
    let path = here.join(text);
    if !looks::exists(&path) {
        return Err(CliError::usage(format!("the file `{text}` of `--config` does not exist"))
            .with_help("`--config` takes KEY=VALUE, or the path of a file"));
    }
    Ok(manifest::read(&path)?)
}

/// None if there is no such file.
fn read_file(path: &Utf8PathBuf) -> Result<Option<UserSettings>, CliError> {
    match path.symlink_metadata() {
        Ok(_) => {}
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            looks::saw_kind(path.as_std_path(), PathKind::Absent);
            return Ok(None);
        }
        Err(error) => {
            let problem = Problem::error(format!("cannot read the config file `{path}`: {error}"));
            return Err(ManifestErrors::one(problem).into());
        }
    }
    Ok(Some(user_settings(&manifest::read(path)?, false)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_file_that_is_absent_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        assert!(read_file(&dir.join(IN_DIRECTORY)).unwrap().is_none());
        std::fs::write(dir.join(".tender"), "").unwrap();
        assert!(read_file(&dir.join(IN_DIRECTORY)).unwrap().is_none());
        std::fs::remove_file(dir.join(".tender")).unwrap();
        std::fs::create_dir_all(dir.join(IN_DIRECTORY)).unwrap();
        assert!(read_file(&dir.join(IN_DIRECTORY)).is_err());
    }
}
