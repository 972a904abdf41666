// Tells which files assembly reads (`.include`, `.incbin`), and which it looks for in vain.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

// While this lives, what assembly that is parsed on this thread reads is told to `events`.
class AssemblerFiles {
public:
  explicit AssemblerFiles(const TenderEvents &events);
  ~AssemblerFiles();
  AssemblerFiles(const AssemblerFiles &) = delete;
  AssemblerFiles &operator=(const AssemblerFiles &) = delete;

private:
  llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> outer;
};

// Once, after the targets' parsers of assembly are registered.
void recordAssemblerFiles();

} // namespace tender
