//! A static archive from its members' files.

use super::file::write;
use super::thin;
use crate::frontend::stamp;
use crate::llvm;
use std::path::Path;
use tender_protocol::{InputFile, Member, OutputFile};

/// What has become of an archive.
pub struct Archived {
    pub file: OutputFile,
    /// What it is made of without being named: the members of thin archives.
    pub inputs: Vec<InputFile>,
}

/// Writes `output` from `members`. Those that are archives are opened, and thin ones are followed
/// to their members' files, so that what is written holds all of it. The error is a sentence
/// fragment for people.
pub fn archive(output: &str, members: &[Member]) -> Result<Archived, String> {
    let mut list: Vec<(String, Vec<u8>)> = Vec::with_capacity(members.len());
    let mut inputs = Vec::new();
    for member in members {
        let content = read(&member.path)?;
        if thin::is_thin(&content) {
            add_thin(&member.path, &content, &mut list, &mut inputs)?;
        } else {
            list.push((member.name.clone(), content));
        }
    }
    let list: Vec<llvm::Member<'_>> =
        list.iter().map(|(name, content)| llvm::Member { name, content }).collect();
    let bytes = llvm::archive(&list)?;
    let file = write(output, &bytes).map_err(|why| why.to_string())?;
    Ok(Archived { file, inputs })
}

/// The files of the thin archive at `path`, under their names without directories.
fn add_thin(
    path: &str,
    content: &[u8],
    list: &mut Vec<(String, Vec<u8>)>,
    inputs: &mut Vec<InputFile>,
) -> Result<(), String> {
    let files = thin::members(Path::new(path), content)
        .map_err(|why| format!("cannot read {path}: {why}"))?;
    for file in files {
        let fail = |why| format!("cannot read {file}, a member of {path}: {why}");
        let stamp = stamp(&std::fs::metadata(&file).map_err(fail)?);
        let content = std::fs::read(&file).map_err(fail)?;
        let hash = blake3::hash(&content).to_hex().to_string();
        inputs.push(InputFile { path: file.clone(), stamp, hash });
        if thin::is_thin(&content) {
            return Err(format!(
                "cannot read {file}, a member of {path}: it is a thin archive itself"
            ));
        }
        let name = Path::new(&file)
            .file_name()
            .map_or(file.as_str().into(), |name| name.to_string_lossy());
        list.push((name.into_owned(), content));
    }
    Ok(())
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|why| format!("cannot read {path}: {why}"))
}
