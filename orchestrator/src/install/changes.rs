//! What an installation and a removal change. Pure: what is to be there, what is there and the lists
//! of earlier installations in, changes out.

use super::InstallError;
use super::list::{InstallList, ListedContent, ListedFile};
use super::plan::InstallPlan;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    Nothing,
    /// A regular file or a symbolic link.
    Known(ListedContent),
    Directory,
    /// A device, a pipe, a socket.
    Other,
}

/// What is at paths below the prefix.
pub type PresentFiles = BTreeMap<Utf8PathBuf, Present>;

/// The lists of a prefix, by the name of the crate.
pub type InstallLists = BTreeMap<String, InstallList>;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct InstallChanges {
    /// What is not there yet as it is to be, in order.
    pub writes: Vec<Utf8PathBuf>,
    /// Files of earlier installations that are no longer installed.
    pub removals: Vec<Utf8PathBuf>,
    /// Such files that have been changed since: they stay.
    pub kept: Vec<Utf8PathBuf>,
    /// While files are replaced: those before and after are ours.
    pub lists_during: Vec<InstallList>,
    pub lists_after: Vec<InstallList>,
}

/// The paths that `installation` has to know about.
pub fn paths_of_installation(plan: &InstallPlan, lists: &InstallLists) -> BTreeSet<Utf8PathBuf> {
    let of_plan = plan.crates.iter().flat_map(|krate| krate.entries.keys());
    let earlier = plan.crates.iter().filter_map(|krate| lists.get(&krate.name));
    of_plan
        .chain(earlier.flat_map(|list| list.files.iter().map(|file| &file.path)))
        .cloned()
        .collect()
}

/// `contents`: what the entries of the plan are to be. Where one is not known, it is written.
///
/// # Errors
/// [`InstallError::Foreign`]: files that no installation of these crates has made are in the way.
pub fn installation(
    plan: &InstallPlan,
    contents: &BTreeMap<Utf8PathBuf, ListedContent>,
    lists: &InstallLists,
    present: &PresentFiles,
) -> Result<InstallChanges, InstallError> {
    let mut changes = InstallChanges::default();
    let planned: BTreeSet<&Utf8PathBuf> =
        plan.crates.iter().flat_map(|krate| krate.entries.keys()).collect();
    let of_plan = |name: &str| plan.crates.iter().any(|krate| krate.name == name);
    let mut foreign = Vec::new();
    for path in &planned {
        let owners = lists.values().filter(|list| list.has(path)).map(|list| list.name.as_str());
        let owners: Vec<&str> = owners.collect();
        let there = present.get(*path).unwrap_or(&Present::Nothing);
        let is_ours = owners.iter().any(|name| of_plan(name));
        let other = owners.iter().find(|name| !of_plan(name));
        match (there, other) {
            (Present::Nothing, None) => changes.writes.push((*path).clone()),
            (_, Some(other)) => foreign.push(format!("{path} (of the crate `{other}`)")),
            (Present::Known(known), None) if is_ours => {
                if contents.get(*path) != Some(known) {
                    changes.writes.push((*path).clone());
                }
            }
            (Present::Directory, None) => foreign.push(format!("{path} (a directory)")),
            (Present::Known(_) | Present::Other, None) => foreign.push(path.to_string()),
        }
    }
    if !foreign.is_empty() {
        return Err(InstallError::Foreign { paths: foreign });
    }
    for krate in &plan.crates {
        let earlier = lists.get(&krate.name);
        let chosen_before = earlier.is_some_and(|list| list.chosen);
        let earlier_files = earlier.map(|list| list.files.as_slice()).unwrap_or_default();
        let new = krate.entries.keys().filter_map(|path| {
            let content = contents.get(path)?.clone();
            Some(ListedFile { path: path.clone(), content })
        });
        let mut after = InstallList {
            chosen: krate.chosen || chosen_before,
            needs: krate.needs.clone(),
            files: new.collect(),
            ..InstallList::new(&krate.name, &krate.version)
        };
        after.directories = earlier.map(|list| list.directories.clone()).unwrap_or_default();
        for file in earlier_files.iter().filter(|file| !planned.contains(&file.path)) {
            // The user has installed all of the crate, and now others need its libraries.
            if chosen_before && !krate.chosen {
                after.files.push(file.clone());
            } else {
                match present.get(&file.path) {
                    None | Some(Present::Nothing) => {}
                    Some(there) if is_unchanged(earlier_files, &file.path, there) => {
                        changes.removals.push(file.path.clone());
                    }
                    Some(_) => changes.kept.push(file.path.clone()),
                }
            }
        }
        let mut during = after.clone();
        during.files.extend(earlier_files.iter().cloned());
        for files in [&mut after.files, &mut during.files] {
            files.sort();
            files.dedup();
        }
        changes.lists_during.push(during);
        changes.lists_after.push(after);
    }
    for paths in [&mut changes.removals, &mut changes.kept] {
        paths.sort();
        paths.dedup();
    }
    Ok(changes)
}

