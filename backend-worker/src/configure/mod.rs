//! Configuration headers: asks the compiler and the linker what the system has, in as few units and
//! links as possible, and writes a header that tells it. Nothing that was made is run, so it works
//! for other machines too.
//!
//! `template` reads and writes headers, `infer` finds questions by names, `source` writes units that
//! ask many questions at once, `compiler` and `linker` run them. Here is the order of questions: what
//! failed is asked again in smaller units where clang's errors do not tell which probe they are of.

mod compiler;
mod infer;
mod linker;
mod references;
mod source;
mod template;

use crate::emit::LinkCaches;
use crate::frontend::{Dependencies, stamp};
use compiler::{Compiled, Compiler, ObjectForm, ProbeUnit};
use infer::{Inferred, infer};
use linker::{Linkable, Linker, Reads, without_colour};
use source::Includes;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use template::Answer;
use tender_protocol::{
    ConfigResults, ConfigValue, Configure, Diagnostic, InputFile, Language, Level, Probe,
    ProbeResult, ProbeTest,
};

/// A header that was made, or why not.
pub struct Configured {
    /// The header and the results, as they are to be written.
    pub files: Result<(String, ConfigResults), Diagnostic>,
    pub dependencies: Dependencies,
    /// Files that links have read.
    pub inputs: Vec<InputFile>,
    /// Paths at which links have looked.
    pub missing: Vec<String>,
    pub programs: Vec<String>,
}

/// The answer to one probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub found: bool,
    /// Of `sizeof` and `alignof`, bytes.
    pub value: Option<u64>,
    /// Why it was not found.
    pub error: String,
}

/// How units are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// As many probes as possible in one.
    Together,
    /// One for each probe. The answers are the same: tests compare.
    Alone,
}

/// Makes the header of `request`. `linking` is called before the first link.
pub fn configure(request: &Configure, caches: &LinkCaches, linking: &dyn Fn()) -> Configured {
    let session = Session::new(request, caches);
    let files = session.files(linking);
    session.finish(files)
}

/// The answers to these probes of `request`.
pub fn verdicts(request: &Configure, caches: &LinkCaches, batching: Batching) -> Vec<Verdict> {
    let session = Session::new(request, caches);
    let mut judge = Judge { session: &session, probes: &request.probes, batching };
    judge.judge(&|| {})
}

struct Session<'a> {
    request: &'a Configure,
    caches: &'a LinkCaches,
    compiler: Compiler<'a>,
    /// Where objects lie during links.
    directory: String,
    read: RefCell<Reads>,
}

/// A name of the header, and what decides it.
struct Macro<'a> {
    name: &'a str,
    source: Source,
}

enum Source {
    Known(Answer),
    /// One of these, by their numbers, has to succeed.
    Probes(Vec<usize>),
}

