//! The records of a profile's items, in memory and as bytes. Knows no items, commands or files:
//! only their names and hashes.
//!
//! Texts (paths, keys, words) and versions (a path with one content) are written once. Records
//! refer to them by number, in the order of writing. So a record is small, and a header of a
//! hundred units is checked once.

use super::command::Hash;
use super::journal::Journal;
use super::tool::Tool;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use tender_protocol::FileStamp;

pub(super) type TextId = u32;
pub(super) type VersionId = u32;
pub(super) type ToolId = u32;

/// The last observation of a path: with this stamp it had this content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    pub stamp: FileStamp,
    pub version: VersionId,
    /// Whether the stamp was old enough when the content was read; otherwise it proves nothing.
    pub trusted: bool,
}

/// An item's last success.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unit {
    pub tool: Option<ToolId>,
    pub command: Hash,
    /// The words of the command, encoded. Only explanations need them.
    pub words: Box<[u8]>,
    pub inputs: Vec<VersionId>,
    pub missing: Vec<TextId>,
    /// Files whose time of change is in an output, with that time, seconds since the epoch.
    pub dated: Vec<(TextId, i64)>,
    /// `NAME=VALUE` of environment variables, `NAME` of those that were not set.
    pub variables: Vec<TextId>,
    pub outputs: Vec<VersionId>,
    /// The diagnostics as JSON; empty if there are none.
    pub diagnostics: Box<[u8]>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub key: TextId,
    /// An attempt began after `unit` was recorded.
    pub started: bool,
    pub unit: Option<Unit>,
    /// The size of the record of `unit`, to know how much of the file is garbage.
    bytes: u64,
}

#[derive(Serialize, Deserialize)]
enum StateRecord<'a> {
    Text(&'a str),
    Version {
        path: TextId,
        hash: Hash,
    },
    Observed {
        version: VersionId,
        stamp: FileStamp,
        trusted: bool,
    },
    /// The inputs of a precompiled file.
    MadeFrom {
        version: VersionId,
        inputs: Cow<'a, [VersionId]>,
    },
    Tool(Tool),
    Started {
        key: TextId,
    },
    #[serde(borrow)]
    Finished(UnitRecord<'a>),
}

#[derive(Serialize, Deserialize)]
struct UnitRecord<'a> {
    key: TextId,
    tool: Option<ToolId>,
    command: Hash,
    words: &'a [u8],
    inputs: Cow<'a, [VersionId]>,
    missing: Cow<'a, [TextId]>,
    dated: Cow<'a, [(TextId, i64)]>,
    variables: Cow<'a, [TextId]>,
    outputs: Cow<'a, [VersionId]>,
    diagnostics: &'a [u8],
}

/// Texts, versions and observations, with the bytes of those that are not in the journal yet.
#[derive(Debug, Default)]
pub(super) struct Tables {
    text: String,
    /// The end of each text in `text`.
    ends: Vec<usize>,
    /// Filled when the first text is searched; a build that does nothing searches none.
    text_ids: HashMap<Box<str>, TextId>,
    versions: Vec<(TextId, Hash)>,
    version_ids: HashMap<(TextId, Hash), VersionId>,
    /// By path.
    observed: Vec<Option<Observed>>,
    /// The inputs of each precompiled file, by its content. Any item may report them.
    made_from: HashMap<VersionId, Vec<VersionId>>,
    pub tools: Vec<Tool>,
    unwritten: Vec<u8>,
}

impl Tables {
    pub fn text(&self, id: TextId) -> &str {
        let ix = id as usize;
        let start = if ix == 0 { 0 } else { self.ends[ix - 1] };
        &self.text[start..self.ends[ix]]
    }

    pub fn texts(&self) -> usize {
        self.ends.len()
    }

    /// The path of a version.
    pub fn path(&self, version: VersionId) -> TextId {
        self.versions[version as usize].0
    }

    pub fn hash(&self, version: VersionId) -> &Hash {
        &self.versions[version as usize].1
    }

    pub fn observed(&self, path: TextId) -> Option<Observed> {
        self.observed.get(path as usize).copied().flatten()
    }

