//! A link with link-time optimisation: `open` decides everything, `backend` makes one object,
//! `finish` links them.
//!
//! `open` and `finish` are one job each, and each `backend` is one of its own, on any thread. What
//! is optimised is what the driver's linker would take; it then runs as for any other link, with
//! objects where the bitcode was.

use super::command::{self, Line};
use super::inputs::{Inputs, Marked, Source, file_name, find_script, is_ours};
use super::resolve::{self, Place, Resolution};
use super::scope::{self, VersionScript};
use crate::emit::{self, Answer, Link, Linked, Links, Moment};
use crate::frontend::{Watch, plain_error};
use crate::llvm::{self, Listen, Lto, LtoConfig};
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tender_protocol::{Diagnostic, FileStamp, Lto as Mode, LtoLink, Member, OutputFile, PhaseName};

/// What is asked for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Whose link it is: objects among `args` are of this crate.
    pub krate: &'a str,
    pub driver: &'a [String],
    pub args: &'a [String],
    pub output: &'a str,
    pub lto: &'a LtoLink,
}

/// One module to optimise and emit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendJob {
    pub krate: String,
    /// The source's path.
    pub unit: String,
    pub cgu: u32,
    /// Bytes of bitcode.
    pub cost: u64,
    /// Where the object goes.
    pub object: String,
}

/// A link whose decisions are made.
pub struct LinkJob {
    driver: Vec<String>,
    output: String,
    words: Vec<Word>,
    backends: Backends,
    response_files: Vec<String>,
    begun: Moment,
    answer: Arc<Answer>,
}

/// A word of the last link.
enum Word {
    Plain(String),
    /// The object of a backend.
    Object(usize),
    /// Members whose symbols are not exported, which a linker only believes of an archive.
    Hidden {
        archive: String,
        members: Vec<Word>,
    },
}

/// The modules of a thin link, each to be made into an object.
pub(super) struct Backends {
    /// None once all have run: it holds the bitcode of every module, and what was merged.
    lto: RwLock<Option<Lto>>,
    pub jobs: Vec<BackendJob>,
    /// Whether the backend left an object; unset until it has run.
    made: Vec<OnceLock<bool>>,
}

/// What comes of the modules of all inputs.
pub(super) struct Linking {
    pub backends: Backends,
    /// Where modules without a summary went, all of them together.
    pub merged: Option<String>,
    /// By input and part: the backend, or none where the module was merged. Empty for what takes no
    /// part.
    pub job_of: Vec<Vec<Option<usize>>>,
}

impl LinkJob {
    /// Reads all that is linked, resolves symbols, and runs the thin link, or the whole of a fat
    /// one.
    pub fn open(
        request: Request<'_>,
        links: &Links,
        watch: &dyn Watch,
    ) -> Result<LinkJob, Vec<Diagnostic>> {
        watch.enter(PhaseName::Thinlink);
        let begun = Moment::now();
        let fail = |why: String| vec![plain_error(None, why)];
        let (args, response_files) = emit::expanded(request.args);
        let request = Request { args: &args, ..request };
        let (marks, places) = marks(request);
        let question = question(request, &places);
        let answer = links.drivers.ask(request.driver, &question).map_err(fail)?;
        let line = read_line(&answer).map_err(fail)?;
        let mut inputs =
            Inputs::load(&line, &marks, request.krate).map_err(|why| fail(why.to_string()))?;
        let config = LtoConfig {
            opt_level: request.lto.opt_level,
            position_independent: line.position_independent,
            keep_copies: false,
        };
        let resolution = settle(&inputs, &line.options)?;
        let linking = run(
            &mut inputs,
            &resolution,
            config,
            &request.lto.work_dir,
            request.krate,
            request.lto.mode,
            watch,
        )?;
        let words = Placing::new(request, &inputs, &resolution, &linking).words(&marks, &places);
        Ok(LinkJob {
            driver: request.driver.to_vec(),
            output: request.output.to_owned(),
            words,
            backends: linking.backends,
            response_files,
            begun,
            answer,
        })
    }