/// Whether a file is as an installation has left it.
fn is_unchanged(files: &[ListedFile], path: &Utf8Path, there: &Present) -> bool {
    let mut listed = files.iter().filter(|file| file.path == path);
    matches!(there, Present::Known(known) if listed.any(|file| file.content == *known))
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct RemovalChanges {
    pub removals: Vec<Utf8PathBuf>,
    /// Files that have been changed since: they stay.
    pub kept: Vec<Utf8PathBuf>,
    /// If they are empty then; inner ones first.
    pub directories: Vec<Utf8PathBuf>,
    /// The crates that are removed.
    pub crates: Vec<String>,
}

/// The crates that `removal` removes: those named, and those that were there only for them.
///
/// # Errors
/// One is not installed, or one that stays needs it.
pub fn removed_crates(
    lists: &InstallLists,
    names: &[String],
    prefix: &Utf8Path,
) -> Result<Vec<String>, InstallError> {
    if let Some(krate) = names.iter().find(|name| !lists.contains_key(*name)) {
        let (krate, prefix) = (krate.clone(), prefix.to_owned());
        return Err(InstallError::NotInstalled { krate, prefix });
    }
    let mut removed: BTreeSet<String> = names.iter().cloned().collect();
    let needed_by = |name: &str, removed: &BTreeSet<String>| -> Vec<String> {
        let stays = lists.values().filter(|list| !removed.contains(&list.name));
        let needs = stays.filter(|list| list.needs.iter().any(|needed| needed == name));
        needs.map(|list| list.name.clone()).collect()
    };
    // What is there for others goes with the last of them.
    loop {
        let is_left = |list: &&InstallList| {
            !list.chosen
                && !removed.contains(&list.name)
                && needed_by(&list.name, &removed).is_empty()
        };
        let Some(next) = lists.values().find(is_left) else { break };
        removed.insert(next.name.clone());
    }
    for name in names {
        let by = needed_by(name, &removed);
        if !by.is_empty() {
            return Err(InstallError::Needed { krate: name.clone(), by });
        }
    }
    Ok(removed.into_iter().collect())
}

/// What is removed with these crates.
pub fn removal(lists: &InstallLists, crates: &[String], present: &PresentFiles) -> RemovalChanges {
    let mut changes = RemovalChanges { crates: crates.to_vec(), ..RemovalChanges::default() };
    let mut directories = BTreeSet::new();
    for list in crates.iter().filter_map(|name| lists.get(name)) {
        for file in &list.files {
            match present.get(&file.path) {
                None | Some(Present::Nothing) => {}
                Some(there) if is_unchanged(&list.files, &file.path, there) => {
                    changes.removals.push(file.path.clone());
                }
                Some(_) => changes.kept.push(file.path.clone()),
            }
        }
        directories.extend(list.directories.iter().cloned());
    }
    for paths in [&mut changes.removals, &mut changes.kept] {
        paths.sort();
        paths.dedup();
    }
    changes.directories = directories.into_iter().rev().collect();
    changes
}

#[cfg(test)]
mod tests {
    use super::super::plan::{CratePlan, InstallEntry};
    use super::*;

    fn content(text: &str) -> ListedContent {
        ListedContent::Blake3(text.to_owned())
    }

    fn listed(path: &str, text: &str) -> ListedFile {
        ListedFile { path: path.into(), content: content(text) }
    }

    fn list(name: &str, chosen: bool, needs: &[&str], files: &[(&str, &str)]) -> InstallList {
        InstallList {
            chosen,
            needs: needs.iter().map(|name| (*name).to_owned()).collect(),
            files: files.iter().map(|(path, text)| listed(path, text)).collect(),
            ..InstallList::new(name, "1")
        }
    }

    fn lists(all: &[InstallList]) -> InstallLists {
        all.iter().map(|list| (list.name.clone(), list.clone())).collect()
    }

    fn plan(crates: &[(&str, bool, &[&str])]) -> InstallPlan {
        let entry = || InstallEntry::Text(String::new());
        let krate = |(name, chosen, paths): &(&str, bool, &[&str])| CratePlan {
            name: (*name).to_owned(),
            version: "2".to_owned(),
            chosen: *chosen,
            needs: Vec::new(),
            entries: paths.iter().map(|path| (Utf8PathBuf::from(path), entry())).collect(),
        };
        InstallPlan { crates: crates.iter().map(krate).collect() }
    }

    /// `new` and `there`: contents by path.
    fn install(
        plan: &InstallPlan,
        new: &[(&str, &str)],
        lists: &InstallLists,
        there: &[(&str, Present)],
    ) -> Result<InstallChanges, String> {
        let contents = new.iter().map(|(path, text)| (path.into(), content(text))).collect();
        let there = there.iter().map(|(path, present)| (path.into(), present.clone())).collect();
        installation(plan, &contents, lists, &there).map_err(|error| error.to_string())
    }

    fn known(text: &str) -> Present {
        Present::Known(content(text))
    }

    #[test]
    fn installation_writes_what_differs_and_removes_what_is_old() {
        let earlier = [("same", "1"), ("new", "1"), ("old", "1"), ("edited", "1"), ("gone", "1")];
        let lists = lists(&[list("a", true, &[], &earlier)]);
        let there = [
            ("same", known("1")),
            ("new", known("1")),
            ("old", known("1")),
            ("edited", known("2")),
            ("more", Present::Nothing),
        ];
        let plan = plan(&[("a", true, &["same", "new", "more"])]);
        let new = [("same", "1"), ("new", "2"), ("more", "1")];
        let changes = install(&plan, &new, &lists, &there).unwrap();
        assert_eq!(changes.writes, ["more", "new"]);
        assert_eq!(changes.removals, ["old"]);
        assert_eq!(changes.kept, ["edited"]);
        let files = |list: &InstallList| -> Vec<ListedFile> { list.files.clone() };
        let after = vec![listed("more", "1"), listed("new", "2"), listed("same", "1")];
        assert_eq!(files(&changes.lists_after[0]), after);
        // A file is ours before and after it is replaced.
        let during = files(&changes.lists_during[0]);
        assert!(during.contains(&listed("new", "1")) && during.contains(&listed("new", "2")));
        assert!(during.contains(&listed("old", "1")));
    }

    #[test]
    fn installation_over_others_is_refused() {
        let lists = lists(&[list("b", true, &[], &[("b.h", "1")])]);
        let plan = plan(&[("a", true, &["a.h", "b.h", "dir", "pipe"])]);
        let there = [
            ("a.h", known("1")),
            ("b.h", known("1")),
            ("dir", Present::Directory),
            ("pipe", Present::Other),
        ];
        // The same content is no reason to take a file over.
        let refused = install(&plan, &[("a.h", "1")], &lists, &there).unwrap_err();
        let expect = "files that this installation did not make are in its way:\n  a.h\n  \
                      b.h (of the crate `b`)\n  dir (a directory)\n  pipe";
        assert_eq!(refused, expect);
    }

    #[test]
    fn file_may_move_between_crates_that_are_installed_together() {
        let lists = lists(&[list("a", true, &[], &[("x.h", "1")])]);
        let plan = plan(&[("a", true, &["a.h"]), ("b", true, &["x.h"])]);
        let new = [("a.h", "1"), ("x.h", "1")];
        let changes = install(&plan, &new, &lists, &[("x.h", known("1"))]).unwrap();
        assert_eq!((changes.writes, changes.removals), (vec!["a.h".into()], vec![]));
    }

    #[test]
    fn crate_that_was_chosen_stays_whole_when_others_need_it() {
        let earlier = [list("low", true, &[], &[("bin/low", "1"), ("liblow.so", "1")])];
        let plan = plan(&[("low", false, &["liblow.so"])]);
        let there = [("bin/low", known("1")), ("liblow.so", known("1"))];
        let changes = install(&plan, &[("liblow.so", "1")], &lists(&earlier), &there).unwrap();
        assert_eq!(changes.removals, [""; 0]);
        assert!(changes.lists_after[0].chosen && changes.lists_after[0].has("bin/low".as_ref()));
        let earlier = [InstallList { chosen: false, ..earlier[0].clone() }];
        let changes = install(&plan, &[("liblow.so", "1")], &lists(&earlier), &there).unwrap();
        assert_eq!(changes.removals, ["bin/low"]);
        assert!(!changes.lists_after[0].chosen);
    }

    #[test]
    fn removal_takes_along_what_is_there_for_others() {
        let all = lists(&[
            list("app", true, &["top", "low"], &[]),
            list("tool", true, &["low"], &[]),
            list("top", false, &["low"], &[]),
            list("low", false, &[], &[]),
            list("alone", true, &[], &[]),
        ]);
        let check = |names: &[&str], expect: Result<&[&str], &str>| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let found = removed_crates(&all, &names, "/p".as_ref());
            let found = found.map_err(|error| error.to_string());
            let expect = expect.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(found, expect.map_err(str::to_owned), "{names:?}");
        };
        check(&["alone"], Ok(&["alone"]));
        check(&["app"], Ok(&["app", "top"]));
        check(&["app", "tool"], Ok(&["app", "low", "tool", "top"]));
        check(
            &["low"],
            Err("the crate `low` is needed by `app`, `tool`, `top`, installed in the same prefix"),
        );
        check(&["other"], Err("the crate `other` is not installed in `/p`"));
    }

    #[test]
    fn removal_keeps_what_was_changed() {
        let all = lists(&[InstallList {
            directories: vec!["a".into(), "a/b".into()],
            ..list("app", true, &[], &[("a/b/x", "1"), ("a/b/x", "2"), ("y", "1"), ("z", "1")])
        }]);
        let there = [("a/b/x", known("2")), ("y", known("3"))];
        let there = there.map(|(path, present)| (Utf8PathBuf::from(path), present));
        let changes = removal(&all, &["app".to_owned()], &there.into_iter().collect());
        assert_eq!((changes.removals, changes.kept), (vec!["a/b/x".into()], vec!["y".into()]));
        assert_eq!(changes.directories, ["a/b", "a"]);
    }
}