    pub fn intern(&mut self, text: &str) -> TextId {
        if self.text_ids.is_empty() {
            self.text_ids =
                (0..self.ends.len() as u32).map(|id| (self.text(id).into(), id)).collect();
        }
        if let Some(id) = self.text_ids.get(text) {
            return *id;
        }
        let id = self.push_text(text);
        self.text_ids.insert(text.into(), id);
        encode(&mut self.unwritten, &StateRecord::Text(text));
        id
    }

    pub fn version(&mut self, path: TextId, hash: Hash) -> VersionId {
        if self.version_ids.is_empty() {
            self.version_ids = self.versions.iter().copied().zip(0..).collect();
        }
        if let Some(id) = self.version_ids.get(&(path, hash)) {
            return *id;
        }
        let id = self.versions.len() as VersionId;
        self.versions.push((path, hash));
        self.version_ids.insert((path, hash), id);
        encode(&mut self.unwritten, &StateRecord::Version { path, hash });
        id
    }

    /// Records an observation of a path. One that proves nothing does not replace one with the same
    /// content that does.
    pub fn observe(&mut self, seen: Observed) {
        let known = self.observed(self.path(seen.version));
        let nothing_new = |known: Observed| {
            (known.stamp, known.version) == (seen.stamp, seen.version)
                && known.trusted >= seen.trusted
        };
        if known.is_some_and(nothing_new) {
            return;
        }
        self.set_observed(seen);
        let record = StateRecord::Observed {
            version: seen.version,
            stamp: seen.stamp,
            trusted: seen.trusted,
        };
        encode(&mut self.unwritten, &record);
    }

    pub fn made_from(&self, version: VersionId) -> Option<&[VersionId]> {
        self.made_from.get(&version).map(Vec::as_slice)
    }

    pub fn set_made_from(&mut self, version: VersionId, inputs: Vec<VersionId>) {
        if self.made_from(version) == Some(&inputs) {
            return;
        }
        encode(
            &mut self.unwritten,
            &StateRecord::MadeFrom { version, inputs: Cow::Borrowed(&inputs) },
        );
        self.made_from.insert(version, inputs);
    }

    pub fn add_tool(&mut self, tool: Tool) -> ToolId {
        let record = StateRecord::Tool(tool);
        encode(&mut self.unwritten, &record);
        let StateRecord::Tool(tool) = record else { unreachable!("made above") };
        self.tools.push(tool);
        (self.tools.len() - 1) as ToolId
    }

    fn push_text(&mut self, text: &str) -> TextId {
        self.text.push_str(text);
        self.ends.push(self.text.len());
        (self.ends.len() - 1) as TextId
    }

    fn set_observed(&mut self, seen: Observed) {
        let path = self.path(seen.version) as usize;
        if self.observed.len() <= path {
            self.observed.resize(path + 1, None);
        }
        self.observed[path] = Some(seen);
    }
}

#[derive(Debug)]
pub(super) struct Store {
    pub tables: Tables,
    pub entries: Vec<Entry>,
    by_key: HashMap<Box<str>, usize>,
    journal: Journal,
    /// Bytes of the journal that later records have made useless.
    garbage: u64,
}

/// Below this size a journal is not worth compacting, bytes.
const SMALL: u64 = 64 * 1024;

impl Store {
    pub fn open(path: &camino::Utf8Path) -> Self {
        let mut loaded = LoadedStore::default();
        let journal = Journal::read(path, |payload| loaded.frame(payload));
        loaded.into_store(journal)
    }

