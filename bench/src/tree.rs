//! A tree of four projects for four tools, with a makefile on top that runs all of them at once.
//! Knows how each is built, not who measures it.

use crate::contest::{self, Tools};
use crate::{generate, measure, subject};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Units of C in each of the projects of make, ninja and `tender`, and packages of cargo's. So many
/// that each of the tools alone has work for some seconds on one core.
const UNITS: usize = 60;
const TENDER_CRATES: usize = 4;
const CARGO_PACKAGES: usize = 5;

/// What would make cargo build something else, or elsewhere.
const OF_CARGO: [&str; 7] = [
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_JOBS",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
];

#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    tools: Tools,
    /// A client of pipes and of FIFOs.
    ninja: PathBuf,
}

impl Tree {
    /// # Errors
    /// There is no ninja that is a jobserver's client wherever it stands, or a file cannot be
    /// written.
    pub fn write(tools: &Tools, root: &Path) -> Result<Self, Box<dyn Error>> {
        let ninja = find_ninja(tools)?;
        fs::create_dir_all(root)?;
        let compiler = tools.llvm_bin.join("clang");
        let compiler = compiler.to_str().ok_or("the path of LLVM is not UTF-8")?;
        let names: Vec<String> = (0..UNITS).map(|i| format!("unit{i:02}")).collect();
        let write = |path: &str, text: &str| -> std::io::Result<()> {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap_or(root))?;
            fs::write(file, text)
        };
        for (number, name) in names.iter().enumerate() {
            write(&format!("make/src/{name}.c"), &generate::heavy(number))?;
            write(&format!("ninja/src/{name}.c"), &generate::heavy(UNITS + number))?;
        }
        write("make/Makefile", &makefile(&names))?;
        write("ninja/build.ninja", &build_ninja(&names, compiler))?;

        let tender = root.join("tender");
        subject::write_root(&tender)?;
        for krate in 0..TENDER_CRATES {
            let own = (0..UNITS).filter(|unit| unit % TENDER_CRATES == krate);
            let units: Vec<(String, String)> = own
                .map(|unit| (format!("unit{unit:02}.c"), generate::heavy(2 * UNITS + unit)))
                .collect();
            subject::write_crate(&tender, &format!("part{krate}"), &units)?;
        }

        write("cargo/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"part*\"]\n")?;
        for i in 0..CARGO_PACKAGES {
            let manifest =
                format!("[package]\nname = \"part{i}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
            write(&format!("cargo/part{i}/Cargo.toml"), &manifest)?;
            write(&format!("cargo/part{i}/src/lib.rs"), &generate::rust(i))?;
        }

        let tree = Self { root: root.to_owned(), tools: tools.clone(), ninja };
        write("Makefile", &tree.top()?)?;
        Ok(tree)
    }

    /// What the tree is built with, for people.
    pub fn describe() -> String {
        format!(
            "Tree: make with {UNITS} units and gcc, ninja with {UNITS} and clang, cargo with {CARGO_PACKAGES} packages, \
             tender with {UNITS} units."
        )
    }

    /// The whole tree below `tender exec -jN`.
    pub fn in_one_pool(&self, jobs: u32) -> Command {
        let mut command = self.command(&self.tools.tender);
        command.args(["exec", &format!("-j{jobs}"), "--", "make", "-s"]);
        command
    }

    /// Each of the four with `-jN` of its own, to be started at once.
    pub fn each_alone(&self, jobs: u32) -> Vec<Command> {
        let with_jobs = |(program, words): (PathBuf, Vec<&'static str>)| {
            let mut command = self.command(&program);
            command.args(words).arg(format!("-j{jobs}"));
            command
        };
        self.parts().into_iter().map(|(_, part)| with_jobs(part)).collect()
    }

    /// Takes away all that was built.
    pub fn clean(&self) -> std::io::Result<()> {
        for dir in ["make/out", "ninja/out", "cargo/target", "tender/target"] {
            contest::remove(&self.root.join(dir))?;
        }
        fs::create_dir_all(self.root.join("make/out"))?;
        fs::create_dir_all(self.root.join("ninja/out"))
    }

