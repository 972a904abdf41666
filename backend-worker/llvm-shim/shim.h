// The C interface of the shim: what LLVM's C API and inkwell lack. One .cpp file a topic.
//
// Nothing here owns threads, knows tokens or writes files: outputs come back as buffers.
// Strings go in and out as pointer and length, in UTF-8, and are not null-terminated unless said so.
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

// What a compile tells while it runs. All are called on the thread that made the call into the shim.
struct TenderEvents {
  void *context;
  // `rendered` is clang's own text with its notes, in colour.
  void (*diagnostic)(void *context, TenderLevel level, TenderStr message, TenderStr file, uint32_t line,
                     uint32_t column, TenderStr rendered);
  // A file was read (data, its whole content) or only found to exist (data is null).
  void (*read)(void *context, TenderStr path, uint64_t size, int64_t mtime_ns, const char *data);
  // A path was looked for in vain.
  void (*missing)(void *context, TenderStr path);
};

// One source file on its way to an object: clang's invocation and, once it runs, its compiler instance.
struct TenderClang;

// Link-time optimisation, for which `optimise` stops early and `serialise` takes the place of `emit`.
enum TenderLto : int32_t {
  TENDER_LTO_OFF = 0,
  TENDER_LTO_THIN = 1,
  TENDER_LTO_FULL = 2,
};

// `clang` is LLVM's own driver program by full path, `args` driver arguments with the action (`-c`, or `-E` where
// `preprocess`), without input and output. Returns null after reporting why. `events` must outlive the result.
TenderClang *tender_clang_open(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                               TenderStr output, bool preprocess, TenderLto lto, const TenderEvents *events);
void tender_clang_free(TenderClang *unit);

// Source to IR in `context`, not optimised; the AST is freed before this returns. Null after reporting errors.
LLVMModuleRef tender_clang_translate(TenderClang *unit, LLVMContextRef context);
// For a module that came from elsewhere (.ll, .bc): sets up the target that the driver arguments ask for.
bool tender_clang_adopt(TenderClang *unit, LLVMModuleRef module);
// Front end only. False after reporting errors.
bool tender_clang_check(TenderClang *unit);
// The preprocessed source. False after reporting errors.
bool tender_clang_preprocess(TenderClang *unit, TenderBuffer *out);
// clang's own pass pipeline for the options of this unit, on any module. False after reporting errors.
bool tender_clang_optimise(TenderClang *unit, LLVMModuleRef module);
// Machine code. `dwo` is filled where the options split DWARF. False after reporting errors.
bool tender_clang_emit(TenderClang *unit, LLVMModuleRef module, TenderBuffer *object, TenderBuffer *dwo);
// Bitcode for link-time optimisation: for ThinLTO with a summary, otherwise without, so that a linker merges each module
// as it comes and need not keep it.
void tender_clang_serialise(TenderClang *unit, LLVMModuleRef module, TenderBuffer *bitcode);
// Where the driver wants the .dwo, empty unless DWARF is split; lives as long as the unit.
TenderStr tender_clang_dwo_path(const TenderClang *unit);

// A module as bitcode from which the same machine code is made: the order of use lists is kept.
void tender_bitcode_write(LLVMModuleRef module, TenderBuffer *bitcode);

// Assembles `text`, which needs no preprocessing any more and came from `input`. `args` as for tender_clang_open.
// False after reporting.
bool tender_assemble(TenderStr clang, const TenderStr *args, size_t count, TenderStr input, TenderStr output,
                     TenderStr text, const TenderEvents *events, TenderBuffer *object);

struct TenderMember {
  TenderStr name;
  const char *data;
  size_t len;
};
// A deterministic GNU archive with its symbol table. Members that are archives are opened.
// On failure false, and `error` holds the reason.
bool tender_archive(const TenderMember *members, size_t count, TenderBuffer *out, TenderBuffer *error);

// Once, before anything else. `fatal` is told the text of an LLVM fatal error and must not return.
void tender_initialise(void (*fatal)(TenderStr message));
// e.g. 22.1.8, null-terminated.
const char *tender_llvm_version(void);
} // extern "C"
