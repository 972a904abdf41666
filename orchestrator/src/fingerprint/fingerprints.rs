//! Whether an item is up to date, and if not, why.

use super::certificate::Certificate;
use super::command::{Hash, Words, command_hash, explain, places};
use super::files::{Content, Files, hash_file, path_of, program_name, trusted};
use super::reason::RebuildReason;
use super::store::{Observed, Store, Tables, Unit, VersionId, WordIds};
use super::tool::CurrentTool;
use super::variables;
use crate::environment::Variables;
use crate::graph::{Graph, Item, Program, Run};
use crate::keys::ItemId;
use crate::sys;
use crate::sys::looks::{self, now_ns};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{HashMap, HashSet};
use std::io;
use tender_protocol::{Diagnostic, ItemReport, Outcome, OutputFile, PlanId};
use tender_units::{Bytes, Micros};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    Dirty(RebuildReason),
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the build state {path} cannot be written: {source}")]
    Write { path: Utf8PathBuf, source: io::Error },
    #[error("the outdated file {path} cannot be removed: {source}")]
    Remove { path: Utf8PathBuf, source: io::Error },
    #[error("the link {path} cannot be made: {source}")]
    Link { path: Utf8PathBuf, source: io::Error },
    #[error("the workspace directory {path} cannot be opened: {source}")]
    Root { path: Utf8PathBuf, source: io::Error },
    /// The command ended without an error, and has not written an output that the manifest names.
    #[error("the command `{command}` has not written its output {path}")]
    OutputNotWritten { command: String, path: Utf8PathBuf },
    /// As before. `what` is a sentence about the file.
    #[error("the depfile of the command `{command}` is of no use: {what}")]
    Depfile { command: String, what: String },
}

#[derive(Debug)]
pub struct Fingerprints {
    path: Utf8PathBuf,
    pub(super) store: Store,
    pub(super) files: Files,
    tool: CurrentTool,
    variables: Variables,
    /// The inputs of running items as they were when these began, for items whose worker does not
    /// report what it read.
    pub(super) begun: HashMap<ItemId, Vec<VersionId>>,
    /// The item that writes a file. Empty until it is asked for.
    pub(super) writers: HashMap<Utf8PathBuf, ItemId>,
    buffer: Vec<u8>,
    /// Whether an item has.
    has_begun: bool,
}

impl Fingerprints {
    /// Reads the state in `state_dir`. If it is absent or damaged, items count as new. `root` is
    /// the directory of relative paths, `worker` the program that will run the items, `variables`
    /// its environment. Nothing is written before `begin`.
    ///
    /// # Errors
    /// `root` is not a directory that can be entered.
    pub fn open(
        root: &Utf8Path,
        state_dir: &Utf8Path,
        worker: &Utf8Path,
        variables: Variables,
    ) -> Result<Self, StateError> {
        let path = state_dir.join("state");
        let mut store = Store::open(&path);
        let files = Files::new(root)
            .map_err(|source| StateError::Root { path: root.to_owned(), source })?;
        let tool = CurrentTool::find(worker, &mut store.tables);
        Ok(Self {
            path,
            store,
            files,
            tool,
            variables,
            begun: HashMap::new(),
            writers: HashMap::new(),
            buffer: Vec::new(),
            has_begun: false,
        })
    }

    /// Takes the versions in a worker's `hello`. To be called before one of its reports is
    /// recorded.
    pub fn tool_said(&mut self, llvm: &str, libraries: &[String]) {
        self.tool.said(llvm, libraries, &mut self.store.tables);
    }

    /// Returns whether an item is up to date. All its prerequisites are.
    pub fn check(&mut self, graph: &Graph, ix: ItemId) -> Freshness {
        match self.judge(&graph[ix]) {
            None => Freshness::Fresh,
            Some(reason) => Freshness::Dirty(reason),
        }
    }

