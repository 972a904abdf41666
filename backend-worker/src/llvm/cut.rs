//! Cuts a translated module into pieces that are compiled separately, and restores the joined
//! object.
//!
//! `partition` decides how to cut; this module carries it out. Knows no threads: any number of
//! threads may share a `CutModule`.

use super::buffer::Buffer;
use super::clang::Clang;
use super::ffi;
use crate::partition::{Assembly, Edge, Graph, Limits, Node, Piece, Role, partition};
use inkwell::context::{AsContextRef, Context};
use inkwell::module::Module;
use std::ffi::c_void;
use std::ptr::NonNull;
use tender_protocol::Cut;

/// The result of `cut`.
pub enum Cutting<'c> {
    /// The unchanged module and the reason, in the form "it has …".
    Whole(Module<'c>, String),
    Cut(CutModule),
}

/// A module as bitcode, and the roles of its symbols in each piece. It does not need its LLVM
/// context any more.
pub struct CutModule {
    bitcode: Buffer,
    pieces: Vec<Piece>,
    promoted: Vec<Promoted>,
    suffix: String,
}

/// A symbol that was local before the cut. The names are those that the assembler sees.
struct Promoted {
    now: String,
    before: String,
    /// It must be kept even if nothing refers to it.
    used: bool,
}

/// Whether `cut` might cut the module. Quick; a positive answer may be wrong.
///
/// Forced inlining may multiply the code, as in zstd's compressors; by how much, only the calls
/// show.
pub fn may_be_cut(clang: &Clang<'_>, module: &Module<'_>, wanted: &Cut) -> bool {
    // SAFETY: the module is alive.
    let size = unsafe { ffi::tender_module_size(module.as_mut_ptr()) };
    let cost = Node::most_cost(size.functions, size.blocks, size.instructions, size.bytes);
    let most_grown =
        if size.always_inline > 0 { cost.saturating_mul(MOST_INLINE_GROWTH) } else { cost };
    limits(clang, wanted).allow_cut(most_grown)
}

/// The assumed growth of a module by forced inlining. Larger growth is not recognised.
const MOST_INLINE_GROWTH: u64 = 16;

fn limits(clang: &Clang<'_>, wanted: &Cut) -> Limits {
    // SAFETY: the unit is alive.
    let optimised = unsafe { ffi::tender_clang_optimised(clang.unit) };
    let limits =
        if optimised { Limits::optimised(wanted.units) } else { Limits::unoptimised(wanted.units) };
    if wanted.forced { limits.forced() } else { limits }
}

/// Cuts the module that `clang` translated or adopted, if that is worthwhile or forced.
pub fn cut<'c>(clang: &Clang<'_>, module: Module<'c>, wanted: &Cut) -> Cutting<'c> {
    cut_with(clang, module, &limits(clang, wanted), &wanted.suffix)
}

/// As `cut`, with the caller's limits. `suffix` is appended to the names of promoted symbols. It
/// must be unique in every link and contain no dot.
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
    clang.note_locations(&module);
    let changes: Vec<u8> = assignment.changes.iter().map(|change| *change as u8).collect();
    let mut promoted: Vec<Promoted> = Vec::new();
    let mut bitcode = ffi::TenderBuffer::EMPTY;
    // SAFETY: all arguments outlive the call; `renamed` gets the list that it expects.
    unsafe {
        ffi::tender_cut_write(
            module.as_mut_ptr(),
            changes.as_ptr(),
            changes.len(),
            ffi::TenderStr::new(suffix),
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
    })
}

