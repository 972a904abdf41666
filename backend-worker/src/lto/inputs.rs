//! The files of a link: finds and reads them, and lists them for symbol resolution. Decides nothing
//! about symbols.

use super::command::{Entry, Line, What};
use super::resolve::{Input, Kind, Part};
use super::symbols::{self, Magic, magic};
use crate::emit::{self, Named};
use crate::llvm::{Bitcode, Slice};
use object::read::archive::ArchiveFile;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tender_protocol::{LtoLibrary, Member};

/// Where an input of a link comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The system's, or native: the last link finds it without us.
    Foreign,
    /// The object with this number among the marks.
    Object(usize),
    /// A member of the library with this number among the marks.
    Member { mark: usize, member: usize },
}

/// Inputs with what resolution does not need to know of them, in parallel lists.
#[derive(Default)]
pub struct Inputs {
    pub list: Vec<Input>,
    pub sources: Vec<Source>,
    /// The modules of each part that is bitcode of ours, by input.
    pub modules: Vec<Vec<Module>>,
    /// Paths for people.
    pub labels: Vec<String>,
    /// Members of libraries, by mark and number, that are archives themselves: the last link opens
    /// them again.
    pub nested: Vec<(usize, usize)>,
    shared: Vec<PathBuf>,
    /// That are being read, each named by the one before.
    scripts: Vec<PathBuf>,
}

/// One module of ours.
pub struct Module {
    pub krate: String,
    /// What people see: the source's path, where it could be read.
    pub unit: String,
    /// Unique in the link and fit for a file name.
    pub name: String,
    pub cgu: u32,
    pub bitcode: Option<Bitcode>,
}

/// What stands at a mark.
pub enum Marked<'a> {
    Object(&'a str),
    Library(&'a LtoLibrary),
    /// Not ours.
    Foreign(&'a str),
}

/// What went wrong, where a file is to blame: a sentence fragment that names it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(pub String);

/// Whether a file is bitcode, plain or a container of it: an archive whose first member is `0.bc`.
pub fn is_ours(path: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    holds_bitcode(|bytes, at| file.read_at(bytes, at).unwrap_or(0))
}

/// The same of what is `read` from an offset into a buffer, as `pread` does.
fn holds_bitcode(read: impl Fn(&mut [u8], u64) -> usize) -> bool {
    let mut start = [0; MEMBER_HEADER + 8];
    let length = read(&mut start, 0);
    match magic(&start[..length]) {
        Magic::Bitcode => true,
        Magic::Archive => {
            let first = &start[8..];
            if !first.starts_with(b"/ ") {
                return first.starts_with(b"0.bc/");
            }
            // Behind the table of symbols, whose size stands in its header (ar(5)).
            let size = std::str::from_utf8(&first[48..58])
                .ok()
                .and_then(|text| text.trim_end().parse().ok());
            let Some(size): Option<u64> = size else { return false };
            let mut name = [0; 5];
            let next = start.len() as u64 + size + size % 2;
            read(&mut name, next) == name.len() && name == *b"0.bc/"
        }
        Magic::Object | Magic::Shared | Magic::Text => false,
    }
}

const MEMBER_HEADER: usize = 60;

/// The bitcode of each codegen unit in a file that `is_ours`.
fn codegen_units(path: &str) -> Result<Vec<Slice>, InputError> {
    let content: Arc<[u8]> = read(Path::new(path))?.into();
    slices(&content).map_err(|why| unreadable(Path::new(path), &why))
}

/// The error is a sentence fragment.
fn slices(content: &Arc<[u8]>) -> Result<Vec<Slice>, String> {
    if magic(content) == Magic::Bitcode {
        return Ok(vec![Slice { content: content.clone(), range: 0..content.len() }]);
    }
    let archive = ArchiveFile::parse(&**content).map_err(|why| why.to_string())?;
    let ranges = archive.members().map(|member| {
        let (offset, size) = member.map_err(|why| why.to_string())?.file_range();
        let bounds =
            usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(size)).ok());
        let range =
            bounds.map(|(start, end)| start..end).filter(|range| range.end <= content.len());
        range.ok_or_else(|| "it is cut short".to_owned())
    });
    let ranges = ranges.collect::<Result<Vec<_>, String>>()?;
    Ok(ranges.into_iter().map(|range| Slice { content: content.clone(), range }).collect())
}

fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match file.read(&mut buffer[at..])? {
            0 => break,
            more => at += more,
        }
    }
    Ok(at)
}

impl Inputs {
    /// Loads all that `line` names, in its order. `krate` is whose link it is.
    pub fn load(line: &Line, marks: &[Marked<'_>], krate: &str) -> Result<Inputs, InputError> {
        let mut inputs = Inputs::default();
        let mut loaded = HashSet::new();
        for entry in &line.entries {
            match &entry.what {
                What::Marks(numbers) => {
                    let numbers = numbers.start..numbers.end.min(marks.len());
                    for number in numbers.filter(|number| loaded.insert(*number)) {
                        inputs.marked(number, marks, line, entry, krate)?;
                    }
                }
                What::File(path) => inputs.file(Path::new(path), line, entry)?,
                What::Library(name) => {
                    // What is not found is lld's to complain about.
                    if let Some(path) = find_library(name, line, entry.archives_only) {
                        inputs.file(&path, line, entry)?;
                    }
                }
            }
        }
        Ok(inputs)
    }

    /// What stands at a mark.
    fn marked(
        &mut self,
        number: usize,
        marks: &[Marked<'_>],
        line: &Line,
        entry: &Entry,
        krate: &str,
    ) -> Result<(), InputError> {
        match marks.get(number) {
            Some(Marked::Object(path)) => {
                self.ours(path, krate, file_name(path), entry.lazy, Source::Object(number))
            }
            Some(Marked::Library(library)) => {
                let hidden = excluded(line, Path::new(&library.word));
                for (at, member) in library.members.iter().enumerate() {
                    let from = self.list.len();
                    let source = Source::Member { mark: number, member: at };
                    self.member(member, &library.krate, !entry.whole, source)?;
                    for input in &mut self.list[from..] {
                        input.hidden = hidden;
                    }
                }
                Ok(())
            }
            Some(Marked::Foreign(path)) => self.file(Path::new(path), line, entry),
            None => Ok(()),
        }
    }

    /// One member of a library of ours.
    pub fn member(
        &mut self,
        member: &Member,
        krate: &str,
        lazy: bool,
        source: Source,
    ) -> Result<(), InputError> {
        self.ours(&member.path, krate, &member.name, lazy, source)
    }

    fn ours(
        &mut self,
        path: &str,
        krate: &str,
        name: &str,
        lazy: bool,
        source: Source,
    ) -> Result<(), InputError> {
        if !is_ours(path) {
            return self.native(Path::new(path), lazy, source);
        }
        let slices = codegen_units(path)?;
        let name = self.unique(&format!("{krate}.{}", name.strip_suffix(".o").unwrap_or(name)));
        let mut parts = Vec::with_capacity(slices.len());
        let mut modules = Vec::with_capacity(slices.len());
        for (cgu, slice) in (0..).zip(slices) {
            let bitcode = Bitcode::open(slice, &format!("{name}#{cgu}")).map_err(|why| {
                InputError(format!(
                    "the bitcode of crate `{krate}`, unit {name}, codegen unit {cgu} cannot be read: {why} ({path})"
                ))
            })?;
            parts.push(symbols::bitcode(bitcode.symbols(), Kind::Bitcode));
            let unit = bitcode.source();
            modules.push(Module {
                krate: krate.to_owned(),
                unit,
                name: name.clone(),
                cgu,
                bitcode: Some(bitcode),
            });
        }
        self.list.push(Input { lazy, hidden: false, parts });
        self.sources.push(source);
        self.modules.push(modules);
        self.labels.push(path.to_owned());
        Ok(())
    }

    /// A crate may have two units of the same file name.
    fn unique(&self, name: &str) -> String {
        let taken = |name: &str| self.modules.iter().flatten().any(|module| module.name == name);
        let mut number = 1;
        let mut unique = name.to_owned();
        while taken(&unique) {
            number += 1;
            unique = format!("{name}~{number}");
        }
        unique
    }

    fn push(&mut self, part: Part, lazy: bool, hidden: bool, source: Source, label: &Path) {
        self.list.push(Input { lazy, hidden, parts: vec![part] });
        self.sources.push(source);
        self.modules.push(Vec::new());
        self.labels.push(label.display().to_string());
    }

    /// A native object or archive of the workspace.
    fn native(&mut self, path: &Path, lazy: bool, source: Source) -> Result<(), InputError> {
        let content = read(path)?;
        if magic(&content) == Magic::Archive {
            if let Source::Member { mark, member } = source {
                self.nested.push((mark, member));
            }
            return self.archive(path, &content, lazy, false);
        }
        let part = native_part(&content).map_err(|why| unreadable(path, &why))?;
        self.push(part, lazy, false, source, path);
        Ok(())
    }

    fn file(&mut self, path: &Path, line: &Line, entry: &Entry) -> Result<(), InputError> {
        let mut start = [0; 20];
        // A file that is not there is lld's to complain about.
        let Ok(mut file) = File::open(path) else { return Ok(()) };
        let read_in = fill(&mut file, &mut start).map_err(|why| unreadable(path, &why))?;
        match magic(&start[..read_in]) {
            Magic::Shared => {
                if self.shared.iter().any(|known| known == path) {
                    return Ok(());
                }
                self.shared.push(path.to_owned());
                let cache = object::ReadCache::new(file);
                let part = symbols::shared(&cache).map_err(|why| unreadable(path, &why))?;
                self.push(part, false, false, Source::Foreign, path);
            }
            Magic::Archive => {
                let hidden = excluded(line, path);
                self.archive(path, &read(path)?, !entry.whole, hidden)?;
            }
            Magic::Object | Magic::Bitcode => {
                let part = native_part(&read(path)?).map_err(|why| unreadable(path, &why))?;
                self.push(part, entry.lazy, false, Source::Foreign, path);
            }
            Magic::Text => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                self.scripts.push(path.to_owned());
                for named in emit::script_inputs(&text) {
                    let found = match named {
                        Named::Library(name) => find_library(&name, line, entry.archives_only),
                        Named::File(name) => Some(find_file(&name, path, line)),
                        Named::Script(name) => find_script(&name, line),
                    };
                    // One that names itself is lld's to complain about.
                    if let Some(found) = found.filter(|found| !self.scripts.contains(found)) {
                        self.file(&found, line, entry)?;
                    }
                }
                self.scripts.pop();
            }
        }
        Ok(())
    }

    fn archive(
        &mut self,
        path: &Path,
        content: &[u8],
        lazy: bool,
        hidden: bool,
    ) -> Result<(), InputError> {
        // What is no object, such as a table of contents in text, takes no part.
        let mut add = |data: &[u8]| {
            if let Ok(part) = native_part(data) {
                self.push(part, lazy, hidden, Source::Foreign, path);
            }
        };
        if emit::is_thin(content) {
            let files = emit::thin_members(path, content).map_err(|why| unreadable(path, &why))?;
            for file in &files {
                add(&read(Path::new(file))?);
            }
            return Ok(());
        }
        let archive = ArchiveFile::parse(content).map_err(|why| unreadable(path, &why))?;
        for member in archive.members() {
            let member = member.map_err(|why| unreadable(path, &why))?;
            add(member.data(content).map_err(|why| unreadable(path, &why))?);
        }
        Ok(())
    }
}

/// Of machine code, or of bitcode that is not ours: lld optimises that on its own, so that to us it
/// is native.
fn native_part(content: &[u8]) -> Result<Part, String> {
    match magic(content) {
        Magic::Bitcode => {
            let content: Arc<[u8]> = content.into();
            let range = 0..content.len();
            let module = Bitcode::open(Slice { content, range }, "native")?;
            Ok(symbols::bitcode(module.symbols(), Kind::Object))
        }
        _ => symbols::object(content).map_err(|why| why.to_string()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    std::fs::read(path).map_err(|why| unreadable(path, &why))
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> InputError {
    InputError(format!("cannot read {}: {why}", path.display()))
}

pub fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

fn excluded(line: &Line, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    line.exclude_libs.iter().any(|excluded| excluded == "ALL" || excluded == name)
}

fn directories(line: &Line) -> impl Iterator<Item = PathBuf> + '_ {
    line.search.iter().map(|dir| {
        match dir.strip_prefix('=').or_else(|| dir.strip_prefix("$SYSROOT")) {
            Some(below) => PathBuf::from(format!("{}{below}", line.sysroot)),
            None => PathBuf::from(dir),
        }
    })
}

fn find_library(name: &str, line: &Line, archives_only: bool) -> Option<PathBuf> {
    if let Some(file) = name.strip_prefix(':') {
        return directories(line).map(|dir| dir.join(file)).find(|path| path.exists());
    }
    directories(line).find_map(|dir| {
        let shared = dir.join(format!("lib{name}.so"));
        let archive = dir.join(format!("lib{name}.a"));
        (!archives_only && shared.exists())
            .then_some(shared)
            .or_else(|| archive.exists().then_some(archive))
    })
}

/// A name in INPUT or GROUP: below the system root, beside the script, as it is, or in the search
/// path, as lld looks for it.
fn find_file(name: &str, script: &Path, line: &Line) -> PathBuf {
    if name.starts_with('/') && !line.sysroot.is_empty() {
        let below = PathBuf::from(format!("{}{name}", line.sysroot));
        if below.exists() && script.starts_with(&line.sysroot) {
            return below;
        }
    }
    if let Some(below) = name.strip_prefix('=') {
        return match line.sysroot.is_empty() {
            true => PathBuf::from(below),
            false => Path::new(&line.sysroot).join(below.trim_start_matches('/')),
        };
    }
    let path = Path::new(name);
    if path.is_absolute() {
        return path.to_owned();
    }
    let beside = script.parent().map(|dir| dir.join(path)).filter(|path| path.exists());
    beside.or_else(|| find_script(name, line)).unwrap_or_else(|| path.to_owned())
}

/// A script by name: as it is, or in the search path.
pub(super) fn find_script(name: &str, line: &Line) -> Option<PathBuf> {
    let found = |path: &PathBuf| path.exists();
    Some(PathBuf::from(name))
        .filter(found)
        .or_else(|| directories(line).map(|dir| dir.join(name)).find(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Containers of bitcode, and archives of others. What is in the members is LLVM's to read,
    /// whose reader is none for damaged bitcode (it may crash, and the worker with it): here it is
    /// bytes.
    #[test]
    fn fuzz_container() {
        tender_fuzz::check("container", 2_000, |bytes| {
            let read = |buffer: &mut [u8], at: u64| {
                let rest =
                    usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let length = rest.len().min(buffer.len());
                buffer[..length].copy_from_slice(&rest[..length]);
                length
            };
            let is_ours = holds_bitcode(read);
            let content: Arc<[u8]> = bytes.into();
            if is_ours && let Ok(slices) = slices(&content) {
                assert!(
                    !slices.is_empty() && slices.iter().all(|slice| slice.len() <= bytes.len())
                );
            }
            if let Ok(files) = emit::thin_members(Path::new("/w/lib.a"), bytes) {
                assert!(files.iter().all(|file| file.starts_with('/')));
            }
        });
    }
}