    /// In the order of the link.
    pub fn jobs(&self) -> &[BackendJob] {
        &self.backends.jobs
    }

    /// Makes the object of one job. Each is to be run once, in any order, on any thread, several at
    /// once. No file comes of a module of which nothing is left. The error is for people, and names
    /// crate, unit and codegen unit.
    pub fn backend(&self, index: usize, watch: &dyn Watch) -> Result<Option<OutputFile>, String> {
        self.backends.run(index, watch)
    }

    /// The link itself, after all backends. `threads` is how many it may use.
    ///
    /// # Panics
    /// If a backend has not been run.
    pub fn finish(&self, threads: u32, links: &Links) -> Linked {
        self.backends.close();
        let LinkJob { driver, output, response_files, begun, answer, .. } = self;
        match self.args(&self.words) {
            Ok(args) => {
                let (args, answer) = (&args, Some(answer));
                let begun = *begun;
                emit::link(
                    &Link { driver, args, response_files, output, threads, begun, answer },
                    links,
                )
            }
            Err(error) => Linked { error: Some(error), ..Linked::default() },
        }
    }

    fn args(&self, words: &[Word]) -> Result<Vec<String>, String> {
        let mut args = Vec::with_capacity(words.len());
        for word in words {
            match word {
                Word::Plain(word) => args.push(word.clone()),
                Word::Object(job) => args.extend(self.backends.object(*job).map(str::to_owned)),
                Word::Hidden { archive, members } => {
                    let paths = self.args(members)?;
                    let members = paths
                        .into_iter()
                        .map(|path| Member { name: file_name(&path).to_owned(), path });
                    emit::archive(archive, &members.collect::<Vec<_>>())?;
                    let open = ["-Wl,--push-state", "-Wl,--whole-archive"];
                    args.extend(
                        open.into_iter()
                            .chain([archive.as_str(), "-Wl,--pop-state"])
                            .map(str::to_owned),
                    );
                }
            }
        }
        Ok(args)
    }
}

/// The inputs among the words that are ours, and for each word the number of its mark.
fn marks(request: Request<'_>) -> (Vec<Marked<'_>>, Vec<Option<usize>>) {
    let mut marks = Vec::new();
    let mut places = Vec::with_capacity(request.args.len());
    let mut before = None;
    for word in request.args {
        let libraries = request.lto.libraries.iter();
        if let Some(library) = libraries.into_iter().find(|library| library.word == *word) {
            // A library named again is the same one.
            let known =
                marks.iter().position(|mark| matches!(mark, Marked::Library(l) if l.word == *word));
            places.push(Some(known.unwrap_or(marks.len())));
            if known.is_none() {
                marks.push(Marked::Library(library));
            }
        } else if !word.starts_with('-') && is_ours(word) {
            places.push(Some(marks.len()));
            marks.push(Marked::Object(word));
        } else if emit::is_input(before, word) {
            places.push(Some(marks.len()));
            marks.push(Marked::Foreign(word));
        } else {
            places.push(None);
        }
        before = Some(word.as_str());
    }
    (marks, places)
}

/// The words that the driver is asked about: with marks for inputs.
fn question(request: Request<'_>, places: &[Option<usize>]) -> Vec<String> {
    let mut words = Vec::new();
    let mut run: Option<Range<usize>> = None;
    for (word, place) in request.args.iter().zip(places) {
        match (*place, &mut run) {
            (Some(number), Some(run)) if number == run.end => run.end += 1,
            (Some(number), run) => {
                words.extend(run.replace(number..number + 1).as_ref().map(command::mark))
            }
            (None, run) => {
                words.extend(run.take().as_ref().map(command::mark));
                words.push(word.clone());
            }
        }
    }
    words.extend(run.as_ref().map(command::mark));
    words
}