impl<'a> Session<'a> {
    fn new(request: &'a Configure, caches: &'a LinkCaches) -> Session<'a> {
        let path = format!("{}.probe", request.results);
        let args = [request.c_args.as_slice(), request.cxx_args.as_slice()];
        Session {
            request,
            caches,
            compiler: Compiler::new(&caches.stamps, args, path),
            directory: format!("{}.links", request.results),
            read: RefCell::default(),
        }
    }

    fn files(&self, linking: &dyn Fn()) -> Result<(String, ConfigResults), Diagnostic> {
        let template = match &self.request.template {
            Some(path) => Some((path.as_str(), self.read_template(path)?)),
            None => None,
        };
        let mut probes = self.request.probes.clone();
        let macros = match &template {
            Some((path, text)) => self.macros_of(path, text, &mut probes)?,
            None => self.macros_of_manifest(),
        };
        self.check_settings(&probes)?;
        let mut judge = Judge { session: self, probes: &probes, batching: Batching::Together };
        let verdicts = judge.judge(linking);

        let mut results = ConfigResults::default();
        let mut answers: Vec<(&str, Answer)> = Vec::new();
        for one in &macros {
            let answer = match &one.source {
                Source::Known(answer) => {
                    results.values.push((one.name.to_owned(), config_value(answer)));
                    answer.clone()
                }
                Source::Probes(numbers) => {
                    let number = numbers.iter().copied().find(|number| verdicts[*number].found);
                    let number = number.unwrap_or(numbers[0]);
                    results.probes.push(result(&probes[number], &verdicts[number]));
                    answer(&probes[number].test, &verdicts[number])
                }
            };
            answers.push((one.name, answer));
        }
        let header = match &template {
            Some((_, text)) => {
                let known: HashMap<&str, &Answer> =
                    answers.iter().map(|(name, answer)| (*name, answer)).collect();
                template::expand(text, |name| known.get(name).map(|answer| (*answer).clone()))
            }
            None => template::lines(answers.iter().map(|(name, answer)| (*name, answer))),
        };
        Ok((header, results))
    }

    /// Settings with which not even an empty unit compiles would answer no to every probe.
    fn check_settings(&self, probes: &[Probe]) -> Result<(), Diagnostic> {
        for language in [Language::C, Language::Cxx] {
            if probes.iter().all(|probe| probe.language != language) {
                continue;
            }
            let (text, flags) = ("", &[][..]);
            let unit = ProbeUnit { language, text, flags, warnings: false, object: None };
            if let Some(error) = errors(&self.compiler.compile(&unit).diagnostics).next() {
                let message = format!(
                    "no probe compiles with the settings of `[package]`: {}",
                    error.message
                );
                let mut diagnostic = crate::frontend::plain_error(None, message);
                diagnostic.rendered += "  help: settings that need the header itself, such as \
                                        `-include`, belong to `[lib]` and `[[bin]]`\n";
                return Err(diagnostic);
            }
        }
        Ok(())
    }

    fn read_template(&self, path: &str) -> Result<String, Diagnostic> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(path)?;
            let state = stamp(&file.metadata()?);
            let mut content = Vec::new();
            file.read_to_end(&mut content)?;
            self.compiler.read(path, state, &content);
            Ok(content)
        };
        let bytes =
            read().map_err(|why| at(path, 0, format!("cannot read the template: {why}")))?;
        String::from_utf8(bytes).map_err(|_| at(path, 0, "the template is not UTF-8".to_owned()))
    }

    /// The names of the template, and then those of the manifest, which a `#define` of the template
    /// may have. Adds inferred probes.
    fn macros_of<'t>(
        &'t self,
        path: &str,
        text: &'t str,
        probes: &mut Vec<Probe>,
    ) -> Result<Vec<Macro<'t>>, Diagnostic> {
        let mut macros = self.macros_of_manifest();
        let mut unknown = Vec::new();
        for name in template::names(text) {
            if macros.iter().any(|known| known.name == name.name) {
                continue;
            }
            let source = match infer(name.name) {
                Some(Inferred::Known(answer)) => Source::Known(answer),
                Some(Inferred::Tests(tests)) => {
                    let first = probes.len();
                    probes.extend(tests.into_iter().map(|test| Probe {
                        name: name.name.to_owned(),
                        test,
                        headers: None,
                        libs: Vec::new(),
                        language: Language::C,
                    }));
                    Source::Probes((first..probes.len()).collect())
                }
                None => {
                    unknown.push(name);
                    continue;
                }
            };
            macros.push(Macro { name: name.name, source });
        }
        match unknown.first() {
            None => Ok(macros),
            Some(first) => Err(unknown_names(path, first.line, &unknown)),
        }
    }

    fn macros_of_manifest(&self) -> Vec<Macro<'_>> {
        let probes = self.request.probes.iter().enumerate().map(|(number, probe)| Macro {
            name: &probe.name,
            source: Source::Probes(vec![number]),
        });
        let values = self.request.values.iter().map(|(name, value)| Macro {
            name,
            source: Source::Known(match value {
                ConfigValue::Switch(false) => Answer::No,
                ConfigValue::Switch(true) => Answer::Yes,
                ConfigValue::Integer(number) => Answer::Number(*number),
                ConfigValue::Text(text) => Answer::Text(text.clone()),
            }),
        });
        probes.chain(values).collect()
    }

    fn finish(self, files: Result<(String, ConfigResults), Diagnostic>) -> Configured {
        let Reads { inputs, missing, programs } = self.read.into_inner().finish();
        Configured {
            files,
            dependencies: self.compiler.finish(),
            inputs,
            missing: missing.into_iter().collect(),
            programs: programs.into_iter().collect(),
        }
    }
}

/// An error at a line of the template, formatted as clang does.
fn at(path: &str, line: u32, message: String) -> Diagnostic {
    let place = if line > 0 { format!("{path}:{line}") } else { path.to_owned() };
    let mut diagnostic = crate::frontend::plain_error(Some(&place), message);
    diagnostic.file = Some(path.to_owned());
    diagnostic.line = line;
    diagnostic
}

