//! Finds the programs under test. Knows cargo, and not what the programs do.

use camino::{Utf8Path, Utf8PathBuf};
use std::io::{Read, Seek, Write};
use std::process::Command;
use std::sync::OnceLock;

/// The path of `tender` or `tender-worker`.
pub fn program(name: &str) -> Utf8PathBuf {
    static DIRECTORY: OnceLock<Utf8PathBuf> = OnceLock::new();
    let path = DIRECTORY.get_or_init(find_or_build).join(name);
    assert!(path.is_file(), "there is no program {path}");
    path
}

/// The directory of the programs of the LLVM that the worker was built with.
pub fn llvm_bin() -> Utf8PathBuf {
    tender::toolchain::llvm_bin()
}

/// The path of the probe program: `probe sleep MS`, `probe fill BYTES`, `probe signal N`, `probe
/// exit N`, `probe say TEXT`.
pub fn probe() -> Utf8PathBuf {
    let path = profile_directory().join("probe");
    assert!(path.is_file(), "there is no program {path}: `cargo build -p tender-tests` makes it");
    path
}

fn find_or_build() -> Utf8PathBuf {
    match std::env::var("TENDER_TEST_BIN") {
        Ok(directory) if !directory.is_empty() => {
            let directory = camino::absolute_utf8(&directory).unwrap();
            for name in ["tender", "tender-worker"] {
                assert!(
                    directory.join(name).is_file(),
                    "TENDER_TEST_BIN has no program {name}: {directory}"
                );
            }
            directory
        }
        _ => {
            build();
            profile_directory()
        }
    }
}

/// The directory of cargo's profile that this test was built in: `target/debug/deps/freshness-0123`
/// lies two below.
pub(crate) fn profile_directory() -> Utf8PathBuf {
    let own = Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap())
        .expect("a target directory in UTF-8");
    let directory = own.parent().unwrap();
    match directory.file_name() {
        Some("deps") => directory.parent().unwrap().to_owned(),
        _ => directory.to_owned(),
    }
}

/// Runs cargo, unless another test of the same `cargo test` has run it.
fn build() {
    let directory = profile_directory();
    let mut stamp = std::fs::File::options()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(directory.join("tender-tests.stamp"))
        .unwrap();
    rustix::fs::flock(&stamp, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (now, mut before) = (this_command(), String::new());
    stamp.read_to_string(&mut before).unwrap();
    if now == before {
        return;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "-p", "tender", "-p", "tender-worker"]);
    if directory.file_name() == Some("release") {
        cargo.arg("--release");
    }
    cargo.current_dir(Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
    cargo.env("CARGO_TARGET_DIR", directory.parent().unwrap());
    assert!(
        cargo.status().expect("cargo starts").success(),
        "cannot build the programs under test"
    );
    stamp.rewind().unwrap();
    stamp.set_len(0).unwrap();
    stamp.write_all(now.as_bytes()).unwrap();
}

/// Identifies the tests of one command line: their process group, and when its leader started
/// (field 22 of `proc_pid_stat(5)`, counted after the name in brackets).
fn this_command() -> String {
    let group = rustix::process::getpgrp().as_raw_nonzero();
    let stat = std::fs::read_to_string(format!("/proc/{group}/stat")).unwrap_or_default();
    let started = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
    match started {
        Some(started) => format!("{group} {started}"),
        // The leader has ended, so runs cannot be recognised as the same.
        None => format!("process {}", std::process::id()),
    }
}