/// What the driver will have linked, and the files that its options name.
fn read_line(answer: &Answer) -> Result<Line, String> {
    let (words, _) = emit::expanded(&answer.words);
    let mut line = command::parse(&words);
    let read = |path: &String| {
        std::fs::read_to_string(path).map_err(|why| format!("cannot read {path}: {why}"))
    };
    for path in &line.version_scripts {
        let found = find_script(path, &line).map(|found| found.to_string_lossy().into_owned());
        let text = read(found.as_ref().unwrap_or(path))?;
        line.options.versions.get_or_insert_with(VersionScript::default).add(&text);
    }
    for path in &line.dynamic_lists {
        line.options.dynamic_list.extend(scope::dynamic_list(&read(path)?));
    }
    line.options.everything_visible = line.relocatable;
    Ok(line)
}

/// Resolves symbols; two strong definitions are an error for each symbol.
fn settle(inputs: &Inputs, options: &resolve::Options) -> Result<Resolution, Vec<Diagnostic>> {
    let mut options = options.clone();
    let triple =
        inputs.modules.iter().flatten().find_map(|module| Some(module.bitcode.as_ref()?.triple()));
    options.libcalls = triple.map(|triple| llvm::libcalls(&triple)).unwrap_or_default();
    let resolution = resolve::resolve(&inputs.list, &options);
    if resolution.duplicates.is_empty() {
        return Ok(resolution);
    }
    let told = resolution.duplicates.iter().map(|duplicate| {
        let (first, second) = (owner(inputs, duplicate.first), owner(inputs, duplicate.second));
        plain_error(
            None,
            format!("duplicate symbol `{}`: defined in {first} and in {second}", duplicate.symbol),
        )
    });
    Err(told.collect())
}

fn owner(inputs: &Inputs, (input, part): Place) -> String {
    match inputs.modules[input].get(part) {
        Some(module) => format!("crate `{}` ({})", module.krate, module.unit),
        None => inputs.labels[input].clone(),
    }
}

/// Gives all modules that take part to LLVM, in the order of the link.
pub(super) fn run(
    inputs: &mut Inputs,
    resolution: &Resolution,
    config: LtoConfig,
    work_dir: &str,
    krate: &str,
    mode: Mode,
    watch: &dyn Watch,
) -> Result<Linking, Vec<Diagnostic>> {
    // The merged module, and while it is added each other one; a summary is no module.
    let fat = mode == Mode::Fat;
    let whole = fat.then(|| Live::new(watch));
    let mut lto = Lto::new(config);
    let mut jobs = Vec::new();
    let mut ids = Vec::new();
    let mut job_of: Vec<Vec<Option<usize>>> = vec![Vec::new(); inputs.list.len()];
    for &(index, _) in &resolution.order {
        for (module, flags) in inputs.modules[index].iter_mut().zip(&resolution.flags[index]) {
            let Some(bitcode) = module.bitcode.take() else { continue };
            let job = BackendJob {
                krate: module.krate.clone(),
                unit: module.unit.clone(),
                cgu: module.cgu,
                cost: bitcode.size(),
                object: format!("{work_dir}/{}.{}.o", module.name, module.cgu),
            };
            let _live = fat.then(|| Live::new(watch));
            lto.add(bitcode, flags, &Told(watch)).map_err(|why| vec![blame(&job, &why)])?;
            ids.push((format!("{}#{}", module.name, module.cgu), index, job_of[index].len()));
            job_of[index].push(None);
            jobs.push(job);
        }
    }
    let merged = lto
        .run(&Told(watch))
        .map_err(|why| vec![plain_error(None, format!("link-time optimisation: {why}"))])?;
    drop(whole);
    let merged = match merged {
        Some(bytes) => {
            let path = format!("{work_dir}/{krate}.lto.o");
            emit::write(&path, &bytes).map_err(|why| vec![plain_error(None, why.to_string())])?;
            Some(path)
        }
        None => None,
    };
    // LLVM keeps the modules with a summary in the order in which they were added; the others are
    // in the merged one.
    let mut thin = lto.backends().into_iter().peekable();
    let mut kept = Vec::new();
    for (job, (id, input, part)) in jobs.into_iter().zip(ids) {
        if thin.next_if_eq(&id).is_some() {
            job_of[input][part] = Some(kept.len());
            kept.push(job);
        }
    }
    let made = kept.iter().map(|_| OnceLock::new()).collect();
    Ok(Linking {
        backends: Backends { lto: RwLock::new(Some(lto)), jobs: kept, made },
        merged,
        job_of,
    })
}