    pub fn find(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Writes that an attempt begins, after all that is not written yet.
    ///
    /// # Errors
    /// The journal cannot be written; see [`Journal::append`].
    pub fn start(&mut self, key: &str) -> io::Result<()> {
        let ix = self.entry(key);
        let key = self.entries[ix].key;
        self.write(&StateRecord::Started { key })?;
        self.entries[ix].started = true;
        self.garbage += 1;
        Ok(())
    }

    /// Writes a success, after all that is not written yet.
    ///
    /// # Errors
    /// The journal cannot be written; see [`Journal::append`].
    pub fn finish(&mut self, key: &str, unit: Unit) -> io::Result<()> {
        let ix = self.entry(key);
        let bytes = self.write(&StateRecord::Finished(record(self.entries[ix].key, &unit)))?;
        let entry = &mut self.entries[ix];
        self.garbage += std::mem::replace(&mut entry.bytes, bytes);
        entry.started = false;
        entry.unit = Some(unit);
        Ok(())
    }

    /// Writes all that is not written yet. If more than half of the file is garbage, replaces it.
    ///
    /// # Errors
    /// The journal cannot be written or replaced; its old records stay.
    pub fn close(&mut self) -> io::Result<()> {
        if !self.tables.unwritten.is_empty() {
            self.journal.append(&self.tables.unwritten)?;
            self.tables.unwritten.clear();
        }
        if self.journal.len() > SMALL && self.garbage > self.journal.len() / 2 {
            self.compact()?;
        }
        Ok(())
    }

    fn compact(&mut self) -> io::Result<()> {
        self.journal.replace(&self.compacted())?;
        self.garbage = 0;
        Ok(())
    }

    /// The payloads of a file with the same meaning, without garbage.
    fn compacted(&self) -> Vec<Vec<u8>> {
        let mut tables = Tables { tools: Vec::new(), ..Tables::default() };
        let mut frames = Vec::new();
        for tool in &self.tables.tools {
            tables.add_tool(tool.clone());
        }
        for entry in &self.entries {
            let key = tables.intern(self.tables.text(entry.key));
            if let Some(unit) = &entry.unit {
                let moved = self.moved(unit, &mut tables);
                encode(&mut tables.unwritten, &StateRecord::Finished(record(key, &moved)));
            }
            if entry.started {
                encode(&mut tables.unwritten, &StateRecord::Started { key });
            }
            frames.push(std::mem::take(&mut tables.unwritten));
        }
        frames
    }

    /// `unit` with the numbers of `tables`.
    fn moved(&self, unit: &Unit, tables: &mut Tables) -> Unit {
        let text = |tables: &mut Tables, id: TextId| tables.intern(self.tables.text(id));
        let versions = |tables: &mut Tables, ids: &[VersionId]| -> Vec<VersionId> {
            ids.iter()
                .map(|id| {
                    let path = text(tables, self.tables.path(*id));
                    let version = tables.version(path, *self.tables.hash(*id));
                    let seen = self.tables.observed(self.tables.path(*id));
                    if let Some(seen) = seen.filter(|seen| seen.version == *id) {
                        tables.observe(Observed { version, ..seen });
                    }
                    version
                })
                .collect()
        };
        let inputs = versions(tables, &unit.inputs);
        let outputs = versions(tables, &unit.outputs);
        for (old, new) in unit.outputs.iter().zip(&outputs) {
            if let Some(inputs) = self.tables.made_from(*old) {
                let inputs = versions(tables, inputs);
                tables.set_made_from(*new, inputs);
            }
        }
        let dated = unit
            .dated
            .iter()
            .map(|(id, time)| (tables.intern(self.tables.text(*id)), *time))
            .collect();
        let mut texts =
            |ids: &[TextId]| ids.iter().map(|id| tables.intern(self.tables.text(*id))).collect();
        let (missing, variables) = (texts(&unit.missing), texts(&unit.variables));
        let words = match WordIds::decode(&unit.words, &self.tables) {
            Some(words) => words.map(|id| tables.intern(self.tables.text(id))).encode(),
            None => unit.words.clone(),
        };
        Unit { words, inputs, outputs, missing, dated, variables, ..unit.clone() }
    }

    fn entry(&mut self, key: &str) -> usize {
        if let Some(ix) = self.find(key) {
            return ix;
        }
        let ix = self.entries.len();
        self.entries.push(Entry { key: self.tables.intern(key), ..Entry::default() });
        self.by_key.insert(key.into(), ix);
        ix
    }

    /// Appends `record` after all that is not written yet. If that fails, the latter is still to be
    /// written, because the numbers of later records count from it.
    fn write(&mut self, record: &StateRecord<'_>) -> io::Result<u64> {
        let before = self.tables.unwritten.len();
        encode(&mut self.tables.unwritten, record);
        let bytes = (self.tables.unwritten.len() - before) as u64;
        let written = self.journal.append(&self.tables.unwritten);
        match written {
            Ok(()) => self.tables.unwritten.clear(),
            Err(_) => self.tables.unwritten.truncate(before),
        }
        written.map(|()| bytes)
    }
}

fn record(key: TextId, unit: &Unit) -> UnitRecord<'_> {
    UnitRecord {
        key,
        tool: unit.tool,
        command: unit.command,
        words: &unit.words,
        inputs: Cow::Borrowed(&unit.inputs),
        missing: Cow::Borrowed(&unit.missing),
        dated: Cow::Borrowed(&unit.dated),
        variables: Cow::Borrowed(&unit.variables),
        outputs: Cow::Borrowed(&unit.outputs),
        diagnostics: &unit.diagnostics,
    }
}

