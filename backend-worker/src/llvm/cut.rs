//! Cuts a translated module into pieces that are optimised and emitted apart, and makes their
//! joined object whole.
//!
//! How to cut is decided by `partition`; here its decision is carried out. Knows no threads: a
//! `CutModule` may be shared by as many as like.

use super::buffer::Buffer;
use super::clang::{Clang, Reported};
use super::ffi;
use super::places::Places;
use crate::partition::{Assembly, Edge, Graph, Limits, Node, Piece, Role, partition};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ffi::c_void;
use std::ptr::NonNull;
use tender_protocol::Cut;

pub enum Cutting<'c> {
    /// The module as it was, and why: for traces, in the form "it has …".
    Whole(Module<'c>, String),
    Cut(CutModule),
}

/// A module as bitcode, and what each piece takes of it. Its LLVM context is no longer needed.
pub struct CutModule {
    bitcode: Buffer,
    pieces: Vec<Piece>,
    promoted: Vec<Promoted>,
    suffix: String,
    places: Places,
}

/// A symbol that was local before the cut. Names are those that an assembler sees.
struct Promoted {
    now: String,
    before: String,
    /// It has to stay although nobody refers to it.
    used: bool,
}

/// Whether `cut` might cut the module: quick, and sometimes wrong when it says yes.
///
/// What must be inlined may multiply what there is, as in zstd's compressors, and only a look at
/// the calls tells by how much.
pub fn may_be_cut(clang: &Clang<'_>, module: &Module<'_>, wanted: &Cut) -> bool {
    // SAFETY: the module is alive.
    let size = unsafe { ffi::tender_module_size(module.as_mut_ptr()) };
    let cost = Node::most_cost(size.functions, size.blocks, size.instructions, size.bytes);
    let most_grown = if size.always_inline > 0 { cost.saturating_mul(GROWTH) } else { cost };
    limits(clang, wanted).allow_cut(most_grown)
}

/// How often a module may hold its code when all is inlined that must be; more is not looked for.
const GROWTH: u64 = 16;

fn limits(clang: &Clang<'_>, wanted: &Cut) -> Limits {
    // SAFETY: the unit is alive.
    let optimised = unsafe { ffi::tender_clang_optimised(clang.unit) };
    let limits =
        if optimised { Limits::optimised(wanted.units) } else { Limits::unoptimised(wanted.units) };
    if wanted.forced { limits.forced() } else { limits }
}

/// Cuts the module that `clang` translated, or that it adopted, if that pays or is forced.
pub fn cut<'c>(clang: &Clang<'_>, module: Module<'c>, wanted: &Cut) -> Cutting<'c> {
    cut_with(clang, module, &limits(clang, wanted), &wanted.suffix)
}

/// `cut` with limits of the caller's own. `suffix` ends the names of promoted symbols: unique among
/// all that may be linked together, and without a dot.
pub fn cut_with<'c>(
    clang: &Clang<'_>,
    module: Module<'c>,
    limits: &Limits,
    suffix: &str,
) -> Cutting<'c> {
    let graph = match graph(clang, &module) {
        Ok(graph) => graph,
        Err(reason) => return Cutting::Whole(module, reason),
    };
    let Some(assignment) = partition(&graph, limits) else {
        return Cutting::Whole(module, "it is small".to_owned());
    };
    let places = Places::of(clang, &module);
    let changes: Vec<u8> = assignment.changes.iter().map(|change| *change as u8).collect();
    let mut promoted: Vec<Promoted> = Vec::new();
    let mut bitcode = ffi::Buffer::EMPTY;
    // SAFETY: all arguments outlive the call; `renamed` gets the list that it expects.
    unsafe {
        ffi::tender_cut_write(
            module.as_mut_ptr(),
            changes.as_ptr(),
            changes.len(),
            ffi::Str::new(suffix),
            (&raw mut promoted).cast(),
            renamed,
            &raw mut bitcode,
        );
    }
    #[expect(clippy::expect_used, reason = "the shim always fills it in")]
    let bitcode = Buffer::adopt(bitcode).expect("bitcode was written");
    Cutting::Cut(CutModule {
        bitcode,
        pieces: assignment.pieces,
        promoted,
        suffix: suffix.to_owned(),
        places,
    })
}

