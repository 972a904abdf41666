//! What is built: a workspace in a scratch directory, and the archives and the program that must come out.

use crate::copy;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    Lua,
    Zstd,
    RealWorld,
    /// 1,000 crates of one small file each
    Many,
}

impl Name {
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Lua, Self::Zstd, Self::RealWorld, Self::Many].into_iter()
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Lua => "Lua",
            Self::Zstd => "zstd",
            Self::RealWorld => "real-world (Lua, zlib, zstd, SQLite and a program)",
            Self::Many => "1,000 crates of one small file each",
        }
    }
}

/// One artifact, and which compile commands belong to it.
#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub kind: Kind,
    /// A part of the path of each of its sources, and of no others.
    pub sources: String,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Archive,
    /// Linked with the archives of these targets, in this order, and these words.
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
    /// What `tender build` is told to build; nothing: all.
    pub packages: Vec<String>,
    pub targets: Vec<Target>,
}

const MANY: usize = 1000;

impl Subject {
    /// Makes the workspace in `scratch`, where building it changes nothing of the project's.
    ///
    /// # Errors
    /// The sources of real-world were not fetched, or a file cannot be written.
    pub fn prepare(name: Name, examples: &Path, scratch: &Path) -> Result<Self, Box<dyn Error>> {
        let root = scratch.join("workspace");
        let library =
            |name: &str, sources: &str| (vec![name.to_owned()], vec![Target::archive(name, sources)]);
        let (packages, targets) = match name {
            Name::Lua => library("lua", "vendor/lua-src/"),
            Name::Zstd => library("zstd", "vendor/zstd-sys/"),
            Name::RealWorld => (Vec::new(), real_world()),
            Name::Many => (Vec::new(), many()),
        };
        if name == Name::Many {
            write_many(&root)?;
        } else {
            copy_real_world(&examples.join("real-world"), &root)?;
        }
        Ok(Self { name, root, scratch: scratch.to_owned(), packages, targets })
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
        Target { name: "app".into(), kind: Kind::Program { archives, words }, sources: "app/src/".into() },
    ]
}

fn copy_real_world(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    if !from.join("vendor/.fetched").exists() {
        return Err("the sources of real-world are missing; run `make fetch`".into());
    }
    copy::tree(from, to, &|name| ["vendor", "target", "fetch", "compile_commands.json"].contains(&name))?;
    // Of the fetched packages only these hold sources that are built.
    for package in ["lua-src", "libz-sys", "zstd-sys", "libsqlite3-sys"] {
        copy::tree(&from.join("vendor").join(package), &to.join("vendor").join(package), &|_| false)?;
    }
    Ok(())
}

fn many() -> Vec<Target> {
    let target = |i| Target::archive(&format!("part{i:04}"), &format!("parts/part{i:04}/"));
    (0..MANY).map(target).collect()
}

fn write_many(root: &Path) -> std::io::Result<()> {
    fs::create_dir_all(root)?;
    fs::write(root.join("Tender.toml"), "[workspace]\nmembers = [\"parts/*\"]\n")?;
    for i in 0..MANY {
        let dir = root.join(format!("parts/part{i:04}"));
        fs::create_dir_all(dir.join("src"))?;
        fs::write(
            dir.join("Tender.toml"),
            format!("[package]\nname = \"part{i:04}\"\nversion = \"0.1.0\"\n"),
        )?;
        fs::write(dir.join(format!("src/part{i:04}.c")), small_source(i))?;
    }
    Ok(())
}

/// Some dozen lines and the headers that nearly every C file includes.
fn small_source(i: usize) -> String {
    format!(
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\n\
         struct part{i} {{ int id; char name[32]; }};\n\n\
         struct part{i} *part{i}_new(const char *name)\n{{\n    \
             struct part{i} *part = calloc(1, sizeof *part);\n    \
             if (part == NULL)\n        return NULL;\n    \
             part->id = {i};\n    \
             strncpy(part->name, name, sizeof part->name - 1);\n    \
             return part;\n}}\n\n\
         int part{i}_sum(const struct part{i} *parts, size_t count)\n{{\n    \
             int sum = 0;\n    \
             for (size_t i = 0; i < count; i++)\n        sum += parts[i].id ^ (int)strlen(parts[i].name);\n    \
             return sum;\n}}\n\n\
         void part{i}_print(const struct part{i} *part)\n{{\n    printf(\"%d %s\\n\", part->id, part->name);\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_belongs_to_one_target() {
        let targets = many();
        let of = |path: &str| targets.iter().filter(|target| path.contains(&target.sources)).count();
        assert_eq!(of("parts/part0100/src/part0100.c"), 1);
        let targets = real_world();
        let of = |path: &str| targets.iter().filter(|target| path.contains(&target.sources)).count();
        assert_eq!(of("app/src/db.c"), 1);
        assert_eq!(of("vendor/libsqlite3-sys/sqlite3/sqlite3.c"), 1);
    }
}
