//! What pkg-config says of a package, kept as long as nothing that it reads has changed.
//!
//! Besides the package's own `.pc` file the directories that pkg-config searches are stamped: packages are installed and
//! replaced by renaming, which changes the directory, so files that the package requires are covered too.

#![expect(
    clippy::disallowed_methods,
    reason = "pkg-config's variables decide whether its answer still holds"
)]

use super::stamp::{Stamp, read_saved, save};
use crate::graph::PkgConfig;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// Variables that change pkg-config's answers.
const VARIABLES: [&str; 5] = [
    "PKG_CONFIG",
    "PKG_CONFIG_PATH",
    "PKG_CONFIG_LIBDIR",
    "PKG_CONFIG_SYSROOT_DIR",
    "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS",
];

#[derive(Debug)]
pub(super) struct Cache {
    file: Utf8PathBuf,
    kept: OnceCell<RefCell<BTreeMap<String, Answer>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    environment: Vec<Option<String>>,
    stamps: Vec<Stamp>,
    found: PkgConfig,
}

impl Cache {
    pub fn new(dir: &Utf8Path) -> Self {
        Self { file: dir.join("pkg-config"), kept: OnceCell::new() }
    }

    /// # Errors
    /// Text for people: what pkg-config says, or that there is none.
    pub fn find(&self, package: &str) -> Result<PkgConfig, String> {
        let kept = self.kept.get_or_init(|| {
            let bytes = read_saved(&self.file).unwrap_or_default();
            RefCell::new(serde_json::from_slice(&bytes).unwrap_or_default())
        });
        let environment: Vec<_> = VARIABLES.iter().map(|name| std::env::var(name).ok()).collect();
        if let Some(answer) = kept.borrow().get(package)
            && answer.environment == environment
            && answer.stamps.iter().all(Stamp::holds)
        {
            return Ok(answer.found.clone());
        }
        let program = environment[0].clone().unwrap_or_else(|| "pkg-config".to_owned());
        let (found, stamps) = ask(&program, environment[1].as_deref(), package)?;
        kept.borrow_mut().insert(package.to_owned(), Answer { environment, stamps, found: found.clone() });
        save(&self.file, &*kept.borrow());
        Ok(found)
    }
}

fn ask(program: &str, path: Option<&str>, package: &str) -> Result<(PkgConfig, Vec<Stamp>), String> {
    let cflags = words(&run(program, &["--print-errors", "--cflags", package])?);
    let libs = words(&run(program, &["--print-errors", "--libs", package])?);
    let name = package.split_whitespace().next().unwrap_or(package);
    let mut stamps = Vec::new();
    if let Ok(dir) = run(program, &["--variable=pcfiledir", name]) {
        stamps.push(Stamp::of(&Utf8Path::new(dir.trim()).join(format!("{name}.pc"))));
    }
    let standard = run(program, &["--variable=pc_path", "pkg-config"]).unwrap_or_default();
    let dirs = path.unwrap_or_default().split(':').chain(standard.trim().split(':'));
    stamps.extend(dirs.filter(|dir| !dir.is_empty()).map(|dir| Stamp::of(dir.into())));
    Ok((PkgConfig { cflags, libs }, stamps))
}

fn run(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "`{program}` is not found (on Debian and Ubuntu: apt-get install pkg-config, or name one in PKG_CONFIG)"
        ),
        _ => format!("`{program}` cannot be started: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(if said.is_empty() { format!("`{program}` failed ({})", output.status) } else { said.join(" ") })
}

/// pkg-config writes words for a shell: with backslashes, and quotes where the `.pc` file has them.
fn words(text: &str) -> Vec<String> {
    shlex::split(text).unwrap_or_else(|| text.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_as_a_shell_splits_them() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect, "{text}");
        check("-I/usr/include/x -lz \n", &["-I/usr/include/x", "-lz"]);
        check(r"-I/a\ b -DX=\'1\'", &["-I/a b", "-DX='1'"]);
        check(r#"-DX="a b"c"#, &["-DX=a bc"]);
        check("", &[]);
    }

    #[test]
    fn an_answer_is_kept_until_the_package_changes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let script = dir.join("pc");
        let package = dir.join("x.pc");
        std::fs::write(&package, "").unwrap();
        // Every question is noted; `pcfiledir` leads to the file that the test touches.
        std::fs::write(
            &script,
            format!(
                "#!/bin/sh\necho \"$*\" >> {dir}/log\ncase \"$*\" in *absent*) echo 'No package found' >&2; exit 1;; *pcfiledir*) echo {dir};; *pc_path*) ;; *--libs*) echo -lx;; *) echo -I/x;; esac\n"
            ),
        )
        .unwrap();
        let command = |package: &str| ask_with_shell(&script, package);
        let (found, stamps) = command("x >= 1").unwrap();
        assert_eq!(found, PkgConfig { cflags: vec!["-I/x".into()], libs: vec!["-lx".into()] });
        assert_eq!(stamps[0].path, package);
        assert!(stamps.iter().all(Stamp::holds));
        std::fs::write(&package, "changed").unwrap();
        assert!(!stamps[0].holds());
        assert_eq!(command("absent").unwrap_err(), "No package found");
        assert!(ask("/absent/pkg-config", None, "x").unwrap_err().contains("not found"));
    }

    fn ask_with_shell(script: &Utf8Path, package: &str) -> Result<(PkgConfig, Vec<Stamp>), String> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
        ask(script.as_str(), None, package)
    }

    #[test]
    fn fuzz_pkg_config() {
        tender_fuzz::check_text("pkg_config", 3_000, |text| {
            assert!(words(text).iter().map(String::len).sum::<usize>() <= text.len());
            let _ = serde_json::from_str::<BTreeMap<String, Answer>>(text);
        });
    }
}
