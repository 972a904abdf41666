//! A workspace of text files, built by the engine with `src/bin/fake-worker.rs`.

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tender::engine::{Request, Summary, build};
use tender::environment::Variables;
use tender::events::{Event, Severity, Sink};
use tender::fingerprint::Fingerprints;
use tender::graph::{Artifact, ArtifactKind, Command, Graph, Ingredients, Item, ItemKind, Run};
use tender::host::{EngineError, Slots};
use tender::keys::ItemId;
use tender::manifest::{CrateId, Profile, ProgramKind};
use tender::memory::Budget;
use tender_protocol::{Language, Member, Outcome, Work};

pub struct Space {
    dir: tempfile::TempDir,
    pub graph: Graph,
    pub worker: Utf8PathBuf,
}

impl Space {
    pub fn new() -> Space {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let profile = Profile::dev();
        let out_dir = root.join("target/debug");
        let state_dir = out_dir.join(".tender");
        std::fs::create_dir_all(&state_dir).unwrap();
        let (items, artifacts, unbuilt_archives) = (vec![], vec![], vec![]);
        let graph = Graph {
            host_profile: profile.for_build(),
            root,
            profile,
            out_dir,
            state_dir,
            items,
            artifacts,
            modules: vec![],
            unbuilt_archives,
            unscanned: Vec::new(),
        };
        Space { dir, graph, worker: fake_worker() }
    }

    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A crate with a source for each of `behaviours` and an archive. Returns the archive.
    pub fn library(&mut self, name: &str, behaviours: &[&str]) -> ItemId {
        self.library_after(name, behaviours, &[])
    }

    pub fn library_after(&mut self, name: &str, behaviours: &[&str], after: &[ItemId]) -> ItemId {
        let krate =
            CrateId(self.graph.items.iter().map(|item| item.krate.0 + 1).max().unwrap_or(0));
        let mut objects = Vec::new();
        for (number, behaviour) in behaviours.iter().enumerate() {
            let source = format!("{name}/{number}.c");
            self.write(&source, &format!("{behaviour}\n"));
            let object = format!("target/debug/.tender/{name}/{number}.o");
            let work = Work::Compile {
                source: source.clone(),
                language: Language::C,
                args: vec!["-DWHAT=a b".into()],
                object: object.clone(),
                cut: None,
                lto: Default::default(),
                share: None,
                translation: None,
            };
            objects.push((
                self.add(krate, name, ItemKind::Compile, &source, after, work, &object),
                object,
            ));
        }
        let output = format!("target/debug/lib{name}.a");
        let member =
            |(_, path): &(ItemId, String)| Member { name: path.clone(), path: path.clone() };
        let work = Work::Archive {
            output: output.clone(),
            members: objects.iter().map(member).collect(),
            lto: None,
        };
        let inputs: Vec<ItemId> = objects.iter().map(|(ix, _)| *ix).collect();
        self.add(krate, name, ItemKind::Archive, &format!("lib{name}.a"), &inputs, work, &output)
    }

    pub fn program(&mut self, name: &str, archives: &[ItemId]) -> ItemId {
        let krate = CrateId(1000);
        let output = format!("target/debug/{name}");
        let args = archives.iter().map(|ix| self.graph[*ix].outputs[0].to_string()).collect();
        let work =
            Work::Link { driver: vec!["cc".into()], args, output: output.clone(), lto: None };
        let item = self.add(krate, name, ItemKind::Program, name, archives, work, &output);
        let path = self.graph.root.join(&output);
        let kind = ArtifactKind::Program(ProgramKind::Bin);
        self.graph.artifacts.push(Artifact { item, krate, kind, name: name.into(), path });
        item
    }

