//! Commands that only read or edit manifests, and commands that are programs of others: the real
//! binary, which builds nothing here.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tender"));
    command.current_dir(dir).args(args);
    for name in tender::cli::env::ALL {
        command.env_remove(name);
    }
    command
}

#[track_caller]
fn run(dir: &Path, args: &[&str], code: i32) -> Output {
    let output = command(dir, args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    output
}

/// Standard output, with the directory of the workspace as `/w`.
#[track_caller]
fn stdout(dir: &Path, args: &[&str]) -> String {
    let output = run(dir, args, 0);
    let root = dir.canonicalize().unwrap();
    String::from_utf8(output.stdout).unwrap().replace(root.to_str().unwrap(), "/w")
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let output = run(dir, args, 2);
    let stderr = String::from_utf8(output.stderr).unwrap();
    for text in says {
        assert!(stderr.contains(text), "no {text:?} in {stderr}");
    }
}

/// Crates by their manifests below `[package]`, each with a source.
fn workspace(crates: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("Tender.toml", "[workspace]\nmembers = [\"*\"]\nexclude = [\"target\"]\n");
    for (name, text) in crates {
        write(&format!("{name}/Tender.toml"), &format!("[package]\nname = \"{name}\"\n{text}"));
        write(&format!("{name}/src/{name}.c"), "");
    }
    dir
}

const APP: &str = "version = \"1.0\"\n[features]\nbig = [\"dep:opt\", \"zip/fast\"]\n[dependencies]\n\
    zip = { path = \"../zip\" }\nlog = { path = \"../log\" }\nopt = { path = \"../opt\", optional = true }\n\
    [dev-dependencies]\ncheck = { path = \"../check\" }\n";
const ZIP: &str = "[features]\nfast = []\n[dependencies]\nlog = { path = \"../log\" }\n";

fn crates() -> tempfile::TempDir {
    let log = "[dependencies]\nlow = { path = \"../low\" }\n";
    workspace(&[("app", APP), ("zip", ZIP), ("log", log), ("low", ""), ("opt", ""), ("check", "")])
}

#[test]
fn tree_shows_dependencies_and_marks_duplicates() {
    let dir = crates();
    let tree = |args: &[&str]| stdout(dir.path(), &[&["tree"], args].concat());
    assert_eq!(
        tree(&["-p", "app"]),
        "app v1.0 (/w/app)\n\
         ├── log v0.0.0 (/w/log)\n\
         │   └── low v0.0.0 (/w/low)\n\
         └── zip v0.0.0 (/w/zip)\n    \
             └── log v0.0.0 (/w/log) (*)\n\
         [dev-dependencies]\n\
         └── check v0.0.0 (/w/check)\n"
    );
    assert_eq!(
        tree(&["-p", "app", "-e", "normal,features", "--features", "big"]),
        "app v1.0 (/w/app) [big]\n\
         ├── log v0.0.0 (/w/log) []\n\
         │   └── low v0.0.0 (/w/low) []\n\
         ├── opt v0.0.0 (/w/opt) []\n\
         └── zip v0.0.0 (/w/zip) [fast]\n    \
             └── log v0.0.0 (/w/log) [] (*)\n"
    );
    assert_eq!(
        tree(&["-i", "low"]),
        "low v0.0.0 (/w/low)\n\
         └── log v0.0.0 (/w/log)\n    \
             ├── app v1.0 (/w/app)\n    \
             └── zip v0.0.0 (/w/zip)\n        \
                 └── app v1.0 (/w/app)\n"
    );
    assert_eq!(
        tree(&["-i", "check"]),
        "check v0.0.0 (/w/check)\n[dev-dependencies]\n└── app v1.0 (/w/app)\n"
    );
    refused(dir.path(), &["tree", "-i", "lwo"], &["did you mean `low`?"]);
    assert_eq!(tree(&["--workspace"]).matches("\n\n").count(), 5, "a tree for each member");
}

#[test]
fn metadata_describes_the_workspace() {
    let dir = crates();
    let text = stdout(dir.path(), &["metadata", "--format-version", "1", "-p", "app", "-F", "big"]);
    assert_eq!(text.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value["workspace_root"], "/w");
    assert_eq!(value["target_directory"], "/w/target");
    let names: Vec<&str> =
        value["members"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(names, ["app", "check", "log", "low", "opt", "zip"]);
    let app = &value["packages"][0];
    assert_eq!((&app["name"], &app["version"]), (&"app".into(), &"1.0".into()));
    assert_eq!(app["features"], serde_json::json!({ "big": true }));
    let dependency = |number: usize| {
        let one = &app["dependencies"][number];
        (one["name"].clone(), one["kind"].clone(), one["optional"].clone(), one["path"].clone())
    };
    assert_eq!(dependency(2), ("opt".into(), "normal".into(), true.into(), "/w/opt".into()));
    assert_eq!(dependency(3), ("check".into(), "dev".into(), false.into(), "/w/check".into()));
    let target = &app["targets"][0];
    assert_eq!(target["crate_types"], serde_json::json!(["staticlib"]));
    assert_eq!(target["sources"], serde_json::json!(["/w/app/src/app.c"]));
    refused(dir.path(), &["metadata", "--format-version", "2"], &["2 is not in 1..=1"]);
    // The document has each field.
    let document = include_str!("../../docs/json.md");
    let objects = [&value, app, &app["dependencies"][0], target];
    for field in objects.iter().flat_map(|object| object.as_object().unwrap().keys()) {
        assert!(
            document.contains(&format!("`{field}`")),
            "docs/json.md does not say what {field} is"
        );
    }
}

#[test]
fn add_and_remove_edit_the_manifest() {
    let dir = crates();
    let low = dir.path().join("low");
    let manifest = || std::fs::read_to_string(low.join("Tender.toml")).unwrap();
    std::fs::write(low.join("Tender.toml"), "[package]\nname = \"low\" # the lowest\n").unwrap();
    run(&low, &["add", "opt"], 0);
    let head = "[package]\nname = \"low\" # the lowest\n\n[dependencies]\n";
    let opt = "opt = { path = \"../opt\" }\n";
    assert_eq!(manifest(), format!("{head}{opt}"));
    let versioned = "[package]\nname = \"check\"\nversion = \"1.2.0\"\n";
    std::fs::write(dir.path().join("check/Tender.toml"), versioned).unwrap();
    // From elsewhere, by the directory of the crate.
    run(dir.path(), &["add", "-p", "low", "--private", "--req", "1", "./check"], 0);
    let check = "check = { path = \"../check\", version = \"1\", public = false }\n";
    assert_eq!(manifest(), format!("{head}{check}{opt}"));
    run(&low, &["add", "--dev", "check", "--rename", "probe"], 0);
    let dev = "\n[dev-dependencies]\nprobe = { path = \"../check\", package = \"check\" }\n";
    assert_eq!(manifest(), format!("{head}{check}{opt}{dev}"));
    run(&low, &["remove", "opt", "check"], 0);
    assert_eq!(manifest(), format!("[package]\nname = \"low\" # the lowest\n{dev}"));
    run(&low, &["remove", "--dev", "probe"], 0);
    assert_eq!(manifest(), "[package]\nname = \"low\" # the lowest\n");
}

#[test]
fn add_that_would_break_the_workspace_changes_nothing() {
    let dir = crates();
    let low = dir.path().join("low");
    let before = std::fs::read_to_string(low.join("Tender.toml")).unwrap();
    refused(
        &low,
        &["add", "app"],
        &["the workspace would be wrong, so the manifest stays", "dependency cycle"],
    );
    refused(&low, &["add", "optt"], &["there is no crate `optt`", "did you mean `opt`?"]);
    refused(&low, &["add", "../nowhere"], &["`../nowhere` has no `Tender.toml`"]);
    refused(&low, &["add", "../opt", "-F", "no"], &["the manifest stays"]);
    refused(&low, &["remove", "opt"], &["`dependencies` of ", "has no `opt`"]);
    refused(
        &dir.path().join("app"),
        &["remove", "check"],
        &["it is in `dev-dependencies`: `--dev`"],
    );
    assert_eq!(std::fs::read_to_string(low.join("Tender.toml")).unwrap(), before);
}

#[test]
fn remove_works_where_the_dependency_is_gone() {
    let dir = crates();
    std::fs::remove_dir_all(dir.path().join("check")).unwrap();
    let app = dir.path().join("app");
    refused(&app, &["tree"], &["does not exist"]);
    run(&app, &["rm", "--dev", "check"], 0);
    assert!(stdout(&app, &["tree"]).starts_with("app v1.0"));
}

#[test]
fn list_has_own_commands_and_programs_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("tender-hello");
    let script = "#!/bin/sh\necho \"$@\" \"${TENDER##*/}\"\nexit 7\n";
    std::fs::write(&program, script).unwrap();
    std::fs::write(dir.path().join("tender-data"), "no program").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let with_path = |args: &[&str]| command(dir.path(), args).env("PATH", &path).output().unwrap();
    for words in [["--list"], ["list"]] {
        let output = with_path(&words);
        let text = String::from_utf8(output.stdout).unwrap();
        let names: Vec<&str> =
            text.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
        for name in ["build", "b", "install", "tree", "hello"] {
            assert!(names.contains(&name), "{name} is not in {text}");
        }
        assert!(!names.contains(&"data") && !names.contains(&"man-pages"), "{text}");
    }
    let output = with_path(&["hello", "-v", "--", "a b"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"-v -- a b tender\n"[..]));
    let output = with_path(&["helo"]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("there is no command `helo`"), "{stderr}");
}

#[test]
fn completions_and_manual_pages_name_commands_and_options() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(dir.path(), &["completions", shell]);
        assert!(text.contains("install") && text.contains("destdir"), "{shell}");
    }
    let script = dir.path().join("tender.bash");
    std::fs::write(&script, stdout(dir.path(), &["completions", "bash"])).unwrap();
    let line = format!(
        ". {}; COMP_WORDS=(tender unin); COMP_CWORD=1; _tender tender unin tender; echo ${{COMPREPLY[@]}}",
        script.display()
    );
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "uninstall\n");
    run(dir.path(), &["man-pages", "man"], 0);
    let page = std::fs::read_to_string(dir.path().join("man/tender-install.1")).unwrap();
    assert!(page.starts_with(".ie") && page.contains("destdir"), "{page}");
    let examples = page.split_once("\n.SH EXAMPLES\n.nf\n").map(|(_, rest)| rest);
    let lines: Vec<&str> = examples.unwrap_or_default().lines().collect();
    assert_eq!(lines[0].replace('\\', ""), "  tender install --prefix ~/.local", "{page}");
    assert!(lines.last() == Some(&".fi") && !page.contains("EXTRA"), "{page}");
    assert!(dir.path().join("man/tender.1").exists());
    assert!(!dir.path().join("man/tender-man-pages.1").exists());
}

#[test]
fn reader_that_has_read_enough_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut schema = command(dir.path(), &["schema"]);
    let output = schema.stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command(dir.path(), &["schema"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("cannot write to standard output: No space left"), "{text}");
}
