//! The graph of one build: items in topological order.

use crate::keys::ItemId;
use crate::manifest::{CrateId, Profile, ProgramKind};
use crate::sys::shell::quoted_words;
use camino::Utf8PathBuf;
use std::collections::HashMap;
use tender_protocol::Work;

#[derive(Clone, Debug)]
pub struct Graph {
    /// Workspace root, absolute: the working directory of workers, and what relative paths in items
    /// start from.
    pub root: Utf8PathBuf,
    pub profile: Profile,
    /// That of items which are built for the build itself.
    pub host_profile: Profile,
    /// `target/<profile>`, absolute.
    pub out_dir: Utf8PathBuf,
    /// `target/<profile>/.tender`, absolute.
    pub state_dir: Utf8PathBuf,
    /// Every item comes after those it depends on.
    pub items: Vec<Item>,
    /// The artifacts of a successful build, in order of crate and name.
    pub artifacts: Vec<Artifact>,
    /// The modules that users of libraries need: those that others can import, and what these import of
    /// their own library. Known when all units are scanned.
    pub modules: Vec<ExportedModule>,
    /// Archives that this build does not make. One that an earlier build has made, in another mode
    /// of link-time optimisation or because it was asked for, may be out of date.
    pub unbuilt_archives: Vec<Item>,
    /// Items that cannot run: which modules of C++ their units import is not known yet. See `scanning`.
    pub unscanned: Vec<ItemId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKind {
    Generate,
    /// A header of `[config]`.
    Configure,
    /// A unit is scanned for modules of C++.
    Scan,
    /// The module file of a unit that declares a module of C++.
    Interface,
    /// A precompiled header.
    Precompile,
    /// Headers are parsed for several units. None waits for it, and none needs it: if it fails, the
    /// build goes on.
    ShareHeaders,
    Compile,
    Check,
    Archive,
    Shared,
    Program,
}

#[derive(Clone, Debug)]
pub struct Item {
    pub krate: CrateId,
    pub krate_name: String,
    /// It is built for the build itself, whose commands run its crate's programs. The same crate
    /// may be built for users too.
    pub host: bool,
    pub kind: ItemKind,
    /// Stable over builds and unique: `zstd lib src/a.c`, `zstd archive`, `app bin app`, `app bin
    /// app src/main.c`, `moc host bin moc`.
    pub key: String,
    /// The text for users: the source's path relative to the workspace root, or the artifact's file
    /// name.
    pub label: String,
    /// Must be up to date before this one is judged or run.
    pub after: Vec<ItemId>,
    pub run: Run,
    /// The program that it runs outside workers, or that its worker runs: a command's, a link's
    /// driver.
    pub program: Option<Program>,
    /// Files it reads that are known beforehand, relative to the root or absolute (source, objects,
    /// generate inputs).
    pub inputs: Vec<Utf8PathBuf>,
    /// Files it writes, relative to the root or absolute. Those of a shared library are the library,
    /// and links to it in the same directory, which its worker does not make.
    pub outputs: Vec<Utf8PathBuf>,
    pub ingredients: Ingredients,
    /// Bytes of the source where known, a guess at cost without history.
    pub size: u64,
}

/// A program by the name that starts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// As the command has it: to be looked for in PATH, or a path.
    pub name: String,
    /// Where that leads today, relative to the root or absolute; None: nowhere.
    pub path: Option<Utf8PathBuf>,
}

/// What stands in `Work::Link`'s `driver` until the item is to run: finding the real program costs
/// processes, which a build that does nothing must not start. `engine::execute::plan` puts
/// the program's words in its place. Words behind it choose a linker.
pub const DRIVER_C: &str = "cc";
/// As `DRIVER_C`, for links with C++ code in them.
pub const DRIVER_CXX: &str = "c++";

#[derive(Clone, Debug)]
pub enum Run {
    Worker(Work),
    Command(Command),
}

/// An external command, of `[[generate]]` or an assembler: not run by a worker, one job, a jobserver
/// client.
#[derive(Clone, Debug)]
pub struct Command {
    pub words: Vec<String>,
    /// The words that messages show, where they are others.
    pub shown: Option<Vec<String>>,
    /// Absolute.
    pub dir: Utf8PathBuf,
    pub env: Vec<(String, String)>,
    /// The file in which it names what it has read, relative to the root or absolute.
    pub depfile: Option<Utf8PathBuf>,
    /// It may run again if it was killed for memory.
    pub retry: bool,
}

/// What decides that an item must run again, apart from file contents. Kept in parts so that the
/// reason can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingredients {
    /// The command in the words of this crate alone: flags, defines, include directories, members.
    pub own: Vec<String>,
    /// Words that the profile adds.
    pub profile: Vec<String>,
    /// Words that each dependency's public interface adds (headers, public defines, link
    /// requirements).
    pub interfaces: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Debug)]
