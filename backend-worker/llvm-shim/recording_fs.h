// A file system that tells which files a compile read and which it looked for in vain.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

bool isAsItWas(llvm::StringRef path, const TenderStamp &stamp);

// By path: a time of change that the compile is to see in place of the true one.
using FileTimes = llvm::StringMap<llvm::sys::TimePoint<>>;

// Whether it also tells of directories that are only found to exist. Clang looks into each
// directory that it finds, and what it looks for there is told; its driver concludes from the
// directory itself.
enum class Directories { Ignored, Told };

// `times` must outlive it.
llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem>
recordingFileSystem(const TenderEvents &events, const FileTimes *times = nullptr,
                    Directories directories = Directories::Ignored);

} // namespace tender
