//! Compiling and linking for another platform: the words for clang, and the program that links.
//!
//! A link driver of the platform is found by its name alone, so that nothing is started: as GNU
//! tools are called, the platform's triple comes first
//! (https://gcc.gnu.org/install/configure.html, "target_alias").

#![expect(clippy::disallowed_methods, reason = "`CC` and `CXX` are the business of this file")]

use super::driver::{ToolchainError, linker_words, resolve};
use super::llvm_bin;
use crate::graph::{DRIVER_C, DRIVER_CXX};
use crate::manifest::TargetPlatform;
use crate::platform::Platform;
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};

/// The words of every compile command for the platform.
pub(super) fn compile_words(target: &TargetPlatform) -> Vec<String> {
    let mut words = target_words(target);
    // clang does not know where Linux distributions keep the headers of a second C library.
    if target.platform.is_musl() && target.sysroot.is_none() {
        let headers = format!("/usr/include/{}", target.platform.multiarch());
        if looks::is_dir(&headers) {
            words.extend(["-nostdlibinc".to_owned(), format!("-isystem{headers}")]);
        }
    }
    words
}

/// The words that name the platform to clang.
pub(super) fn target_words(target: &TargetPlatform) -> Vec<String> {
    let mut words = vec![format!("--target={}", target.platform.triple())];
    words.extend(sysroot_word(target));
    words
}

fn sysroot_word(target: &TargetPlatform) -> Option<String> {
    target.sysroot.as_ref().map(|dir| format!("--sysroot={dir}"))
}

/// The driver that links for the platform, with its first words; None: that of the machine itself.
///
/// # Errors
/// The text for users: there is none.
pub(super) fn driver(target: &TargetPlatform, cxx: bool) -> Result<Option<Vec<String>>, String> {
    let platform = &target.platform;
    let chosen = target.linker.clone().map(|linker| vec![of_language(&linker, cxx)]);
    let Some(mut words) = chosen.or_else(|| of_variable(platform, cxx)) else {
        if platform.is_like(&Platform::host()) && target.sysroot.is_none() {
            return Ok(None);
        }
        return found(target, cxx).map(Some);
    };
    let Some(path) = resolve(&words[0], Utf8Path::new("")) else {
        let triple = platform.triple();
        return Err(format!(
            "`{}`, which links for `{triple}`, is not found\n  help: install it, or name another program: `[target.{triple}] linker = \"...\"`",
            words[0]
        ));
    };
    if [DRIVER_C, DRIVER_CXX].contains(&words[0].as_str()) {
        // These words stand for the machine's own driver.
        words[0] = path.into_string();
    }
    add_words(&mut words, target);
    Ok(Some(words))
}

fn add_words(words: &mut Vec<String>, target: &TargetPlatform) {
    if is_clang(&words[0]) {
        words.push(format!("--target={}", target.platform.triple()));
    }
    words.extend(sysroot_word(target));
    words.extend(linker_words(&llvm_bin()));
}

fn is_clang(program: &str) -> bool {
    Utf8Path::new(program).file_name().is_some_and(|name| name.contains("clang"))
}

/// A compiler for C++ that belongs to one for C, where there is one.
fn of_language(program: &str, cxx: bool) -> String {
    if !cxx {
        return program.to_owned();
    }
    let path = Utf8Path::new(program);
    let name = path.file_name().unwrap_or(program);
    let other = match name.contains("clang++") || name.contains("g++") {
        true => return program.to_owned(),
        false if name.contains("clang") => name.replacen("clang", "clang++", 1),
        false => name.replacen("gcc", "g++", 1),
    };
    let other = path.with_file_name(other);
    let is_there = resolve(other.as_str(), Utf8Path::new("")).is_some();
    if is_there { other.into_string() } else { program.to_owned() }
}

/// The variables that the `cc` crate reads for a platform:
/// https://docs.rs/cc/latest/cc/#external-configuration-via-environment-variables
fn of_variable(platform: &Platform, cxx: bool) -> Option<Vec<String>> {
    let name = if cxx { "CXX" } else { "CC" };
    let triple = platform.triple();
    let names = [
        format!("{name}_{triple}"),
        format!("{name}_{}", triple.replace('-', "_")),
        format!("TARGET_{name}"),
    ];
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    let words = |value: String| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    values.map(words).find(|words| !words.is_empty())
}

