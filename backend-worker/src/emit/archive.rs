//! A static archive from its members' files.

use super::file::write;
use crate::llvm;
use tender_protocol::{Member, OutputFile};

/// Writes `output` from `members`. The error is a sentence fragment for people.
pub fn archive(output: &str, members: &[Member]) -> Result<OutputFile, String> {
    let contents: Vec<Vec<u8>> = members
        .iter()
        .map(|member| {
            std::fs::read(&member.path).map_err(|why| format!("cannot read {}: {why}", member.path))
        })
        .collect::<Result<_, _>>()?;
    let list: Vec<llvm::Member<'_>> = members
        .iter()
        .zip(&contents)
        .map(|(member, content)| llvm::Member { name: &member.name, content })
        .collect();
    let bytes = llvm::archive(&list)?;
    write(output, &bytes).map_err(|why| why.to_string())
}