/// The graph that `cut` is decided from, or why the module must stay whole. For tools.
pub fn graph(clang: &Clang<'_>, module: &Module<'_>) -> Result<Graph, String> {
    // SAFETY: the unit is alive, and so is the text that it gives.
    let (reason, optimised) = unsafe {
        (ffi::tender_clang_whole(clang.unit).to_string(), ffi::tender_clang_optimised(clang.unit))
    };
    if !reason.is_empty() {
        return Err(reason);
    }
    // SAFETY: the module is alive; the graph is freed below, after everything of it was copied.
    unsafe {
        let raw = ffi::tender_graph(module.as_mut_ptr(), optimised);
        let reason = ffi::tender_graph_whole(raw).to_string();
        let mut graph = Graph {
            nodes: list(raw, ffi::tender_graph_nodes).iter().map(node).collect(),
            edges: list(raw, ffi::tender_graph_edges)
                .iter()
                .map(|edge| Edge { from: edge.from, to: edge.to, calls: edge.calls })
                .collect(),
            ties: list(raw, ffi::tender_graph_ties).iter().map(|tie| (tie.a, tie.b)).collect(),
        };
        let operands = list(raw, ffi::tender_graph_operands);
        let assembly: Vec<Assembly> = list(raw, ffi::tender_graph_assembly)
            .iter()
            .map(|assembly| Assembly {
                function: assembly.function,
                text: assembly.text.to_string(),
                operands: operands[assembly.first_operand as usize..][..assembly.operands as usize]
                    .to_vec(),
            })
            .collect();
        let name = |node: usize| ffi::tender_graph_name(raw, node as u32).to_string();
        let names: Vec<String> = (0..graph.nodes.len()).map(name).collect();
        ffi::tender_graph_free(raw);
        if !reason.is_empty() {
            return Err(reason);
        }
        graph.bind(&assembly, &names)?;
        Ok(graph)
    }
}

/// # Safety
/// `graph` must be alive for `'g`, and `get` one of the shim's functions that give a list of it.
unsafe fn list<'g, T>(
    graph: *const ffi::Graph,
    get: unsafe extern "C" fn(*const ffi::Graph, *mut usize) -> *const T,
) -> &'g [T] {
    let mut count = 0;
    // SAFETY: promised by the caller.
    let first = unsafe { get(graph, &raw mut count) };
    if count == 0 {
        return &[];
    }
    // SAFETY: the shim gives the start of `count` values that live as long as the graph.
    unsafe { std::slice::from_raw_parts(first, count) }
}

fn node(raw: &ffi::Node) -> Node {
    let has = |flag: u32| raw.flags & flag != 0;
    Node {
        function: has(ffi::Node::FUNCTION),
        defined: has(ffi::Node::DEFINED),
        local: has(ffi::Node::LOCAL),
        pinned: has(ffi::Node::PINNED),
        follows: has(ffi::Node::FOLLOWS),
        copyable: has(ffi::Node::COPYABLE),
        replicable: has(ffi::Node::REPLICABLE),
        always_inline: has(ffi::Node::ALWAYS_INLINE),
        linkonce: has(ffi::Node::LINKONCE),
        optional: has(ffi::Node::OPTIONAL),
        special: has(ffi::Node::SPECIAL),
        instructions: raw.instructions,
        blocks: raw.blocks,
        bytes: raw.bytes,
    }
}

extern "C" fn renamed(context: *mut c_void, before: ffi::Str, now: ffi::Str, used: bool) {
    // SAFETY: `context` is the list that `cut_with` lends for the call, and the strings are valid
    // during this one.
    unsafe {
        let list = &mut *context.cast::<Vec<Promoted>>();
        list.push(Promoted { now: now.to_string(), before: before.to_string(), used });
    }
}

