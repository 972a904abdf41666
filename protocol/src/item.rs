//! Plans and items: what the orchestrator asks a worker to do.

use crate::Configure;
use serde::{Deserialize, Serialize};
use tender_units::{Bytes, Micros};

/// Identifies a plan during the life of one worker. The orchestrator chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanId(pub u32);

/// Identifies an item. The orchestrator chooses it; ids need not be dense.
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
    /// Jobs to run at once when a plan is run by hand (`--plan`) without a jobserver. Ignored under
    /// a jobserver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    #[serde(default)]
    pub translate: Translate,
    pub items: Vec<Item>,
}

/// How the units of a plan are translated to modules. The output is the same for both values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translate {
    /// Each item translates on its own thread.
    #[default]
    Parallel,
    /// The worker's main thread translates one unit after the other, as rustc does.
    Serial,
}

/// The mode of link-time optimisation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lto {
    #[default]
    Off,
    /// ThinLTO among the modules of one target.
    ThinLocal,
    /// ThinLTO over all inputs of a program or shared library.
    Thin,
    /// One merged module.
    Fat,
}

/// The unit of scheduling. It runs as one part or as several; each part runs on one thread and one
/// job slot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: ItemId,
    /// The name that messages show: the source's path, or the artifact's file name.
    pub unit: String,
    /// Expected cost in microseconds, from earlier builds or estimated from the size. Only the
    /// order matters.
    #[serde(default)]
    pub cost: Micros,
    /// Items of this plan that must succeed before this one starts. If one fails, this one is
    /// skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<ItemId>,
    #[serde(default, skip_serializing_if = "ItemMemory::is_unknown")]
    pub memory: ItemMemory,
    /// Precompiled headers and modules that are known to be up to date. clang compares time stamps
    /// and would refuse one whose source was touched without a change of content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<String>,
    /// Module files of named modules and precompiled headers that other items have made. Their sources
    /// are no inputs of this item: what counts is the files' content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    pub work: Work,
}

/// How much memory the parts of an item are expected to need, in bytes. 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemMemory {
    /// The beginning of the item: its first part, which for most items is the whole item.
    #[serde(default)]
    pub begin: Bytes,
    /// Each codegen unit, if the item is split into pieces.
    #[serde(default)]
    pub piece: Bytes,
    /// The join of the pieces. Also 0 if the join needs too little memory for a lease of its own.
    #[serde(default)]
    pub join: Bytes,
}

impl ItemMemory {
    fn is_unknown(&self) -> bool {
        *self == ItemMemory::default()
    }
}

/// The language of a unit. It follows from the file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    C,
    Cxx,
    /// `.ll`
    LlvmIr,
    /// `.bc`
    Bitcode,
    /// `.s`: assembled without preprocessing.
    Assembly,
    /// `.S`: preprocessed, then assembled.
    AssemblyWithCpp,
}

