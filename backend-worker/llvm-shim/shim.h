// The C interface of the shim: functions that LLVM's C API and inkwell lack. One .cpp file per
// topic.
//
// The shim starts no threads, knows no tokens and writes no files: outputs are returned as buffers.
// Strings are passed as pointer and length, in UTF-8, and are not null-terminated unless
// documented.
#pragma once

#include <cstddef>
#include <cstdint>

#include "llvm-c/Types.h"

extern "C" {

struct TenderStr {
  const char *data;
  size_t len;
};

// Bytes that the caller frees with tender_buffer_free.
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

// A file's state; see `FileStamp` of the protocol.
struct TenderStamp {
  uint64_t size;
  int64_t mtime_ns;
  int64_t ctime_ns;
  uint64_t inode;
};

// Callbacks for the events of a compile. They are called on the thread that called the shim.
struct TenderEvents {
  void *context;
  // `rendered` is clang's own text with its notes, in colour.
  void (*diagnostic)(void *context, TenderLevel level, TenderStr message, TenderStr file,
                     uint32_t line, uint32_t column, TenderStr rendered);
  // A file was read (`data` is its whole content of `size` bytes) or only looked up (`data` is
  // null). `data` is also null for a directory that was looked up, and for a directory whose
  // entries were listed; the path of the latter ends in a slash.
  void (*read)(void *context, TenderStr path, const TenderStamp *stamp, const char *data,
               uint64_t size);
  // A path was looked up and not found.
  void (*missing)(void *context, TenderStr path);
  // The modification time of a file, seconds since the epoch, is part of the result.
  void (*dated)(void *context, TenderStr path, int64_t mtime_s);
  // The result depends on the value of this environment variable.
  void (*variable)(void *context, TenderStr name);
};

// The compile of one source file: clang's invocation and its compiler instance.
struct TenderClang;

// Link-time optimisation. With it, `optimise` runs only the passes before the link, and `serialise`
// replaces `emit`.
enum TenderLto : int32_t {
  TENDER_LTO_OFF = 0,
  TENDER_LTO_THIN = 1,
  TENDER_LTO_FULL = 2,
};

// `clang` is the full path of LLVM's own driver. `args` are driver arguments with the action (`-c`,
// or `-E` with `preprocess`), without input and output. Returns null after reporting an error.
// `events` must outlive the result.
TenderClang *tender_clang_open(TenderStr clang, const TenderStr *args, size_t count,
                               TenderStr input, TenderStr output, bool preprocess, TenderLto lto,
                               const TenderEvents *events);
void tender_clang_free(TenderClang *unit);

// Translates the source to IR in `context`, without optimising it. The AST is freed before this
// returns. Null after reporting errors.
LLVMModuleRef tender_clang_translate(TenderClang *unit, LLVMContextRef context);
// For a module that the unit did not translate (.ll, .bc, a piece): sets up the target of the
// driver arguments.
bool tender_clang_adopt(TenderClang *unit, LLVMModuleRef module);
// Calls `input` for each source of the precompiled headers and modules that the options name, with
// the modification time that the source had then, seconds since the epoch, 0 if unknown.
void tender_clang_precompiled(const TenderClang *unit, void *context,
                              void (*input)(void *context, TenderStr file, TenderStr input,
                                            int64_t mtime_s));
// Makes the unit see this modification time for `path`. Call it before the unit runs.
void tender_clang_assume_time(TenderClang *unit, TenderStr path, int64_t mtime_s);
// Makes the unit see this text in place of its input, whether that exists or not. Call it before the
// unit runs.
void tender_clang_assume_text(TenderClang *unit, TenderStr text);
// Runs only the front end. False after reporting errors.
bool tender_clang_check(TenderClang *unit);
// Preprocesses the source. False after reporting errors.
bool tender_clang_preprocess(TenderClang *unit, TenderBuffer *out);
// Preprocesses the source of C++ and tells which named modules it provides (at most one) and
// requires, as a file with P1689's format would: https://wg21.link/p1689. Nothing is imported.
// Only errors are reported. False after reporting errors.
bool tender_clang_scan(TenderClang *unit, void *context,
                       void (*found)(void *context, bool provided, TenderStr name, TenderStr file,
                                     uint32_t line));
// Makes the module file of a source that declares a named module or a partition. Only errors are
// reported. False after reporting errors.
bool tender_clang_interface(TenderClang *unit, TenderBuffer *out);
// As tender_clang_interface and tender_clang_translate, of one AST. Null after reporting errors.
LLVMModuleRef tender_clang_translate_interface(TenderClang *unit, LLVMContextRef context,
                                               TenderBuffer *out);
// Makes a precompiled header of the source. False after reporting errors.
bool tender_clang_precompile(TenderClang *unit, TenderBuffer *out);

// ---- Headers that several units share (shared_headers.cpp) ----

// The tokens of a unit after preprocessing, by file.
struct TenderTokens;
struct TenderTokenFile {
  TenderStr name;
  // The text of the directive that named it first, with its quotes or brackets.
  TenderStr spelled;
  // Of its tokens in order; the sum of the hashes of its statements.
  uint64_t hash, statements;
  // The file with that directive; itself for the main file.
  uint32_t includer;
  // How often it was entered and yielded tokens.
  uint32_t entries;
  uint32_t tokens;
  bool system;
  // It leaves a setting of the compiler behind, or has a pragma that is not known.
  bool leavesState;
};
// Tokens of one file without tokens of another between them.
struct TenderTokenRun {
  uint32_t file;
  uint32_t offset; // in bytes
  uint32_t tokens;
};
// Preprocesses the source. Null after reporting errors.
TenderTokens *tender_tokens_scan(TenderClang *unit);
void tender_tokens_free(TenderTokens *tokens);
// The strings live as long as the tokens.
size_t tender_tokens_files(const TenderTokens *tokens);
TenderTokenFile tender_tokens_file(const TenderTokens *tokens, size_t index);
size_t tender_tokens_runs(const TenderTokens *tokens);
TenderTokenRun tender_tokens_run(const TenderTokens *tokens, size_t index);
// The directories in which included files are looked up, in order.
size_t tender_tokens_searched(const TenderTokens *tokens);
TenderStr tender_tokens_directory(const TenderTokens *tokens, size_t index);
// Whether the unit gets debug information, which shows where declarations stand.
bool tender_tokens_show_places(const TenderTokens *tokens);
// A place in a file, by the name under which the file was entered; the offset is in bytes.
struct TenderPlace {
  TenderStr file;
  uint32_t offset;
};
// Two declarations of one type's name in their order. Only for units with debug information, and not
// after preprocessing alone.
struct TenderRedeclaration {
  TenderPlace first, later;
};
// What the unit declares that could change templates of the headers before it; empty if there is nothing.
TenderStr tender_tokens_template_input(const TenderTokens *tokens);
size_t tender_tokens_redeclarations(const TenderTokens *tokens);
TenderRedeclaration tender_tokens_redeclaration(const TenderTokens *tokens, size_t index);

// Headers in parsed form, as they were made.
struct TenderSharedHeaders;
// Parses the source, which includes the headers, and instantiates the templates that they use, if it is
// said. Null after reporting errors.
TenderSharedHeaders *tender_shared_headers(TenderClang *unit, bool instantiate);
void tender_shared_headers_free(TenderSharedHeaders *headers);
const TenderTokens *tender_shared_headers_tokens(const TenderSharedHeaders *headers);
// The precompiled file.
TenderStr tender_shared_headers_file(const TenderSharedHeaders *headers);
// A using-declaration or the like in it, which debug information lists; `id` is clang's.
struct TenderNamedScope {
  TenderPlace place;
  uint64_t id;
};
size_t tender_shared_headers_scopes(const TenderSharedHeaders *headers);
TenderNamedScope tender_shared_headers_scope(const TenderSharedHeaders *headers, size_t index);
// The names of functions that instantiated templates of the headers have looked up.
size_t tender_shared_headers_names(const TenderSharedHeaders *headers);
TenderStr tender_shared_headers_name(const TenderSharedHeaders *headers, size_t index);
// The same, for units that use them. Any number may at once.
struct TenderHeaders {
  // The source that they were made of, and its text.
  TenderStr source, text;
  // Aligned as malloc's results are.
  TenderStr file;
  const TenderNamedScope *scopes;
  size_t scope_count;
  // Their templates are instantiated, and these are the names that they have looked up.
  bool instantiated;
  const TenderStr *names;
  size_t name_count;
};
// As tender_clang_translate. The module is the same with and without headers, if these are the first
// that the unit includes: it is in an order of its own. `scan` is the unit's; null without headers.
// `rest` is what of the unit was not in the headers; the caller frees it. If it has a template input, the
// module is not whole.
LLVMModuleRef tender_clang_translate_in_order(TenderClang *unit, LLVMContextRef context,
                                              const TenderTokens *scan,
                                              const TenderHeaders *headers, TenderTokens **rest);

// Runs clang's pass pipeline for the options of this unit on a module. False after reporting
// errors.
bool tender_clang_optimise(TenderClang *unit, LLVMModuleRef module);
// Emits machine code. `dwo` is filled if the options split DWARF. False after reporting errors.
bool tender_clang_emit(TenderClang *unit, LLVMModuleRef module, TenderBuffer *object,
                       TenderBuffer *dwo);
// Writes bitcode for link-time optimisation: with a summary for ThinLTO, otherwise without, so that
// a linker merges each module at once and need not keep it.
void tender_clang_serialise(TenderClang *unit, LLVMModuleRef module, TenderBuffer *bitcode);
// The driver's path for the .dwo; empty unless DWARF is split. It lives as long as the unit.
TenderStr tender_clang_dwo_path(const TenderClang *unit);

// Writes bitcode that gives the same machine code: it keeps the order of use lists.
void tender_bitcode_write(LLVMModuleRef module, TenderBuffer *bitcode);

// Assembles `text`, the preprocessed content of `input`. `args` as for tender_clang_open. False
// after reporting errors.
bool tender_assemble(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                     TenderStr output, TenderStr text, const TenderEvents *events,
                     TenderBuffer *object);

struct TenderMember {
  TenderStr name;
  const char *data;
  size_t len;
};
// Writes a deterministic GNU archive with its symbol table. If a member is an archive, its members
// are added instead. On failure it returns false, and `error` is the reason.
bool tender_archive(const TenderMember *members, size_t count, TenderBuffer *out,
                    TenderBuffer *error);

// Call it once, before anything else. `fatal` is called with the text of a fatal error of LLVM,
// before the process aborts.
void tender_initialise(void (*fatal)(TenderStr message));
// For example 22.1.8, null-terminated.
const char *tender_llvm_version(void);

// Drops file contents that are cached for later units.
void tender_forget_files(void);

// ---- Cutting one module into codegen units (cut_*.cpp) ----
//
// The global values of a module are numbered: functions, variables, aliases, ifuncs, each in the
// module's order, which bitcode keeps. All node numbers below are of this kind.

enum TenderNodeFlag : uint32_t {
  TENDER_NODE_FUNCTION = 1 << 0,
  TENDER_NODE_DEFINED = 1 << 1,
  // Internal or private: other pieces can refer to it only after promotion.
  TENDER_NODE_LOCAL = 1 << 2,
  // A constant that may be in any piece, and is placed with its users.
  TENDER_NODE_FOLLOWS_USERS = 1 << 3,
  // Other pieces may have the body or initialiser as available_externally.
  TENDER_NODE_COPYABLE = 1 << 4,
  // A function that several pieces may define: a local whose address is not taken, or linkonce_odr.
  TENDER_NODE_REPLICABLE = 1 << 5,
  TENDER_NODE_ALWAYS_INLINE = 1 << 6,
  // linkonce: its owner does not emit it if it does not use it, unless it is made weak.
  TENDER_NODE_LINKONCE = 1 << 7,
  // available_externally already: no piece needs to define it.
  TENDER_NODE_OPTIONAL = 1 << 8,
  // llvm.used and the like: rebuilt for each piece, never placed.
  TENDER_NODE_SPECIAL = 1 << 9,
  // Its users must be in its piece.
  TENDER_NODE_PINNED = 1 << 10,
};
struct TenderNode {
  uint32_t flags;
  uint32_t instructions; // of a function, without debug instructions
  uint32_t blocks;
  uint32_t reserved;
  uint64_t bytes; // of a variable
};
struct TenderEdge {
  uint32_t from, to;
  uint32_t calls; // direct calls; 0 if there are only other references
};
// The two must have the same owner.
struct TenderTie {
  uint32_t a, b;
};

// Inline assembly in a function, as in the IR. It lives as long as the module.
struct TenderAssembly {
  uint32_t function;
  uint32_t firstOperand, operands; // operands that are symbols: a range of the graph's list
  TenderStr text;
};

// Upper bounds for the size of a module, found without looking at references.
struct TenderModuleSize {
  uint64_t functions, blocks, instructions, bytes;
  uint64_t alwaysInline; // of the functions
};
TenderModuleSize tender_module_size(LLVMModuleRef module);

struct TenderGraph;
// With `optimised`, variables that are never written are first marked constant, as GlobalOpt would
// do later if it saw the whole module.
TenderGraph *tender_graph(LLVMModuleRef module, bool optimised);
void tender_graph_free(TenderGraph *graph);
const TenderNode *tender_graph_nodes(const TenderGraph *graph, size_t *count);
const TenderEdge *tender_graph_edges(const TenderGraph *graph, size_t *count);
const TenderTie *tender_graph_ties(const TenderGraph *graph, size_t *count);
const TenderAssembly *tender_graph_assembly(const TenderGraph *graph, size_t *count);
const uint32_t *tender_graph_operands(const TenderGraph *graph, size_t *count);
// The name of a node as the assembler sees it; empty if it sees none. Set only if there is inline
// assembly.
TenderStr tender_graph_name(const TenderGraph *graph, uint32_t node);
// The reason why the module must not be cut; empty if it may be.
TenderStr tender_graph_uncuttable_reason(const TenderGraph *graph);
// The same, for the options of the unit that translated the module.
TenderStr tender_clang_uncuttable_reason(const TenderClang *unit);
// Whether the options ask for more than -O0.
bool tender_clang_optimised(const TenderClang *unit);

enum TenderChange : uint8_t {
  TENDER_CHANGE_NONE = 0,
  // A local becomes external, hidden and dso_local, and the suffix is appended to its name.
  TENDER_CHANGE_PROMOTE = 1,
  // linkonce becomes weak.
  TENDER_CHANGE_KEEP = 2,
};
// Applies one change per node, and writes the module as bitcode. `renamed(context, before, now)` is
// called for each promoted symbol, with its names as the assembler sees them; `used` as in
// TenderRename.
void tender_cut_write(LLVMModuleRef module, const uint8_t *changes, size_t count, TenderStr suffix,
                      void *context,
                      void (*renamed)(void *context, TenderStr before, TenderStr now, bool used),
                      TenderBuffer *bitcode);

enum TenderRole : uint8_t {
  TENDER_ROLE_NONE = 0,    // at most declared
  TENDER_ROLE_DEFINITION = 1, // the definition: this piece is the owner
  TENDER_ROLE_COPY = 2,    // available_externally
  TENDER_ROLE_REPLICA = 3, // a further definition, for this piece alone
};
// Reads one piece into its own context. Only the bodies that `roles` needs are read. `first` is
// true for the piece that gets what an object has only once. Null, and LLVM's text in `error`, if
// the bitcode is not from tender_cut_write.
LLVMModuleRef tender_cut_piece(LLVMContextRef context, TenderStr bitcode, const uint8_t *roles,
                               size_t count, bool first, TenderBuffer *error);

// Notes in a module where clang's location cookies lead (inline assembly, dontcall). Only the
// SourceManager that made a cookie can decode it, so this needs the unit that translated or adopted
// the module. tender_clang_adopt takes the notes out again.
void tender_clang_note_locations(const TenderClang *unit, LLVMModuleRef module);

// Prepares a piece for emission to an object: promoted functions get their own sections, and only
// the first piece names the source file.
void tender_cut_prepare(const TenderClang *unit, LLVMModuleRef module, TenderStr suffix,
                        bool first);

struct TenderRename {
  TenderStr now, before;
  // It must be kept even if nothing refers to it.
  bool used;
};
// Joins the objects of the pieces. Objects and renames must outlive it. Null, and the reason in
// `error`, if an object cannot be read.
struct TenderJoin;
TenderJoin *tender_join_new(const TenderStr *pieces, size_t count, const TenderRename *renames,
                            size_t renameCount, TenderStr suffix, TenderBuffer *error);
void tender_join_free(TenderJoin *join);
// The linker script for `ld.lld -r`.
TenderStr tender_join_script(const TenderJoin *join);
// In the joined object, makes promoted symbols local again under their names in the source, and
// updates tables that name symbols. On failure it returns false, and `error` is the reason.
bool tender_join_finish(const TenderJoin *join, TenderStr object, TenderBuffer *out,
                        TenderBuffer *error);

// ---- Link-time optimisation (lto*.cpp) ----
//
// Errors are returned as text in `error`.

// A bitcode module and its symbol table. `data` and `id` must outlive it and the link that it is
// added to.
struct TenderLtoInput;
// `id` names the module. It must be unique in the link and independent of the directory. Null on
// failure.
TenderLtoInput *tender_lto_input_open(const char *data, size_t len, TenderStr id,
                                      TenderBuffer *error);
void tender_lto_input_free(TenderLtoInput *input);

enum TenderLtoFlag : uint32_t {
  TENDER_LTO_UNDEFINED = 1,
  TENDER_LTO_WEAK = 2,
  TENDER_LTO_COMMON = 4,
  TENDER_LTO_USED = 8,
  // Linkonce and address-insignificant: a shared library need not export it.
  TENDER_LTO_OMITTABLE = 16,
};

struct TenderLtoSymbol {
  TenderStr name;
  // Empty if the source gives none.
  TenderStr section;
  // The key of its comdat group, of which a link keeps one; empty if none.
  TenderStr comdat;
  uint64_t common_size;
  uint32_t flags;
  // As in ELF: 0 default, 2 hidden, 3 protected.
  uint32_t visibility;
};
size_t tender_lto_input_symbols(const TenderLtoInput *input);
// The strings live as long as the input.
TenderLtoSymbol tender_lto_input_symbol(const TenderLtoInput *input, size_t index);
// The path of the source, as it was given to clang.
TenderStr tender_lto_input_source(const TenderLtoInput *input);
TenderStr tender_lto_input_triple(const TenderLtoInput *input);

// Calls `name` for each function that the code generator may call for `triple`.
void tender_lto_libcalls(TenderStr triple, void *context,
                         void (*name)(void *context, TenderStr name));

struct TenderLtoLink;
struct TenderLtoConfig {
  // 0 to 3.
  uint32_t opt_level;
  bool position_independent;
  // Every module keeps its own copy of weak definitions, because each may be linked without the
  // others.
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
// Takes ownership of the input in every case. One resolution per symbol, in order. A module without
// a summary is merged at once.
bool tender_lto_add(TenderLtoLink *lto, TenderLtoInput *input, const uint8_t *resolutions,
                    size_t count, const TenderEvents *events, TenderBuffer *error);
// Optimises and emits the merged module, and runs the thin link over the summaries of the others.
// tender_lto_backend runs their backends later. Call it once.
bool tender_lto_run(TenderLtoLink *lto, const TenderEvents *events, TenderBuffer *error);
// Machine code of the merged modules; null if there were none. Call it once, after the run.
TenderBuffer tender_lto_merged(TenderLtoLink *lto);
// The number of backends. They are in the order in which modules were added.
size_t tender_lto_backends(const TenderLtoLink *lto);
// The id of a backend's module.
TenderStr tender_lto_backend_id(const TenderLtoLink *lto, size_t index);
// Runs a backend: optimises the module and its imports, and emits machine code. Call it on any
// thread after the run, also several at once. `object` stays empty if the module became empty.
bool tender_lto_backend(const TenderLtoLink *lto, size_t index, const TenderEvents *events,
                        TenderBuffer *object, TenderBuffer *error);
} // extern "C"
