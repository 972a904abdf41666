//! The reference: clang's build of a program with the same flags, without cuts.

use super::execute::{Ended, How, Limits, execute};
use super::program::{Language, Program, language};
use camino::{Utf8Path, Utf8PathBuf};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Many times what the largest of the programs needs. A program that needs more does not count.
const COMPILE: Limits = Limits { cpu: 60, memory: 4 << 30 };
const RUN: Limits = Limits { cpu: 3, memory: 2 << 30 };
/// A program that was cut may be slower, but not by this factor.
pub(super) const RUN_CUT: Limits = Limits { cpu: 60, memory: 2 << 30 };

/// The libraries of all links: GCC's tests name them only for other systems.
pub(super) const LIBRARIES: [&str; 2] = ["m", "pthread"];

/// Compiles, links and runs the program below `dir`, with additional flags for compiling and
/// linking.
///
/// # Errors
/// The step that fails.
pub(super) fn run(program: &Program, dir: &Utf8Path, more: &[&str]) -> Result<Ended, String> {
    let built = build(program, dir, more)?;
    Ok(execute(started(&built), dir, RUN))
}

/// The command that runs a program, with the same argv[0] for each copy.
pub(super) fn started(program: &Utf8Path) -> Command {
    let mut command = Command::new(program);
    command.arg0("program").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command
}

fn build(program: &Program, dir: &Utf8Path, more: &[&str]) -> Result<Utf8PathBuf, String> {
    let mut objects = Vec::new();
    for (number, source) in program.sources.iter().enumerate() {
        let object = dir.join(format!("{number}.o"));
        let mut command = compiler(program, language(source));
        command.args(more).args(["-c", source.as_str(), "-o", object.as_str()]);
        successful(command, dir).map_err(|how| format!("clang does not compile it: {how}"))?;
        objects.push(object);
    }
    let output = dir.join("reference");
    let mut link = clang(if program.is_cxx() { Language::Cxx } else { Language::C });
    link.args(more).arg("-fuse-ld=lld").args(&objects).args(&program.link_args);
    link.args(LIBRARIES.map(|library| format!("-l{library}"))).args(["-o", output.as_str()]);
    successful(link, dir).map_err(|how| format!("clang does not link it: {how}"))?;
    Ok(output)
}

fn successful(command: Command, dir: &Utf8Path) -> Result<(), How> {
    let ended = execute(command, dir, COMPILE);
    if ended.how == How::Code(0) { Ok(()) } else { Err(ended.how) }
}

/// The flags of a compile.
fn compiler(program: &Program, language: Language) -> Command {
    let mut command = clang(language);
    command
        .args([program.setting.level.flag(), "-fPIE", "-ffile-compilation-dir=."])
        .args(&program.flags);
    command
}

pub(super) fn clang(language: Language) -> Command {
    let mut command = Command::new(crate::llvm_bin().join("clang"));
    command.args((language == Language::Cxx).then_some("--driver-mode=g++"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
    command
}

/// The number of definitions with an address in each module before optimisation; and whether a
/// module has assembly outside of functions.
pub(super) fn definitions(program: &Program, dir: &Utf8Path) -> Vec<(u32, bool)> {
    let file = dir.join("definitions.ll");
    let one = |source: &Utf8PathBuf| {
        let mut command = compiler(program, language(source));
        command.args(["-Xclang", "-disable-llvm-passes", "-S", "-emit-llvm"]);
        command.args([source.as_str(), "-o", file.as_str()]);
        successful(command, dir).ok()?;
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        Some((count(&text), text.lines().any(|line| line.starts_with("module asm"))))
    };
    program.sources.iter().filter_map(one).collect()
}

fn count(module: &str) -> u32 {
    module.lines().filter(|line| is_placed(line)).count() as u32
}

/// Whether a line of a module defines a function or a variable with an address. A constant whose
/// address is not taken is dropped when it is inlined.
fn is_placed(line: &str) -> bool {
    let Some(variable) = line.strip_prefix('@') else { return line.starts_with("define ") };
    let is_declared = variable.contains(" external ") || variable.contains(" extern_weak ");
    let is_local = variable.contains("= private ") || variable.contains("= internal ");
    let follows = is_local && variable.contains(" unnamed_addr constant ");
    !variable.starts_with("llvm.") && !is_declared && !follows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_a_module_are_counted() {
        let module = "\
@.str = private unnamed_addr constant [3 x i8] c\"%d\\00\", align 1
@table = internal unnamed_addr constant [2 x i32] [i32 1, i32 2]
@count = global i32 0
@other = external global i32
@llvm.used = appending global [1 x ptr] [ptr @count]
define i32 @main() {
declare i32 @printf(ptr, ...)
";
        assert_eq!(count(module), 2);
    }
}