/// What an item does. Paths are absolute or relative to the worker's working directory, which is
/// the workspace root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Work {
    /// Compiles a source to an object. `args` are arguments of clang's driver without the program,
    /// the input, `-c` and `-o`.
    Compile {
        source: String,
        language: Language,
        args: Vec<String>,
        object: String,
        /// How a large module is cut into codegen units. Absent: the module stays whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<Cut>,
        /// Unless off, `object` is an archive of bitcode modules: one for each codegen unit, in
        /// order. A unit of assembly always becomes machine code.
        #[serde(default, skip_serializing_if = "Lto::is_off")]
        lto: Lto,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
        /// The module of the source that an `Interface` has written (`InterfaceTranslation::output`). It is
        /// read in place of the source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        translation: Option<String>,
    },
    /// Runs the front end only. Gives diagnostics and no output file.
    Check { source: String, language: Language, args: Vec<String> },
    /// Finds out which named modules a unit of C++ provides and requires. `output` gets a
    /// `ModuleScan` as JSON.
    Scan { source: String, args: Vec<String>, output: String },
    /// Writes the module file (BMI) of a unit that declares a named module or a partition. Without a
    /// translation it gives errors only: the warnings are those of its `Compile` or `Check`.
    Interface {
        source: String,
        args: Vec<String>,
        output: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        translation: Option<InterfaceTranslation>,
    },
    /// Writes a precompiled header that includes `headers`: names as after `#include`, those without
    /// angle brackets in quotes, as a file `source`, which need not exist, would find them. Units that read it have it among their `modules`.
    Precompile {
        source: String,
        headers: Vec<String>,
        language: Language,
        args: Vec<String>,
        output: String,
    },
    /// Chooses headers that several units of C++ include first, parses them once, and writes the
    /// result to `output` for the `share` of these units. All are compiled by `args`. Gives no
    /// diagnostics of clang.
    ShareHeaders { sources: Vec<String>, args: Vec<String>, output: String },
    /// Writes the preprocessed source, for a reproducer after a crash.
    Preprocess { source: String, language: Language, args: Vec<String>, output: String },
    /// Writes a deterministic static archive. If a member is an archive, its members are added
    /// instead.
    Archive {
        output: String,
        members: Vec<Member>,
        /// If present, the bitcode members are first optimised together. All their symbols stay
        /// visible.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lto: Option<LtoArchive>,
    },
    /// Runs the link driver. The worker itself adds `-o`, a temporary name and the limit of
    /// threads.
    Link {
        /// The driver and its first arguments, e.g. `["cc", "-B/usr/lib/llvm-22/bin",
        /// "-fuse-ld=lld"]`.
        driver: Vec<String>,
        args: Vec<String>,
        output: String,
        /// If present, objects among `args` may be archives of bitcode, as `Compile` writes them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lto: Option<LtoLink>,
    },
    /// Asks the compiler and the linker what the system has, and writes a header that tells it.
    Configure(Box<Configure>),
}

/// What an `Interface` writes for the `Compile` of the same source, which has the same arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceTranslation {
    /// Gets the module as bitcode, not optimised.
    pub output: String,
    /// `object` and `lto` of the `Compile`.
    pub object: String,
    #[serde(default, skip_serializing_if = "Lto::is_off")]
    pub lto: Lto,
}

/// How a unit of C++ uses headers that were parsed for several units. Its object does not depend on
/// whether they were there: it is in an order of its own, with and without them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// What a `ShareHeaders` writes. It may be missing, old or damaged; then the unit is compiled
    /// without.
    pub headers: String,
    /// Compile the unit also without, and fail if there is a difference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub verify: bool,
}

/// How to cut a module into codegen units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The largest number of pieces.
    pub units: u32,
    /// Appended to the names of local symbols that other pieces refer to. Unique for crate, target,
    /// source and profile.
    pub suffix: String,
    /// Cut into exactly `units` pieces, or into as many as the module allows, at any cost. For
    /// tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// Link-time optimisation of an archive's members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoArchive {
    /// With `fat` the modules of one member are merged. Members are not merged with each other,
    /// because a link may take one without the others.
    pub mode: Lto,
    /// 0 to 3.
    pub opt_level: u8,
    /// Directory for the native objects. No other item uses it.
    pub work_dir: String,
}

/// Link-time optimisation of a program or shared library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoLink {
    pub mode: Lto,
    /// 0 to 3.
    pub opt_level: u8,
    /// Directory for the native objects. No other item uses it.
    pub work_dir: String,
    /// Libraries of which only the members exist as files, not the archive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<LtoLibrary>,
}

/// Takes part in a link as an archive does: a member is linked if it defines a symbol that is
/// undefined so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LtoLibrary {
    /// The argument in the link's `args` that this library replaces.
    pub word: String,
    #[serde(rename = "crate")]
    pub krate: String,
    pub members: Vec<Member>,
}

impl Lto {
    /// Whether there is no link-time optimisation.
    pub fn is_off(&self) -> bool {
        *self == Lto::Off
    }
}

/// A member of a static archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The name inside the archive.
    pub name: String,
    pub path: String,
}
