// A file system that reports which files a compile read and which it looked up without success.
#pragma once

#include "llvm/ADT/IntrusiveRefCntPtr.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "shim.h"

namespace tender {

bool isAsItWas(llvm::StringRef path, const TenderStamp &stamp);

// By path: the modification time that the compile sees instead of the real one.
using FileTimes = llvm::StringMap<llvm::sys::TimePoint<>>;

// Whether directories that are only looked up are reported too. clang looks up files in each
// directory that it finds, and those are reported; its driver draws conclusions from the directory
// itself.
enum class Directories { Ignored, Reported };

// `times` must outlive the result.
llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem>
recordingFileSystem(const TenderEvents &events, const FileTimes *times = nullptr,
                    Directories directories = Directories::Ignored);

} // namespace tender
