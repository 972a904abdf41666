//! A link with link-time optimisation: `open` runs the thin link, `backend` makes one object,
//! `finish` links the objects.
//!
//! `open`, `finish` and each `backend` are one job each, on any thread. The modules are those that
//! the driver's linker would link. In the end the driver runs as for any other link, with native
//! objects instead of the bitcode.

use super::command::{self, LinkerCommand};
use super::inputs::{LinkInputs, Placeholder, Source, file_name, find_script, is_bitcode};
use super::resolve::{self, PartId, Resolution};
use super::version_script::{self, VersionScript};
use crate::emit::{self, ChangeTime, DriverAnswer, Link, LinkCaches, Linked};
use crate::frontend::{LiveModule, Observer, plain_error};
use crate::llvm::{self, Listener, Lto, LtoConfig};
use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tender_protocol::{Diagnostic, FileStamp, Lto as Mode, LtoLink, Member, OutputFile, PhaseName};

/// A link to optimise.
#[derive(Clone, Copy)]
pub struct LtoRequest<'a> {
    /// The crate that is linked. Objects among `args` belong to it.
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
    /// The size of the bitcode in bytes.
    pub cost: u64,
    /// The path of the object.
    pub object: String,
}

/// A link after its thin link.
pub struct LinkJob {
    driver: Vec<String>,
    output: String,
    words: Vec<LinkArg>,
    backends: Backends,
    /// The object of all modules without a summary.
    merged: Option<String>,
    response_files: Vec<String>,
    began: ChangeTime,
    answer: Arc<DriverAnswer>,
}

/// An argument of the last link.
enum LinkArg {
    Plain(String),
    /// The object of this backend.
    Object(usize),
    /// Members whose symbols are not exported. `--exclude-libs` works only for archives, so they
    /// are put into one.
    Hidden {
        archive: String,
        members: Vec<LinkArg>,
    },
}

/// The modules of a thin link, each of which becomes an object.
pub(super) struct Backends {
    /// `None` after all backends, because it holds the bitcode of every module.
    lto: RwLock<Option<Lto>>,
    pub jobs: Vec<BackendJob>,
    /// Whether the backend has written an object; unset until it has run.
    made: Vec<OnceLock<bool>>,
}

/// The result of a thin link.
pub(super) struct ThinLinked {
    pub backends: Backends,
    /// The object of all modules without a summary.
    pub merged: Option<String>,
    /// By input and part: the backend, or `None` if the module was merged. Empty for inputs that
    /// are not linked.
    pub job_of: Vec<Vec<Option<usize>>>,
}

impl LinkJob {
    /// Reads the inputs, resolves symbols and runs the thin link, or the merged link of fat LTO.
    ///
    /// # Errors
    /// The driver shows no link command, an input cannot be read, symbols are defined twice, or
    /// LLVM reports an error.
    pub fn open(
        request: LtoRequest<'_>,
        caches: &LinkCaches,
        observer: &dyn Observer,
    ) -> Result<LinkJob, Vec<Diagnostic>> {
        observer.enter(PhaseName::Thinlink);
        let began = ChangeTime::now();
        let fail = |why: String| vec![plain_error(None, why)];
        let (args, response_files) = emit::expanded(request.args);
        let request = LtoRequest { args: &args, ..request };
        let (placeholders, numbers) = find_inputs(request);
        let question = question(request, &numbers);
        let answer = caches.drivers.ask(request.driver, &question).map_err(fail)?;
        let line = read_command(&answer).map_err(fail)?;
        let mut inputs = LinkInputs::load(&line, &placeholders, request.krate)
            .map_err(|why| fail(why.to_string()))?;
        let config = LtoConfig {
            opt_level: request.lto.opt_level,
            position_independent: line.position_independent,
            keep_copies: false,
        };
        let resolution = resolve_symbols(&inputs, &line.options)?;
        let thin_linked = run(
            &mut inputs,
            &resolution,
            config,
            &request.lto.work_dir,
            request.krate,
            request.lto.mode,
            observer,
        )?;
        let words = ArgBuilder::new(request, &inputs, &resolution, &thin_linked)
            .words(&placeholders, &numbers);
        Ok(LinkJob {
            driver: request.driver.to_vec(),
            output: request.output.to_owned(),
            words,
            backends: thin_linked.backends,
            merged: thin_linked.merged,
            response_files,
            began,
            answer,
        })
    }

    /// The backends, in the order of the link.
    pub fn jobs(&self) -> &[BackendJob] {
        &self.backends.jobs
    }

    /// Makes the object of one job. Run each once, in any order, on any threads. Returns `None` if
    /// the module became empty.
    ///
    /// # Errors
    /// A message that names crate, unit and codegen unit.
    pub fn backend(
        &self,
        index: usize,
        observer: &dyn Observer,
    ) -> Result<Option<OutputFile>, String> {
        self.backends.run(index, observer)
    }

