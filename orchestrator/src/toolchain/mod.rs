//! The programs of the machine that a build needs: LLVM's tools, the link driver, nasm, pkg-config; and clang-format, clang-tidy. Of
//! items it knows only where a link's driver stands.
//!
//! Finding them takes processes, so it is done when they are needed, and cached in the state
//! directory. A build that does nothing starts none.

mod assembler;
mod cross;
mod driver;
mod library_modules;
mod linker;
mod pkg_config;
mod processor;
mod source_tool;
mod stamp;
mod std_modules;

pub use cross::{check_compilers, kernel_runs};
use driver::linker_words;
pub(crate) use driver::resolve;
pub use driver::{ToolchainError, chosen_driver, link_driver, programs_in_path};
pub use source_tool::{SourceTool, SourceToolError};
pub(crate) use stamp::Stamp;

use crate::graph::{
    Assembler, DRIVER_C, DRIVER_CXX, InstalledLibrary, PkgConfig, Program, StdModule, Surroundings,
};
use crate::manifest::{Linker, TargetPlatform};
use crate::sys::looks;
use camino::{Utf8Path, Utf8PathBuf};

/// Where LLVM 22 is installed: as it was when `tender` was built.
pub fn llvm_bin() -> Utf8PathBuf {
    Utf8Path::new(option_env!("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22")).join("bin")
}

/// Which of `CFLAGS` and `CXXFLAGS` are set. They are ignored, with a warning: flags are taken from
/// manifests only, so that the result of a build does not depend on the user's environment.
#[expect(clippy::disallowed_methods, reason = "these variables are the business of this module")]
pub fn ignored_variables() -> Vec<&'static str> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    ["CFLAGS", "CXXFLAGS"].into_iter().filter(set).collect()
}

/// clang as a link driver, and its run-time library beside it.
fn clang_driver(llvm_bin: &Utf8Path, cxx: bool) -> Result<Vec<String>, String> {
    let clang = llvm_bin.join(if cxx { "clang++" } else { "clang" });
    let major = tender_protocol::LLVM_MAJOR;
    let runtime = llvm_bin.with_file_name(format!("lib/clang/{major}/lib"));
    let missing = |path: &Utf8Path, package: &str| {
        format!("{path} is missing\n  help: on Debian and Ubuntu: apt-get install {package}")
    };
    if !looks::exists(&clang) {
        return Err(missing(&clang, &format!("clang-{major}")));
    }
    if !looks::exists(&runtime) {
        return Err(missing(&runtime, &format!("libclang-rt-{major}-dev")));
    }
    Ok(vec![clang.into_string(), "-fuse-ld=lld".to_owned()])
}

/// Link drivers, each found at most once.
#[derive(Debug)]
pub struct Toolchain {
    cache_dir: Utf8PathBuf,
    /// For C, for C++.
    drivers: [Option<Vec<String>>; 2],
}

impl Toolchain {
    pub fn new(cache_dir: &Utf8Path) -> Self {
        Self { cache_dir: cache_dir.to_owned(), drivers: [None, None] }
    }

    /// The driver with its first arguments, for a placeholder in the graph. `None` if the word is a
    /// program already.
    ///
    /// # Errors
    /// No driver is found.
    pub fn driver(&mut self, place: &[String]) -> Result<Option<Vec<String>>, ToolchainError> {
        let (cxx, linker) = match place {
            [word, linker @ ..] if word == DRIVER_C => (false, linker),
            [word, linker @ ..] if word == DRIVER_CXX => (true, linker),
            _ => return Ok(None),
        };
        let known = &mut self.drivers[usize::from(cxx)];
        if known.is_none() {
            *known = Some(link_driver(&self.cache_dir, cxx)?);
        }
        let words = known.iter().flatten().cloned();
        Ok(Some(match linker {
            [] => words.chain(linker_words(&llvm_bin())).collect(),
            _ => words.chain(linker.iter().cloned()).collect(),
        }))
    }
}

/// The machine that the build runs on, with what it has for the platform that is built for.
#[derive(Debug)]
pub struct Machine {
    cache_dir: Utf8PathBuf,
    pkg_config: pkg_config::Cache,
    target: Option<TargetMachine>,
}

#[derive(Debug)]
struct TargetMachine {
    platform: TargetPlatform,
    pkg_config: pkg_config::Cache,
}