/// A driver by the usual names of one for the platform; else clang, which is one for all.
fn found(target: &TargetPlatform, cxx: bool) -> Result<Vec<String>, String> {
    let platform = &target.platform;
    let (triple, multiarch) = (platform.triple(), platform.multiarch());
    let compiler = if cxx { "g++" } else { "gcc" };
    let mut names = vec![format!("{triple}-{compiler}"), format!("{multiarch}-{compiler}")];
    if platform.is_musl() {
        // One that was made for C links C++ too: only the libraries that it adds differ.
        names.push(format!("{multiarch}-gcc"));
        if platform.architecture() == Platform::host().architecture() {
            names.push("musl-gcc".to_owned());
        }
    }
    let is_there = |name: &String| resolve(name, Utf8Path::new("")).is_some();
    let clang: Utf8PathBuf = llvm_bin().join(if cxx { "clang++" } else { "clang" });
    let mut words = match names.into_iter().find(is_there) {
        Some(name) => vec![name],
        None if !platform.is_musl() && looks::exists(&clang) => vec![clang.into_string()],
        None => {
            let package = match platform.is_musl() {
                true => "musl-dev".to_owned(),
                false => format!("{compiler}-{}", multiarch.replace('_', "-")),
            };
            return Err(format!(
                "no program to link for `{triple}` is found\n  help: on Debian and Ubuntu: apt-get install {package}, or name one: `[target.{triple}] linker = \"...\"`"
            ));
        }
    };
    add_words(&mut words, target);
    Ok(words)
}

/// Whether the kernel starts programs of the platform by qemu, as Debian's `qemu-user-binfmt` sets it
/// up: https://docs.kernel.org/admin-guide/binfmt-misc.html
pub fn kernel_runs(platform: &Platform) -> bool {
    let name = match platform.architecture().as_str() {
        "x86" => "i386".to_owned(),
        other => other.to_owned(),
    };
    looks::exists(format!("/proc/sys/fs/binfmt_misc/qemu-{name}"))
}

/// Whether `CC` and `CXX` name a compiler for another C library than sources are compiled for.
///
/// # Errors
/// [`ToolchainError::OtherLibrary`]
pub fn check_compilers(target: Option<&TargetPlatform>) -> Result<(), ToolchainError> {
    let host = Platform::host();
    if host.is_musl() || target.is_some() {
        return Ok(());
    }
    for (variable, cxx) in [("CC", false), ("CXX", true)] {
        let chosen = super::chosen_driver(cxx).unwrap_or_default();
        let mut programs = chosen.split_whitespace().map(Utf8Path::new);
        let is_musl = |path: &&Utf8Path| {
            path.file_name().is_some_and(|name| name.split('-').any(|part| part == "musl"))
        };
        if let Some(program) = programs.find(is_musl) {
            return Err(ToolchainError::OtherLibrary {
                variable,
                program: program.to_string(),
                triple: format!("{}-linux-musl", host.architecture()),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(triple: &str, linker: Option<&str>) -> TargetPlatform {
        TargetPlatform {
            platform: Platform::parse(triple).unwrap(),
            linker: linker.map(str::to_owned),
            sysroot: None,
            runner: Vec::new(),
        }
    }

    #[test]
    fn cross_driver_is_that_of_the_machine_for_its_own_platform() {
        let own = Platform::host();
        assert_eq!(driver(&target(own.triple(), None), false).unwrap(), None);
        let named = driver(&target(own.triple(), Some("cc")), false).unwrap().unwrap();
        // Not by the word that stands for the machine's own.
        assert_eq!(named[0], resolve("cc", Utf8Path::new("")).unwrap().as_str());
    }

    #[test]
    fn cross_driver_that_is_missing_is_named() {
        let error = driver(&target("riscv32-linux-gnu", Some("no-such-gcc")), false).unwrap_err();
        assert!(error.contains("`no-such-gcc`") && error.contains("[target.riscv32-linux-gnu]"));
        let error = found(&target("aarch64-linux-musl", None), false).unwrap_err();
        assert!(error.contains("apt-get install musl-dev"), "{error}");
    }

    #[test]
    fn cross_driver_of_cxx_belongs_to_that_of_c() {
        assert_eq!(of_language("gcc", true), "g++");
        assert_eq!(of_language("gcc", false), "gcc");
        assert_eq!(of_language("absent-gcc", true), "absent-gcc");
        assert_eq!(of_language("g++", true), "g++");
    }
}