pub struct Artifact {
    pub item: ItemId,
    pub krate: CrateId,
    pub kind: ArtifactKind,
    /// Name of the target: the program's or the crate's.
    pub name: String,
    /// Absolute.
    pub path: Utf8PathBuf,
}

/// A module or partition of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedModule {
    pub krate: CrateId,
    /// The place of the library in the crate.
    pub lib: usize,
    pub name: String,
    /// Its interface, absolute, and as it is named in its crate.
    pub source: Utf8PathBuf,
    pub source_name: String,
    /// Words for clang that define macros for it.
    pub definitions: Vec<String>,
    /// Others can import it.
    pub is_public: bool,
    /// The libraries of the workspace whose modules it leads to.
    pub needs: Vec<(CrateId, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArtifactKind {
    Staticlib,
    Cdylib,
    Program(ProgramKind),
}

impl ItemKind {
    /// The front end works on one source.
    pub fn is_unit(self) -> bool {
        matches!(self, ItemKind::Scan | ItemKind::Interface | ItemKind::Compile | ItemKind::Check)
    }
}

impl Item {
    /// The build succeeds without it.
    pub fn is_optional(&self) -> bool {
        self.kind == ItemKind::ShareHeaders
    }

    /// A link runs a linker in its worker.
    pub fn is_link(&self) -> bool {
        matches!(self.kind, ItemKind::Program | ItemKind::Shared)
    }
}

impl Command {
    /// The words for messages.
    pub fn shown(&self) -> &[String] {
        self.shown.as_ref().unwrap_or(&self.words)
    }

    /// As a shell reads it, for messages.
    pub fn quoted(&self) -> String {
        quoted_words(self.shown())
    }
}

impl std::ops::Index<ItemId> for Graph {
    type Output = Item;

    fn index(&self, ix: ItemId) -> &Item {
        &self.items[ix.0 as usize]
    }
}

impl Graph {
    /// For every item, in the order of `items`, those that come directly after it.
    pub fn dependents(&self) -> Vec<Vec<ItemId>> {
        let mut dependents = vec![Vec::new(); self.items.len()];
        for (ix, item) in self.indexed() {
            for before in &item.after {
                dependents[before.0 as usize].push(ix);
            }
        }
        dependents
    }

    /// The headers of `[config]`, and what they come after.
    pub fn configuration(&self) -> Graph {
        self.part(self.items.iter().map(|item| item.kind == ItemKind::Configure).collect())
    }

    /// The scans that can run now, and what they come after; None if all units are scanned. There is
    /// one that has not run: what the first of these comes after is scanned.
    pub fn scanning(&self) -> Option<Graph> {
        if self.unscanned.is_empty() {
            return None;
        }
        let mut waits = vec![false; self.items.len()];
        self.unscanned.iter().for_each(|id| waits[id.0 as usize] = true);
        for (id, item) in self.indexed() {
            waits[id.0 as usize] |= item.after.iter().any(|before| waits[before.0 as usize]);
        }
        let scans =
            self.indexed().map(|(id, item)| item.kind == ItemKind::Scan && !waits[id.0 as usize]);
        Some(self.part(scans.collect()))
    }

    /// The module files and precompiled headers that an item may read.
    pub fn module_files(&self, item: &Item) -> Vec<String> {
        let before = item.after.iter().map(|before| &self[*before]);
        let files = before
            .filter(|before| matches!(before.kind, ItemKind::Interface | ItemKind::Precompile));
        files.filter_map(|before| before.outputs.first()).map(Utf8PathBuf::to_string).collect()
    }

    /// The items that are `part` of it, and all that they come after.
    fn part(&self, part: Vec<bool>) -> Graph {
        let mut is_part = part;
        // Every item comes after those that it needs.
        for (number, item) in self.items.iter().enumerate().rev() {
            if is_part[number] {
                item.after.iter().for_each(|before| is_part[before.0 as usize] = true);
            }
        }
        let mut numbers = HashMap::new();
        let mut items = Vec::new();
        for (id, item) in self.indexed().filter(|(id, _)| is_part[id.0 as usize]) {
            numbers.insert(id, ItemId(u32::try_from(items.len()).expect("fewer than all items")));
            let after = item.after.iter().map(|before| numbers[before]).collect();
            items.push(Item { after, ..item.clone() });
        }
        Graph {
            items,
            root: self.root.clone(),
            profile: self.profile.clone(),
            host_profile: self.host_profile.clone(),
            out_dir: self.out_dir.clone(),
            state_dir: self.state_dir.clone(),
            artifacts: Vec::new(),
            modules: Vec::new(),
            unbuilt_archives: Vec::new(),
            unscanned: Vec::new(),
        }
    }

    /// Items with their indices, those that others come after first.
    pub fn indexed(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        (0u32..).map(ItemId).zip(&self.items)
    }
}
