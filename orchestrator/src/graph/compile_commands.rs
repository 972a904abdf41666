//! `compile_commands.json` for clangd and its like: one plain clang command per unit. Knows nothing
//! of freshness.
//!
//! The file is written only when it would differ. What it would hold is known by a hash of the
//! units, kept beside the profile's other state together with the written file's stamp, so that a
//! build that does nothing neither makes nor reads the JSON.

use super::model::{Graph, Item, Run};
use crate::sys::{looks, whole_file};
use camino::Utf8Path;
use serde::Serialize;
use std::collections::HashSet;
use std::io;
use tender_protocol::{Language, Work};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CompileCommand {
    /// The workspace root.
    pub directory: String,
    pub arguments: Vec<String>,
    pub file: String,
    pub output: String,
}

/// One entry per unit, in the graph's order. `llvm_bin` is the directory of `clang`.
pub fn compile_commands(graph: &Graph, llvm_bin: &Utf8Path) -> Vec<CompileCommand> {
    units(graph)
        .map(|(source, language, args, object)| {
            let program = if language == Language::Cxx { "clang++" } else { "clang" };
            let mut arguments = vec![llvm_bin.join(program).into_string()];
            arguments.extend(with_text_of_headers(graph, args));
            arguments.extend(["-c", source, "-o", object].map(str::to_owned));
            CompileCommand {
                directory: graph.root.to_string(),
                arguments,
                file: source.to_owned(),
                output: object.to_owned(),
            }
        })
        .collect()
}

/// Writes `compile_commands.json` in `target_dir` if it is not there as it should be, and links it
/// from the workspace root unless something of the user's is in that place. `graph` is best the
/// whole workspace's, in `Mode::Build`.
///
/// # Errors
/// The file or the link cannot be written; the error begins with its path. Nothing else depends on
/// them.
pub fn write_compile_commands(
    graph: &Graph,
    target_dir: &Utf8Path,
    llvm_bin: &Utf8Path,
) -> io::Result<()> {
    let file = target_dir.join("compile_commands.json");
    let note = graph.state_dir.join("compile_commands");
    // Of this profile, of which only one build runs at a time: what a build that was killed left is
    // written over by the next.
    let profile = graph.state_dir.parent().and_then(Utf8Path::file_name).unwrap_or_default();
    let new = target_dir.join(format!(".compile_commands.{profile}.part"));
    let digest = digest(graph, llvm_bin);
    let up_to_date = |stamp: &str| {
        whole_file::read(note.as_std_path(), 4096)
            .is_ok_and(|known| known == format!("{digest} {stamp}").as_bytes())
    };
    if !stamp(&file).is_some_and(|stamp| up_to_date(&stamp)) {
        looks::doubt("the compile commands are written");
        let mut json = serde_json::to_vec_pretty(&compile_commands(graph, llvm_bin))
            .map_err(io::Error::other)?;
        json.push(b'\n');
        replace(&file, &new, &json).map_err(|error| of(&file, &error))?;
        if let Some(stamp) = stamp(&file) {
            let text = format!("{digest} {stamp}");
            replace(&note, &note.with_extension("part"), text.as_bytes())
                .map_err(|error| of(&note, &error))?;
        }
    }
    let link = graph.root.join("compile_commands.json");
    link_from_root(&graph.root, &link, &file, &new).map_err(|error| of(&link, &error))
}

