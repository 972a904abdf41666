//! The output of pkg-config for a package, cached as long as no file that it reads has changed.
//!
//! The cache has stamps of the program, of the `.pc` files of the package and all that it requires,
//! and of the searched directories, in which another file with the same name may appear.

#![expect(
    clippy::disallowed_methods,
    reason = "pkg-config's variables decide whether its answer still holds"
)]

use super::driver::resolve;
use super::stamp::{Stamp, read_saved, save};
use crate::graph::PkgConfig;
use crate::manifest::TargetPlatform;
use crate::sys::bounded_output;
use crate::sys::looks;
use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// Variables that change pkg-config's answers, besides those that begin with `PKG_CONFIG`:
/// directories that compilers search anyway are left out of them (pkgconf(1),
/// `PKG_CONFIG_SYSTEM_INCLUDE_PATH` and its section on compilers).
const VARIABLES: [&str; 6] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "LIBRARY_PATH",
    "DESTDIR",
];

/// The largest output of pkg-config, and the largest `.pc` file, bytes.
const LONGEST_ANSWER: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Cache {
    file: Utf8PathBuf,
    /// The program, where the environment does not name one.
    program: String,
    /// Variables that it gets where the environment does not have them.
    defaults: BTreeMap<String, String>,
    kept: OnceCell<RefCell<BTreeMap<String, CachedPackage>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct CachedPackage {
    environment: BTreeMap<String, String>,
    stamps: Vec<Stamp>,
    /// None: the system does not have it.
    found: Option<PkgConfig>,
}

impl Cache {
    /// For packages of the machine itself.
    pub fn new(dir: &Utf8Path) -> Self {
        Self {
            file: dir.join("pkg-config"),
            program: "pkg-config".to_owned(),
            defaults: BTreeMap::new(),
            kept: OnceCell::new(),
        }
    }

    /// For packages of another platform: a program that was installed for it, else directories of its
    /// own, so that no package of the machine itself is found.
    pub fn for_target(dir: &Utf8Path, target: &TargetPlatform) -> Self {
        let multiarch = target.platform.multiarch();
        let program = format!("{multiarch}-pkg-config");
        let is_there = resolve(&program, Utf8Path::new("")).is_some();
        let root = target.sysroot.as_deref().unwrap_or(Utf8Path::new("/"));
        let places =
            [&format!("usr/lib/{multiarch}/pkgconfig"), "usr/lib/pkgconfig", "usr/share/pkgconfig"];
        let places = places
            .iter()
            .filter(|place| target.sysroot.is_some() || **place != "usr/lib/pkgconfig");
        let places: Vec<String> = places.map(|place| root.join(place).into_string()).collect();
        let mut defaults = BTreeMap::from([("PKG_CONFIG_LIBDIR".to_owned(), places.join(":"))]);
        if let Some(sysroot) = &target.sysroot {
            defaults.insert("PKG_CONFIG_SYSROOT_DIR".to_owned(), sysroot.to_string());
        }
        Self {
            file: dir.join("pkg-config-target"),
            program: if is_there { program } else { "pkg-config".to_owned() },
            defaults: if is_there { BTreeMap::new() } else { defaults },
            kept: OnceCell::new(),
        }
    }

    /// # Errors
    /// The text for users: the error of pkg-config, or that it is not installed.
    pub fn find(&self, package: &str) -> Result<PkgConfig, String> {
        let kept = self.kept();
        let environment = self.environment();
        if let Some(answer) = kept.borrow().get(package)
            && answer.environment == environment
            && answer.stamps.iter().all(Stamp::holds)
            // Where there is none, the error of the program is wanted.
            && let Some(found) = &answer.found
        {
            return Ok(found.clone());
        }
        let variable = |name: &str| environment.get(name).map(String::as_str);
        let program = PkgConfigProgram {
            name: variable("PKG_CONFIG").unwrap_or(&self.program),
            environment: &environment,
        };
        let (path, libdir) = (variable("PKG_CONFIG_PATH"), variable("PKG_CONFIG_LIBDIR"));
        let (found, stamps) = ask(&program, path, libdir, package)?;
        let answer = CachedPackage { environment, stamps, found: Some(found.clone()) };
        kept.borrow_mut().insert(package.to_owned(), answer);
        save(&self.file, &*kept.borrow());
        Ok(found)
    }

    /// Whether there is such a package. That there is none is kept too, until something appears where
    /// it was looked for.
    pub fn has(&self, package: &str) -> bool {
        let kept = self.kept();
        let environment = self.environment();
        if let Some(answer) = kept.borrow().get(package)
            && answer.environment == environment
            && answer.stamps.iter().all(Stamp::holds)
        {
            return answer.found.is_some();
        }
        if self.find(package).is_ok() {
            return true;
        }
        let variable = |name: &str| environment.get(name).map(String::as_str);
        let name = variable("PKG_CONFIG").unwrap_or(&self.program);
        let program = PkgConfigProgram { name, environment: &environment };
        let (path, libdir) = (variable("PKG_CONFIG_PATH"), variable("PKG_CONFIG_LIBDIR"));
        let searched = searched(&program, path, libdir);
        let dirs: Vec<&Utf8Path> = searched.iter().map(Utf8PathBuf::as_path).collect();
        let name = package.split_whitespace().next().unwrap_or(package);
        let mut stamps: Vec<Stamp> =
            resolve(program.name, Utf8Path::new("")).iter().map(|path| Stamp::of(path)).collect();
        stamps.extend(package_files(name, &dirs).iter().map(|path| Stamp::of(path)));
        stamps.extend(dirs.into_iter().map(Stamp::of));
        let answer = CachedPackage { environment, stamps, found: None };
        kept.borrow_mut().insert(package.to_owned(), answer);
        save(&self.file, &*kept.borrow());
        false
    }

    fn kept(&self) -> &RefCell<BTreeMap<String, CachedPackage>> {
        self.kept.get_or_init(|| {
            let bytes = read_saved(&self.file).unwrap_or_default();
            RefCell::new(serde_json::from_slice(&bytes).unwrap_or_default())
        })
    }

    /// The variables that the answers depend on.
    fn environment(&self) -> BTreeMap<String, String> {
        let counts = |name: &str| name.starts_with("PKG_CONFIG") || VARIABLES.contains(&name);
        let mut environment = self.defaults.clone();
        environment.extend(std::env::vars().filter(|(name, _)| counts(name)));
        environment
    }
}

/// The program, and its own part of the environment.
struct PkgConfigProgram<'a> {
    name: &'a str,
    environment: &'a BTreeMap<String, String>,
}