/// The graph of the module's symbols, from which `cut` decides.
///
/// # Errors
/// The reason why the module must stay whole.
pub fn graph(clang: &Clang<'_>, module: &Module<'_>) -> Result<Graph, String> {
    // SAFETY: the unit is alive, and so is the text that it gives.
    let (reason, optimised) = unsafe {
        (
            ffi::tender_clang_uncuttable_reason(clang.unit).to_string(),
            ffi::tender_clang_optimised(clang.unit),
        )
    };
    if !reason.is_empty() {
        return Err(reason);
    }
    // SAFETY: the module is alive; the graph is freed below, after everything of it was copied.
    unsafe {
        let raw = ffi::tender_graph(module.as_mut_ptr(), optimised);
        let reason = ffi::tender_graph_uncuttable_reason(raw).to_string();
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
/// `graph` must be alive for `'g`, and `get` must be one of the shim's functions that return a list
/// of it.
unsafe fn list<'g, T>(
    graph: *const ffi::TenderGraph,
    get: unsafe extern "C" fn(*const ffi::TenderGraph, *mut usize) -> *const T,
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

fn node(raw: &ffi::TenderNode) -> Node {
    let has = |flag: u32| raw.flags & flag != 0;
    Node {
        function: has(ffi::TenderNode::FUNCTION),
        defined: has(ffi::TenderNode::DEFINED),
        local: has(ffi::TenderNode::LOCAL),
        pinned: has(ffi::TenderNode::PINNED),
        follows_users: has(ffi::TenderNode::FOLLOWS_USERS),
        copyable: has(ffi::TenderNode::COPYABLE),
        replicable: has(ffi::TenderNode::REPLICABLE),
        always_inline: has(ffi::TenderNode::ALWAYS_INLINE),
        linkonce: has(ffi::TenderNode::LINKONCE),
        optional: has(ffi::TenderNode::OPTIONAL),
        special: has(ffi::TenderNode::SPECIAL),
        instructions: raw.instructions,
        blocks: raw.blocks,
        bytes: raw.bytes,
    }
}

extern "C" fn renamed(
    context: *mut c_void,
    before: ffi::TenderStr,
    now: ffi::TenderStr,
    used: bool,
) {
    // SAFETY: `context` is the list that `cut_with` lends for the call, and the strings are valid
    // during this one.
    unsafe {
        let list = &mut *context.cast::<Vec<Promoted>>();
        list.push(Promoted { now: now.to_string(), before: before.to_string(), used });
    }
}

impl CutModule {
    /// The expected cost of each piece, in a unit that is the same for all modules. Pieces are
    /// joined in this order.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.pieces.iter().map(|piece| piece.cost)
    }

    /// How many local symbols were promoted.
    pub fn promoted(&self) -> usize {
        self.promoted.len()
    }

    /// The size of the module's bitcode in bytes.
    pub fn bitcode_len(&self) -> usize {
        self.bitcode.len()
    }

    /// Reads one piece into its own context, with `getLazyBitcodeModule`. Before it is optimised it
    /// must be passed to `Clang::adopt`.
    ///
    /// # Errors
    /// LLVM's text. It means a bug of ours.
    pub fn piece<'c>(&self, context: &'c Context, index: usize) -> Result<Module<'c>, String> {
        let roles: Vec<u8> =
            self.pieces[index].roles.iter().map(|role: &Role| *role as u8).collect();
        let mut error = ffi::TenderBuffer::EMPTY;
        // SAFETY: context, bitcode and roles outlive the call: the shim reads all that it wants at
        // once.
        let module = unsafe {
            ffi::tender_cut_piece(
                context.as_ctx_ref(),
                ffi::TenderStr::bytes(&self.bitcode),
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

impl Clang<'_> {
    /// Prepares an optimised piece for `emit`, as `Join` needs it.
    pub fn prepare_piece(&self, cut: &CutModule, index: usize, module: &Module<'_>) {
        // SAFETY: the unit, the module and the text are alive.
        unsafe {
            ffi::tender_cut_prepare(
                self.unit,
                module.as_mut_ptr(),
                ffi::TenderStr::new(&cut.suffix),
                index == 0,
            );
        }
    }
}

/// Joins the objects of all pieces to one that looks like the object of the uncut module: `script`
/// names the sections that `ld.lld -r` has to drop, and `finish` restores names.
pub struct Join<'a> {
    raw: NonNull<ffi::TenderJoin>,
    /// The shim refers to it.
    _cut: &'a CutModule,
}

impl<'a> Join<'a> {
    /// `pieces` are the objects of `cut` in their order, each emitted after `prepare_piece`.
    ///
    /// # Errors
    /// LLVM's text, if an object cannot be read.
    pub fn of(cut: &'a CutModule, pieces: &'a [&'a [u8]]) -> Result<Join<'a>, String> {
        let objects: Vec<ffi::TenderStr> =
            pieces.iter().map(|piece| ffi::TenderStr::bytes(piece)).collect();
        let renames: Vec<ffi::TenderRename> = (cut.promoted.iter())
            .map(|Promoted { now, before, used }| ffi::TenderRename {
                now: ffi::TenderStr::new(now),
                before: ffi::TenderStr::new(before),
                used: *used,
            })
            .collect();
        let mut error = ffi::TenderBuffer::EMPTY;
        // SAFETY: the lists outlive the call, which copies them; what they refer to outlives the
        // result.
        let raw = unsafe {
            ffi::tender_join_new(
                objects.as_ptr(),
                objects.len(),
                renames.as_ptr(),
                renames.len(),
                ffi::TenderStr::new(&cut.suffix),
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

    /// The linker script for `ld.lld -r`.
    pub fn script(&self) -> String {
        // SAFETY: both are alive.
        unsafe { ffi::tender_join_script(self.raw.as_ptr()).to_string() }
    }

    /// Restores names in the object that `ld.lld -r` has written.
    ///
    /// # Errors
    /// LLVM's text, if the object cannot be read or written.
    pub fn finish(&self, joined: &[u8]) -> Result<Buffer, String> {
        let (mut out, mut error) = (ffi::TenderBuffer::EMPTY, ffi::TenderBuffer::EMPTY);
        // SAFETY: all outlive the call; the buffers are written before they are read.
        unsafe {
            ffi::tender_join_finish(
                self.raw.as_ptr(),
                ffi::TenderStr::bytes(joined),
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
        // SAFETY: no one else has the pointer.
        unsafe { ffi::tender_join_free(self.raw.as_ptr()) }
    }
}