fn encode(bytes: &mut Vec<u8>, record: &StateRecord<'_>) {
    let taken = std::mem::take(bytes);
    *bytes = postcard::to_extend(record, taken).expect("records have sizes that postcard knows");
}

#[derive(Default)]
struct LoadedStore {
    tables: Tables,
    entries: Vec<Entry>,
    /// By key.
    entry_of: HashMap<TextId, usize>,
    garbage: u64,
}

impl LoadedStore {
    fn into_store(self, journal: Journal) -> Store {
        let LoadedStore { tables, entries, garbage, .. } = self;
        let by_key = entries
            .iter()
            .enumerate()
            .map(|(ix, entry)| (tables.text(entry.key).into(), ix))
            .collect();
        Store { tables, entries, by_key, journal, garbage }
    }

    /// Returns `false` for a frame that cannot be decoded; it and all later ones are ignored.
    fn frame(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let Ok((record, rest)) = postcard::take_from_bytes::<StateRecord<'_>>(bytes) else {
                return false;
            };
            if !self.apply(record, (bytes.len() - rest.len()) as u64) {
                return false;
            }
            bytes = rest;
        }
        true
    }

    fn apply(&mut self, record: StateRecord<'_>, bytes: u64) -> bool {
        let texts = self.tables.ends.len() as u32;
        let versions = self.tables.versions.len() as u32;
        let tools = self.tables.tools.len() as u32;
        match record {
            StateRecord::Text(text) => {
                self.tables.push_text(text);
            }
            StateRecord::Version { path, hash } if path < texts => {
                self.tables.versions.push((path, hash))
            }
            StateRecord::Observed { version, stamp, trusted } if version < versions => {
                self.tables.set_observed(Observed { stamp, version, trusted });
            }
            StateRecord::MadeFrom { version, inputs }
                if version < versions && inputs.iter().all(|id| *id < versions) =>
            {
                self.tables.made_from.insert(version, inputs.into_owned());
            }
            StateRecord::Tool(tool) => self.tables.tools.push(tool),
            StateRecord::Started { key } if key < texts => {
                self.entry(key).started = true;
                self.garbage += bytes;
            }
            StateRecord::Finished(found)
                if found.key < texts
                    && found.tool.is_none_or(|tool| tool < tools)
                    && found.inputs.iter().chain(found.outputs.iter()).all(|id| *id < versions)
                    && found.missing.iter().chain(found.variables.iter()).all(|id| *id < texts)
                    && found.dated.iter().all(|(id, _)| *id < texts) =>
            {
                let entry = self.entry(found.key);
                let old = std::mem::replace(&mut entry.bytes, bytes);
                entry.started = false;
                entry.unit = Some(Unit {
                    tool: found.tool,
                    command: found.command,
                    words: found.words.into(),
                    inputs: found.inputs.into_owned(),
                    missing: found.missing.into_owned(),
                    dated: found.dated.into_owned(),
                    variables: found.variables.into_owned(),
                    outputs: found.outputs.into_owned(),
                    diagnostics: found.diagnostics.into(),
                });
                self.garbage += old;
            }
            _ => return false,
        }
        true
    }

    fn entry(&mut self, key: TextId) -> &mut Entry {
        let ix = *self.entry_of.entry(key).or_insert_with(|| {
            self.entries.push(Entry { key, ..Entry::default() });
            self.entries.len() - 1
        });
        &mut self.entries[ix]
    }
}

/// The words of a command by their numbers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WordIds {
    pub places: Vec<TextId>,
    pub own: Vec<TextId>,
    pub profile: Vec<TextId>,
    pub interfaces: Vec<(TextId, Vec<TextId>)>,
}

impl WordIds {
    pub fn encode(&self) -> Box<[u8]> {
        postcard::to_allocvec(self).expect("lists of numbers").into()
    }