    pub fn generate(&mut self, words: &[&str], output: &str) -> ItemId {
        let command = Command {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            shown: None,
            dir: self.graph.root.clone(),
            depfile: None,
            env: vec![("OUT_DIR".into(), self.graph.root.join("out").into_string())],
            retry: false,
        };
        let work = Work::Check { source: String::new(), language: Language::C, args: vec![] };
        let item = self.add(CrateId(2000), "gen", ItemKind::Generate, output, &[], work, output);
        self.graph.items[item.0 as usize].run = Run::Command(command);
        item
    }

    #[expect(clippy::too_many_arguments, reason = "one call for each kind of item")]
    fn add(
        &mut self,
        krate: CrateId,
        name: &str,
        kind: ItemKind,
        label: &str,
        after: &[ItemId],
        work: Work,
        output: &str,
    ) -> ItemId {
        self.graph.items.push(Item {
            host: false,
            krate,
            krate_name: name.into(),
            kind,
            key: format!("{name} {label}"),
            label: label.into(),
            after: after.to_vec(),
            run: Run::Worker(work),
            program: None,
            inputs: vec![],
            outputs: vec![output.into()],
            ingredients: Ingredients { own: vec![], profile: vec![], interfaces: vec![] },
            size: 1,
        });
        ItemId(self.graph.items.len() as u32 - 1)
    }

    pub fn build(&self, jobs: u32, keep_going: bool) -> (Result<Summary, EngineError>, Told) {
        let mut told = Told::default();
        let result = self.build_telling(jobs, keep_going, &mut told);
        (result, told)
    }

    pub fn build_telling(
        &self,
        jobs: u32,
        keep_going: bool,
        sink: &mut dyn Sink,
    ) -> Result<Summary, EngineError> {
        self.build_in(Slots::Own(jobs), keep_going, sink)
    }

    pub fn build_in(
        &self,
        slots: Slots,
        keep_going: bool,
        sink: &mut dyn Sink,
    ) -> Result<Summary, EngineError> {
        // A build reaps all unknown children of the process, so a process has one build at a time.
        static ONE_BUILD: Mutex<()> = Mutex::new(());
        let _one = ONE_BUILD.lock().unwrap_or_else(PoisonError::into_inner);
        let graph = &self.graph;
        let variables = Variables::default();
        let fingerprints =
            Fingerprints::open(&graph.root, &graph.state_dir, &self.worker, variables).unwrap();
        let worker = &self.worker;
        let request = Request {
            graph,
            fingerprints,
            slots,
            keep_going,
            worker,
            sample: false,
            budget: Budget::new(None, None, None).unwrap(),
            sink,
            kept: None,
        };
        build(request, &BTreeSet::new())
    }
}

fn fake_worker() -> Utf8PathBuf {
    env!("CARGO_BIN_EXE_fake-worker").into()
}

/// The events in a short form.
#[derive(Default)]
pub struct Told {
    pub fresh: u32,
    /// Labels, in order of their end.
    pub built: Vec<String>,
    pub failed: Vec<String>,
    pub skipped: Vec<String>,
    pub workers: u32,
    pub most_tokens: u32,
    pub messages: Vec<(Severity, String)>,
    pub output: String,
    pub artifacts: Vec<(String, bool)>,
}

impl Sink for Told {
    fn event(&mut self, graph: &Graph, event: &Event) {
        match event {
            Event::Fresh { .. } => self.fresh += 1,
            Event::ItemFinished { item, outcome, .. } => {
                let list = match outcome {
                    Outcome::Ok => &mut self.built,
                    Outcome::Failed => &mut self.failed,
                    Outcome::Skipped => &mut self.skipped,
                };
                list.push(graph[*item].label.clone());
            }
            Event::WorkerStarted { .. } => self.workers += 1,
            Event::Tokens { used, .. } => self.most_tokens = self.most_tokens.max(*used),
            Event::Message { severity, text } => self.messages.push((*severity, text.clone())),
            Event::CommandOutput { text, .. } => self.output.push_str(text),
            Event::Artifact { item, fresh } => {
                self.artifacts.push((graph[*item].label.clone(), *fresh))
            }
            _ => {}
        }
    }
}
