//! Writes a workspace that needs much memory to build. See `workspace-examples/stress/README.md`.

#![expect(
    clippy::disallowed_methods,
    reason = "a small program of its own, which ends as it likes"
)]

use camino::Utf8Path;
use std::io::Write;
use tender_tests::stress::{Kind, Recipe, Workspace};

const USAGE: &str =
    "usage: stress-workspace --kind KIND [--seed N] [--width N] [--weight N] DIRECTORY";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        let _ = writeln!(
            std::io::stdout(),
            "{USAGE}\nKIND is one of {}",
            Kind::ALL.map(Kind::name).join(", ")
        );
        return;
    }
    match run(&words) {
        Ok(said) => {
            let _ = writeln!(std::io::stdout(), "{said}");
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why}\n{USAGE}");
            std::process::exit(2);
        }
    }
}

fn run(words: &[String]) -> Result<String, String> {
    let (mut kind, mut numbers, mut directory) = (None, Vec::new(), None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
        match word.as_str() {
            "--kind" => kind = Some(value()?.parse::<Kind>()?),
            "--seed" | "--width" | "--weight" => {
                numbers.push((word.as_str(), number(word, value()?)?))
            }
            _ if word.starts_with('-') || directory.is_some() => {
                return Err(format!("unknown argument `{word}`"));
            }
            _ => directory = Some(Utf8Path::new(word)),
        }
    }
    let mut recipe = Recipe::new(kind.ok_or("`--kind` is missing")?, 0);
    for (name, number) in numbers {
        match name {
            "--seed" => recipe.seed = number,
            "--width" => recipe.width = size(name, number)?,
            _ => recipe.weight = size(name, number)?,
        }
    }
    let directory = directory.ok_or("the directory is missing")?;
    if directory.join("Tender.toml").exists() {
        return Err(format!("there is a workspace in {directory} already"));
    }
    let workspace = Workspace::new(&recipe);
    workspace.write(directory).map_err(|error| format!("{directory}: {error}"))?;
    let bytes: usize = workspace.files.values().map(String::len).sum();
    Ok(format!("{directory}: {recipe}; {} files, {} kB", workspace.files.len(), bytes / 1000))
}

fn number(name: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{name} {text}` is not a number"))
}

fn size(name: &str, number: u64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or(format!("`{name}` is from 1 to {}", u32::MAX))
}