fn blame(job: &BackendJob, why: &str) -> Diagnostic {
    plain_error(
        None,
        format!("crate `{}`, {}, codegen unit {}: {why}", job.krate, job.unit, job.cgu),
    )
}

impl Backends {
    pub fn run(&self, index: usize, watch: &dyn Watch) -> Result<Option<OutputFile>, String> {
        watch.enter(PhaseName::Backend);
        let job = &self.jobs[index];
        let _live = Live::new(watch);
        let lto = self.lto.read().unwrap_or_else(PoisonError::into_inner);
        let object = lto
            .as_ref()
            .expect("backends come before the link")
            .backend(index, &Told(watch))
            .map_err(|why| {
                format!("crate `{}`, {}, codegen unit {}: {why}", job.krate, job.unit, job.cgu)
            })?;
        let file = match object {
            Some(bytes) => Some(emit::write(&job.object, &bytes).map_err(|why| why.to_string())?),
            None => None,
        };
        // A backend that is run again makes the same.
        let _ = self.made[index].set(file.is_some());
        Ok(file)
    }

    /// After all have run: the linker needs memory of its own.
    fn close(&self) {
        drop(self.lto.write().unwrap_or_else(PoisonError::into_inner).take());
        llvm::purge();
    }

    /// The object of a job that has run, if it left one.
    pub fn object(&self, index: usize) -> Option<&str> {
        let job = &self.jobs[index];
        let made = self.made[index]
            .get()
            .unwrap_or_else(|| panic!("the backend of {} has not run", job.object));
        made.then_some(job.object.as_str())
    }
}

/// Puts objects where the bitcode was.
struct Placing<'a> {
    request: Request<'a>,
    inputs: &'a Inputs,
    resolution: &'a Resolution,
    linking: &'a Linking,
    /// What each input brought in, and so stands behind it; of inputs and members that are ours.
    brought: Vec<Vec<usize>>,
    follows: Vec<bool>,
    placed: Vec<bool>,
    merged_placed: bool,
    words: Vec<Word>,
}

impl<'a> Placing<'a> {
    fn new(
        request: Request<'a>,
        inputs: &'a Inputs,
        resolution: &'a Resolution,
        linking: &'a Linking,
    ) -> Self {
        let count = inputs.list.len();
        let (mut brought, mut follows) = (vec![Vec::new(); count], vec![false; count]);
        // Hidden ones stay together, where their library is named.
        let stays =
            |index: usize| inputs.sources[index] == Source::Foreign || inputs.list[index].hidden;
        for &(index, by) in &resolution.order {
            if let Some(by) = by.filter(|by| !stays(*by) && !stays(index)) {
                brought[by].push(index);
                follows[index] = true;
            }
        }
        let placed = vec![false; count];
        Placing {
            request,
            inputs,
            resolution,
            linking,
            brought,
            follows,
            placed,
            merged_placed: false,
            words: Vec::new(),
        }
    }

