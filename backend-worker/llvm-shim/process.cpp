// What is set up once for the whole process.
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
  // LLVM cannot go on after a fatal error, so the handler ends the process; it only has to say why
  // first.
  llvm::install_fatal_error_handler(
      [](void *fatal, const char *message, bool) {
        reinterpret_cast<void (*)(TenderStr)>(fatal)(tender::str(message));
        std::abort();
      },
      reinterpret_cast<void *>(fatal));
  // LLVM is built without exceptions: an exception would meet frames that cannot be unwound, and
  // look like a crash.
  llvm::install_out_of_memory_new_handler();
}

const char *tender_llvm_version(void) { return LLVM_VERSION_STRING; }
}