    fn judge(&mut self, item: &Item) -> Option<RebuildReason> {
        let Some(entry) = self.store.find(&item.key) else { return Some(RebuildReason::New) };
        let entry = &self.store.entries[entry];
        if entry.started {
            return Some(RebuildReason::NotFinished);
        }
        let Some(unit) = &entry.unit else { return Some(RebuildReason::New) };
        let tables = &mut self.store.tables;

        if matches!(item.run, Run::Worker(_)) && !self.tool.made(unit.tool, tables) {
            let was = unit.tool.map(|id| tables.tools[id as usize].describe()).unwrap_or_default();
            return Some(RebuildReason::ToolChanged { was, is: self.tool.describe() });
        }
        if command_hash(item, &mut self.buffer) != unit.command {
            return Some(explain(&words_of(tables, unit), item));
        }
        let recorded = unit.variables.iter().map(|entry| tables.text(*entry));
        if let Some(variable) = variables::changed(&self.variables, item, recorded) {
            return Some(RebuildReason::EnvironmentChanged { variable });
        }
        // The first input of a unit is its source. The others are those that the manifest names,
        // whose patterns may match more files now.
        if item.kind.is_unit() && item.inputs.len() > 1 {
            let known: HashSet<&str> =
                unit.inputs.iter().map(|version| tables.text(tables.path(*version))).collect();
            if let Some(path) = item.inputs.iter().find(|path| !known.contains(path.as_str())) {
                return Some(RebuildReason::InputAppeared { path: path.to_string() });
            }
        }
        if let Some(program) = &item.program
            && let Some(reason) = other_program(tables, unit, program)
        {
            return Some(reason);
        }
        if let Some((path, content)) = first_difference(&mut self.files, tables, &unit.inputs) {
            return Some(match content {
                Content::Absent => RebuildReason::InputMissing { path },
                _ => RebuildReason::InputChanged { path },
            });
        }
        let dated = unit
            .dated
            .iter()
            .filter(|(path, mtime_s)| self.files.mtime_s(tables, *path) != Some(*mtime_s));
        if let Some(path) = dated.map(|(path, _)| tables.text(*path)).min() {
            return Some(RebuildReason::InputTimeChanged { path: path.to_owned() });
        }
        let appeared: Vec<&str> = unit
            .missing
            .iter()
            .filter(|path| self.files.exists(tables, **path))
            .map(|path| tables.text(*path))
            .collect();
        if let Some(path) = first_of_deepest(&appeared) {
            return Some(RebuildReason::InputAppeared { path: path.to_owned() });
        }
        if let Some((path, content)) = first_difference(&mut self.files, tables, &unit.outputs) {
            return Some(match content {
                Content::Absent => RebuildReason::OutputMissing { path },
                _ => RebuildReason::OutputChanged { path },
            });
        }
        // Inputs that a command does not declare, but clang reports of the precompiled file that it
        // made.
        if matches!(item.run, Run::Command(_)) {
            let made_from: Vec<VersionId> = unit
                .outputs
                .iter()
                .filter_map(|version| tables.made_from(*version))
                .flatten()
                .copied()
                .collect();
            if let Some((path, _)) = first_difference(&mut self.files, tables, &made_from) {
                return Some(RebuildReason::InputChanged { path });
            }
        }
        None
    }

    /// The precompiled files of an item's prerequisite commands that are up to date by contents,
    /// whatever the times of files are.
    pub fn settled(&mut self, graph: &Graph, ix: ItemId) -> Vec<String> {
        let mut settled = Vec::new();
        for before in &graph[ix].after {
            let item = &graph[*before];
            if !matches!(item.run, Run::Command(_)) {
                continue;
            }
            let Some(entry) = self.store.find(&item.key) else { continue };
            let Some(unit) = &self.store.entries[entry].unit else { continue };
            let tables = &mut self.store.tables;
            for version in &unit.outputs {
                let Some(inputs) = tables.made_from(*version).map(<[_]>::to_vec) else { continue };
                let mut is = |version: VersionId| {
                    self.files.content(tables, tables.path(version)) == Content::Is(version)
                };
                if is(*version) && inputs.into_iter().all(is) {
                    settled.push(tables.text(tables.path(*version)).to_owned());
                }
            }
        }
        settled
    }

    /// Records the inputs of precompiled files. A unit reports them for those that it used, also if
    /// it failed.
    fn learn_precompiled(
        &mut self,
        graph: &Graph,
        item: &Item,
        report: &ItemReport,
    ) -> Result<(), StateError> {
        for file in &report.precompiled {
            let id = |path: &Utf8Path| rustix::fs::stat(graph.root.join(path).as_std_path()).ok();
            let Some(found) = id(file.path.as_ref()) else { continue };
            let is_it = |path: &Utf8PathBuf| {
                id(path)
                    .is_some_and(|stat| (stat.st_dev, stat.st_ino) == (found.st_dev, found.st_ino))
            };
            let made = item.after.iter().find_map(|before| {
                let output = graph[*before].outputs.iter().find(|path| is_it(path))?;
                Some((*before, output.as_str()))
            });
            // A precompiled file that no item makes is an input like any other.
            let Some((writer, output)) = made else { continue };
            if !file.current {
                // It may be out of date. Then clang does not report its inputs.
                self.store.start(&graph[writer].key).map_err(|source| self.write_error(source))?;
                continue;
            }
            let tables = &mut self.store.tables;
            let version_of = |tables: &mut Tables, told: &str, path: &str| {
                let input = report.inputs.iter().find(|input| input.path == told)?;
                let hash = blake3::Hash::from_hex(&input.hash).ok()?;
                let path = tables.intern(path);
                Some(tables.version(path, *hash.as_bytes()))
            };
            let inputs: Option<Vec<_>> =
                file.made_from.iter().map(|path| version_of(tables, path, path)).collect();
            if let (Some(version), Some(mut inputs)) =
                (version_of(tables, &file.path, output), inputs)
            {
                dedup(&mut inputs);
                tables.set_made_from(version, inputs);
            }
        }
        Ok(())
    }