    fn words(mut self, marks: &[Marked<'_>], places: &[Option<usize>]) -> Vec<Word> {
        for (word, place) in self.request.args.iter().zip(places) {
            match place.map(|number| (number, &marks[number])) {
                None => self.words.push(Word::Plain(word.clone())),
                Some((_, Marked::Foreign(path))) => {
                    self.words.push(Word::Plain((*path).to_owned()))
                }
                Some((number, Marked::Object(_))) => {
                    self.taken(|source| *source == Source::Object(number))
                }
                Some((number, Marked::Library(library))) => {
                    let before = self.words.len();
                    self.taken(
                        |source| matches!(source, Source::Member { mark, .. } if *mark == number),
                    );
                    if self.hides(number) && self.words.len() > before {
                        let members = self.words.split_off(before);
                        let archive =
                            format!("{}/{}", self.request.lto.work_dir, file_name(&library.word));
                        self.words.push(Word::Hidden { archive, members });
                    }
                    let members: Vec<&str> =
                        library.members.iter().map(|member| member.path.as_str()).collect();
                    self.left(number, &members);
                }
            }
        }
        self.words
    }

    /// Inputs from one word that take part, in the order in which they came in; but what another
    /// one brought in stands behind that.
    fn taken(&mut self, from: impl Fn(&Source) -> bool) {
        let resolution = self.resolution;
        for &(index, _) in &resolution.order {
            if from(&self.inputs.sources[index]) && !self.follows[index] {
                self.place(index);
            }
        }
    }

    /// An input, and behind it what it brought in, as lld orders them: constructors run in this
    /// order.
    fn place(&mut self, index: usize) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut self.placed[index], true) {
                continue;
            }
            match &self.inputs.sources[index] {
                Source::Member { .. } if self.linking.job_of[index].is_empty() => {
                    self.words.push(Word::Plain(self.inputs.labels[index].clone()));
                }
                _ => {
                    for job in &self.linking.job_of[index] {
                        match job {
                            Some(job) => self.words.push(Word::Object(*job)),
                            None if !self.merged_placed => {
                                self.merged_placed = true;
                                self.words.extend(self.linking.merged.clone().map(Word::Plain));
                            }
                            None => {}
                        }
                    }
                }
            }
            open.extend(self.brought[index].iter().rev());
        }
    }

    fn hides(&self, number: usize) -> bool {
        let mut inputs = self.inputs.sources.iter().zip(&self.inputs.list);
        inputs.any(|(source, input)| {
            input.hidden && matches!(source, Source::Member { mark, .. } if *mark == number)
        })
    }

    /// Native members that nothing wants yet: the code generator may still call them.
    fn left(&mut self, mark: usize, members: &[&str]) {
        let lld = self.request.driver.iter().any(|word| word == "-fuse-ld=lld");
        let waiting: Vec<Word> = (0..self.inputs.list.len())
            .filter(|index| {
                let ours = matches!(self.inputs.sources[*index], Source::Member { mark: m, .. } if m == mark);
                let taken = !self.resolution.flags[*index].is_empty();
                ours && !taken && self.inputs.modules[*index].is_empty()
            })
            .map(|index| Word::Plain(self.inputs.labels[index].clone()))
            .collect();
        if lld && !waiting.is_empty() {
            self.words.push(Word::Plain("-Wl,--start-lib".to_owned()));
            self.words.extend(waiting);
            self.words.push(Word::Plain("-Wl,--end-lib".to_owned()));
        }
        let nested = self.inputs.nested.iter().filter(|(m, _)| *m == mark);
        self.words.extend(nested.map(|(_, member)| Word::Plain(members[*member].to_owned())));
    }
}

/// A module in memory, as long as this is.
struct Live<'a>(&'a dyn Watch);

impl<'a> Live<'a> {
    fn new(watch: &'a dyn Watch) -> Live<'a> {
        watch.live_modules(1);
        Live(watch)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live_modules(-1);
    }
}

/// Gives on what LLVM says and reads.
struct Told<'a>(&'a dyn Watch);

impl Listen for Told<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        let rendered = match diagnostic.rendered.is_empty() {
            true => said(&diagnostic),
            false => diagnostic.rendered.clone(),
        };
        self.0.diagnostic(Diagnostic { rendered, ..diagnostic });
    }

    fn read(&self, path: &str, stamp: FileStamp, content: Option<&[u8]>) {
        self.0.read(path, stamp, content);
    }

    fn missing(&self, path: &str) {
        self.0.missing(path);
    }
}

fn said(diagnostic: &Diagnostic) -> String {
    use tender_protocol::Level;
    let level = match diagnostic.level {
        Level::Error => return plain_error(None, diagnostic.message.clone()).rendered,
        Level::Warning => "warning",
        Level::Note => "note",
        Level::Remark => "remark",
    };
    format!("\x1b[1m{level}: \x1b[0m{}\n", diagnostic.message)
}