fn unknown_names(path: &str, line: u32, unknown: &[template::Name<'_>]) -> Diagnostic {
    let names: Vec<String> = unknown.iter().map(|one| format!("`{}`", one.name)).collect();
    let message = format!(
        "nothing tells what to do with {}: give a probe in `[config.probes]` or a value in \
         `[config.values]` (`false` leaves it undefined)",
        names.join(", ")
    );
    let mut diagnostic = at(path, line, message);
    for one in unknown {
        diagnostic.rendered += &format!("  {path}:{}: {}\n", one.line, one.name);
    }
    diagnostic
}

fn config_value(answer: &Answer) -> ConfigValue {
    match answer {
        Answer::No => ConfigValue::Switch(false),
        Answer::Yes => ConfigValue::Switch(true),
        Answer::Number(number) => ConfigValue::Integer(*number),
        Answer::Text(text) => ConfigValue::Text(text.clone()),
    }
}

/// What the header says.
fn answer(test: &ProbeTest, verdict: &Verdict) -> Answer {
    match test {
        ProbeTest::Sizeof(_) | ProbeTest::Alignof(_) => {
            Answer::Number(verdict.value.unwrap_or(0).try_into().unwrap_or(i64::MAX))
        }
        ProbeTest::HasDecl(_) => Answer::Number(verdict.found.into()),
        _ if verdict.found => Answer::Yes,
        _ => Answer::No,
    }
}

fn result(probe: &Probe, verdict: &Verdict) -> ProbeResult {
    let (kind, of) = probe.test.parts();
    ProbeResult {
        name: probe.name.clone(),
        kind: kind.to_owned(),
        of: of.to_owned(),
        found: verdict.found,
        value: verdict.value,
        error: (!verdict.found).then(|| verdict.error.clone()),
    }
}

/// Finds the answers to probes.
struct Judge<'s, 'a> {
    session: &'s Session<'a>,
    probes: &'s [Probe],
    batching: Batching,
}

/// Probes that can share a unit: what it includes, whether it is in C++, and the number of one that
/// is compiled alone.
type Group = (Includes, bool, Option<usize>);

/// Probes that can share a link: whether it has C++, its libraries, and the number of one that is
/// linked alone.
type LinkSet<'a> = (bool, &'a [String], Option<usize>);

/// An object with functions of probes.
struct Linked {
    object: Vec<u8>,
    /// Numbers of the probes.
    of: Vec<usize>,
}

