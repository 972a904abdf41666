//! Writes static archives.

use super::file::write;
use super::object_archive::{self, Refused};
use super::thin;
use crate::frontend::stamp;
use crate::llvm;
use std::path::Path;
use tender_protocol::{InputFile, Member, OutputFile};

/// A written archive.
pub struct Archived {
    pub file: OutputFile,
    /// Files that it was made from and that the item does not name: members of thin archives.
    pub inputs: Vec<InputFile>,
}

/// Writes the archive `output` from `members`. If a member is an archive, its members are added
/// instead. Members of thin archives are read from their files, so that the output contains
/// everything.
///
/// # Errors
/// A file cannot be read, or the archive cannot be written: a sentence fragment.
pub fn archive(output: &str, members: &[Member]) -> Result<Archived, String> {
    // LLVM's writer reads it: above so many bytes the table of symbols has 64 bits for each place
    // (`llvm/lib/Object/ArchiveWriter.cpp`).
    if std::env::var_os("SYM64_THRESHOLD").is_none() {
        match object_archive::write(output, members) {
            Ok(file) => return Ok(Archived { file, inputs: Vec::new() }),
            Err(Refused::Failed(why)) => return Err(why),
            Err(Refused::OtherMember) => {}
        }
    }
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
    let list: Vec<llvm::ArchiveMember<'_>> =
        list.iter().map(|(name, content)| llvm::ArchiveMember { name, content }).collect();
    let bytes = llvm::archive(&list)?;
    let file = write(output, &bytes).map_err(|why| why.to_string())?;
    Ok(Archived { file, inputs })
}

/// Adds the files of the thin archive at `path`, under their names without directories.
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
