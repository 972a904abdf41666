//! The command of an item as a hash, and the difference between two commands. Does no I/O.

use super::reason::RebuildReason;
use crate::graph::{Item, Run};
use camino::Utf8Path;
use std::collections::HashMap;
use tender_protocol::{
    Configure, Cut, InterfaceTranslation, Lto, LtoArchive, LtoLink, Share, Work,
};

pub(super) type Hash = [u8; 32];

/// The hash of everything that an item's result depends on except the contents of files. `buffer`
/// is reused from item to item.
pub(super) fn command_hash(item: &Item, buffer: &mut Vec<u8>) -> Hash {
    buffer.clear();
    // Each word is preceded by its length, and each list by its count, so that different commands
    // have different bytes.
    let mut add = |word: &str| {
        buffer.extend_from_slice(&(word.len() as u64).to_le_bytes());
        buffer.extend_from_slice(word.as_bytes());
    };
    match &item.run {
        Run::Worker(Work::Compile {
            source,
            language,
            args,
            object,
            cut,
            lto,
            share,
            translation,
        }) => {
            add("compile");
            add(source);
            add(language_name(*language));
            add(object);
            if let Some(Cut { units, suffix, forced }) = cut {
                let how = if *forced { "cut forced" } else { "cut" };
                add(&format!("{how} {units} {suffix}"));
            }
            add(lto_name(*lto));
            // Which headers are shared makes no difference.
            if let Some(Share { headers: _, verify }) = share {
                add(if *verify { "headers verified" } else { "headers shared" });
            }
            if let Some(file) = translation {
                add("translation");
                add(file);
            }
            args.iter().for_each(|arg| add(arg));
        }
        Run::Worker(Work::Check { source, language, args }) => {
            add("check");
            add(source);
            add(language_name(*language));
            args.iter().for_each(|arg| add(arg));
        }
        Run::Worker(Work::Scan { source, args, output }) => {
            add("scan");
            add(source);
            add(output);
            args.iter().for_each(|arg| add(arg));
        }
        Run::Worker(Work::Interface { source, args, output, translation }) => {
            add("interface");
            add(source);
            add(output);
            if let Some(InterfaceTranslation { output, object, lto }) = translation {
                add("translation");
                add(output);
                add(object);
                add(lto_name(*lto));
            }
            args.iter().for_each(|arg| add(arg));
        }
        Run::Worker(Work::Precompile { source, headers, language, args, output }) => {
            add("precompile");
            add(source);
            add(&format!("headers {}", headers.len()));
            headers.iter().for_each(|header| add(header));
            add(language_name(*language));
            add(output);
            args.iter().for_each(|arg| add(arg));
        }
        // Without the sources: a new one uses what there is. The item's own words have their number.
        Run::Worker(Work::ShareHeaders { sources: _, args, output }) => {
            add("share headers");
            add(output);
            args.iter().for_each(|arg| add(arg));
            item.ingredients.own.iter().for_each(|word| add(word));
        }
        Run::Worker(Work::Preprocess { source, language, args, output, .. }) => {
            add("preprocess");
            add(source);
            add(language_name(*language));
            add(output);
            args.iter().for_each(|arg| add(arg));
        }
        Run::Worker(Work::Archive { output, members, lto }) => {
            add("archive");
            add(output);
            if let Some(LtoArchive { mode, opt_level, work_dir }) = lto {
                add(&format!("lto {mode:?} {opt_level} {work_dir}"));
            }
            for member in members {
                add(&member.name);
                add(&member.path);
            }
        }
        // Without the driver: the item's own words include what chooses it.
        Run::Worker(Work::Link { driver: _, args, output, lto }) => {
            add("link");
            add(output);
            if let Some(LtoLink { mode, opt_level, work_dir, libraries }) = lto {
                add(&format!("lto {} {opt_level} {work_dir}", lto_name(*mode)));
                for library in libraries {
                    add(&format!("library {}", library.members.len()));
                    add(&library.word);
                    add(&library.krate);
                    for member in &library.members {
                        add(&member.name);
                        add(&member.path);
                    }
                }
            }
            add(&args.len().to_string());
            args.iter().for_each(|arg| add(arg));
            item.ingredients.own.iter().for_each(|word| add(word));
        }
        // Drivers are left out as in links.
        Run::Worker(Work::Configure(request)) => {
            add("configure");
            let request =
                Configure { c_driver: Vec::new(), cxx_driver: Vec::new(), ..(**request).clone() };
            add(&serde_json::to_string(&request).expect("it has string keys only"));
            item.ingredients.own.iter().for_each(|word| add(word));
        }
        Run::Command(command) => {
            add("command");
            add(command.dir.as_str());
            add(&format!("{} {} {}", command.words.len(), command.env.len(), item.inputs.len()));
            command.words.iter().for_each(|word| add(word));
            for (key, value) in &command.env {
                add(key);
                add(value);
            }
            item.inputs.iter().for_each(|input| add(input.as_str()));
            if let Some(depfile) = &command.depfile {
                add("depfile");
                add(depfile.as_str());
            }
            item.outputs.iter().for_each(|output| add(output.as_str()));
        }
    }
    *blake3::hash(buffer).as_bytes()
}

fn language_name(language: tender_protocol::Language) -> &'static str {
    use tender_protocol::Language as L;
    match language {
        L::C => "c",
        L::Cxx => "c++",
        L::LlvmIr => "ll",
        L::Bitcode => "bc",
        L::Assembly => "s",
        L::AssemblyWithCpp => "S",
    }
}

