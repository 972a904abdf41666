//! Writes ninja's build file from the compile commands that `tender` writes, so that sources and
//! flags are the same.

use crate::subject::{Kind, Target};
use serde::Deserialize;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;

/// An entry of compile_commands.json.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// The compiler, its flags, then `-c`, the source, `-o` and the object.
    pub arguments: Vec<String>,
    pub file: String,
}

/// Arguments for clang that `tender`'s compile commands lack, because they come from the profile
/// there.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    pub compile: Vec<String>,
    pub link: Vec<String>,
}

impl Extra {
    /// ThinLTO by clang and lld, with `jobs` backends at the same time in the link.
    pub fn thin(jobs: u32) -> Self {
        let link =
            ["-O2".to_owned(), "-flto=thin".to_owned(), format!("-Wl,--thinlto-jobs={jobs}")];
        Self { compile: vec!["-flto=thin".to_owned()], link: link.into() }
    }
}

/// Reads compile_commands.json.
///
/// # Errors
/// The file is missing or is not of the form that `tender` writes.
pub fn read_commands(file: &Path) -> Result<Vec<Entry>, Box<dyn Error>> {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()).into())
}

/// The text of build.ninja. Its paths are absolute or relative to the workspace root, where ninja
/// runs.
///
/// # Errors
/// A target has no compile commands.
pub fn build_file(
    commands: &[Entry],
    targets: &[Target],
    out: &Path,
    llvm_bin: &Path,
    extra: &Extra,
) -> Result<String, Box<dyn Error>> {
    let out = out.to_str().ok_or("the scratch directory's path is not UTF-8")?;
    let bin = llvm_bin.to_str().ok_or("the path of LLVM is not UTF-8")?;
    let mut text = String::from("ninja_required_version = 1.5\n");
    writeln!(text, "builddir = {}", path(out))?;
    writeln!(
        text,
        "rule cc\n  command = $words -MD -MF $out.d -c $in -o $out\n  depfile = $out.d\n  deps = gcc"
    )?;
    writeln!(text, "rule ar\n  command = {} rcsD $out $in", command(&format!("{bin}/llvm-ar")))?;
    writeln!(
        text,
        "rule link\n  command = {} -fuse-ld=lld -pie -o $out $in $words",
        command(&format!("{bin}/clang"))
    )?;
    for target in targets {
        let mut objects = Vec::new();
        for (i, entry) in
            commands.iter().filter(|entry| entry.file.contains(&target.sources)).enumerate()
        {
            let stem =
                Path::new(&entry.file).file_name().and_then(|name| name.to_str()).unwrap_or("unit");
            // In their own directory, because a program's file has the name of its target.
            let object = path(&format!("{out}/obj/{}/{i}-{stem}.o", target.name));
            let words = flags(&entry.arguments).iter().chain(&extra.compile);
            let words: Vec<String> = words.map(|word| command(word)).collect();
            writeln!(
                text,
                "build {object}: cc {}\n  words = {}",
                path(&entry.file),
                words.join(" ")
            )?;
            objects.push(object);
        }
        if objects.is_empty() {
            return Err(format!("the compile commands name no source of {}", target.name).into());
        }
        let file = path(&format!("{out}/{}", target.file_name()));
        match &target.kind {
            Kind::Archive => writeln!(text, "build {file}: ar {}", objects.join(" "))?,
            Kind::Program { archives, words } => {
                objects.extend(archives.iter().map(|name| path(&format!("{out}/lib{name}.a"))));
                let words: Vec<String> =
                    words.iter().chain(&extra.link).map(|word| command(word)).collect();
                writeln!(
                    text,
                    "build {file}: link {}\n  words = {}",
                    objects.join(" "),
                    words.join(" ")
                )?;
            }
        }
    }
    Ok(text)
}

/// The arguments before the input and output.
pub fn flags(arguments: &[String]) -> &[String] {
    let end = arguments.iter().rposition(|word| word == "-c").unwrap_or(arguments.len());
    &arguments[..end]
}

/// Escapes a path for ninja.
fn path(text: &str) -> String {
    text.replace('$', "$$").replace(' ', "$ ").replace(':', "$:")
}

/// Quotes an argument for the shell and then for ninja or make, where `$$` is a dollar.
pub fn command(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    let quoted = if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    };
    quoted.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninja_quotes_arguments() {
        let check = |word: &str, expect: &str| assert_eq!(command(word), expect);
        check("-DA=1", "-DA=1");
        check("-DA=\"x y\"", "'-DA=\"x y\"'");
        check("it's", r"'it'\''s'");
        check("-Wl,-rpath,$ORIGIN", "'-Wl,-rpath,$$ORIGIN'");
        check("", "''");
    }

    #[test]
    fn ninja_build_file_of_a_program_and_an_archive() {
        let entry = |file: &str| Entry {
            arguments: ["clang", "-O2", "-c", file, "-o", "x.o"].map(str::to_owned).to_vec(),
            file: file.to_owned(),
        };
        let program = Kind::Program { archives: vec!["a".into()], words: vec!["-lm".into()] };
        let targets = [
            Target { name: "a".into(), kind: Kind::Archive, sources: "a/".into() },
            Target { name: "p".into(), kind: program, sources: "p/".into() },
        ];
        let extra = Extra { compile: vec!["-flto".into()], link: vec!["-O2".into()] };
        let commands = [entry("p/m.c"), entry("a/x y.c")];
        let text =
            build_file(&commands, &targets, Path::new("/o"), Path::new("/bin"), &extra).unwrap();
        let builds: Vec<&str> =
            text.lines().skip_while(|line| !line.starts_with("build ")).collect();
        assert_eq!(
            builds,
            [
                "build /o/obj/a/0-x$ y.c.o: cc a/x$ y.c",
                "  words = clang -O2 -flto",
                "build /o/liba.a: ar /o/obj/a/0-x$ y.c.o",
                "build /o/obj/p/0-m.c.o: cc p/m.c",
                "  words = clang -O2 -flto",
                "build /o/p: link /o/obj/p/0-m.c.o /o/liba.a",
                "  words = -lm -O2",
            ]
        );
    }
}
