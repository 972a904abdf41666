//! Asks CMake's file API what a build directory builds: writes the query, runs cmake there, and
//! reads the files of its answer. Decides nothing.

use super::reply::{self, CmakeProject, ReplyError};
use crate::sys::{bounded_output, whole_file};
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use std::process::Command;

/// A directory of queries of our own, which other clients leave alone (cmake-file-api(7)).
const CLIENT: &str = "client-tender";
/// Bytes of what cmake says, and of a file of its answer.
const LONGEST: u64 = 64 << 20;
/// The file API came with 3.14.
const OLDEST: (u32, u32) = (3, 14);

#[derive(Debug, thiserror::Error)]
pub enum CmakeError {
    #[error("`{dir}` is no build directory of cmake: it has no `CMakeCache.txt`")]
    NoBuildDirectory { dir: Utf8PathBuf },
    #[error("cannot run `{program}`: {source}")]
    Start { program: String, source: io::Error },
    #[error("cmake {version} has no file API")]
    TooOld { version: String },
    #[error("`{program} {dir}` failed:\n{output}")]
    Failed { program: String, dir: Utf8PathBuf, output: String },
    #[error("cannot write the query `{path}`: {source}")]
    Query { path: Utf8PathBuf, source: io::Error },
    #[error("cannot read cmake's answer in `{path}`: {source}")]
    Read { path: Utf8PathBuf, source: io::Error },
    #[error("cmake's answer in `{path}` cannot be used: {source}")]
    Answer { path: Utf8PathBuf, source: ReplyError },
}

impl CmakeError {
    /// What to do, as a sentence without its period.
    pub fn help(&self) -> Option<String> {
        match self {
            CmakeError::NoBuildDirectory { dir } => Some(format!(
                "make it by `cmake -S SOURCES -B {dir}`, with the options that you want"
            )),
            CmakeError::Start { .. } => Some("install cmake, or add it to `PATH`".to_owned()),
            CmakeError::TooOld { .. } => {
                Some(format!("install cmake {}.{} or newer", OLDEST.0, OLDEST.1))
            }
            CmakeError::Failed { .. } => {
                Some("mend the project so that cmake configures it".to_owned())
            }
            _ => None,
        }
    }
}

/// What the build directory `build` builds, after `cmake` has configured it again. `program` is the
/// cmake to run.
///
/// # Errors
/// It is no build directory, cmake cannot be run or fails, or its answer cannot be read.
pub fn project(program: &str, build: &Utf8Path) -> Result<CmakeProject, CmakeError> {
    if !build.join("CMakeCache.txt").is_file() {
        return Err(CmakeError::NoBuildDirectory { dir: build.to_owned() });
    }
    let answer = run(program, &["--version"])?;
    let text = String::from_utf8_lossy(&answer.stdout);
    if let Some(version) = version(&text)
        && version.0 < OLDEST
    {
        return Err(CmakeError::TooOld { version: version.1 });
    }
    let api = build.join(".cmake/api/v1");
    let query = api.join("query").join(CLIENT).join("codemodel-v2");
    let written = std::fs::create_dir_all(query.parent().unwrap_or(&api))
        .and_then(|()| std::fs::File::create(&query));
    written.map_err(|source| CmakeError::Query { path: query.clone(), source })?;
    let answer = run(program, &[build.as_str()])?;
    if !answer.status.success() {
        let output = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        return Err(CmakeError::Failed {
            program: program.to_owned(),
            dir: build.to_owned(),
            output,
        });
    }
    answered(&api.join("reply"))
}

fn run(program: &str, words: &[&str]) -> Result<std::process::Output, CmakeError> {
    let mut command = Command::new(program);
    command.args(words).stdin(std::process::Stdio::null());
    bounded_output::run(&mut command, LONGEST)
        .map_err(|source| CmakeError::Start { program: program.to_owned(), source })
}

/// `cmake version 3.25.1`, and whatever follows.
fn version(text: &str) -> Option<((u32, u32), String)> {
    let text = text.lines().next()?.strip_prefix("cmake version ")?.trim();
    let mut numbers = text.split(['.', '-']).map(|number| number.parse().ok());
    Some(((numbers.next()??, numbers.next()??), text.to_owned()))
}

fn answered(dir: &Utf8Path) -> Result<CmakeProject, CmakeError> {
    let read = |path: &Utf8Path| {
        let bytes = whole_file::read(path.as_std_path(), LONGEST)
            .map_err(|source| CmakeError::Read { path: path.to_owned(), source })?;
        Ok::<String, CmakeError>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let unusable = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| CmakeError::Answer { path, source }
    };
    // Of several indices the last by name is the one that holds (cmake-file-api(7)).
    let index = dir
        .read_dir_utf8()
        .map_err(|source| CmakeError::Read { path: dir.to_owned(), source })?
        .flatten()
        .map(|entry| entry.into_path())
        .filter(|path| path.file_name().is_some_and(|name| name.starts_with("index-")))
        .max()
        .ok_or_else(|| CmakeError::Read {
            path: dir.to_owned(),
            source: io::Error::new(io::ErrorKind::NotFound, "there is no index"),
        })?;
    let model = reply::codemodel_file(&read(&index)?, CLIENT).map_err(unusable(&index))?;
    let model = dir.join(model);
    let (mut project, files) = reply::codemodel(&read(&model)?).map_err(unusable(&model))?;
    for file in files {
        let path = dir.join(file);
        let target = reply::target(&read(&path)?, &project).map_err(unusable(&path))?;
        project.targets.push(target);
    }
    Ok(project)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_cmake_are_read() {
        let check = |text: &str, expect: Option<(u32, u32)>| {
            assert_eq!(version(text).map(|version| version.0), expect, "{text}");
        };
        check("cmake version 3.25.1\n\nCMake suite", Some((3, 25)));
        check("cmake version 4.0.0-rc1", Some((4, 0)));
        check("cmake version x", None);
        check("", None);
    }

    #[test]
    fn cmake_that_cannot_answer_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let build = Utf8Path::from_path(dir.path()).unwrap();
        let why = |program: &str| project(program, build).unwrap_err();
        assert!(matches!(why("cmake"), CmakeError::NoBuildDirectory { .. }));
        std::fs::write(build.join("CMakeCache.txt"), "").unwrap();
        assert!(matches!(why("/no/cmake"), CmakeError::Start { .. }));
        assert!(matches!(answered(&build.join("reply")), Err(CmakeError::Read { .. })));
        let reply = build.join("reply");
        std::fs::create_dir(&reply).unwrap();
        assert!(answered(&reply).unwrap_err().to_string().contains("there is no index"));
        std::fs::write(reply.join("index-1.json"), "{").unwrap();
        assert!(matches!(answered(&reply), Err(CmakeError::Answer { .. })));
    }
}
