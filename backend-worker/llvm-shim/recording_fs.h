// A file system that tells which files a compile read and which it looked for in vain.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> recordingFileSystem(const TenderEvents &events);

} // namespace tender
