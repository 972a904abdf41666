// Initialisation of the whole process.
#include <cstdlib>

#include "llvm/Config/Targets.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/TargetSelect.h"

#include "assembler_files.h"
#include "buffer.h"
#include "shim.h"

namespace {

// The processors that `--target` may name. Each backend makes the program larger by some megabytes,
// so they are those of Linux machines that people have.
void initialiseTargets() {
#define INITIALISE(NAME)                                                                           \
  LLVMInitialize##NAME##TargetInfo();                                                              \
  LLVMInitialize##NAME##Target();                                                                  \
  LLVMInitialize##NAME##TargetMC();                                                                \
  LLVMInitialize##NAME##AsmPrinter();                                                              \
  LLVMInitialize##NAME##AsmParser();
#if LLVM_HAS_X86_TARGET
  INITIALISE(X86)
#endif
#if LLVM_HAS_AARCH64_TARGET
  INITIALISE(AArch64)
#endif
#if LLVM_HAS_ARM_TARGET
  INITIALISE(ARM)
#endif
#if LLVM_HAS_RISCV_TARGET
  INITIALISE(RISCV)
#endif
#undef INITIALISE
}

} // namespace

extern "C" {

void tender_buffer_free(TenderBuffer buffer) { std::free(buffer.data); }

void tender_initialise(void (*fatal)(TenderStr message)) {
  initialiseTargets();
  tender::recordAssemblerFiles();
  // LLVM cannot continue after a fatal error. The handler reports the text and aborts.
  llvm::install_fatal_error_handler(
      [](void *fatal, const char *message, bool) {
        reinterpret_cast<void (*)(TenderStr)>(fatal)(tender::str(message));
        std::abort();
      },
      reinterpret_cast<void *>(fatal));
  // LLVM is built without exceptions, so a bad_alloc could not be unwound and would look like a
  // crash.
  llvm::install_out_of_memory_new_handler();
}

const char *tender_llvm_version(void) { return LLVM_VERSION_STRING; }
}