    /// Runs the last link, after all backends. `threads` is how many threads it may use.
    ///
    /// # Panics
    /// If a backend has not run.
    pub fn finish(&self, threads: u32, caches: &LinkCaches) -> Linked {
        self.backends.close();
        let LinkJob { driver, output, response_files, began, answer, .. } = self;
        let args = match self.args(&self.words) {
            Ok(args) => args,
            Err(error) => return Linked { error: Some(error), ..Linked::default() },
        };
        let (args, answer, began) = (&args, Some(answer), *began);
        let linked = emit::link(
            &Link { driver, args, response_files, output, threads, began, answer },
            caches,
        );
        if linked.error.is_none() {
            let archives = self.words.iter().filter_map(|word| match word {
                LinkArg::Hidden { archive, .. } => Some(archive.as_str()),
                _ => None,
            });
            emit::remove_intermediate(
                self.backends.objects().chain(self.merged.as_deref()).chain(archives),
            );
        }
        linked
    }

    fn args(&self, words: &[LinkArg]) -> Result<Vec<String>, String> {
        let mut args = Vec::with_capacity(words.len());
        for word in words {
            match word {
                LinkArg::Plain(word) => args.push(word.clone()),
                LinkArg::Object(job) => args.extend(self.backends.object(*job).map(str::to_owned)),
                LinkArg::Hidden { archive, members } => {
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

/// The inputs among the arguments, and for each argument the number of its input.
fn find_inputs(request: LtoRequest<'_>) -> (Vec<Placeholder<'_>>, Vec<Option<usize>>) {
    let mut inputs = Vec::new();
    let mut numbers = Vec::with_capacity(request.args.len());
    let mut before = None;
    for word in request.args {
        let libraries = request.lto.libraries.iter();
        if let Some(library) = libraries.into_iter().find(|library| library.word == *word) {
            // A library may be named more than once.
            let known = inputs
                .iter()
                .position(|input| matches!(input, Placeholder::Library(l) if l.word == *word));
            numbers.push(Some(known.unwrap_or(inputs.len())));
            if known.is_none() {
                inputs.push(Placeholder::Library(library));
            }
        } else if !word.starts_with('-') && is_bitcode(word) {
            numbers.push(Some(inputs.len()));
            inputs.push(Placeholder::Object(word));
        } else if emit::is_input(before, word) {
            numbers.push(Some(inputs.len()));
            inputs.push(Placeholder::External(word));
        } else {
            numbers.push(None);
        }
        before = Some(word.as_str());
    }
    (inputs, numbers)
}

/// The question for the driver: the arguments, with placeholders for the inputs.
fn question(request: LtoRequest<'_>, numbers: &[Option<usize>]) -> Vec<String> {
    let mut words = Vec::new();
    let mut run: Option<Range<usize>> = None;
    for (word, number) in request.args.iter().zip(numbers) {
        match (*number, &mut run) {
            (Some(number), Some(run)) if number == run.end => run.end += 1,
            (Some(number), run) => {
                words.extend(run.replace(number..number + 1).as_ref().map(command::placeholder))
            }
            (None, run) => {
                words.extend(run.take().as_ref().map(command::placeholder));
                words.push(word.clone());
            }
        }
    }
    words.extend(run.as_ref().map(command::placeholder));
    words
}

/// Parses the linker's command line and reads the files that its options name.
fn read_command(answer: &DriverAnswer) -> Result<LinkerCommand, String> {
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
        line.options.dynamic_list.extend(version_script::dynamic_list(&read(path)?));
    }
    line.options.everything_visible = line.relocatable;
    Ok(line)
}

/// Resolves symbols. Two strong definitions of a symbol are an error.
fn resolve_symbols(
    inputs: &LinkInputs,
    options: &resolve::ResolveOptions,
) -> Result<Resolution, Vec<Diagnostic>> {
    let mut options = options.clone();
    let triple =
        inputs.modules.iter().flatten().find_map(|module| Some(module.bitcode.as_ref()?.triple()));
    options.libcalls = triple.map(|triple| llvm::libcalls(&triple)).unwrap_or_default();
    let resolution = resolve::resolve(&inputs.list, &options);
    if resolution.duplicates.is_empty() {
        return Ok(resolution);
    }
    let diagnostics = resolution.duplicates.iter().map(|duplicate| {
        let (first, second) = (owner(inputs, duplicate.first), owner(inputs, duplicate.second));
        plain_error(
            None,
            format!("duplicate symbol `{}`: defined in {first} and in {second}", duplicate.symbol),
        )
    });
    Err(diagnostics.collect())
}

fn owner(inputs: &LinkInputs, (input, part): PartId) -> String {
    match inputs.modules[input].get(part) {
        Some(module) => format!("crate `{}` ({})", module.krate, module.unit),
        None => inputs.labels[input].clone(),
    }
}

/// Passes all linked modules to LLVM, in the order of the link, and runs the thin link.
pub(super) fn run(
    inputs: &mut LinkInputs,
    resolution: &Resolution,
    config: LtoConfig,
    work_dir: &str,
    krate: &str,
    mode: Mode,
    observer: &dyn Observer,
) -> Result<ThinLinked, Vec<Diagnostic>> {
    // Fat LTO keeps the merged module in memory, and each module while it is added. ThinLTO keeps
    // summaries only.
    let fat = mode == Mode::Fat;
    let whole = fat.then(|| LiveModule::new(observer));
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
            let _live = fat.then(|| LiveModule::new(observer));
            lto.add(bitcode, flags, &ForwardingListener(observer))
                .map_err(|why| vec![blame(&job, &why)])?;
            ids.push((format!("{}#{}", module.name, module.cgu), index, job_of[index].len()));
            job_of[index].push(None);
            jobs.push(job);
        }
    }
    let merged = lto
        .run(&ForwardingListener(observer))
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
    // LLVM lists the modules with a summary in the order in which they were added. The others were
    // merged.
    let mut thin = lto.backends().into_iter().peekable();
    let mut kept = Vec::new();
    for (job, (id, input, part)) in jobs.into_iter().zip(ids) {
        if thin.next_if_eq(&id).is_some() {
            job_of[input][part] = Some(kept.len());
            kept.push(job);
        }
    }
    let made = kept.iter().map(|_| OnceLock::new()).collect();
    Ok(ThinLinked {
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
    pub fn run(&self, index: usize, observer: &dyn Observer) -> Result<Option<OutputFile>, String> {
        observer.enter(PhaseName::Backend);
        let job = &self.jobs[index];
        let _live = LiveModule::new(observer);
        let lto = self.lto.read().unwrap_or_else(PoisonError::into_inner);
        let object = lto
            .as_ref()
            .expect("backends come before the link")
            .backend(index, &ForwardingListener(observer))
            .map_err(|why| {
                format!("crate `{}`, {}, codegen unit {}: {why}", job.krate, job.unit, job.cgu)
            })?;
        let file = match object {
            Some(bytes) => Some(emit::write(&job.object, &bytes).map_err(|why| why.to_string())?),
            None => None,
        };
        // A second run would give the same.
        let _ = self.made[index].set(file.is_some());
        Ok(file)
    }

    /// Frees the modules after all backends, because the linker needs memory.
    fn close(&self) {
        drop(self.lto.write().unwrap_or_else(PoisonError::into_inner).take());
        llvm::purge();
    }

    /// The objects that jobs have written.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        let made = |made: &OnceLock<bool>| made.get().copied().unwrap_or_default();
        let jobs = self.jobs.iter().zip(&self.made);
        jobs.filter(move |(_, has)| made(has)).map(|(job, _)| job.object.as_str())
    }

    /// The object of a job that has run, if it has written one.
    pub fn object(&self, index: usize) -> Option<&str> {
        let job = &self.jobs[index];
        let made = self.made[index]
            .get()
            .unwrap_or_else(|| panic!("the backend of {} has not run", job.object));
        made.then_some(job.object.as_str())
    }
}

/// Builds the arguments of the last link, with native objects instead of bitcode.
struct ArgBuilder<'a> {
    request: LtoRequest<'a>,
    inputs: &'a LinkInputs,
    resolution: &'a Resolution,
    thin_linked: &'a ThinLinked,
    /// By input: the inputs that its references caused to be linked. They are placed after it.
    caused: Vec<Vec<usize>>,
    has_cause: Vec<bool>,
    placed: Vec<bool>,
    merged_placed: bool,
    words: Vec<LinkArg>,
}

impl<'a> ArgBuilder<'a> {
    fn new(
        request: LtoRequest<'a>,
        inputs: &'a LinkInputs,
        resolution: &'a Resolution,
        thin_linked: &'a ThinLinked,
    ) -> Self {
        let count = inputs.list.len();
        let (mut caused, mut has_cause) = (vec![Vec::new(); count], vec![false; count]);
        // Hidden members stay together at the position of their library.
        let stays =
            |index: usize| inputs.sources[index] == Source::External || inputs.list[index].hidden;
        for &(index, by) in &resolution.order {
            if let Some(by) = by.filter(|by| !stays(*by) && !stays(index)) {
                caused[by].push(index);
                has_cause[index] = true;
            }
        }
        let placed = vec![false; count];
        ArgBuilder {
            request,
            inputs,
            resolution,
            thin_linked,
            caused,
            has_cause,
            placed,
            merged_placed: false,
            words: Vec::new(),
        }
    }

    fn words(
        mut self,
        placeholders: &[Placeholder<'_>],
        numbers: &[Option<usize>],
    ) -> Vec<LinkArg> {
        for (word, number) in self.request.args.iter().zip(numbers) {
            match number.map(|number| (number, &placeholders[number])) {
                None => self.words.push(LinkArg::Plain(word.clone())),
                Some((_, Placeholder::External(path))) => {
                    self.words.push(LinkArg::Plain((*path).to_owned()))
                }
                Some((number, Placeholder::Object(_))) => {
                    self.add_linked(|source| *source == Source::Object(number))
                }
                Some((number, Placeholder::Library(library))) => {
                    let before = self.words.len();
                    self.add_linked(
                        |source| matches!(source, Source::Member { placeholder, .. } if *placeholder == number),
                    );
                    if self.hides(number) && self.words.len() > before {
                        let members = self.words.split_off(before);
                        let archive =
                            format!("{}/{}", self.request.lto.work_dir, file_name(&library.word));
                        self.words.push(LinkArg::Hidden { archive, members });
                    }
                    let members: Vec<&str> =
                        library.members.iter().map(|member| member.path.as_str()).collect();
                    self.add_unlinked(number, &members);
                }
            }
        }
        self.words
    }

    /// Adds the linked inputs from one argument in their order, except those that are placed after
    /// the input that caused them.
    fn add_linked(&mut self, from: impl Fn(&Source) -> bool) {
        let resolution = self.resolution;
        for &(index, _) in &resolution.order {
            if from(&self.inputs.sources[index]) && !self.has_cause[index] {
                self.place(index);
            }
        }
    }

    /// Adds an input and, after it, the inputs that it caused. This is lld's order, in which
    /// constructors run.
    fn place(&mut self, index: usize) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut self.placed[index], true) {
                continue;
            }
            match &self.inputs.sources[index] {
                Source::Member { .. } if self.thin_linked.job_of[index].is_empty() => {
                    self.words.push(LinkArg::Plain(self.inputs.labels[index].clone()));
                }
                _ => {
                    for job in &self.thin_linked.job_of[index] {
                        match job {
                            Some(job) => self.words.push(LinkArg::Object(*job)),
                            None if !self.merged_placed => {
                                self.merged_placed = true;
                                self.words
                                    .extend(self.thin_linked.merged.clone().map(LinkArg::Plain));
                            }
                            None => {}
                        }
                    }
                }
            }
            open.extend(self.caused[index].iter().rev());
        }
    }

