//! What a worker is asked to do: plans made of items.

use serde::{Deserialize, Serialize};

/// Names a plan for the lifetime of one worker; chosen by the orchestrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub u32);

/// Names an item within its plan. Ids need not be dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u32);

/// Items of one crate that one worker runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub id: PlanId,
    #[serde(rename = "crate")]
    pub krate: String,
    /// Jobs to run at once where no jobserver is inherited (`--plan` by hand); ignored under one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    #[serde(default)]
    pub translate: Translate,
    pub items: Vec<Item>,
}

/// How the units of a plan become modules. The bytes that come out are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translate {
    /// On the thread of each item.
    #[default]
    Parallel,
    /// On the worker's main thread alone, one unit after the other, as rustc does.
    Serial,
}

/// Link-time optimisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lto {
    #[default]
    Off,
    /// ThinLTO among the modules of one target.
    ThinLocal,
    /// ThinLTO over all that a program or shared library is linked from.
    Thin,
    /// One merged module.
    Fat,
}

/// The unit of scheduling: it runs on one thread, holding one token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: ItemId,
    /// What people see: the source's path, or the artifact's file name.
    pub unit: String,
    /// Expected cost in microseconds, from history or guessed from size; only the order matters.
    #[serde(default)]
    pub cost: u64,
    /// Items of this plan that must succeed first. If one fails, this one is skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ItemId>,
    #[serde(default, skip_serializing_if = "ItemMemory::is_unknown")]
    pub memory: ItemMemory,
    /// Precompiled headers and modules that are what they would be if they were made now. The
    /// compiler would have them made again if one of the files that they were made from was only
    /// touched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<String>,
    pub work: Work,
}

/// What the parts of an item are expected to need, bytes; 0 where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemMemory {
    /// Its beginning, which for most items is all of it.
    #[serde(default)]
    pub begin: u64,
    /// Each piece, if it comes in pieces.
    #[serde(default)]
    pub piece: u64,
    /// What joins the pieces; 0 also where that takes too little to ask for.
    #[serde(default)]
    pub join: u64,
}

impl ItemMemory {
    fn is_unknown(&self) -> bool {
        *self == ItemMemory::default()
    }
}

/// The languages a unit can be written in; they follow from the file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    C,
    Cxx,
    /// `.ll`
    LlvmIr,
    /// `.bc`
    Bitcode,
    /// `.s`: assembled as it is.
    Assembly,
    /// `.S`: preprocessed first.
    AssemblyWithCpp,
}

/// Paths are relative to the worker's working directory, the workspace root, or absolute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Work {
    /// Source to object. `args` are clang driver arguments without the program, the input, `-c` and
    /// `-o`.
    Compile {
        source: String,
        language: Language,
        args: Vec<String>,
        object: String,
        /// Where the `.dwo` goes when `args` ask for split DWARF.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dwo: Option<String>,
        /// How a large module is cut; absent: it stays whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<Cut>,
        /// Unless off, `object` is an archive of bitcode modules, one for each codegen unit in
        /// order. A unit of assembly gives machine code all the same.
        #[serde(default, skip_serializing_if = "Lto::is_off")]
        lto: Lto,
    },
    /// Front end only: diagnostics, no output file.
    Check { source: String, language: Language, args: Vec<String> },
    /// Writes the preprocessed source (for a reproducer after a crash).
    Preprocess { source: String, language: Language, args: Vec<String>, output: String },
    /// A deterministic static archive. Members that are archives are opened and their members
    /// added.
    Archive {
        output: String,
        members: Vec<Member>,
        /// The members that are bitcode are optimised among themselves first, everything in them
        /// being visible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lto: Option<LtoArchive>,
    },
    /// Runs the link driver. The worker adds `-o`, a temporary name, and the thread limit itself.
    Link {
        /// The driver and its leading words, e.g. `["cc", "-B/usr/lib/llvm-22/bin",
        /// "-fuse-ld=lld"]`.
        driver: Vec<String>,
        args: Vec<String>,
        output: String,
        /// Objects among `args` may be archives of bitcode, as `Compile` makes them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lto: Option<LtoLink>,
    },
}

/// Cutting a module into codegen units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// At most this many pieces.
    pub units: u32,
    /// Ends the names of local symbols that must be seen by other pieces: unique for crate, target,
    /// source and profile.
    pub suffix: String,
    /// Exactly `units` pieces, or as many as the module has parts, whatever they cost. For tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoArchive {
    /// With `fat` the modules of a member are merged, and members stay apart: each must be of use
    /// without the others.
    pub mode: Lto,
    /// 0 to 3.
    pub opt_level: u8,
    /// Directory for the objects, of this item alone.
    pub work_dir: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoLink {
    pub mode: Lto,
    /// 0 to 3.
    pub opt_level: u8,
    /// Directory for the objects, of this item alone.
    pub work_dir: String,
    /// Libraries that exist only as their members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<LtoLibrary>,
}

/// Takes part in a link as an archive would: a member comes in when it defines what is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoLibrary {
    /// The word of the link's `args` that this stands for.
    pub word: String,
    #[serde(rename = "crate")]
    pub krate: String,
    pub members: Vec<Member>,
}

impl Lto {
    pub fn is_off(&self) -> bool {
        *self == Lto::Off
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Name inside the archive.
    pub name: String,
    pub path: String,
}