fn lto_name(lto: Lto) -> &'static str {
    match lto {
        Lto::Off => "off",
        Lto::ThinLocal => "thin-local",
        Lto::Thin => "thin",
        Lto::Fat => "fat",
    }
}

/// The words of an earlier command, to explain the difference.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Words<'a> {
    /// As `places` returns them.
    pub places: Vec<&'a str>,
    pub own: Vec<&'a str>,
    pub profile: Vec<&'a str>,
    pub interfaces: Vec<(&'a str, Vec<&'a str>)>,
    /// Paths.
    pub inputs: Vec<&'a str>,
}

/// Where an item works: the directory that a command runs in or a source lies in, if any, and that
/// of its first output. They are part of the command, and differ where a crate, the workspace or
/// the target directory was moved.
pub(super) fn places(item: &Item) -> [&Utf8Path; 2] {
    fn parent(path: &str) -> &Utf8Path {
        Utf8Path::new(path).parent().unwrap_or(Utf8Path::new(""))
    }
    let work = match &item.run {
        Run::Command(command) => command.dir.as_path(),
        Run::Worker(
            Work::Compile { source, .. }
            | Work::Check { source, .. }
            | Work::Scan { source, .. }
            | Work::Interface { source, .. }
            | Work::Precompile { source, .. }
            | Work::Preprocess { source, .. },
        ) => parent(source),
        Run::Worker(
            Work::Archive { .. }
            | Work::Link { .. }
            | Work::Configure(_)
            | Work::ShareHeaders { .. },
        ) => Utf8Path::new(""),
    };
    [work, item.outputs.first().map_or(Utf8Path::new(""), |output| parent(output.as_str()))]
}

/// The reason why two commands differ. Their hashes do.
pub(super) fn explain(was: &Words<'_>, item: &Item) -> RebuildReason {
    let moved = was.places.iter().zip(places(item)).find(|(was, is)| **was != is.as_str());
    if let Some((was, is)) = moved {
        return RebuildReason::DirectoryChanged { was: (*was).to_owned(), is: is.to_string() };
    }
    let now = &item.ingredients;
    if let Some((added, removed)) = difference(&was.own, &now.own) {
        return RebuildReason::CommandChanged { added, removed };
    }
    if let Some((added, removed)) = difference(&was.profile, &now.profile) {
        return RebuildReason::ProfileChanged { added, removed };
    }
    let known: HashMap<&str, &Vec<&str>> =
        was.interfaces.iter().map(|(name, words)| (*name, words)).collect();
    let changed =
        now.interfaces.iter().find(|(name, words)| known.get(name.as_str()) != Some(&&strs(words)));
    let gone = was
        .interfaces
        .iter()
        .find(|(name, _)| now.interfaces.iter().all(|(other, _)| other != name));
    if let Some(dependency) =
        changed.map(|(name, _)| name.clone()).or(gone.map(|(name, _)| name.to_string()))
    {
        return RebuildReason::DependencyInterface { dependency };
    }
    if let Run::Command(_) = item.run {
        if let Some(path) = item.inputs.iter().find(|path| !was.inputs.contains(&path.as_str())) {
            return RebuildReason::InputAppeared { path: path.to_string() };
        }
        if let Some(path) =
            was.inputs.iter().find(|path| item.inputs.iter().all(|now| now != *path))
        {
            return RebuildReason::InputMissing { path: path.to_string() };
        }
    }
    RebuildReason::CommandChanged { added: Vec::new(), removed: Vec::new() }
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The words that were added and removed, in order; both empty if only the order differs.
fn difference(was: &[&str], now: &[String]) -> Option<(Vec<String>, Vec<String>)> {
    let mut count: HashMap<&str, i32> = HashMap::new();
    was.iter().for_each(|word| *count.entry(word).or_default() -= 1);
    now.iter().for_each(|word| *count.entry(word).or_default() += 1);
    let mut take = |word: &str, sign: i32| {
        let left = count.get_mut(word).expect("every word was counted");
        let more = left.signum() == sign;
        *left -= if more { sign } else { 0 };
        more
    };
    let added: Vec<String> = now.iter().filter(|word| take(word, 1)).cloned().collect();
    let removed: Vec<String> =
        was.iter().filter(|word| take(word, -1)).map(|word| word.to_string()).collect();
    (!added.is_empty() || !removed.is_empty()).then_some((added, removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_difference_names_the_words() {
        let check = |was: &[&str], now: &[&str], expect: Option<(&[&str], &[&str])>| {
            let now: Vec<String> = now.iter().map(|s| s.to_string()).collect();
            let owned = |words: &[&str]| words.iter().map(|s| s.to_string()).collect::<Vec<_>>();
            let expect = expect.map(|(added, removed)| (owned(added), owned(removed)));
            assert_eq!(difference(was, &now), expect, "{was:?} {now:?}");
        };
        check(&["a", "b"], &["a", "b"], None);
        check(&["a", "b"], &["b", "a"], None);
        check(&["a"], &["a", "b"], Some((&["b"], &[])));
        check(&["a", "a"], &["a"], Some((&[], &["a"])));
        check(&["a", "c", "d"], &["x", "a", "y"], Some((&["x", "y"], &["c", "d"])));
    }
}
