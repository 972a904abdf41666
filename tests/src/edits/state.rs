//! Everything that a build depends on: the files of a workspace, and the environment, as edits
//! change them. Does no I/O.

use super::edit::{Edit, Writing};
use std::collections::BTreeMap;

/// A directory exists if something is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) environment: BTreeMap<String, String>,
    entries: BTreeMap<String, Entry>,
    files: BTreeMap<u64, File>,
    made: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// The number of a file; hard links have the same.
    File(u64),
    /// A symbolic link and its target.
    Link(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
}

impl State {
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Names of files, hard links among them.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.entries.iter().filter_map(|(path, entry)| match entry {
            Entry::File(number) => Some((path.as_str(), &self.files[number])),
            Entry::Link(_) => None,
        })
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        match self.entries.get(path)? {
            Entry::File(number) => self.files.get(number),
            Entry::Link(_) => None,
        }
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(&self.file(path)?.content).ok()
    }

    pub(super) fn link(&self, path: &str) -> Option<&str> {
        match self.entries.get(path)? {
            Entry::Link(target) => Some(target),
            Entry::File(_) => None,
        }
    }

    pub(super) fn is_there(&self, path: &str) -> bool {
        self.entries.contains_key(path) || self.is_directory(path)
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    pub(super) fn below<'a>(&'a self, directory: &str) -> impl Iterator<Item = &'a str> {
        let start = format!("{directory}/");
        let from = self.entries.range(start.clone()..);
        from.map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(&start))
    }

    /// Whether a file can be created here: no parent is a file or a link, and the path is not a
    /// directory.
    fn has_room(&self, path: &str) -> bool {
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        above.all(|directory| !self.entries.contains_key(directory)) && !self.is_directory(path)
    }

    /// Applies an edit. If it is impossible, changes nothing and returns false.
    pub(super) fn apply(&mut self, edit: &Edit) -> bool {
        match edit {
            Edit::Write { path, content, how } => {
                if !self.has_room(path) || self.link(path).is_some() {
                    return false;
                }
                let mode = self.file(path).map_or(0o644, |file| file.mode);
                match self.entries.get(path) {
                    Some(Entry::File(number)) if how.is_in_place() => {
                        self.files
                            .get_mut(number)
                            .expect("it has a name")
                            .content
                            .clone_from(content);
                    }
                    _ => self.make(path, File { content: content.clone(), mode }),
                }
            }
            Edit::SetTime { path, .. } => return self.file(path).is_some(),
            Edit::SetMode { path, mode } => match self.entries.get(path) {
                Some(Entry::File(number)) => {
                    self.files.get_mut(number).expect("it has a name").mode = *mode
                }
                _ => return false,
            },
            Edit::Rename { from, to } => {
                let is_file = self.entries.contains_key(from);
                let can_be = self.has_room(to) && (is_file || !self.entries.contains_key(to));
                if !self.is_there(from)
                    || !can_be
                    || from == to
                    || to.starts_with(&format!("{from}/"))
                {
                    return false;
                }
                let moved = self.take(from);
                self.put(to, moved);
            }
            Edit::Swap { a, b } => {
                let inside =
                    |a: &str, b: &str| a.strip_prefix(b).is_some_and(|rest| rest.starts_with('/'));
                if a == b || !self.is_there(a) || !self.is_there(b) || inside(a, b) || inside(b, a)
                {
                    return false;
                }
                let (of_a, of_b) = (self.take(a), self.take(b));
                self.put(a, of_b);
                self.put(b, of_a);
            }
            Edit::Remove { path } => {
                if !self.is_there(path) {
                    return false;
                }
                self.take(path);
            }
            Edit::HardLink { of, path } => match self.entries.get(of).cloned() {
                Some(file @ Entry::File(_)) if !self.is_there(path) && self.has_room(path) => {
                    self.entries.insert(path.clone(), file);
                }
                _ => return false,
            },
            Edit::Symlink { path, target } => {
                if !self.has_room(path) {
                    return false;
                }
                self.entries.insert(path.clone(), Entry::Link(target.clone()));
            }
            Edit::SetVariable { name, value: Some(value) } => {
                self.environment.insert(name.clone(), value.clone());
            }
            Edit::SetVariable { name, value: None } => {
                return self.environment.remove(name).is_some();
            }
            Edit::Spoil { .. } => {}
        }
        true
    }

    fn make(&mut self, path: &str, file: File) {
        self.made += 1;
        self.files.insert(self.made, file);
        self.entries.insert(path.to_owned(), Entry::File(self.made));
    }

    /// The entries at and below a path, by the rest of their names.
    fn take(&mut self, path: &str) -> Vec<(String, Entry)> {
        let below: Vec<String> = self.below(path).map(str::to_owned).collect();
        let own = self.entries.remove(path).map(|entry| (String::new(), entry));
        let rest = below.into_iter().map(|name| {
            let entry = self.entries.remove(&name).expect("it was found there");
            (name[path.len()..].to_owned(), entry)
        });
        own.into_iter().chain(rest.collect::<Vec<_>>()).collect()
    }

    fn put(&mut self, path: &str, entries: Vec<(String, Entry)>) {
        self.entries
            .extend(entries.into_iter().map(|(rest, entry)| (format!("{path}{rest}"), entry)));
    }

    /// The edits that turn this state into another one. Hard links become separate files.
    pub(super) fn edits_towards(
        &self,
        other: &State,
        mut how: impl FnMut() -> Writing,
    ) -> Vec<Edit> {
        let gone = self.entries.keys().filter(|path| !other.entries.contains_key(*path));
        let mut edits: Vec<Edit> = gone.map(|path| Edit::Remove { path: path.clone() }).collect();
        for (path, entry) in &other.entries {
            match entry {
                Entry::Link(target) if self.link(path) == Some(target) => {}
                Entry::Link(target) => {
                    edits.push(Edit::Symlink { path: path.clone(), target: target.clone() });
                }
                Entry::File(number) => {
                    let File { content, mode } = &other.files[number];
                    let now = self.file(path);
                    if now.is_none_or(|file| file.content != *content) {
                        if self.link(path).is_some() {
                            edits.push(Edit::Remove { path: path.clone() });
                        }
                        edits.push(Edit::write(path, content.clone(), how()));
                    }
                    if now.map_or(0o644, |file| file.mode) != *mode {
                        edits.push(Edit::SetMode { path: path.clone(), mode: *mode });
                    }
                }
            }
        }
        for name in self.environment.keys().filter(|name| !other.environment.contains_key(*name)) {
            edits.push(Edit::SetVariable { name: name.clone(), value: None });
        }
        for (name, value) in &other.environment {
            if self.environment.get(name) != Some(value) {
                edits.push(Edit::SetVariable { name: name.clone(), value: Some(value.clone()) });
            }
        }
        edits
    }

    /// A hash of everything that a clean build depends on. `time_of` returns the time of a file,
    /// seconds, for files whose time is in an output.
    pub(super) fn hash(&self, time_of: impl Fn(&str) -> i64) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for (name, value) in &self.environment {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        for (path, entry) in &self.entries {
            add(path.as_bytes());
            match entry {
                Entry::Link(target) => {
                    add(b"link");
                    add(target.as_bytes());
                }
                Entry::File(number) => {
                    let File { content, mode } = &self.files[number];
                    add(if mode & 0o111 == 0 { b"file" } else { b"program" });
                    add(content);
                    if shows_its_time(content) {
                        add(&time_of(path).to_le_bytes());
                    }
                }
            }
        }
        *hasher.finalize().as_bytes()
    }
}