/// `path` and `libdir`: the variables of these names.
fn ask(
    program: &PkgConfigProgram<'_>,
    path: Option<&str>,
    libdir: Option<&str>,
    package: &str,
) -> Result<(PkgConfig, Vec<Stamp>), String> {
    let cflags = words(&run(program, &["--print-errors", "--cflags", package])?);
    let libs = words(&run(program, &["--print-errors", "--libs", package])?);
    // What only links with the archives need may be missing.
    let static_libs = run(program, &["--static", "--libs", package]).unwrap_or_default();
    let searched = searched(program, path, libdir);
    let mut dirs: Vec<&Utf8Path> = searched.iter().map(Utf8PathBuf::as_path).collect();
    // Where the package itself was found, if that is another directory.
    let name = package.split_whitespace().next().unwrap_or(package);
    let own = run(program, &["--variable=pcfiledir", name]).unwrap_or_default();
    dirs.extend(Some(own.trim()).filter(|dir| !dir.is_empty()).map(Utf8Path::new));
    let libdir = run(program, &["--variable=libdir", name]).unwrap_or_default();
    let libdir = Some(libdir.trim()).filter(|dir| !dir.is_empty()).map(Utf8PathBuf::from);

    let mut stamps: Vec<Stamp> =
        resolve(program.name, Utf8Path::new("")).iter().map(|path| Stamp::of(path)).collect();
    stamps.extend(package_files(name, &dirs).iter().map(|path| Stamp::of(path)));
    stamps.extend(dirs.into_iter().map(Stamp::of));
    Ok((PkgConfig { cflags, libs, static_libs: words(&static_libs), libdir }, stamps))
}

/// The directories where packages are looked for.
fn searched(
    program: &PkgConfigProgram<'_>,
    path: Option<&str>,
    libdir: Option<&str>,
) -> Vec<Utf8PathBuf> {
    let standard = match libdir {
        Some(libdir) => libdir.to_owned(),
        None => run(program, &["--variable=pc_path", "pkg-config"]).unwrap_or_default(),
    };
    let dirs = path.unwrap_or_default().split(':').chain(standard.trim().split(':'));
    dirs.filter(|dir| !dir.is_empty()).map(Utf8PathBuf::from).collect()
}

/// The `.pc` files of a package and of all that it requires, those in earlier directories first.
fn package_files(name: &str, dirs: &[&Utf8Path]) -> Vec<Utf8PathBuf> {
    let (mut files, mut known) = (Vec::new(), BTreeSet::new());
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        if !known.insert(name.clone()) {
            continue;
        }
        // pkg-config prefers the second one.
        for file in [format!("{name}.pc"), format!("{name}-uninstalled.pc")] {
            let Some(path) =
                dirs.iter().map(|dir| dir.join(&file)).find(|path| looks::is_file(path))
            else {
                continue;
            };
            waiting.extend(required(&content(&path)));
            files.push(path);
        }
    }
    files
}

/// An error is ignored here: pkg-config reports it.
fn content(path: &Utf8Path) -> String {
    let bytes = whole_file::read(path.as_std_path(), LONGEST_ANSWER).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The packages that a `.pc` file requires, without their versions.
fn required(text: &str) -> Vec<String> {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let lists = fields.filter(|(key, _)| {
        matches!(key.trim(), "Requires" | "Requires.private" | "Requires.internal")
    });
    let mut names = Vec::new();
    for (_, list) in lists {
        let mut words = list.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word.starts_with(['<', '>', '=', '!']) {
                true => drop(words.next()),
                false => names.push(word.to_owned()),
            }
        }
    }
    names
}

