//! The subjects of the benchmark: workspaces in a scratch directory, with their archives and
//! programs.

use crate::{copy, generate};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Lua,
    Zstd,
    Sqlite,
    RealWorld,
    /// 18 large C++ files
    Rocksdb,
    /// 1,000 crates of one small file each
    Many,
    /// 100 crates of 100 tiny files each
    Files,
    /// 8 crates of 16 units each, which take some time
    Heavy,
    /// 6 crates of 40 units each, most of them tiny
    Varied,
}

impl Name {
    pub fn title(self) -> &'static str {
        match self {
            Self::Lua => "Lua",
            Self::Zstd => "zstd",
            Self::Sqlite => "sqlite3.c as one crate",
            Self::RealWorld => "real-world (Lua, zlib, zstd, SQLite and a program)",
            Self::Rocksdb => "18 C++ files of RocksDB",
            Self::Many => "1,000 crates of one small file each",
            Self::Files => "10,000 files in 100 crates",
            Self::Heavy => "8 crates of 16 units each",
            Self::Varied => "6 crates of 40 units each, most of them tiny",
        }
    }
}

/// An artifact and its sources.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub kind: Kind,
    /// A part of the path of each of its sources, and of no other source.
    pub sources: String,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Archive,
    /// Linked with the archives of these targets, in this order, and these arguments.
    Program {
        archives: Vec<String>,
        words: Vec<String>,
    },
}

impl Target {
    fn archive(name: &str, sources: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Archive, sources: sources.to_owned() }
    }

    pub fn file_name(&self) -> String {
        match self.kind {
            Kind::Archive => format!("lib{}.a", self.name),
            Kind::Program { .. } => self.name.clone(),
        }
    }
}

#[derive(Debug)]
pub struct Subject {
    pub name: Name,
    /// Root of the workspace.
    pub root: PathBuf,
    /// Where logs and ninja's files go; outside the workspace.
    pub scratch: PathBuf,
    /// The packages that `tender build` builds; empty: all.
    pub packages: Vec<String>,
    pub targets: Vec<Target>,
    pub profile: Profile,
}

/// A build profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    #[default]
    Release,
    Dev,
}

impl Profile {
    /// The arguments that select it.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Release => &["--release"],
            Self::Dev => &[],
        }
    }

    /// The directory of its artifacts, relative to the workspace.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Release => "target/release",
            Self::Dev => "target/debug",
        }
    }
}

const MANY: usize = 1000;
const FILES_CRATES: usize = 100;
const FILES_UNITS: usize = 100;
const HEAVY_CRATES: usize = 8;
const HEAVY_UNITS: usize = 16;
const VARIED_CRATES: usize = 6;
const VARIED_UNITS: usize = 40;
/// Number of rows in real-world's program with which it runs for a second or two, long enough to
/// compare.
const ROWS: &str = "local ROWS = 40000";

impl Subject {
    /// Creates the workspace in `scratch`, so that builds do not change the project's files.
    ///
    /// # Errors
    /// The sources of an example were not fetched, or a file cannot be written.
    pub fn prepare(name: Name, examples: &Path, scratch: &Path) -> Result<Self, Box<dyn Error>> {
        let root = scratch.join("workspace");
        let library = |name: &str, sources: &str| {
            (vec![name.to_owned()], vec![Target::archive(name, sources)])
        };
        let (packages, targets) = match name {
            Name::Lua => library("lua", "vendor/lua-src/"),
            Name::Zstd => library("zstd", "vendor/zstd-sys/"),
            Name::Sqlite => library("sqlite", "vendor/libsqlite3-sys/"),
            Name::RealWorld => (Vec::new(), real_world()),
            Name::Rocksdb => library("rocksdb", "vendor/librocksdb-sys/"),
            Name::Many => (Vec::new(), numbered("part", MANY)),
            Name::Files => (Vec::new(), numbered("files", FILES_CRATES)),
            Name::Heavy => (Vec::new(), numbered("heavy", HEAVY_CRATES)),
            Name::Varied => (Vec::new(), numbered("varied", VARIED_CRATES)),
        };
        match name {
            Name::Many => write_many(&root)?,
            Name::Files => write_files(&root)?,
            Name::Heavy => write_heavy(&root)?,
            Name::Rocksdb => copy_rocksdb(&examples.join("rocksdb"), &root)?,
            Name::Varied => write_varied(&root)?,
            _ => copy_real_world(&examples.join("real-world"), &root)?,
        }
        Ok(Self {
            name,
            root,
            scratch: scratch.to_owned(),
            packages,
            targets,
            profile: Profile::default(),
        })
    }

    /// Replaces the release profile of the workspace by these lines of TOML.
    ///
    /// # Errors
    /// The manifest cannot be read or written.
    pub fn set_profile(&self, lines: &str) -> std::io::Result<()> {
        const HEAD: &str = "\n[profile.release]\n";
        let file = self.root.join("Tender.toml");
        let text = fs::read_to_string(&file)?;
        let rest = text.split(HEAD).next().unwrap_or_default();
        fs::write(file, format!("{rest}{HEAD}{lines}\n"))
    }

    /// Makes real-world's program run longer. The subject must be real-world.
    ///
    /// # Errors
    /// The line of its script with the number of rows is missing.
    pub fn lengthen_program(&self) -> Result<(), Box<dyn Error>> {
        let file = self.root.join("app/src/script.lua");
        let text = fs::read_to_string(&file)?;
        let line = text.lines().find(|line| line.starts_with("local ROWS = "));
        let line = line.ok_or_else(|| format!("{}: no line sets ROWS", file.display()))?;
        fs::write(&file, text.replacen(line, ROWS, 1))?;
        Ok(())
    }

