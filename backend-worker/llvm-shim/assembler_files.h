// Reports which files assembly reads (`.include`, `.incbin`), and which it looks up without
// success.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

// While this object exists, files that assembly parsed on this thread reads are reported to
// `events`.
class AssemblerFiles {
public:
  explicit AssemblerFiles(const TenderEvents &events);
  ~AssemblerFiles();
  AssemblerFiles(const AssemblerFiles &) = delete;
  AssemblerFiles &operator=(const AssemblerFiles &) = delete;

private:
  llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> outer;
};

// Call it once, after the targets' assembly parsers are registered.
void recordAssemblerFiles();

} // namespace tender