/// `__TIMESTAMP__` is the modification time of the file that contains it.
pub(super) fn shows_its_time(content: &[u8]) -> bool {
    let word = b"__TIMESTAMP__";
    content.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(paths: &[&str]) -> State {
        let mut state = State::default();
        for path in paths {
            assert!(state.apply(&Edit::write(path, *path, Writing::InPlace)));
        }
        state
    }

    fn names(state: &State) -> Vec<&str> {
        state.entries().map(|(path, _)| path).collect()
    }

    #[test]
    fn hard_links_share_what_is_written_in_place() {
        let mut state = state(&["a"]);
        assert!(state.apply(&Edit::HardLink { of: "a".into(), path: "b".into() }));
        assert!(state.apply(&Edit::write("b", "both", Writing::CopiedTimeKept)));
        assert_eq!((state.text("a"), state.text("b")), (Some("both"), Some("both")));
        assert!(state.apply(&Edit::write("b", "one", Writing::Replaced)));
        assert_eq!((state.text("a"), state.text("b")), (Some("both"), Some("one")));
    }

    #[test]
    fn directories_are_moved_with_what_is_in_them() {
        let mut state = state(&["d/x", "d/e/y", "dd", "f/z"]);
        assert!(state.apply(&Edit::Rename { from: "d".into(), to: "g/h".into() }));
        assert_eq!(names(&state), ["dd", "f/z", "g/h/e/y", "g/h/x"]);
        assert!(state.apply(&Edit::Swap { a: "f".into(), b: "g".into() }));
        assert_eq!(names(&state), ["dd", "f/h/e/y", "f/h/x", "g/z"]);
        assert!(state.apply(&Edit::Remove { path: "f/h".into() }));
        assert_eq!(names(&state), ["dd", "g/z"]);
    }

    #[test]
    fn impossible_edits_change_nothing() {
        let before = state(&["d/x", "e"]);
        let impossible = [
            Edit::write("e/f", "", Writing::InPlace),
            Edit::write("d", "", Writing::Replaced),
            Edit::Rename { from: "d".into(), to: "d/y".into() },
            Edit::Rename { from: "d".into(), to: "e".into() },
            Edit::Rename { from: "absent".into(), to: "z".into() },
            Edit::Swap { a: "d".into(), b: "d/x".into() },
            Edit::Remove { path: "absent".into() },
            Edit::HardLink { of: "d".into(), path: "z".into() },
            Edit::Symlink { path: "d".into(), target: "e".into() },
            Edit::SetVariable { name: "UNSET".into(), value: None },
        ];
        for edit in impossible {
            let mut state = before.clone();
            assert!(!state.apply(&edit), "{edit}");
            assert_eq!(state, before, "{edit}");
        }
    }

    #[test]
    fn edits_lead_from_each_state_to_each() {
        let mut a = state(&["d/x", "e", "only/in/a", "becomes"]);
        a.apply(&Edit::Symlink { path: "l".into(), target: "e".into() });
        a.apply(&Edit::SetVariable { name: "A".into(), value: Some("1".into()) });
        let mut b = state(&["d/x", "l", "only/b"]);
        b.apply(&Edit::write("e", "other", Writing::InPlace));
        b.apply(&Edit::SetMode { path: "e".into(), mode: 0o755 });
        b.apply(&Edit::Symlink { path: "becomes".into(), target: "d".into() });
        for (from, to) in [(&a, &b), (&b, &a), (&a, &a)] {
            let mut state = from.clone();
            for edit in from.edits_towards(to, || Writing::InPlace) {
                assert!(state.apply(&edit), "{edit}");
            }
            assert_eq!(state.hash(|_| 0), to.hash(|_| 0));
            assert!(from == to || from.hash(|_| 0) != to.hash(|_| 0));
        }
    }

    #[test]
    fn times_count_only_where_they_are_content() {
        let mut state = state(&["a"]);
        assert_eq!(state.hash(|_| 1), state.hash(|_| 2));
        state.apply(&Edit::write("a", "char *when = __TIMESTAMP__;", Writing::InPlace));
        assert_ne!(state.hash(|_| 1), state.hash(|_| 2));
    }
}