    /// `None` if it is damaged, or has a number without a text.
    pub fn decode(bytes: &[u8], tables: &Tables) -> Option<Self> {
        let words: Self = postcard::from_bytes(bytes).ok()?;
        let lists = [&words.places, &words.own, &words.profile]
            .into_iter()
            .chain(words.interfaces.iter().map(|(_, ids)| ids));
        let names = words.interfaces.iter().map(|(name, _)| name);
        let is_whole = lists.flatten().chain(names).all(|id| (*id as usize) < tables.texts());
        is_whole.then_some(words)
    }

    fn map(self, mut to: impl FnMut(TextId) -> TextId) -> Self {
        let mut all = |ids: Vec<TextId>| ids.into_iter().map(&mut to).collect::<Vec<_>>();
        let places = all(self.places);
        let own = all(self.own);
        let profile = all(self.profile);
        let interfaces = self
            .interfaces
            .into_iter()
            .map(|(name, words)| (all(vec![name])[0], all(words)))
            .collect();
        Self { places, own, profile, interfaces }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;

    fn unit(tables: &mut Tables, content: u8) -> Unit {
        let path = tables.intern("a.c");
        let version = tables.version(path, [content; 32]);
        let stamp = FileStamp { size: 1, mtime_ns: i64::from(content), ctime_ns: 7, inode: 8 };
        tables.observe(Observed { stamp, version, trusted: true });
        let word = tables.intern("-O2");
        let interfaces = vec![(word, vec![word])];
        let words =
            WordIds { places: vec![word], own: vec![word], profile: vec![], interfaces }.encode();
        tables.set_made_from(version, vec![version]);
        Unit {
            tool: None,
            command: [content; 32],
            words,
            inputs: vec![version],
            missing: vec![tables.intern("gone.h")],
            dated: vec![(path, i64::from(content))],
            variables: vec![tables.intern("CPATH=x")],
            outputs: vec![version],
            diagnostics: Box::new([1, 2]),
        }
    }

    /// The meaning of the store, without its numbers.
    fn meaning(store: &Store) -> Vec<String> {
        let tables = &store.tables;
        let version = |id: &u32| {
            let path = tables.path(*id);
            let seen =
                tables.observed(path).filter(|seen| seen.version == *id).map(|seen| seen.stamp);
            let made_from = tables.made_from(*id).map(<[u32]>::len);
            format!("{} {} {seen:?} {made_from:?}", tables.text(path), tables.hash(*id)[0])
        };
        let mut all: Vec<String> = store
            .entries
            .iter()
            .map(|entry| {
                let unit = entry.unit.as_ref().map(|unit| {
                    let words = WordIds::decode(&unit.words, tables);
                    format!(
                        "{:?} {:?} {:?} {:?} {}",
                        unit.inputs.iter().chain(&unit.outputs).map(version).collect::<Vec<_>>(),
                        unit.missing
                            .iter()
                            .chain(&unit.variables)
                            .map(|id| tables.text(*id))
                            .collect::<Vec<_>>(),
                        unit.dated
                            .iter()
                            .map(|(id, time)| (tables.text(*id), *time))
                            .collect::<Vec<_>>(),
                        words.map(|words| words
                            .own
                            .iter()
                            .map(|id| tables.text(*id))
                            .collect::<Vec<_>>()),
                        unit.command[0]
                    )
                });
                format!("{} {} {unit:?}", tables.text(entry.key), entry.started)
            })
            .collect();
        all.sort();
        all
    }

    #[test]
    fn store_reads_back_what_it_wrote_and_survives_compaction() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("state");
        let mut store = Store::open(&path);
        let mut longest = 0;
        for round in 0..4_000u32 {
            store.start("k").unwrap();
            let unit = unit(&mut store.tables, (round % 200) as u8);
            store.finish("k", unit).unwrap();
            if round % 1000 == 999 {
                store.start("interrupted").unwrap();
                let before = meaning(&store);
                store.close().unwrap();
                longest = longest.max(std::fs::metadata(&path).unwrap().len());
                store = Store::open(&path);
                assert_eq!(meaning(&store), before);
                assert!(store.entries[store.find("interrupted").unwrap()].started);
            }
        }
        assert!(longest < SMALL, "garbage is not removed: {longest} bytes");
    }

