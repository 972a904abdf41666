// The sources of precompiled headers and modules, with their modification times.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "clang/Frontend/CompilerInstance.h"

namespace tender {

struct PrecompiledInput {
  std::string path;
  // Modification time when it was read, seconds since the epoch; 0 if the file does not record it.
  time_t mtime;
};

struct PrecompiledFile {
  std::string path;
  std::vector<PrecompiledInput> inputs;
};

// All that the options of `instance` name, and those that these import. Unreadable files are left
// out, because clang reports them.
std::vector<PrecompiledFile> precompiledFiles(const clang::CompilerInstance &instance);

} // namespace tender
