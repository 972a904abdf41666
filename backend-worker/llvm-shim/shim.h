// The C interface of the shim: what LLVM's C API and inkwell lack. One .cpp file a topic.
//
// Nothing here owns threads, knows tokens or writes files: outputs come back as buffers. Strings go
// in and out as pointer and length, in UTF-8, and are not null-terminated unless said so.
#pragma once

#include <cstddef>
#include <cstdint>

#include "llvm-c/Types.h"

extern "C" {

struct TenderStr {
  const char *data;
  size_t len;
};

// Bytes that the caller gives back with tender_buffer_free.
struct TenderBuffer {
  char *data;
  size_t len;
};
void tender_buffer_free(TenderBuffer buffer);

enum TenderLevel : int32_t {
  TENDER_REMARK = 0,
  TENDER_NOTE = 1,
  TENDER_WARNING = 2,
  TENDER_ERROR = 3,
};

// A file's state, as `FileStamp` of the protocol has it.
struct TenderStamp {
  uint64_t size;
  int64_t mtime_ns;
  int64_t ctime_ns;
  uint64_t inode;
};

// What a compile tells while it runs. All are called on the thread that made the call into the
// shim.
struct TenderEvents {
  void *context;
  // `rendered` is clang's own text with its notes, in colour.
  void (*diagnostic)(void *context, TenderLevel level, TenderStr message, TenderStr file,
                     uint32_t line, uint32_t column, TenderStr rendered);
  // A file was read (data, its whole content of `size` bytes) or only found to exist (data is
  // null). Data is null too for a directory that was found to exist, and for one whose entries were
  // listed: its path ends in a slash.
  void (*read)(void *context, TenderStr path, const TenderStamp *stamp, const char *data,
               uint64_t size);
  // A path was looked for in vain.
  void (*missing)(void *context, TenderStr path);
  // The time of change of a file, seconds since the epoch, went into the result.
  void (*dated)(void *context, TenderStr path, int64_t mtime_s);
  // The result depends on the value of this environment variable.
  void (*variable)(void *context, TenderStr name);
};

// One source file on its way to an object: clang's invocation and, once it runs, its compiler
// instance.
struct TenderClang;

// Link-time optimisation, for which `optimise` stops early and `serialise` takes the place of
// `emit`.
enum TenderLto : int32_t {
  TENDER_LTO_OFF = 0,
  TENDER_LTO_THIN = 1,
  TENDER_LTO_FULL = 2,
};

// `clang` is LLVM's own driver program by full path, `args` driver arguments with the action (`-c`,
// or `-E` where `preprocess`), without input and output. Returns null after reporting why. `events`
// must outlive the result.
TenderClang *tender_clang_open(TenderStr clang, const TenderStr *args, size_t count,
                               TenderStr input, TenderStr output, bool preprocess, TenderLto lto,
                               const TenderEvents *events);
void tender_clang_free(TenderClang *unit);

// Source to IR in `context`, not optimised; the AST is freed before this returns. Null after
// reporting errors.
LLVMModuleRef tender_clang_translate(TenderClang *unit, LLVMContextRef context);
// For a module that came from elsewhere (.ll, .bc): sets up the target that the driver arguments
// ask for.
bool tender_clang_adopt(TenderClang *unit, LLVMModuleRef module);
// What the precompiled headers and modules that the options name were made from: told by file and
// input, with the input's time of change then, seconds since the epoch, 0 where that is not known.
void tender_clang_precompiled(const TenderClang *unit, void *context,
                              void (*input)(void *context, TenderStr file, TenderStr input,
                                            int64_t mtime_s));
// The unit takes `path` to have changed last at that time. Before it runs.
void tender_clang_assume_time(TenderClang *unit, TenderStr path, int64_t mtime_s);
// Front end only. False after reporting errors.
bool tender_clang_check(TenderClang *unit);
// The preprocessed source. False after reporting errors.
bool tender_clang_preprocess(TenderClang *unit, TenderBuffer *out);
// clang's own pass pipeline for the options of this unit, on any module. False after reporting
// errors.
bool tender_clang_optimise(TenderClang *unit, LLVMModuleRef module);
// Machine code. `dwo` is filled where the options split DWARF. False after reporting errors.
bool tender_clang_emit(TenderClang *unit, LLVMModuleRef module, TenderBuffer *object,
                       TenderBuffer *dwo);
// Bitcode for link-time optimisation: for ThinLTO with a summary, otherwise without, so that a
// linker merges each module as it comes and need not keep it.
void tender_clang_serialise(TenderClang *unit, LLVMModuleRef module, TenderBuffer *bitcode);
// Where the driver wants the .dwo, empty unless DWARF is split; lives as long as the unit.
TenderStr tender_clang_dwo_path(const TenderClang *unit);

// A module as bitcode from which the same machine code is made: the order of use lists is kept.
void tender_bitcode_write(LLVMModuleRef module, TenderBuffer *bitcode);

// Assembles `text`, which needs no preprocessing any more and came from `input`. `args` as for
// tender_clang_open. False after reporting.
bool tender_assemble(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                     TenderStr output, TenderStr text, const TenderEvents *events,
                     TenderBuffer *object);

struct TenderMember {
  TenderStr name;
  const char *data;
  size_t len;
};
// A deterministic GNU archive with its symbol table. Members that are archives are opened.
// On failure false, and `error` holds the reason.
bool tender_archive(const TenderMember *members, size_t count, TenderBuffer *out,
                    TenderBuffer *error);

// Once, before anything else. `fatal` is told the text of an LLVM fatal error and must not return.
void tender_initialise(void (*fatal)(TenderStr message));
// e.g. 22.1.8, null-terminated.
const char *tender_llvm_version(void);

// Drops the contents of files that are kept for later units.
void tender_forget_files(void);

// ---- Cutting one module into codegen units (cut_*.cpp) ----
//
// A module's global values are numbered: functions, variables, aliases, ifuncs, each in the
// module's own order, which bitcode keeps. All numbers below are of this kind.

enum TenderNodeFlag : uint32_t {
  TENDER_NODE_FUNCTION = 1 << 0,
  TENDER_NODE_DEFINED = 1 << 1,
  // Internal or private: other pieces can see it only after promotion.
  TENDER_NODE_LOCAL = 1 << 2,
  // A constant that may be anywhere, and is placed where its users are.
  TENDER_NODE_FOLLOWS = 1 << 3,
  // The body or initialiser may be given to other pieces as available_externally.
  TENDER_NODE_COPYABLE = 1 << 4,
  // A function that may be defined in several pieces: a local whose address nobody takes, or
  // linkonce_odr.
  TENDER_NODE_REPLICABLE = 1 << 5,
  TENDER_NODE_ALWAYS_INLINE = 1 << 6,
  // linkonce: vanishes from its home where that does not use it, unless it is made weak.
  TENDER_NODE_LINKONCE = 1 << 7,
  // available_externally already: no piece has to have it.
  TENDER_NODE_OPTIONAL = 1 << 8,
  // llvm.used and the like: made anew for each piece, never placed.
  TENDER_NODE_SPECIAL = 1 << 9,
  // Its users have to be where it is.
  TENDER_NODE_PINNED = 1 << 10,
};
struct TenderNode {
  uint32_t flags;
  uint32_t instructions; // of a function, without those for debugging
  uint32_t blocks;
  uint32_t reserved;
  uint64_t bytes; // of a variable
};
struct TenderEdge {
  uint32_t from, to;
  uint32_t calls; // direct calls; 0 where it is only mentioned
};
// The two must have the same home.
struct TenderTie {
  uint32_t a, b;
};

// Inline assembly in a function, as the IR spells it. It lives as long as the module.
struct TenderAssembly {
  uint32_t function;
  uint32_t firstOperand, operands; // those that are symbols, of the graph's list
  TenderStr text;
};

// What a module has at most, found without a look at what refers to what.
struct TenderModuleSize {
  uint64_t functions, blocks, instructions, bytes;
  uint64_t alwaysInline; // of the functions
};
TenderModuleSize tender_module_size(LLVMModuleRef module);

struct TenderGraph;
// With `optimised`, variables that nobody writes are marked constant first, as GlobalOpt would do
// later if it still saw the whole module.
TenderGraph *tender_graph(LLVMModuleRef module, bool optimised);
void tender_graph_free(TenderGraph *graph);
const TenderNode *tender_graph_nodes(const TenderGraph *graph, size_t *count);
const TenderEdge *tender_graph_edges(const TenderGraph *graph, size_t *count);
const TenderTie *tender_graph_ties(const TenderGraph *graph, size_t *count);
const TenderAssembly *tender_graph_assembly(const TenderGraph *graph, size_t *count);
const uint32_t *tender_graph_operands(const TenderGraph *graph, size_t *count);
// The name that the assembler sees of a node, empty where it sees none. Known only if there is
// inline assembly.
TenderStr tender_graph_name(const TenderGraph *graph, uint32_t node);
// Why the module must not be cut, empty if it may be.
TenderStr tender_graph_whole(const TenderGraph *graph);
// The same, by the options of the unit that translated it.
TenderStr tender_clang_whole(const TenderClang *unit);
// Whether the options ask for more than -O0.
bool tender_clang_optimised(const TenderClang *unit);

enum TenderChange : uint8_t {
  TENDER_CHANGE_NONE = 0,
  // A local becomes external, hidden and dso_local, and gets the suffix.
  TENDER_CHANGE_PROMOTE = 1,
  // linkonce becomes weak.
  TENDER_CHANGE_KEEP = 2,
};
// Applies one change for each node, and writes the module as bitcode. `renamed(context, before,
// now)` is called for each promoted symbol, with the names that an assembler sees; `used` as in
// TenderRename.
void tender_cut_write(LLVMModuleRef module, const uint8_t *changes, size_t count, TenderStr suffix,
                      void *context,
                      void (*renamed)(void *context, TenderStr before, TenderStr now, bool used),
                      TenderBuffer *bitcode);

enum TenderRole : uint8_t {
  TENDER_ROLE_NONE = 0,    // at most declared
  TENDER_ROLE_HOME = 1,    // the definition
  TENDER_ROLE_COPY = 2,    // available_externally
  TENDER_ROLE_REPLICA = 3, // a definition of this piece's own
};
// One piece, in a context of its own: only what `roles` wants is read. `first` is true for the one
// that has what an object needs once. Null and LLVM's words in `error` if the bitcode is not what
// tender_cut_write made.
LLVMModuleRef tender_cut_piece(LLVMContextRef context, TenderStr bitcode, const uint8_t *roles,
                               size_t count, bool first, TenderBuffer *error);

// Where clang's location cookies in a module (inline assembly, dontcall) are in the source. A
// cookie means something only to the SourceManager that made it, so this is asked of the unit that
// translated the module.
struct TenderPlaces;
TenderPlaces *tender_places(const TenderClang *unit, LLVMModuleRef module);
void tender_places_free(TenderPlaces *places);
// The unit's backend reports at these places from now on; `places` must outlive it.
void tender_clang_set_places(TenderClang *unit, const TenderPlaces *places);

// Before a piece is emitted into an object: promoted functions get sections of their own, and only
// the first piece names the source file.
void tender_cut_prepare(const TenderClang *unit, LLVMModuleRef module, TenderStr suffix,
                        bool first);

struct TenderRename {
  TenderStr now, before;
  // It has to stay although nobody refers to it.
  bool used;
};
// How the pieces' objects become one. Objects and renames have to outlive it. Null, and the reason
// in `error`, where an object cannot be read.
struct TenderJoin;
TenderJoin *tender_join_new(const TenderStr *pieces, size_t count, const TenderRename *renames,
                            size_t renameCount, TenderStr suffix, TenderBuffer *error);
void tender_join_free(TenderJoin *join);
// A linker script for `ld.lld -r`.
TenderStr tender_join_script(const TenderJoin *join);
// Of what that made: promoted symbols become local again under the names that the source gives
// them, and tables that name symbols follow. On failure false, and `error` holds the reason.
bool tender_join_finish(const TenderJoin *join, TenderStr object, TenderBuffer *out,
                        TenderBuffer *error);

// ---- Link-time optimisation (lto*.cpp) ----
//
// Errors come back as text in `error`; nothing here ends the process by choice.

// One bitcode module and its symbol table. `data` and `id` must outlive it and the link that it is
// added to.
struct TenderLtoInput;
// `id` names the module: unique in the link, and the same in every directory. Null on failure.
TenderLtoInput *tender_lto_input_open(const char *data, size_t len, TenderStr id,
                                      TenderBuffer *error);
void tender_lto_input_free(TenderLtoInput *input);

enum TenderLtoFlag : uint32_t {
  TENDER_LTO_UNDEFINED = 1,
  TENDER_LTO_WEAK = 2,
  TENDER_LTO_COMMON = 4,
  TENDER_LTO_USED = 8,
  // Linkonce and address-insignificant: need not be exported by a shared library.
  TENDER_LTO_OMITTABLE = 16,
};

struct TenderLtoSymbol {
  TenderStr name;
  // Empty if not given in the source.
  TenderStr section;
  // The key of the group of which one is kept in a link; empty if in none.
  TenderStr comdat;
  uint64_t common_size;
  uint32_t flags;
  // As in ELF: 0 default, 2 hidden, 3 protected.
  uint32_t visibility;
};
size_t tender_lto_input_symbols(const TenderLtoInput *input);
// The strings live as long as the input.
TenderLtoSymbol tender_lto_input_symbol(const TenderLtoInput *input, size_t index);
// The path of the source as it was compiled.
TenderStr tender_lto_input_source(const TenderLtoInput *input);
TenderStr tender_lto_input_triple(const TenderLtoInput *input);

// Functions that the code generator may call for `triple`, told one by one.
void tender_lto_libcalls(TenderStr triple, void *context,
                         void (*name)(void *context, TenderStr name));

struct TenderLtoLink;
struct TenderLtoConfig {
  // 0 to 3.
  uint32_t opt_level;
  bool position_independent;
  // Every module keeps its own copy of what several define weakly, because each may be linked
  // without the others.
  bool keep_copies;
};
TenderLtoLink *tender_lto_new(const TenderLtoConfig *config);
void tender_lto_free(TenderLtoLink *lto);

enum TenderLtoResolution : uint8_t {
  TENDER_LTO_PREVAILING = 1,
  TENDER_LTO_FINAL_DEFINITION = 2,
  TENDER_LTO_VISIBLE_TO_REGULAR = 4,
  TENDER_LTO_EXPORT_DYNAMIC = 8,
  TENDER_LTO_LINKER_REDEFINED = 16,
};
// Takes the input in every case. One resolution for each symbol, in order. A module without a
// summary is merged at once.
bool tender_lto_add(TenderLtoLink *lto, TenderLtoInput *input, const uint8_t *resolutions,
                    size_t count, const TenderEvents *events, TenderBuffer *error);
// Optimises and emits what was merged, and links the summaries of the others; their backends are
// left for tender_lto_backend. Once.
bool tender_lto_run(TenderLtoLink *lto, const TenderEvents *events, TenderBuffer *error);
// Machine code of the merged modules; null if there were none. Once, after the run.
TenderBuffer tender_lto_merged(TenderLtoLink *lto);
// Backends in the order in which modules were added.
size_t tender_lto_backends(const TenderLtoLink *lto);
// Of a backend: the module's id.
TenderStr tender_lto_backend_id(const TenderLtoLink *lto, size_t index);
// Of a backend: optimises the module with what it imports, and emits machine code. On any thread,
// at any time after the run, several at once. `object` stays empty if the module has nothing left
// in it.
bool tender_lto_backend(const TenderLtoLink *lto, size_t index, const TenderEvents *events,
                        TenderBuffer *object, TenderBuffer *error);
} // extern "C"
