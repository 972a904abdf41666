// A file system that tells which files a compile read and which it looked for in vain.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

// By path: a time of change that the compile is to see in place of the true one.
using FileTimes = llvm::StringMap<llvm::sys::TimePoint<>>;

// `times` must outlive it.
llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> recordingFileSystem(const TenderEvents &events,
                                                                    const FileTimes *times = nullptr);

} // namespace tender