    pub fn programs(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| matches!(target.kind, Kind::Program { .. }))
    }
}

fn real_world() -> Vec<Target> {
    let words = ["-lm", "-ldl", "-lpthread"].map(str::to_owned).to_vec();
    let archives = ["lua", "sqlite", "zlib", "zstd"].map(str::to_owned).to_vec();
    vec![
        Target::archive("lua", "vendor/lua-src/"),
        Target::archive("sqlite", "vendor/libsqlite3-sys/"),
        Target::archive("zlib", "vendor/libz-sys/"),
        Target::archive("zstd", "vendor/zstd-sys/"),
        Target {
            name: "app".into(),
            kind: Kind::Program { archives, words },
            sources: "app/src/".into(),
        },
    ]
}

/// Copies an example without its fetched sources, which must exist.
fn copy_example(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if !from.join("vendor/.fetched").exists() {
        return Err(
            format!("the sources of {} are missing; run `make fetch`", from.display()).into()
        );
    }
    copy::tree(from, to, &|name| {
        ["vendor", "target", "fetch", "compile_commands.json"].contains(&name)
    })?;
    Ok(())
}

fn copy_rocksdb(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    copy_example(from, to)?;
    let sources = Path::new("vendor/librocksdb-sys/rocksdb");
    copy::tree(&from.join(sources), &to.join(sources), &|name| ["java", "docs"].contains(&name))?;
    Ok(())
}

fn copy_real_world(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    copy_example(from, to)?;
    // Only these fetched packages contain sources that are built.
    for package in ["lua-src", "libz-sys", "zstd-sys", "libsqlite3-sys"] {
        copy::tree(&from.join("vendor").join(package), &to.join("vendor").join(package), &|_| {
            false
        })?;
    }
    Ok(())
}

fn numbered(name: &str, count: usize) -> Vec<Target> {
    let target = |i| Target::archive(&format!("{name}{i:04}"), &format!("parts/{name}{i:04}/"));
    (0..count).map(target).collect()
}

fn write_many(root: &Path) -> std::io::Result<()> {
    write_root(root)?;
    (0..MANY).try_for_each(|i| {
        let name = format!("part{i:04}");
        write_crate(root, &name, &[(format!("{name}.c"), generate::small(i))])
    })
}

/// The units of a crate have a header in common.
fn write_files(root: &Path) -> std::io::Result<()> {
    write_root(root)?;
    (0..FILES_CRATES).try_for_each(|i| {
        let name = format!("files{i:04}");
        let unit = |j| {
            let text = generate::tiny(i * FILES_UNITS + j);
            (format!("unit{j:03}.c"), format!("#include \"{name}.h\"\n{text}"))
        };
        write_crate(root, &name, &(0..FILES_UNITS).map(unit).collect::<Vec<_>>())?;
        let include = root.join("parts").join(&name).join("include");
        fs::create_dir_all(&include)?;
        fs::write(include.join(format!("{name}.h")), format!("extern int of_{name};\n"))
    })
}

fn write_heavy(root: &Path) -> std::io::Result<()> {
    write_root(root)?;
    (0..HEAVY_CRATES).try_for_each(|i| {
        let unit = |j| (format!("unit{j:02}.c"), generate::heavy(i * HEAVY_UNITS + j));
        write_crate(root, &format!("heavy{i:04}"), &(0..HEAVY_UNITS).map(unit).collect::<Vec<_>>())
    })
}

fn write_varied(root: &Path) -> std::io::Result<()> {
    write_root(root)?;
    (0..VARIED_CRATES).try_for_each(|i| {
        let unit = |j| {
            let number = i * VARIED_UNITS + j;
            let text = match j % 8 {
                0 => generate::heavy(number),
                1 | 5 => generate::small(number),
                _ => generate::tiny(number),
            };
            (format!("unit{j:02}.c"), text)
        };
        write_crate(
            root,
            &format!("varied{i:04}"),
            &(0..VARIED_UNITS).map(unit).collect::<Vec<_>>(),
        )
    })
}

fn write_root(root: &Path) -> std::io::Result<()> {
    fs::create_dir_all(root)?;
    fs::write(root.join("Tender.toml"), "[workspace]\nmembers = [\"parts/*\"]\n")
}

/// Writes a library crate of these files, given by name and text.
fn write_crate(root: &Path, name: &str, sources: &[(String, String)]) -> std::io::Result<()> {
    let dir = root.join("parts").join(name);
    fs::create_dir_all(dir.join("src"))?;
    fs::write(
        dir.join("Tender.toml"),
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n"),
    )?;
    sources.iter().try_for_each(|(file, text)| fs::write(dir.join("src").join(file), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_source_belongs_to_one_target() {
        let targets = numbered("part", MANY);
        let of =
            |path: &str| targets.iter().filter(|target| path.contains(&target.sources)).count();
        assert_eq!(of("parts/part0100/src/part0100.c"), 1);
        let targets = real_world();
        let of =
            |path: &str| targets.iter().filter(|target| path.contains(&target.sources)).count();
        assert_eq!(of("app/src/db.c"), 1);
        assert_eq!(of("vendor/libsqlite3-sys/sqlite3/sqlite3.c"), 1);
    }

    #[test]
    fn subject_profile_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let subject = Subject::prepare(Name::Heavy, Path::new("none"), dir.path()).unwrap();
        subject.set_profile("lto = \"thin\"").unwrap();
        subject.set_profile("codegen-units = 4").unwrap();
        let text = fs::read_to_string(subject.root.join("Tender.toml")).unwrap();
        assert_eq!(
            text,
            "[workspace]\nmembers = [\"parts/*\"]\n\n[profile.release]\ncodegen-units = 4\n"
        );
    }
}