impl CutModule {
    /// Expected cost of each piece, in no unit but the same for all modules. Pieces are joined in
    /// this order.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.pieces.iter().map(|piece| piece.cost)
    }

    /// How many symbols are not local any more.
    pub fn promoted(&self) -> usize {
        self.promoted.len()
    }

    pub fn bitcode_len(&self) -> usize {
        self.bitcode.len()
    }

    /// Reads one piece into a context of its own, by `getLazyBitcodeModule`. Before it is optimised
    /// it has to be given to `Clang::adopt_piece`. The error is LLVM's text, and means a defect of
    /// ours.
    pub fn piece<'c>(&self, context: &'c Context, index: usize) -> Result<Module<'c>, String> {
        let roles: Vec<u8> =
            self.pieces[index].roles.iter().map(|role: &Role| *role as u8).collect();
        let mut error = ffi::Buffer::EMPTY;
        // SAFETY: context, bitcode and roles outlive the call: the shim reads all that it wants at
        // once.
        let module = unsafe {
            ffi::tender_cut_piece(
                context.as_ctx_ref(),
                ffi::Str::bytes(&self.bitcode),
                roles.as_ptr(),
                roles.len(),
                index == 0,
                &raw mut error,
            )
        };
        match Buffer::adopt(error) {
            Some(text) => Err(String::from_utf8_lossy(&text).into_owned()),
            // SAFETY: without an error the shim made a module in `context` and gave it up.
            None => Ok(unsafe { Module::new(module) }),
        }
    }
}

impl<'a> Clang<'a> {
    /// Sets this unit up for a piece of `cut`, as `adopt` does, and lets it report at the places in
    /// the source that the piece came from.
    pub fn adopt_piece(&mut self, cut: &'a CutModule, module: &Module<'_>) -> Result<(), Reported> {
        cut.places.lend(self);
        self.adopt(module)
    }

    /// Makes an optimised piece ready to be emitted, for `Join`.
    pub fn prepare_piece(&self, cut: &CutModule, index: usize, module: &Module<'_>) {
        // SAFETY: the unit, the module and the text are alive.
        unsafe {
            ffi::tender_cut_prepare(
                self.unit,
                module.as_mut_ptr(),
                ffi::Str::new(&cut.suffix),
                index == 0,
            );
        }
    }
}

/// How the objects of all pieces become one that looks as if it had never been cut: `script` tells
/// `ld.lld -r` what to drop, and `finish` restores names.
pub struct Join<'a> {
    raw: NonNull<ffi::Join>,
    /// What the shim refers to.
    _cut: &'a CutModule,
}

impl<'a> Join<'a> {
    /// `pieces` are the objects of `cut`, each emitted after `prepare_piece`, in their order. The
    /// error is LLVM's text.
    pub fn of(cut: &'a CutModule, pieces: &'a [&'a [u8]]) -> Result<Join<'a>, String> {
        let objects: Vec<ffi::Str> = pieces.iter().map(|piece| ffi::Str::bytes(piece)).collect();
        let renames: Vec<ffi::Rename> = (cut.promoted.iter())
            .map(|Promoted { now, before, used }| ffi::Rename {
                now: ffi::Str::new(now),
                before: ffi::Str::new(before),
                used: *used,
            })
            .collect();
        let mut error = ffi::Buffer::EMPTY;
        // SAFETY: the lists outlive the call, which copies them; what they refer to outlives the
        // result.
        let raw = unsafe {
            ffi::tender_join_new(
                objects.as_ptr(),
                objects.len(),
                renames.as_ptr(),
                renames.len(),
                ffi::Str::new(&cut.suffix),
                &raw mut error,
            )
        };
        match (NonNull::new(raw), Buffer::adopt(error)) {
            (Some(raw), _) => Ok(Join { raw, _cut: cut }),
            (None, text) => {
                Err(text
                    .map_or_else(String::new, |text| String::from_utf8_lossy(&text).into_owned()))
            }
        }
    }

    /// A linker script for `ld.lld -r`.
    pub fn script(&self) -> String {
        // SAFETY: both are alive.
        unsafe { ffi::tender_join_script(self.raw.as_ptr()).to_string() }
    }

    /// The object that the unit has, of what `ld.lld -r` made. The error is LLVM's text.
    pub fn finish(&self, joined: &[u8]) -> Result<Buffer, String> {
        let (mut out, mut error) = (ffi::Buffer::EMPTY, ffi::Buffer::EMPTY);
        // SAFETY: all outlive the call; the buffers are written before they are read.
        unsafe {
            ffi::tender_join_finish(
                self.raw.as_ptr(),
                ffi::Str::bytes(joined),
                &raw mut out,
                &raw mut error,
            )
        };
        match (Buffer::adopt(out), Buffer::adopt(error)) {
            (Some(bytes), None) => Ok(bytes),
            (_, Some(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
            (None, None) => Err("the object could not be written".to_owned()),
        }
    }
}

impl Drop for Join<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { ffi::tender_join_free(self.raw.as_ptr()) }
    }
}
