//! Joins the objects of a unit's pieces into one, so that for every linker it is the same as the
//! object of an uncut compile: one archive member, one file in the order of constructors.

use super::child;
use crate::llvm::LLVM_PREFIX;
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

/// Links `objects` in their order with `ld.lld -r`, with a linker script if there is one.
///
/// The objects are passed in memory and the result is read from a pipe, so that an interruption
/// leaves no file behind.
///
/// # Errors
/// The linker cannot be started or fails: a sentence fragment.
pub fn join(objects: &[&[u8]], script: Option<&str>) -> Result<Vec<u8>, String> {
    let failed = |why: std::io::Error| format!("cannot join the pieces of the unit: {why}");
    let inputs = script.map(str::as_bytes).into_iter().chain(objects.iter().copied());
    let inputs = inputs.map(in_memory).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let program = format!("{LLVM_PREFIX}/bin/ld.lld");
    let mut command = Command::new(&program);
    command.args(["-r", "--threads=1", "-o", "-"]);
    command.args(script.map(|_| "-T"));
    command.args(inputs.iter().map(|input| format!("/proc/self/fd/{}", input.as_raw_fd())));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // They are open until the linker has ended.
    child::bind(&mut command, inputs.iter().map(AsRawFd::as_raw_fd).collect());
    let done = command.output().map_err(|why| format!("cannot start {program}: {why}"))?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let text = String::from_utf8_lossy(&done.stderr);
    Err(format!(
        "cannot join the pieces of the unit: {program} failed ({}): {}",
        done.status,
        text.trim()
    ))
}

fn in_memory(content: &[u8]) -> std::io::Result<OwnedFd> {
    let fd = rustix::fs::memfd_create("piece", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(content)?;
    debug_assert!(file.as_fd().as_raw_fd() > 2);
    Ok(OwnedFd::from(file))
}
