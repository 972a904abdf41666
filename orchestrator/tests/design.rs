//! DESIGN.md is a map of what is there: the files and functions that it names exist, it names every
//! folder of both programs' sources, and it is short enough to be read in one go.

use std::path::{Path, PathBuf};

const MOST_LINES: usize = 90;

/// Where paths in the document start from.
const STARTS: [&str; 3] = ["", "orchestrator/src", "backend-worker/src"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn design() -> String {
    std::fs::read_to_string(root().join("DESIGN.md")).unwrap()
}

/// What stands between backquotes.
fn names(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// The files below a directory.
fn files_below(directory: PathBuf) -> Vec<PathBuf> {
    let mut left = vec![directory];
    let mut files = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn design_is_short() {
    let lines = design().lines().count();
    assert!(lines <= MOST_LINES, "DESIGN.md has {lines} lines: move reasons to the head of a file");
}

#[test]
fn design_names_paths_that_exist() {
    let design = design();
    let is_path = |name: &&str| name.contains('/') && !name.starts_with('.');
    let paths: Vec<&str> = names(&design).into_iter().filter(is_path).collect();
    assert!(paths.len() > 30, "the paths are found: {paths:?}");
    for path in paths {
        assert!(
            STARTS.iter().any(|start| root().join(start).join(path).exists()),
            "DESIGN.md names `{path}`, which is not there: change the document"
        );
    }
}

#[test]
fn design_names_functions_that_exist() {
    let sources = files_below(root().join("orchestrator/src"));
    let sources: Vec<String> =
        sources.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    let design = design();
    let functions: Vec<(&str, &str)> =
        names(&design).into_iter().filter_map(|name| name.split_once("::")).collect();
    assert!(functions.len() > 3, "the functions are found: {functions:?}");
    for (owner, function) in functions {
        let of_owner = |line: &str| line.starts_with("impl") && line.contains(owner);
        let declared = format!("fn {function}(");
        let declares = |text: &String| text.lines().any(of_owner) && text.contains(&declared);
        assert!(
            sources.iter().any(declares),
            "DESIGN.md names `{owner}::{function}`, which is not there: change the document"
        );
    }
}

#[test]
fn design_names_every_folder_of_the_programs() {
    let design = design();
    let named: Vec<&str> =
        names(&design).into_iter().filter_map(|name| name.rsplit('/').next()).collect();
    for sources in &STARTS[1..] {
        for entry in std::fs::read_dir(root().join(sources)).unwrap().map(Result::unwrap) {
            let folder = entry.file_name().into_string().unwrap();
            assert!(
                !entry.path().is_dir() || named.contains(&&*folder),
                "DESIGN.md does not name the folder {sources}/{folder}: add it to the map"
            );
        }
    }
}