impl Machine {
    /// `cache_dir`: the profile's state directory. Nothing is read before it is needed.
    pub fn new(cache_dir: &Utf8Path, target: Option<&TargetPlatform>) -> Self {
        let target = target.map(|target| TargetMachine {
            platform: target.clone(),
            pkg_config: pkg_config::Cache::for_target(cache_dir, target),
        });
        let pkg_config = pkg_config::Cache::new(cache_dir);
        Self { cache_dir: cache_dir.to_owned(), pkg_config, target }
    }

    /// The packages of the machine itself (`host`), or of the platform that is built for.
    fn packages(&self, host: bool) -> &pkg_config::Cache {
        let of_target = self.target.as_ref().filter(|_| !host).map(|target| &target.pkg_config);
        of_target.unwrap_or(&self.pkg_config)
    }
}

/// Whether the system has a package, by what pkg-config says; that is kept in `cache_dir`, as `Machine`
/// does. `target`: the platform that is built for, if it is named.
pub fn has_package(cache_dir: &Utf8Path, package: &str, target: Option<&TargetPlatform>) -> bool {
    let cache = match target {
        Some(target) => pkg_config::Cache::for_target(cache_dir, target),
        None => pkg_config::Cache::new(cache_dir),
    };
    cache.has(package)
}

impl Surroundings for Machine {
    fn pkg_config(&self, package: &str, host: bool) -> Result<PkgConfig, String> {
        self.packages(host).find(package)
    }

    fn target_words(&self) -> Vec<String> {
        self.target
            .as_ref()
            .map(|target| cross::compile_words(&target.platform))
            .unwrap_or_default()
    }

    fn target_driver(&self, cxx: bool) -> Result<Option<Vec<String>>, String> {
        match &self.target {
            Some(target) => cross::driver(&target.platform, cxx),
            None => Ok(None),
        }
    }

    fn file_size(&self, path: &Utf8Path) -> u64 {
        looks::size(path.as_std_path())
    }

    fn chosen_driver(&self, cxx: bool) -> Option<String> {
        chosen_driver(cxx)
    }

    fn driver(&self, cxx: bool) -> Program {
        let name = driver::known_driver(&self.cache_dir, cxx);
        let path = driver::resolve(&name, Utf8Path::new(""));
        Program { name, path }
    }

    fn clang(&self, cxx: bool, host: bool) -> Result<Vec<String>, String> {
        let mut words = clang_driver(&llvm_bin(), cxx)?;
        let target = self.target.as_ref().filter(|_| !host);
        words.extend(target.map(|one| cross::target_words(&one.platform)).unwrap_or_default());
        Ok(words)
    }

    fn linker(&self, linker: &Linker) -> Result<Vec<String>, String> {
        linker::words(linker, &llvm_bin())
    }

    fn assembler(&self, host: bool) -> Result<Assembler, String> {
        let target = self.target.as_ref().filter(|_| !host);
        let arch = target.map(|target| target.platform.platform.architecture());
        assembler::find(arch.as_deref().unwrap_or(std::env::consts::ARCH))
    }

    fn std_modules(&self, is_libcxx: bool) -> Vec<StdModule> {
        std_modules::find(&llvm_bin(), is_libcxx)
    }

    fn library_modules(&self, package: &str, host: bool) -> Result<Vec<InstalledLibrary>, String> {
        library_modules::find(self.packages(host), package)
    }

    fn processor(&self) -> String {
        processor::description()
    }

    fn program(&self, name: &str, dir: &Utf8Path) -> Option<Utf8PathBuf> {
        driver::resolve(name, dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clang_driver_names_the_package_that_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let bin = Utf8Path::from_path(dir.path()).unwrap().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let check = |expect: &str| {
            let error = clang_driver(&bin, true).unwrap_err();
            assert!(error.ends_with(expect), "{error}");
        };
        check("apt-get install clang-22");
        std::fs::write(bin.join("clang++"), "").unwrap();
        check("apt-get install libclang-rt-22-dev");
        std::fs::create_dir_all(dir.path().join("lib/clang/22/lib")).unwrap();
        assert_eq!(clang_driver(&bin, true).unwrap()[0], bin.join("clang++").as_str());
    }
}