    /// Writes to the state that an attempt begins. To be called before the item's outputs can be
    /// replaced.
    ///
    /// # Errors
    /// The state cannot be written, e.g. because the disk is full.
    pub fn begin(&mut self, graph: &Graph, ix: ItemId) -> Result<(), StateError> {
        let item = &graph[ix];
        // A worker reports what a unit read, but not the `inputs` that the manifest names.
        let is_unit = item.kind.is_unit();
        if !is_unit || matches!(item.run, Run::Command(_)) || item.inputs.len() > 1 {
            // The outputs of prerequisites may not exist yet. Their records have them when this
            // item is recorded.
            let written: HashSet<&Utf8Path> = item
                .after
                .iter()
                .flat_map(|before| &graph[*before].outputs)
                .map(|path| &**path)
                .collect();
            let mut inputs = Vec::new();
            for path in item.inputs.iter().filter(|path| !written.contains(path.as_path())) {
                let path = self.store.tables.intern(path.as_str());
                if let Content::Is(version) = self.files.content(&mut self.store.tables, path) {
                    inputs.push(version);
                }
            }
            if let Some(path) = item.program.as_ref().and_then(|program| program.path.as_ref()) {
                let path = self.store.tables.intern(&program_name(path.as_str()));
                if let Content::Is(version) = self.files.content(&mut self.store.tables, path) {
                    inputs.push(version);
                }
            }
            self.begun.insert(ix, inputs);
        }
        if !std::mem::replace(&mut self.has_begun, true)
            && let Some(state_dir) = self.path.parent()
        {
            Certificate::remove_all(state_dir);
        }
        self.store.start(&item.key).map_err(|source| self.write_error(source))
    }

    /// Records how an attempt ended. Only a success makes an item up to date; otherwise the record
    /// of `begin` remains.
    ///
    /// # Errors
    /// The state cannot be written; the item is then run again by the next build.
    pub fn record(
        &mut self,
        graph: &Graph,
        ix: ItemId,
        report: &ItemReport,
        diagnostics: &[Diagnostic],
    ) -> Result<(), StateError> {
        let item = &graph[ix];
        let begun = self.begun.remove(&ix).unwrap_or_default();
        if matches!(item.run, Run::Command(_)) {
            self.files.forget();
        }
        self.learn_precompiled(graph, item, report)?;
        if report.outcome != Outcome::Ok {
            return Ok(());
        }
        let tables = &mut self.store.tables;
        let tool = matches!(item.run, Run::Worker(_)).then(|| self.tool.id(tables));

        let read_from = start_ns(report);
        let mut inputs = begun;
        for file in &report.inputs {
            let Ok(hash) = blake3::Hash::from_hex(&file.hash) else { continue };
            let path = tables.intern(&file.path);
            let version = tables.version(path, *hash.as_bytes());
            tables.observe(Observed {
                stamp: file.stamp,
                version,
                trusted: trusted(file.stamp, read_from),
            });
            inputs.push(version);
        }
        for path in &report.programs {
            let path = tables.intern(&program_name(path));
            if let Content::Is(version) = self.files.content(tables, path) {
                // A program that was replaced since may not be the one that ran.
                let seen = tables.observed(path).filter(|seen| seen.version == version);
                let is_later = seen.is_none_or(|seen| seen.stamp.ctime_ns > read_from);
                inputs.push(if is_later { tables.version(path, UNKNOWN) } else { version });
            }
        }
        let told: HashSet<_> = inputs.iter().map(|version| tables.path(*version)).collect();
        for path in &item.inputs {
            let path = tables.intern(path.as_str());
            if !told.contains(&path)
                && let Content::Is(version) = self.files.content(tables, path)
            {
                inputs.push(version);
            }
        }
        let links = self.link_outputs(graph, item, &report.outputs)?;
        let tables = &mut self.store.tables;
        let mut outputs = Vec::new();
        for file in report.outputs.iter().chain(&links) {
            let Ok(hash) = blake3::Hash::from_hex(&file.hash) else { continue };
            let path = tables.intern(&file.path);
            let version = tables.version(path, *hash.as_bytes());
            tables.observe(Observed { stamp: file.stamp, version, trusted: true });
            self.files.know(tables, path, file.stamp, Content::Is(version));
            outputs.push(version);
        }
        let mut missing: Vec<_> = report.missing.iter().map(|path| tables.intern(path)).collect();
        let dated =
            report.dated.iter().map(|file| (tables.intern(&file.path), file.mtime_s)).collect();
        let variables = variables::entries(&self.variables, item, &report.variables);
        let variables = variables.iter().map(|entry| tables.intern(entry)).collect();
        dedup(&mut inputs);
        dedup(&mut missing);

        let diagnostics = match diagnostics {
            [] => Box::default(),
            _ => serde_json::to_vec(diagnostics).expect("diagnostics have string keys only").into(),
        };
        let unit = Unit {
            tool,
            command: command_hash(item, &mut self.buffer),
            words: intern_words(tables, item),
            inputs,
            missing,
            dated,
            variables,
            outputs,
            diagnostics,
        };
        self.store.finish(&item.key, unit).map_err(|source| self.write_error(source))
    }

