//! Links probes: as many as possible in one link, whose messages tell which of them failed.
//!
//! lld goes on after an undefined symbol if it is told to warn only, and names all of them. Other
//! linkers are asked again with half of the probes each. A library that is nowhere is found out
//! before the link, because no linker goes on without it.

use super::compiler::{Compiler, ObjectForm, ProbeUnit};
use super::references;
use super::source::main_unit;
use crate::emit::{self, ChangeTime, Link, LinkCaches};
use crate::frontend::stamp;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use tender_protocol::{InputFile, Language};

/// Links probes of one language.
pub struct Linker<'a> {
    pub compiler: &'a Compiler<'a>,
    pub caches: &'a LinkCaches,
    pub driver: &'a [String],
    pub args: &'a [String],
    /// Where objects lie during a link.
    pub directory: &'a str,
    pub read: &'a RefCell<Reads>,
}

/// What links read and ran.
#[derive(Default)]
pub struct Reads {
    pub inputs: Vec<InputFile>,
    pub missing: BTreeSet<String>,
    pub programs: BTreeSet<String>,
}

/// Something to link: a function of an object, or nothing but the libraries.
pub struct Linkable<'a> {
    pub function: Option<(&'a [u8], String)>,
    pub libs: &'a [String],
}

impl Linker<'_> {
    /// For each, why it cannot be linked, if it cannot. All have the same libraries, or no
    /// function.
    pub fn link(&self, linkables: &[Linkable<'_>]) -> Vec<Option<String>> {
        let mut failed: Vec<Option<String>> = linkables.iter().map(|_| None).collect();
        for (number, linkable) in linkables.iter().enumerate() {
            failed[number] = linkable.libs.iter().find_map(|name| self.look_up(name));
        }
        let left: Vec<usize> = (0..linkables.len()).filter(|at| failed[*at].is_none()).collect();
        self.link_some(linkables, &left, &mut failed);
        failed
    }

    /// Why a library cannot be linked, if it is nowhere.
    fn look_up(&self, name: &str) -> Option<String> {
        let candidates =
            emit::library_paths(self.driver, self.args, name, &self.caches.drivers).ok()?;
        for path in &candidates {
            if let Ok(metadata) = std::fs::metadata(path) {
                // A link that fails does not tell what it has read.
                self.compiler.looked_up(path, Some(stamp(&metadata)));
                return None;
            }
            self.compiler.looked_up(path, None);
        }
        Some(format!("unable to find library -l{name}\n"))
    }

    fn link_some(&self, linkables: &[Linkable<'_>], some: &[usize], failed: &mut [Option<String>]) {
        if some.is_empty() {
            return;
        }
        let warns = emit::Linker::of(self.driver) == emit::Linker::Lld;
        match self.try_link(linkables, some, warns) {
            Ok(text) => {
                let undefined = undefined_symbols(&text);
                for at in some.iter().filter(|_| !undefined.is_empty()) {
                    let Some((object, function)) = &linkables[*at].function else { continue };
                    let own = references::of_function(object, function);
                    let lines: Vec<String> = own
                        .intersection(&undefined)
                        .map(|name| format!("undefined symbol: {name}\n"))
                        .collect();
                    failed[*at] = (!lines.is_empty()).then(|| lines.concat());
                }
            }
            Err(text) if some.len() == 1 => failed[some[0]] = Some(text),
            Err(_) => {
                let (first, second) = some.split_at(some.len() / 2);
                self.link_some(linkables, first, failed);
                self.link_some(linkables, second, failed);
            }
        }
    }

    /// The linker's warnings, or why there is no program.
    fn try_link(
        &self,
        linkables: &[Linkable<'_>],
        some: &[usize],
        warns: bool,
    ) -> Result<String, String> {
        let chosen = || some.iter().map(|at| &linkables[*at]);
        let functions = || chosen().filter_map(|one| one.function.as_ref());
        let main = main_unit(functions().map(|(_, name)| name.clone()));
        let main = self.compiler.compile(&ProbeUnit {
            language: Language::C,
            text: &main,
            flags: &[],
            warnings: false,
            object: Some(ObjectForm::Functions),
        });
        if let Some(error) = main.diagnostics.first() {
            return Err(error.rendered.clone());
        }
        let mut objects: Vec<&[u8]> = vec![&main.object];
        for (object, _) in functions() {
            if !objects.iter().any(|known| std::ptr::eq(*known, *object)) {
                objects.push(object);
            }
        }
        let mut args = Vec::new();
        for (number, object) in objects.into_iter().enumerate() {
            let path = format!("{}/{number}.o", self.directory);
            emit::write(&path, object).map_err(|why| why.to_string())?;
            args.push(path);
        }
        args.extend_from_slice(self.args);
        let mut libs: Vec<&String> = chosen().flat_map(|one| one.libs).collect();
        libs.dedup();
        args.extend(libs.into_iter().map(|name| format!("-l{name}")));
        if warns {
            args.extend(["-Wl,--warn-unresolved-symbols", "-Wl,--no-demangle"].map(str::to_owned));
        }
        let output = format!("{}/program", self.directory);
        let linked = emit::link(
            &Link {
                driver: self.driver,
                args: &args,
                response_files: &[],
                output: &output,
                threads: 1,
                began: ChangeTime::now(),
                answer: None,
            },
            self.caches,
        );
        let text = without_colour(&linked.text);
        if linked.output.is_none() {
            return Err(format!("{}\n{text}", linked.error.unwrap_or_default()));
        }
        let own = |path: &str| Path::new(path).starts_with(self.directory);
        let mut read = self.read.borrow_mut();
        read.inputs.extend(linked.inputs.into_iter().filter(|file| !own(&file.path)));
        read.missing.extend(linked.missing.into_iter().filter(|path| !own(path)));
        read.programs.extend(linked.programs);
        match text.contains("undefined reference: ") {
            // A shared library lacks something of its own: no program can be linked with it.
            true => Err(text),
            false => Ok(text),
        }
    }
}

impl Reads {
    /// Removes what is listed twice.
    pub fn finish(mut self) -> Reads {
        self.inputs.sort_by(|a, b| (&a.path, &a.hash).cmp(&(&b.path, &b.hash)));
        self.inputs.dedup();
        self
    }
}

/// The names in lld's warnings: `ld.lld: warning: undefined symbol: NAME`.
fn undefined_symbols(text: &str) -> BTreeSet<String> {
    let name = |line: &str| Some(line.split_once(": undefined symbol: ")?.1.trim().to_owned());
    text.lines().filter_map(name).collect()
}

/// Text without the terminal's escape sequences for colours.
pub fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linker_warnings_name_undefined_symbols() {
        let text = "ld.lld: \x1b[0;1;35mwarning: \x1b[0mundefined symbol: f\n>>> referenced by x\n\
                    ld.lld: warning: undefined symbol: _Z1gv\n>>> did you mean: h\n";
        let found = undefined_symbols(&without_colour(text));
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["_Z1gv", "f"]);
        assert!(undefined_symbols("x: duplicate symbol: f\n").is_empty());
    }
}