    #[test]
    fn store_cut_at_any_byte_is_an_earlier_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("state");
        let mut store = Store::open(&path);
        let mut states = vec![meaning(&store)];
        for round in 0..4 {
            store.start("k").unwrap();
            states.push(meaning(&store));
            let unit = unit(&mut store.tables, round);
            store.finish("k", unit).unwrap();
            states.push(meaning(&store));
        }
        let whole = std::fs::read(&path).unwrap();
        for len in 0..=whole.len() {
            std::fs::write(&path, &whole[..len]).unwrap();
            let mut cut = Store::open(&path);
            let found = meaning(&cut);
            // Observations are part of the meaning and are written with the record after them.
            assert!(states.contains(&found), "{len}: {found:?}");
            let more = unit(&mut cut.tables, 77);
            cut.finish("more", more).unwrap();
            let again = Store::open(&path);
            assert_eq!(meaning(&again), meaning(&cut));
            assert_eq!(
                again.entries[again.find("more").unwrap()].unit.as_ref().unwrap().command[0],
                77
            );
        }
    }

    /// The seeds of `fuzz_journal` and `fuzz_store` are of a build, and of the present format.
    /// `journal/build` is a whole state file: of a crate with a generated header, a library and a
    /// program, built twice with a change between. `store` has payloads of it.
    #[test]
    fn store_seeds_are_of_this_format() {
        let corpora = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpora");
        let file = corpora.join("journal/build");
        let remake = "copy the file target/debug/.tender/state of such a build there, and run this test again";
        let mut frames: Vec<Vec<u8>> = Vec::new();
        let journal = Journal::read(&file, |payload| {
            frames.push(payload.to_vec());
            true
        });
        let whole = std::fs::metadata(&file).unwrap().len();
        assert_eq!(journal.len(), whole, "{file} is of another format: {remake}");

        let store = Store::open(&file);
        let keys: Vec<&str> =
            store.entries.iter().map(|entry| store.tables.text(entry.key)).collect();
        let expect = [
            "app generate 0",
            "app lib src/f.c",
            "app bin app src/main.c",
            "app archive",
            "app bin app",
        ];
        assert_eq!(keys, expect, "{file}: {remake}");
        for entry in &store.entries {
            let unit = entry
                .unit
                .as_ref()
                .unwrap_or_else(|| panic!("{file} has an unfinished item: {remake}"));
            assert!(WordIds::decode(&unit.words, &store.tables).is_some(), "{file}: {remake}");
        }

        for (name, count) in [("build", frames.len()), ("start", 4), ("first", 1)] {
            let seed = corpora.join("store").join(name);
            let payloads = frames[..count].concat();
            if std::fs::read(&seed).unwrap_or_default() != payloads {
                std::fs::write(&seed, payloads).unwrap();
                panic!(
                    "{seed} was not made from {file}, and is now: look at it, and add it to the commit"
                );
            }
        }
    }

    #[test]
    fn word_numbers_without_a_text_are_damage() {
        let mut tables = Tables::default();
        let known = tables.intern("-O2");
        let words = || WordIds {
            places: vec![known],
            own: vec![known],
            profile: vec![known],
            interfaces: vec![(known, vec![known])],
        };
        let check = |change: fn(&mut WordIds), expect: bool| {
            let mut words = words();
            change(&mut words);
            assert_eq!(WordIds::decode(&words.encode(), &tables).is_some(), expect, "{words:?}");
        };
        check(|_| {}, true);
        check(|words| words.places.push(1), false);
        check(|words| words.own.push(1), false);
        check(|words| words.profile.push(1), false);
        check(|words| words.interfaces[0].0 = 1, false);
        check(|words| words.interfaces[0].1.push(1), false);
    }

    /// A checksum protects against damage, so this tests files of another version, or of a defect
    /// of ours.
    #[test]
    fn fuzz_store() {
        let load = |payloads: &[&[u8]]| {
            let mut loaded = LoadedStore::default();
            let whole = payloads.iter().all(|payload| loaded.frame(payload));
            (loaded.into_store(Journal::read("".into(), |_| true)), whole)
        };
        tender_fuzz::check("store", 2_000, |bytes| {
            let (store, _) = load(&[bytes]);
            let frames = store.compacted();
            let (again, whole) = load(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert!(whole, "what we write can be read");
            let keys: std::collections::BTreeSet<_> = store.by_key.keys().collect();
            assert!(keys.iter().all(|key| again.find(key).is_some()));
            meaning(&store);
            meaning(&again);
        });
    }
}