fn run(
    PkgConfigProgram { name: program, environment }: &PkgConfigProgram<'_>,
    args: &[&str],
) -> Result<String, String> {
    looks::doubt("pkg-config was asked");
    let mut command = Command::new(program);
    command.args(args).envs(*environment).stdin(Stdio::null());
    let output = bounded_output::run(&mut command, LONGEST_ANSWER);
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "`{program}` is not found (on Debian and Ubuntu: apt-get install pkg-config, or name one in PKG_CONFIG)"
        ),
        ErrorKind::FileTooLarge => format!("the output of `{program}` cannot be used: {error}"),
        _ => format!("`{program}` cannot be started: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(if said.is_empty() {
        format!("`{program}` failed ({})", output.status)
    } else {
        said.join(" ")
    })
}

/// pkg-config writes words for a shell: with backslashes, and quotes where the `.pc` file has them.
fn words(text: &str) -> Vec<String> {
    shlex::split(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str) -> PkgConfigProgram<'_> {
        static NOTHING: BTreeMap<String, String> = BTreeMap::new();
        PkgConfigProgram { name, environment: &NOTHING }
    }

    #[test]
    fn pkg_config_words_are_split_as_by_a_shell() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
        check("-I/usr/include/x -lz \n", &["-I/usr/include/x", "-lz"]);
        check(r"-I/a\ b -DX=\'1\'", &["-I/a b", "-DX='1'"]);
        check(r#"-DX="a b"c"#, &["-DX=a bc"]);
        check("", &[]);
    }

    #[test]
    fn pkg_config_requirements_are_read() {
        let text = "prefix=/usr\nName: x\nRequires: a >= 1.2, b,c = 3 d\nRequires.private: e\nLibs: -lx: y\n";
        assert_eq!(required(text), ["a", "b", "c", "d", "e"]);
        assert!(required("Name: x\n").is_empty());
    }

    #[test]
    fn pkg_config_files_of_all_requirements_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let dirs = [root.join("one"), root.join("two")];
        for (path, text) in [
            ("one/x.pc", "Requires: y\n"),
            ("two/x.pc", ""),
            ("two/y.pc", "Requires: x, z, absent\n"),
            ("two/z-uninstalled.pc", ""),
        ] {
            std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            std::fs::write(root.join(path), text).unwrap();
        }
        let mut found = package_files("x", &[&dirs[0], &dirs[1]]);
        found.sort();
        assert_eq!(
            found,
            ["one/x.pc", "two/y.pc", "two/z-uninstalled.pc"].map(|path| root.join(path))
        );
    }

    #[test]
    fn pkg_config_answer_is_kept_until_the_package_changes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let script = dir.join("pc");
        let package = dir.join("x.pc");
        std::fs::write(&package, "").unwrap();
        // The script records each call; `pcfiledir` is the directory of the file that the test
        // touches.
        std::fs::write(
            &script,
            format!(
                "#!/bin/sh\necho \"$*\" >> {dir}/log\ncase \"$*\" in *absent*) echo 'No package found' >&2; exit 1;; *pcfiledir*) echo {dir};; *pc_path*) ;; *libdir*) echo /x/lib;; *--static*) echo -lx -ly;; *--libs*) echo -lx;; *) echo -I/x;; esac\n"
            ),
        )
        .unwrap();
        let command = |package: &str| ask_with_shell(&script, package);
        let (found, stamps) = command("x >= 1").unwrap();
        assert_eq!(
            found,
            PkgConfig {
                cflags: vec!["-I/x".into()],
                libs: vec!["-lx".into()],
                static_libs: vec!["-lx".into(), "-ly".into()],
                libdir: Some("/x/lib".into()),
            }
        );
        assert_eq!(stamps[0].path, script);
        assert_eq!(stamps[1].path, package);
        assert!(stamps.iter().all(Stamp::holds));
        std::fs::write(&package, "changed").unwrap();
        assert!(!stamps[1].holds());
        assert_eq!(command("absent").unwrap_err(), "No package found");
        assert!(
            ask(&program("/absent/pkg-config"), None, None, "x").unwrap_err().contains("not found")
        );
    }

    fn ask_with_shell(script: &Utf8Path, package: &str) -> Result<(PkgConfig, Vec<Stamp>), String> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask(&program(script.as_str()), None, None, package)
    }

    #[test]
    fn fuzz_pkg_config() {
        tender_fuzz::check_text("pkg_config", 3_000, |text| {
            assert!(words(text).iter().map(String::len).sum::<usize>() <= text.len());
            let _ = serde_json::from_str::<BTreeMap<String, CachedPackage>>(text);
        });
    }
}
