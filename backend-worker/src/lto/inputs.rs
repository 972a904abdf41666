//! Finds and reads the files of a link, and lists them for symbol resolution.

use super::command::{CommandInput, InputName, LinkerCommand};
use super::resolve::{InputPart, LinkInput, PartKind};
use super::symbols::{self, Magic, magic};
use crate::emit::{self, ScriptInput};
use crate::llvm::{Bitcode, SharedSlice};
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
    /// A file that the last link finds itself: a system library, or native code.
    External,
    /// The object with this placeholder number.
    Object(usize),
    /// A member of the library with this placeholder number.
    Member { placeholder: usize, member: usize },
}

/// The inputs of a link, in parallel lists.
#[derive(Default)]
pub struct LinkInputs {
    pub list: Vec<LinkInput>,
    pub sources: Vec<Source>,
    /// By input: the modules of its parts that are our bitcode.
    pub modules: Vec<Vec<LtoModule>>,
    /// By input: the path for messages.
    pub labels: Vec<String>,
    /// Members of libraries that are archives themselves, by placeholder and member number. The
    /// last link opens them again.
    pub nested: Vec<(usize, usize)>,
    shared: Vec<PathBuf>,
    /// The linker scripts that are being read, each named by the one before.
    scripts: Vec<PathBuf>,
}

/// A module of our bitcode.
pub struct LtoModule {
    pub krate: String,
    /// The path of the source, for messages.
    pub unit: String,
    /// Unique in the link and valid as a file name.
    pub name: String,
    pub cgu: u32,
    pub bitcode: Option<Bitcode>,
}