    /// The name, program and words of each, to be run from the root.
    fn parts(&self) -> [(&'static str, (PathBuf, Vec<&'static str>)); 4] {
        let cargo = vec!["build", "--offline", "--release", "--manifest-path", "cargo/Cargo.toml"];
        [
            ("make", ("make".into(), vec!["-s", "-C", "make"])),
            ("ninja", (self.ninja.clone(), vec!["-C", "ninja"])),
            ("cargo", ("cargo".into(), cargo)),
            ("tender", (self.tools.tender.clone(), vec!["-C", "tender", "build", "--release"])),
        ]
    }

    /// The makefile on top. Every part is a client of make's pool, so each has `+`.
    fn top(&self) -> Result<String, Box<dyn Error>> {
        let parts = self.parts();
        let mut text = format!("all: {}\n", parts.each_ref().map(|(name, _)| *name).join(" "));
        for (name, (program, words)) in &parts {
            let program = program.to_str().ok_or("the path of a tool is not UTF-8")?;
            writeln!(text, "{name}:\n\t+{program} {}", words.join(" "))?;
        }
        text += ".PHONY: all make ninja cargo tender\n";
        Ok(text)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = measure::command(program, &self.root);
        for name in OF_CARGO {
            command.env_remove(name);
        }
        command
    }
}

fn makefile(names: &[String]) -> String {
    let objects: Vec<String> = names.iter().map(|name| format!("out/{name}.o")).collect();
    format!(
        "out/libmake.a: {}\n\tar rcs $@ $^\nout/%.o: src/%.c\n\tgcc -O2 -c -o $@ $<\n",
        objects.join(" ")
    )
}

fn build_ninja(names: &[String], compiler: &str) -> String {
    let mut text = format!(
        "builddir = out\nrule cc\n  command = {compiler} -O2 -c -o $out $in\nrule ar\n  command = ar rcs $out $in\n"
    );
    for name in names {
        text += &format!("build out/{name}.o: cc src/{name}.c\n");
    }
    let objects: Vec<String> = names.iter().map(|name| format!("out/{name}.o")).collect();
    text += &format!("build out/libninja.a: ar {}\n", objects.join(" "));
    text
}

/// Kitware's, because upstream's shares only where a make since 4.4 is on top.
fn find_ninja(tools: &Tools) -> Result<PathBuf, Box<dyn Error>> {
    let target = tools.tender.parent().and_then(Path::parent).unwrap_or(Path::new("target"));
    let candidates = [target.join("interop/ninja-kitware/ninja"), tools.ninja.clone()];
    let shares = |ninja: &PathBuf| {
        let said = Command::new(ninja).arg("--version").output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains("kitware.jobserver"))
    };
    candidates.into_iter().find(shares).ok_or_else(|| {
        let wanted = target.join("interop/ninja-kitware/ninja");
        format!(
            "{} is missing, and no other ninja shares make's pipe; run `make interop`",
            wanted.display()
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_built_once() {
        let names = ["a".to_owned(), "b".to_owned()];
        assert!(makefile(&names).starts_with("out/libmake.a: out/a.o out/b.o\n\tar "));
        let text = build_ninja(&names, "cc");
        assert_eq!(text.matches("build ").count(), 3, "{text}");
        assert!(text.ends_with("build out/libninja.a: ar out/a.o out/b.o\n"), "{text}");
    }

    #[test]
    fn all_parts_are_on_top_and_share() {
        let tools = Tools { tender: "/t/tender".into(), ninja: "/n".into(), llvm_bin: "/l".into() };
        let tree = Tree { root: "/r".into(), tools, ninja: "/k/ninja".into() };
        let text = tree.top().unwrap();
        assert!(
            text.starts_with("all: make ninja cargo tender\nmake:\n\t+make -s -C make\n"),
            "{text}"
        );
        assert_eq!(text.matches("\n\t+").count(), 4);
        assert!(!text.contains("-j"), "{text}");
        let alone = tree.each_alone(3);
        assert!(
            alone.iter().all(|command| command.get_args().any(|word| word == "-j3")),
            "{alone:?}"
        );
    }
}