impl Judge<'_, '_> {
    fn judge(&mut self, linking: &dyn Fn()) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::default(); self.probes.len()];
        let mut objects = Vec::new();
        self.headers(&mut verdicts);
        for (number, probe) in self.probes.iter().enumerate() {
            match &probe.test {
                ProbeTest::HasFlag(flag) => {
                    let compile = |flags: &[String]| {
                        self.compile(probe.language, "", flags, true, None).diagnostics
                    };
                    let mut found = compile(std::slice::from_ref(flag));
                    if !found.is_empty() {
                        // Any diagnostic counts, because clang only warns of a flag that has no
                        // effect; but not those of the crate's own flags.
                        let usual = compile(&[]);
                        found.retain(|one| usual.iter().all(|known| known.message != one.message));
                    }
                    verdicts[number] = verdict_of(&found);
                }
                ProbeTest::Compiles(text) => {
                    let compiled = self.compile(probe.language, text, &[], false, None);
                    verdicts[number] = verdict_of(&compiled.diagnostics);
                }
                ProbeTest::Links(text) => {
                    let main = source::use_name(number);
                    let form = Some(ObjectForm::Program { main: &main });
                    let compiled = self.compile(probe.language, text, &[], false, form);
                    verdicts[number] = verdict_of(&compiled.diagnostics);
                    if verdicts[number].found {
                        objects.push(Linked { object: compiled.object, of: vec![number] });
                    }
                }
                _ => {}
            }
        }
        for ((includes, cxx, _), numbers) in self.groups() {
            let language = if cxx { Language::Cxx } else { Language::C };
            self.group(&includes, language, &numbers, &mut verdicts, &mut objects);
        }
        let is_library = |probe: &Probe| matches!(probe.test, ProbeTest::HasLibrary(_));
        if !objects.is_empty() || self.probes.iter().any(is_library) {
            linking();
            self.links(&objects, &mut verdicts);
            let _ = std::fs::remove_dir_all(&self.session.directory);
        }
        verdicts
    }

    fn compile(
        &self,
        language: Language,
        text: &str,
        flags: &[String],
        warnings: bool,
        object: Option<ObjectForm<'_>>,
    ) -> Compiled {
        let unit = ProbeUnit { language, text, flags, warnings, object };
        self.session.compiler.compile(&unit)
    }

    /// Headers are looked up together. Those that are there are compiled alone: whether one compiles
    /// must not depend on what another one defines.
    fn headers(&self, verdicts: &mut [Verdict]) {
        for language in [Language::C, Language::Cxx] {
            let all: Vec<usize> = (0..self.probes.len())
                .filter(|at| {
                    let probe = &self.probes[*at];
                    probe.language == language && matches!(probe.test, ProbeTest::HasHeader(_))
                })
                .collect();
            if all.is_empty() {
                continue;
            }
            let absent = match self.batching {
                Batching::Alone => Vec::new(),
                Batching::Together => {
                    let text = source::headers_unit(all.iter().map(|at| (*at, &self.probes[*at])));
                    self.compile(language, &text, &[], false, None).diagnostics
                }
            };
            for at in all {
                let probe = &self.probes[at];
                let place = source::place(at, &probe.name);
                let own = absent.iter().filter(|one| one.file.as_deref() == Some(&place));
                let own: Vec<Diagnostic> = own.cloned().collect();
                verdicts[at] = verdict_of(&own);
                if verdicts[at].found {
                    let text = source::header_unit(&Includes::of(probe), probe.test.parts().1);
                    verdicts[at] =
                        verdict_of(&self.compile(language, &text, &[], false, None).diagnostics);
                }
            }
        }
    }

    fn groups(&self) -> BTreeMap<Group, Vec<usize>> {
        let mut groups: BTreeMap<Group, Vec<usize>> = BTreeMap::new();
        for (number, probe) in self.probes.iter().enumerate() {
            let alone = match &probe.test {
                ProbeTest::HasHeader(_)
                | ProbeTest::HasLibrary(_)
                | ProbeTest::Compiles(_)
                | ProbeTest::Links(_)
                | ProbeTest::HasFlag(_) => continue,
                test => self.batching == Batching::Alone || !source::is_shareable(test),
            };
            let cxx = probe.language == Language::Cxx;
            let key = (Includes::of(probe), cxx, alone.then_some(number));
            groups.entry(key).or_default().push(number);
        }
        groups
    }

    /// Asks all questions of a group, and then makes the object and the values of those that
    /// compile.
    fn group(
        &self,
        includes: &Includes,
        language: Language,
        numbers: &[usize],
        verdicts: &mut [Verdict],
        objects: &mut Vec<Linked>,
    ) {
        let run = |numbers: &[usize], form: Option<ObjectForm<'_>>| {
            let probes = numbers.iter().map(|at| (*at, &self.probes[*at]));
            let text = source::unit(includes, language, probes);
            self.compile(language, &text, &[], false, form)
        };
        let is_linked = |at: &usize| {
            matches!(self.probes[*at].test, ProbeTest::HasFunction(_) | ProbeTest::HasSymbol(_))
        };
        let has_value = |at: &usize| {
            matches!(
                self.probes[*at].test,
                ProbeTest::Sizeof(_) | ProbeTest::Alignof(_) | ProbeTest::Endian(_)
            )
        };
        let compiled = run(numbers, None);
        let values = if errors(&compiled.diagnostics).next().is_none() {
            numbers.iter().for_each(|at| verdicts[*at].found = true);
            compiled.values
        } else {
            // If the includes have errors, every probe has them.
            let before = self.compile(language, &includes.text(), &[], false, None).diagnostics;
            if errors(&before).next().is_some() {
                numbers.iter().for_each(|at| verdicts[*at] = verdict_of(&before));
                return;
            }
            self.narrow(&run, numbers, &compiled.diagnostics, verdicts);
            let good: Vec<usize> =
                numbers.iter().copied().filter(|at| verdicts[*at].found && has_value(at)).collect();
            if good.is_empty() { HashMap::new() } else { run(&good, None).values }
        };
        for at in numbers.iter().filter(|at| has_value(at)) {
            let value = values.get(&source::value_name(*at)).copied();
            let verdict = &mut verdicts[*at];
            match (&self.probes[*at].test, value.filter(|_| verdict.found)) {
                (ProbeTest::Endian(which), Some(0)) => {
                    verdict.found = false;
                    verdict.error = format!("the byte order is not `{which}`\n");
                }
                (ProbeTest::Endian(_), Some(_)) => {}
                (_, Some(bytes)) => verdict.value = Some(bytes),
                (_, None) if verdict.found => {
                    verdict.found = false;
                    verdict.error = "it is no constant\n".to_owned();
                }
                (_, None) => {}
            }
        }
        let linked: Vec<usize> =
            numbers.iter().copied().filter(|at| verdicts[*at].found && is_linked(at)).collect();
        // Only lld tells of each undefined symbol which function refers to it.
        let driver = self.driver(language);
        let size = if crate::emit::Linker::of(driver) == crate::emit::Linker::Lld {
            linked.len().max(1)
        } else {
            1
        };
        for part in linked.chunks(size) {
            let compiled = run(part, Some(ObjectForm::Functions));
            let failed = verdict_of(&compiled.diagnostics);
            if failed.found {
                objects.push(Linked { object: compiled.object, of: part.to_vec() });
            } else {
                part.iter().for_each(|at| verdicts[*at] = failed.clone());
            }
        }
    }

    /// Sets the verdicts of probes whose unit has these errors. Where an error is not at the place
    /// of a probe, or hides others, halves of the unit are asked again.
    fn narrow(
        &self,
        run: &dyn Fn(&[usize], Option<ObjectForm<'_>>) -> Compiled,
        numbers: &[usize],
        found: &[Diagnostic],
        verdicts: &mut [Verdict],
    ) {
        let mut texts: HashMap<usize, String> = HashMap::new();
        let mut is_clear = true;
        for error in errors(found) {
            let at = numbers.iter().find(|at| {
                error.file.as_deref() == Some(&source::place(**at, &self.probes[**at].name))
            });
            match at {
                Some(at) => *texts.entry(*at).or_default() += &without_colour(&error.rendered),
                None => is_clear = false,
            }
            // clang reports nothing more after one.
            is_clear &= !without_colour(&error.rendered).contains("fatal error: ");
        }
        if let [one] = numbers {
            verdicts[*one] = verdict_of(found);
        } else if is_clear {
            for at in numbers {
                verdicts[*at].found = !texts.contains_key(at);
                verdicts[*at].error = texts.remove(at).unwrap_or_default();
            }
        } else {
            let (first, second) = numbers.split_at(numbers.len() / 2);
            for half in [first, second] {
                self.narrow(run, half, &run(half, None).diagnostics, verdicts);
            }
        }
    }

    fn driver(&self, language: Language) -> &[String] {
        match language {
            Language::Cxx => &self.session.request.cxx_driver,
            _ => &self.session.request.c_driver,
        }
    }

    /// Links what compiles: for each set of libraries once.
    fn links(&self, objects: &[Linked], verdicts: &mut [Verdict]) {
        let mut sets: BTreeMap<LinkSet<'_>, Vec<(usize, &[u8])>> = BTreeMap::new();
        for linked in objects {
            for at in &linked.of {
                let probe = &self.probes[*at];
                let alone = (self.batching == Batching::Alone).then_some(*at);
                let key = (probe.language == Language::Cxx, probe.libs.as_slice(), alone);
                sets.entry(key).or_default().push((*at, &linked.object));
            }
        }
        for ((cxx, libs, _), members) in sets {
            let linkables: Vec<Linkable<'_>> = members
                .iter()
                .map(|(at, object)| Linkable {
                    function: Some((*object, source::use_name(*at))),
                    libs,
                })
                .collect();
            let numbers: Vec<usize> = members.iter().map(|(at, _)| *at).collect();
            self.link(cxx, &numbers, &linkables, verdicts);
        }
        for cxx in [false, true] {
            let libraries: Vec<(usize, [String; 1])> = (0..self.probes.len())
                .filter(|at| (self.probes[*at].language == Language::Cxx) == cxx)
                .filter_map(|at| match &self.probes[at].test {
                    ProbeTest::HasLibrary(name) => Some((at, [name.clone()])),
                    _ => None,
                })
                .collect();
            let size = if self.batching == Batching::Alone { 1 } else { libraries.len().max(1) };
            for part in libraries.chunks(size) {
                let linkables: Vec<Linkable<'_>> =
                    part.iter().map(|(_, libs)| Linkable { function: None, libs }).collect();
                let numbers: Vec<usize> = part.iter().map(|(at, _)| *at).collect();
                self.link(cxx, &numbers, &linkables, verdicts);
            }
        }
    }

    fn link(
        &self,
        cxx: bool,
        numbers: &[usize],
        linkables: &[Linkable<'_>],
        verdicts: &mut [Verdict],
    ) {
        let Session { request, caches, compiler, directory, read } = self.session;
        let driver = if cxx { &request.cxx_driver } else { &request.c_driver };
        let linker = Linker { compiler, caches, driver, args: &request.link_args, directory, read };
        for (at, failed) in numbers.iter().zip(linker.link(linkables)) {
            verdicts[*at].found = failed.is_none();
            verdicts[*at].error = failed.unwrap_or_default();
        }
    }
}

fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|one| one.level == Level::Error)
}

/// Found, if nothing was reported.
fn verdict_of(diagnostics: &[Diagnostic]) -> Verdict {
    let error: String = diagnostics.iter().map(|one| without_colour(&one.rendered)).collect();
    Verdict { found: diagnostics.is_empty(), value: None, error }
}