/// The input that a placeholder stands for.
pub enum Placeholder<'a> {
    Object(&'a str),
    Library(&'a LtoLibrary),
    /// Neither our bitcode nor a library of the workspace.
    External(&'a str),
}

/// An input that cannot be read: a sentence fragment that names the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LinkInputError(pub String);

/// Whether a file is our bitcode: plain, or an archive whose first member is `0.bc`.
pub fn is_bitcode(path: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    holds_bitcode(|bytes, at| file.read_at(bytes, at).unwrap_or(0))
}

/// The same for content that `read` copies from an offset into a buffer, as pread(2) does.
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
            // The first member follows the symbol table, whose header has its size (ar(5)).
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

/// The bitcode of each codegen unit in a file that `is_bitcode`.
fn codegen_units(path: &str) -> Result<Vec<SharedSlice>, LinkInputError> {
    let content: Arc<[u8]> = read(Path::new(path))?.into();
    slices(&content).map_err(|why| unreadable(Path::new(path), &why))
}

/// The bitcode of each codegen unit in this content. The error is a sentence fragment.
fn slices(content: &Arc<[u8]>) -> Result<Vec<SharedSlice>, String> {
    if magic(content) == Magic::Bitcode {
        return Ok(vec![SharedSlice { content: content.clone(), range: 0..content.len() }]);
    }
    let archive = ArchiveFile::parse(&**content).map_err(|why| why.to_string())?;
    let ranges = archive.members().map(|member| {
        let (offset, size) = member.map_err(|why| why.to_string())?.file_range();
        let bounds =
            usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(size)).ok());
        let range =
            bounds.map(|(start, end)| start..end).filter(|range| range.end <= content.len());
        range.ok_or_else(|| "it is truncated".to_owned())
    });
    let ranges = ranges.collect::<Result<Vec<_>, String>>()?;
    Ok(ranges.into_iter().map(|range| SharedSlice { content: content.clone(), range }).collect())
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

impl LinkInputs {
    /// Loads all inputs that `line` names, in order. `krate` is the crate that is linked.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(
        line: &LinkerCommand,
        placeholders: &[Placeholder<'_>],
        krate: &str,
    ) -> Result<LinkInputs, LinkInputError> {
        let mut inputs = LinkInputs::default();
        let mut loaded = HashSet::new();
        for entry in &line.entries {
            match &entry.name {
                InputName::Placeholder(numbers) => {
                    let numbers = numbers.start..numbers.end.min(placeholders.len());
                    for number in numbers.filter(|number| loaded.insert(*number)) {
                        inputs.load_placeholder(number, placeholders, line, entry, krate)?;
                    }
                }
                InputName::File(path) => inputs.file(Path::new(path), line, entry)?,
                InputName::Library(name) => {
                    // lld reports a library that is not found.
                    if let Some(path) = find_library(name, line, entry.archives_only) {
                        inputs.file(&path, line, entry)?;
                    }
                }
            }
        }
        Ok(inputs)
    }

    /// Loads the input that a placeholder stands for.
    fn load_placeholder(
        &mut self,
        number: usize,
        placeholders: &[Placeholder<'_>],
        line: &LinkerCommand,
        entry: &CommandInput,
        krate: &str,
    ) -> Result<(), LinkInputError> {
        match placeholders.get(number) {
            Some(Placeholder::Object(path)) => self.bitcode_or_native(
                path,
                krate,
                file_name(path),
                entry.lazy,
                Source::Object(number),
            ),
            Some(Placeholder::Library(library)) => {
                let hidden = excluded(line, Path::new(&library.word));
                for (at, member) in library.members.iter().enumerate() {
                    let from = self.list.len();
                    let source = Source::Member { placeholder: number, member: at };
                    self.member(member, &library.krate, !entry.whole, source)?;
                    for input in &mut self.list[from..] {
                        input.hidden = hidden;
                    }
                }
                Ok(())
            }
            Some(Placeholder::External(path)) => self.file(Path::new(path), line, entry),
            None => Ok(()),
        }
    }

    /// Loads a member of a library of the workspace.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn member(
        &mut self,
        member: &Member,
        krate: &str,
        lazy: bool,
        source: Source,
    ) -> Result<(), LinkInputError> {
        self.bitcode_or_native(&member.path, krate, &member.name, lazy, source)
    }

    fn bitcode_or_native(
        &mut self,
        path: &str,
        krate: &str,
        name: &str,
        lazy: bool,
        source: Source,
    ) -> Result<(), LinkInputError> {
        if !is_bitcode(path) {
            return self.native(Path::new(path), lazy, source);
        }
        let slices = codegen_units(path)?;
        let name = self.unique(&format!("{krate}.{}", name.strip_suffix(".o").unwrap_or(name)));
        let mut parts = Vec::with_capacity(slices.len());
        let mut modules = Vec::with_capacity(slices.len());
        for (cgu, slice) in (0..).zip(slices) {
            let bitcode = Bitcode::open(slice, &format!("{name}#{cgu}")).map_err(|why| {
                LinkInputError(format!(
                    "the bitcode of crate `{krate}`, unit {name}, codegen unit {cgu} cannot be read: {why} ({path})"
                ))
            })?;
            parts.push(symbols::bitcode(bitcode.symbols(), PartKind::Bitcode));
            let unit = bitcode.source();
            modules.push(LtoModule {
                krate: krate.to_owned(),
                unit,
                name: name.clone(),
                cgu,
                bitcode: Some(bitcode),
            });
        }
        self.list.push(LinkInput { lazy, hidden: false, parts });
        self.sources.push(source);
        self.modules.push(modules);
        self.labels.push(path.to_owned());
        Ok(())
    }

    /// Makes the name of a module unique. A crate may have two units with the same file name.
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

    fn push(&mut self, part: InputPart, lazy: bool, hidden: bool, source: Source, label: &Path) {
        self.list.push(LinkInput { lazy, hidden, parts: vec![part] });
        self.sources.push(source);
        self.modules.push(Vec::new());
        self.labels.push(label.display().to_string());
    }

    /// Loads a native object or archive of the workspace.
    fn native(&mut self, path: &Path, lazy: bool, source: Source) -> Result<(), LinkInputError> {
        let content = read(path)?;
        if magic(&content) == Magic::Archive {
            if let Source::Member { placeholder, member } = source {
                self.nested.push((placeholder, member));
            }
            return self.archive(path, &content, lazy, false);
        }
        let part = native_part(&content).map_err(|why| unreadable(path, &why))?;
        self.push(part, lazy, false, source, path);
        Ok(())
    }

    fn file(
        &mut self,
        path: &Path,
        line: &LinkerCommand,
        entry: &CommandInput,
    ) -> Result<(), LinkInputError> {
        let mut start = [0; 20];
        // lld reports a missing file.
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
                self.push(part, false, false, Source::External, path);
            }
            Magic::Archive => {
                let hidden = excluded(line, path);
                self.archive(path, &read(path)?, !entry.whole, hidden)?;
            }
            Magic::Object | Magic::Bitcode => {
                let part = native_part(&read(path)?).map_err(|why| unreadable(path, &why))?;
                self.push(part, entry.lazy, false, Source::External, path);
            }
            Magic::Text => {
                let text = String::from_utf8_lossy(&read(path)?).into_owned();
                self.scripts.push(path.to_owned());
                for named in emit::script_inputs(&text) {
                    let found = match named {
                        ScriptInput::Library(name) => {
                            find_library(&name, line, entry.archives_only)
                        }
                        ScriptInput::File(name) => Some(find_file(&name, path, line)),
                        ScriptInput::Script(name) => find_script(&name, line),
                    };
                    // lld reports a script that names itself.
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
    ) -> Result<(), LinkInputError> {
        // A member that is no object, such as a text file, is ignored.
        let mut add = |data: &[u8]| {
            if let Ok(part) = native_part(data) {
                self.push(part, lazy, hidden, Source::External, path);
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

/// The symbols of machine code, or of bitcode that is not ours: lld optimises that itself, so it
/// counts as native here.
fn native_part(content: &[u8]) -> Result<InputPart, String> {
    match magic(content) {
        Magic::Bitcode => {
            let content: Arc<[u8]> = content.into();
            let range = 0..content.len();
            let module = Bitcode::open(SharedSlice { content, range }, "native")?;
            Ok(symbols::bitcode(module.symbols(), PartKind::Object))
        }
        _ => symbols::object(content).map_err(|why| why.to_string()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LinkInputError> {
    std::fs::read(path).map_err(|why| unreadable(path, &why))
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> LinkInputError {
    LinkInputError(format!("cannot read {}: {why}", path.display()))
}

pub fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

fn excluded(line: &LinkerCommand, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    line.exclude_libs.iter().any(|excluded| excluded == "ALL" || excluded == name)
}

fn directories(line: &LinkerCommand) -> impl Iterator<Item = PathBuf> + '_ {
    line.search.iter().map(|dir| {
        match dir.strip_prefix('=').or_else(|| dir.strip_prefix("$SYSROOT")) {
            Some(below) => PathBuf::from(format!("{}{below}", line.sysroot)),
            None => PathBuf::from(dir),
        }
    })
}

fn find_library(name: &str, line: &LinkerCommand, archives_only: bool) -> Option<PathBuf> {
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

/// Finds a name in INPUT or GROUP as lld does: below the system root, beside the script, as a path,
/// or in the search path.
fn find_file(name: &str, script: &Path, line: &LinkerCommand) -> PathBuf {
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

/// Finds a script: as a path, or in the search path.
pub(super) fn find_script(name: &str, line: &LinkerCommand) -> Option<PathBuf> {
    let found = |path: &PathBuf| path.exists();
    Some(PathBuf::from(name))
        .filter(found)
        .or_else(|| directories(line).map(|dir| dir.join(name)).find(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Archives of bitcode and other archives. The members are not parsed here, because LLVM's
    /// reader may crash on damaged bitcode.
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
            let is_bitcode = holds_bitcode(read);
            let content: Arc<[u8]> = bytes.into();
            if is_bitcode && let Ok(slices) = slices(&content) {
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
