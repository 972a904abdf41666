// Initialisation of the whole process.
#include <cstdlib>

#include "llvm/Config/llvm-config.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/TargetSelect.h"

#include "assembler_files.h"
#include "buffer.h"
#include "shim.h"

extern "C" {

void tender_buffer_free(TenderBuffer buffer) { std::free(buffer.data); }

void tender_initialise(void (*fatal)(TenderStr message)) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  llvm::InitializeNativeTargetAsmParser();
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