    /// Removes outdated outputs of items that earlier builds had and this graph does not have,
    /// because they would look current. Outputs that such an item would make again unchanged are
    /// kept. To be called when all items of the graph are up to date.
    ///
    /// # Errors
    /// A file cannot be removed, or the state cannot be written.
    pub fn remove_outdated(&mut self, graph: &Graph) -> Result<(), StateError> {
        for item in &graph.unbuilt_archives {
            let Some(entry) = self.store.find(&item.key) else { continue };
            if self.judge(item).is_none() {
                continue;
            }
            // As before an attempt: if the build is interrupted now, the next build does not use
            // the record.
            if !self.store.entries[entry].started {
                self.store.start(&item.key).map_err(|source| self.write_error(source))?;
            }
            for output in &item.outputs {
                let path = graph.root.join(output);
                match std::fs::remove_file(&path) {
                    Err(source) if source.kind() != io::ErrorKind::NotFound => {
                        return Err(StateError::Remove { path, source });
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Makes the report of a `[[generate]]` command, which runs in no worker. Reads its outputs and
    /// its depfile. Times are CLOCK_MONOTONIC and wall time, microseconds.
    ///
    /// # Errors
    /// It has not written one of its outputs, or its depfile cannot be used.
    pub fn command_report(
        &mut self,
        graph: &Graph,
        ix: ItemId,
        outcome: Outcome,
        at_us: Micros,
        wall_us: Micros,
    ) -> Result<ItemReport, StateError> {
        let item = &graph[ix];
        let mut outputs = Vec::new();
        if outcome == Outcome::Ok {
            for path in &item.outputs {
                let (stamp, hash) = hash_file(&graph.root.join(path)).map_err(|_| {
                    let command = item.label.clone();
                    StateError::OutputNotWritten { command, path: path.clone() }
                })?;
                let hash = blake3::Hash::from(hash).to_hex().to_string();
                outputs.push(OutputFile { path: path.to_string(), stamp, hash });
            }
        }
        let mut report = ItemReport {
            plan: PlanId(0),
            item: ix,
            outcome,
            at_us,
            wall_us,
            busy_us: Micros::ZERO,
            peak_bytes: Bytes::ZERO,
            piece_peak_bytes: Bytes::ZERO,
            inputs: Vec::new(),
            missing: Vec::new(),
            dated: Vec::new(),
            precompiled: Vec::new(),
            variables: Vec::new(),
            programs: Vec::new(),
            outputs,
        };
        if let (Outcome::Ok, Run::Command(command)) = (outcome, &item.run) {
            let began_ns = start_ns(&report);
            report.missing = self.learn_depfile(graph, ix, command, began_ns)?;
        }
        Ok(report)
    }

    /// The diagnostics of the item's last success, to be shown again while the item is up to date.
    pub fn diagnostics(&self, graph: &Graph, ix: ItemId) -> Vec<Diagnostic> {
        let entry = self.store.find(&graph[ix].key).map(|entry| &self.store.entries[entry]);
        let bytes =
            entry.and_then(|entry| entry.unit.as_ref()).map_or(&[][..], |unit| &unit.diagnostics);
        if bytes.is_empty() {
            Vec::new()
        } else {
            serde_json::from_slice(bytes).unwrap_or_default()
        }
    }

    /// Writes new stamps, and compacts the file if necessary. Does nothing if nothing has changed.
    ///
    /// # Errors
    /// The state cannot be written. Earlier records are kept.
    pub fn close(mut self) -> Result<(), StateError> {
        if self.has_begun {
            looks::doubt("something has run");
        } else if looks::is_recording() {
            self.files.tell_looks(&self.store.tables);
        }
        self.store.close().map_err(|source| self.write_error(source))
    }

    pub(super) fn write_error(&self, source: io::Error) -> StateError {
        StateError::Write { path: self.path.clone(), source }
    }
}

/// When the item began, nanoseconds since the epoch: it read nothing earlier. For a report without
/// times this is the epoch, so that no stamp is trusted.
fn start_ns(report: &ItemReport) -> i64 {
    let start_us = report.at_us.saturating_sub(report.wall_us);
    if start_us == Micros::ZERO {
        return 0;
    }
    let ago_us = sys::now_us().saturating_sub(start_us);
    now_ns().saturating_sub_unsigned(ago_us.0.saturating_mul(1000))
}

/// The first changed file by name, and its present state. By name, because `versions` are in the
/// order in which items ended, and a reason must not depend on that.
fn first_difference(
    files: &mut Files,
    tables: &mut Tables,
    versions: &[VersionId],
) -> Option<(String, Content)> {
    let mut first: Option<(String, Content)> = None;
    for version in versions {
        let path = tables.path(*version);
        let content = files.content(tables, path);
        let name = path_of(tables.text(path));
        if content != Content::Is(*version)
            && first.as_ref().is_none_or(|(other, _)| name < other.as_str())
        {
            first = Some((name.to_owned(), content));
        }
    }
    first
}

/// The first path by name, without directories of other paths: a file explains more than its
/// directory.
fn first_of_deepest<'a>(paths: &[&'a str]) -> Option<&'a str> {
    let holds = |dir: &str, path: &str| Utf8Path::new(path).starts_with(dir) && dir != path;
    paths.iter().copied().filter(|dir| !paths.iter().any(|path| holds(dir, path))).min()
}

/// The hash of no content.
pub(super) const UNKNOWN: Hash = [0; 32];

/// The reason, if the name of a program leads to another file than before: PATH has changed, or a
/// program was added there.
fn other_program(tables: &Tables, unit: &Unit, program: &Program) -> Option<RebuildReason> {
    let is = program.path.as_ref().map(|path| path.as_str()).unwrap_or_default();
    let texts = unit.inputs.iter().map(|version| tables.text(tables.path(*version)));
    let known: Vec<&str> = texts.filter(|text| path_of(text) != *text).map(path_of).collect();
    // A record without programs is from a worker that reports none.
    if known.is_empty() || known.contains(&is) {
        return None;
    }
    let file_name = |path: &str| Utf8Path::new(path).file_name().map(str::to_owned);
    let was = known
        .into_iter()
        .find(|path| file_name(path) == file_name(&program.name))
        .unwrap_or_default();
    Some(RebuildReason::ProgramChanged {
        program: program.name.clone(),
        was: was.to_owned(),
        is: is.to_owned(),
    })
}

fn dedup(ids: &mut Vec<u32>) {
    ids.sort_unstable();
    ids.dedup();
}

fn intern_words(tables: &mut Tables, item: &Item) -> Box<[u8]> {
    let mut all =
        |words: &[String]| words.iter().map(|word| tables.intern(word)).collect::<Vec<_>>();
    let places = all(&places(item).map(Utf8Path::to_string));
    let own = all(&item.ingredients.own);
    let profile = all(&item.ingredients.profile);
    let interfaces = item
        .ingredients
        .interfaces
        .iter()
        .map(|(name, words)| (all(std::slice::from_ref(name))[0], all(words)))
        .collect();
    WordIds { places, own, profile, interfaces }.encode()
}

fn words_of<'a>(tables: &'a Tables, unit: &Unit) -> Words<'a> {
    let Some(ids) = WordIds::decode(&unit.words, tables) else { return Words::default() };
    let texts = |ids: &[u32]| ids.iter().map(|id| tables.text(*id)).collect::<Vec<_>>();
    Words {
        places: texts(&ids.places),
        own: texts(&ids.own),
        profile: texts(&ids.profile),
        interfaces: ids
            .interfaces
            .iter()
            .map(|(name, words)| (tables.text(*name), texts(words)))
            .collect(),
        inputs: unit
            .inputs
            .iter()
            .map(|version| tables.text(tables.path(*version)))
            .filter(|text| path_of(text) == *text)
            .collect(),
    }
}