    fn hides(&self, number: usize) -> bool {
        let mut inputs = self.inputs.sources.iter().zip(&self.inputs.list);
        inputs.any(|(source, input)| {
            input.hidden
                && matches!(source, Source::Member { placeholder, .. } if *placeholder == number)
        })
    }

    /// Adds native members that are not linked so far, because the code generator may still call
    /// them.
    fn add_unlinked(&mut self, placeholder: usize, members: &[&str]) {
        let knows_libs = emit::Linker::of(self.request.driver).knows_libs();
        let waiting: Vec<LinkArg> = (0..self.inputs.list.len())
            .filter(|index| {
                let ours = matches!(self.inputs.sources[*index], Source::Member { placeholder: of, .. } if of == placeholder);
                let is_linked = !self.resolution.flags[*index].is_empty();
                ours && !is_linked && self.inputs.modules[*index].is_empty()
            })
            .map(|index| LinkArg::Plain(self.inputs.labels[index].clone()))
            .collect();
        if knows_libs && !waiting.is_empty() {
            self.words.push(LinkArg::Plain("-Wl,--start-lib".to_owned()));
            self.words.extend(waiting);
            self.words.push(LinkArg::Plain("-Wl,--end-lib".to_owned()));
        }
        let nested = self.inputs.nested.iter().filter(|(of, _)| *of == placeholder);
        self.words.extend(nested.map(|(_, member)| LinkArg::Plain(members[*member].to_owned())));
    }
}

/// Passes LLVM's diagnostics and the files that it reads on.
struct ForwardingListener<'a>(&'a dyn Observer);

impl Listener for ForwardingListener<'_> {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        let rendered = match diagnostic.rendered.is_empty() {
            true => render(&diagnostic),
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

fn render(diagnostic: &Diagnostic) -> String {
    use tender_protocol::Level;
    let level = match diagnostic.level {
        Level::Error => return plain_error(None, diagnostic.message.clone()).rendered,
        Level::Warning => "warning",
        Level::Note => "note",
        Level::Remark => "remark",
    };
    format!("\x1b[1m{level}: \x1b[0m{}\n", diagnostic.message)
}
