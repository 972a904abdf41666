//! A workspace with a library, a library that it needs, and a program.

use std::process::Command;
use tender_tests::{Run, TestSpace};

/// `greet`, which needs `words` and the mathematics library, and the program `hello`. `types`: the
/// forms of `greet`.
pub fn greet(types: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("ws/Tender.toml", "[workspace]\nmembers = [\"greet\", \"words\", \"hello\"]\n");
    space.write(
        "ws/greet/Tender.toml",
        format!(
            "[package]\nname = \"greet\"\nversion = \"1.2.0\"\ndescription = \"Greets people\"\n\
             [lib]\nversion = \"1.2.0\"\ncrate-type = [{types}]\npublic-defines = [\"GREET_ON=1\"]\nlink = [\"m\"]\n\
             [dependencies]\nwords = {{ path = \"../words\" }}\n"
        ),
    );
    if !types.contains("cdylib") {
        space.edit("ws/greet/Tender.toml", "[lib]\nversion = \"1.2.0\"\n", "[lib]\n");
    }
    let guarded = "#ifdef __cplusplus\nextern \"C\"\n#endif\n";
    space.write(
        "ws/greet/include/greet/greet.h",
        format!(
            "#include <words.h>\n#if !GREET_ON\n#error GREET_ON\n#endif\n{guarded}double greet_root(double x);\n"
        ),
    );
    space.write(
        "ws/greet/src/greet.c",
        "#include <greet/greet.h>\n#include <math.h>\n\
         double greet_root(double x) { return cbrt(x) * words_count(); }\n",
    );
    space.write("ws/greet/man/greet.3", ".TH GREET 3\n");
    space.write("ws/words/Tender.toml", "[package]\nname = \"words\"\nversion = \"0.3.1\"\n");
    space.write(
        "ws/words/include/words.h",
        format!("#define WORDS 2\n{guarded}int words_count(void);\n"),
    );
    space.write(
        "ws/words/src/words.c",
        "#include <words.h>\nint words_count(void) { return WORDS; }\n",
    );
    space.write(
        "ws/hello/Tender.toml",
        "[package]\nname = \"hello\"\n[dependencies]\ngreet = { path = \"../greet\" }\n",
    );
    space.write("ws/hello/src/main.c", USER);
    space
}

/// A program that uses `greet`, and prints 6.
pub const USER: &str = "#include <greet/greet.h>\n#include <stdio.h>\n\
    int main(void) { printf(\"%g\\n\", greet_root(27.0)); return 0; }\n";

/// `tender install -p CRATE --prefix PREFIX` in the workspace `ws`.
pub fn install(space: &TestSpace, krate: &str, prefix: &str, more: &[&str]) -> Run {
    let prefix = space.path(prefix);
    let words = ["-C", "ws", "install", "-p", krate, "--prefix", prefix.as_str()];
    space.tender(&[&words, more].concat())
}

pub fn run(space: &TestSpace, program: &str, args: &[&str], env: &[(&str, &str)]) -> Run {
    let mut command = Command::new(program);
    space.prepare(&mut command);
    command.args(args).envs(env.iter().copied());
    space.run(command)
}

/// The files and links below a directory, and empty directories, sorted.
pub fn tree(space: &TestSpace, dir: &str) -> Vec<String> {
    let root = space.path(dir);
    let (mut left, mut found) = (vec![root.clone()], Vec::new());
    while let Some(path) = left.pop() {
        if !path.is_symlink() && path.is_dir() {
            let entries = path.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
            let entries: Vec<_> = entries.collect();
            if entries.is_empty() {
                found.push(format!("{}/", path.strip_prefix(&root).unwrap()));
            }
            left.extend(entries);
        } else if path.symlink_metadata().is_ok() {
            found.push(path.strip_prefix(&root).unwrap().to_string());
        }
    }
    found.sort();
    found
}