/// The error with the file that it is about.
fn of(path: &Utf8Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{path}`: {error}"))
}

/// The words with `-include` for precompiled headers, which only this clang can read.
fn with_text_of_headers(graph: &Graph, args: &[String]) -> Vec<String> {
    let Some(at) = args.iter().position(|word| word == "-include-pch") else {
        return args.to_vec();
    };
    let made = |item: &&Item| item.outputs.first().is_some_and(|path| *path == args[at + 1]);
    let mut words = args[..at].to_vec();
    if let Some(Run::Worker(Work::Precompile { source, headers, .. })) =
        graph.items.iter().find(made).map(|item| &item.run)
    {
        let dir = Utf8Path::new(source).parent().unwrap_or(Utf8Path::new(""));
        for header in headers {
            let name = header.trim_matches(['<', '>']);
            let beside = dir.join(name);
            let is_beside = !header.starts_with('<') && looks::exists(graph.root.join(&beside));
            let path = if is_beside { beside.as_str() } else { name };
            words.extend(["-include".to_owned(), path.to_owned()]);
        }
    }
    words.extend_from_slice(&args[at + 2..]);
    words
}

type UnitWords<'g> = (&'g str, Language, &'g [String], &'g str);

/// A source that is also compiled for the build itself is there once, as it is for users.
fn units(graph: &Graph) -> impl Iterator<Item = UnitWords<'_>> {
    let of_users: HashSet<&str> = graph
        .items
        .iter()
        .filter(|item| !item.host)
        .filter_map(unit)
        .map(|(source, ..)| source)
        .collect();
    let all = graph.items.iter().filter_map(move |item| Some((item.host, unit(item)?)));
    all.filter(move |(host, (source, ..))| !host || !of_users.contains(source))
        .map(|(_, unit)| unit)
}

fn unit(item: &Item) -> Option<UnitWords<'_>> {
    match &item.run {
        Run::Worker(Work::Compile { source, language, args, object, .. }) => {
            Some((source, *language, args, object))
        }
        _ => None,
    }
}

fn digest(graph: &Graph, llvm_bin: &Utf8Path) -> String {
    let mut bytes = Vec::with_capacity(64 * 1024);
    let mut add = |word: &str| {
        bytes.extend_from_slice(word.as_bytes());
        bytes.push(0);
    };
    add(graph.root.as_str());
    add(llvm_bin.as_str());
    for item in &graph.items {
        if let Run::Worker(Work::Precompile { headers, .. }) = &item.run {
            headers.iter().for_each(|header| add(header));
        }
    }
    for (source, _, args, object) in units(graph) {
        add(source);
        args.iter().for_each(|arg| add(arg));
        add(object);
    }
    blake3::hash(&bytes).to_hex().to_string()
}

fn stamp(path: &Utf8Path) -> Option<String> {
    let found = looks::state(path.as_std_path())?;
    Some(format!("{} {} {}", found.size, found.ctime_ns, found.inode))
}

/// `new` is in the same directory.
fn replace(path: &Utf8Path, new: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file without a directory"))?;
    std::fs::create_dir_all(dir)?;
    let replaced = std::fs::write(new, bytes).and_then(|()| std::fs::rename(new, path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(new);
    }
    replaced
}

/// `new` is a name beside `file` that no other process uses.
fn link_from_root(
    root: &Utf8Path,
    link: &Utf8Path,
    file: &Utf8Path,
    new: &Utf8Path,
) -> io::Result<()> {
    if link == file {
        return Ok(());
    }
    let wanted = file.strip_prefix(root).map_or_else(|_| file.to_owned(), Utf8Path::to_owned);
    match looks::read_link(link.as_std_path()) {
        Ok(text) if text == wanted.as_std_path() => Ok(()),
        Ok(text) if is_ours(root, &text) => {
            // Renamed into place, so that clangd never finds it missing.
            let _ = std::fs::remove_file(new);
            std::os::unix::fs::symlink(&wanted, new)?;
            std::fs::rename(new, link).or_else(|_| {
                std::fs::remove_file(new)?;
                std::fs::remove_file(link)?;
                std::os::unix::fs::symlink(&wanted, link)
            })
        }
        // A link that we did not make, or (EINVAL) a regular file.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::os::unix::fs::symlink(&wanted, link).or_else(|error| match error.kind() {
                // Another build was quicker.
                io::ErrorKind::AlreadyExists => Ok(()),
                _ => Err(error),
            })
        }
        Err(_) => Ok(()),
    }
}

/// A link is ours if it leads into a target directory: one with a profile's directory in it that
/// has `.tender`.
fn is_ours(root: &Utf8Path, text: &std::path::Path) -> bool {
    let target = root.as_std_path().join(text);
    if target.file_name() != Some("compile_commands.json".as_ref()) {
        return false;
    }
    looks::doubt("the link to the compile commands leads elsewhere");
    let Some(entries) = target.parent().and_then(|dir| looks::read_dir(dir).ok()) else {
        return false;
    };
    entries.flatten().any(|entry| looks::is_dir(entry.path().join(".tender")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::graph_of_one_unit;
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    struct Place {
        _dir: tempfile::TempDir,
        root: camino::Utf8PathBuf,
        target: camino::Utf8PathBuf,
    }

    fn place() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let root = camino::Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let target = root.join("target");
        Place { _dir: dir, root, target }
    }

    fn write(place: &Place, define: &str, target: &Utf8Path) {
        let graph = graph_of_one_unit(&place.root, target, define);
        write_compile_commands(&graph, target, "/llvm/bin".into()).unwrap();
    }

    #[test]
    fn compile_commands_have_a_plain_clang_command_per_unit() {
        let graph = graph_of_one_unit("/w".into(), "/w/target".into(), "X");
        let entry = &compile_commands(&graph, "/llvm/bin".into())[0];
        assert_eq!(entry.directory, "/w");
        assert_eq!(entry.file, "one/src/a.c");
        assert_eq!(entry.arguments[0], "/llvm/bin/clang");
        assert!(entry.arguments.contains(&"-DX".to_owned()), "{entry:?}");
        let object = "target/debug/.tender/one/obj/lib/src/a.c.o";
        assert_eq!(
            entry.arguments[entry.arguments.len() - 4..],
            ["-c", "one/src/a.c", "-o", object]
        );
    }

    #[test]
    fn compile_commands_are_written_only_when_they_differ_or_were_touched() {
        let place = place();
        let file = place.target.join("compile_commands.json");
        let inode = || fs::metadata(&file).unwrap().ino();
        write(&place, "X", &place.target);
        let first = inode();
        assert_eq!(
            fs::read_to_string(place.root.join("compile_commands.json"))
                .unwrap()
                .matches("-DX")
                .count(),
            1
        );
        write(&place, "X", &place.target);
        assert_eq!(inode(), first);
        write(&place, "Y", &place.target);
        assert!(fs::read_to_string(&file).unwrap().contains("-DY"));
        fs::write(&file, "[]").unwrap();
        write(&place, "Y", &place.target);
        assert!(fs::read_to_string(&file).unwrap().contains("-DY"));
        fs::remove_file(&file).unwrap();
        write(&place, "Y", &place.target);
        assert!(file.exists());
    }

    #[test]
    fn compile_commands_of_the_user_stay() {
        let place = place();
        let link = place.root.join("compile_commands.json");
        fs::write(&link, "mine").unwrap();
        write(&place, "X", &place.target);
        assert_eq!(fs::read_to_string(&link).unwrap(), "mine");
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("build/compile_commands.json", &link).unwrap();
        write(&place, "X", &place.target);
        assert_eq!(
            fs::read_link(&link).unwrap(),
            std::path::Path::new("build/compile_commands.json")
        );
    }

    #[test]
    fn compile_commands_link_follows_the_target_directory() {
        let place = place();
        let link = place.root.join("compile_commands.json");
        write(&place, "X", &place.target);
        assert_eq!(
            fs::read_link(&link).unwrap(),
            std::path::Path::new("target/compile_commands.json")
        );
        write(&place, "X", &place.root.join("other"));
        assert_eq!(
            fs::read_link(&link).unwrap(),
            std::path::Path::new("other/compile_commands.json")
        );
    }
}
