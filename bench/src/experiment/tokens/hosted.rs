//! Commands and workspaces that run the benchmark's clients below `tender` and without it.

use crate::contest::Tools;
use crate::measure;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// Runs its arguments twice at the same time, and fails if one of the two fails.
pub const TWICE: &str = "\"$@\" & other=$!; \"$@\" && wait $other";

/// The arguments of a client that writes to `notes`; `does` is its subcommand.
///
/// # Errors
/// The path of this program is unknown, or a path is not UTF-8.
pub fn client(notes: &Path, does: &[String]) -> io::Result<Vec<String>> {
    let text = |path: PathBuf| {
        path.into_os_string().into_string().map_err(|_| io::Error::other("a path is not UTF-8"))
    };
    let mut words = vec![text(std::env::current_exe()?)?, "client".into(), "--notes".into()];
    words.push(text(notes.to_owned())?);
    words.extend_from_slice(does);
    Ok(words)
}

/// `sh -c SCRIPT sh WORDS...`
pub fn script<'a>(script: &'a str, words: &'a [String]) -> Vec<&'a OsStr> {
    let head = ["sh", "-c", script, "sh"];
    head.into_iter().chain(words.iter().map(String::as_str)).map(OsStr::new).collect()
}

/// `tender exec WORDS...`
pub fn exec(tools: &Tools, words: &[&OsStr], dir: &Path) -> Command {
    let mut command = measure::command(&tools.tender, dir);
    command.arg("exec").args(words);
    command
}

/// Writes a workspace whose build runs these commands as soon as there are slots.
///
/// # Errors
/// A file cannot be written.
pub fn write_workspace(root: &Path, commands: &[Vec<String>]) -> io::Result<()> {
    let mut manifest = "[package]\nname = \"clients\"\nversion = \"0.1.0\"\n".to_owned();
    for (number, words) in commands.iter().enumerate() {
        let output = format!("$OUT_DIR/{number}.h");
        let script = format!("\"$@\" && : >\"{output}\"");
        let run: Vec<&str> = script_words(&script, words);
        // A JSON array of strings is also valid TOML.
        let run = serde_json::to_string(&run)?;
        manifest += &format!("\n[[generate]]\nrun = {run}\noutputs = [\"{output}\"]\n");
    }
    fs::create_dir_all(root.join("src"))?;
    fs::write(root.join("src/lib.c"), "int clients(void)\n{\n    return 0;\n}\n")?;
    fs::write(root.join("Tender.toml"), manifest)
}

fn script_words<'a>(script: &'a str, words: &'a [String]) -> Vec<&'a str> {
    ["sh", "-c", script, "sh"].into_iter().chain(words.iter().map(String::as_str)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosted_commands_are_quoted() {
        let dir = tempfile::tempdir().unwrap();
        write_workspace(dir.path(), &[vec!["a\"b".into(), "c d".into()]]).unwrap();
        let text = fs::read_to_string(dir.path().join("Tender.toml")).unwrap();
        let expect = r#"
[[generate]]
run = ["sh","-c","\"$@\" && : >\"$OUT_DIR/0.h\"","sh","a\"b","c d"]
outputs = ["$OUT_DIR/0.h"]
"#;
        assert!(text.ends_with(expect), "{text}");
    }

    #[test]
    fn hosted_twice_fails_if_either_fails() {
        let status = |first: &str| {
            let words =
                ["sh".to_owned(), "-c".to_owned(), format!("mkdir dir 2>/dev/null || {first}")];
            let dir = tempfile::tempdir().unwrap();
            let words = script(TWICE, &words);
            Command::new(words[0])
                .args(&words[1..])
                .current_dir(dir.path())
                .status()
                .unwrap()
                .success()
        };
        assert!(status("true") && !status("false"));
    }
}
