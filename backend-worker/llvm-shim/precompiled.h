// Which files precompiled headers and modules were made from, and when these had changed last.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "clang/Frontend/CompilerInstance.h"

namespace tender {

struct PrecompiledInput {
  std::string path;
  // When it was read, seconds since the epoch; 0 where the file does not say.
  time_t mtime;
};

struct PrecompiledFile {
  std::string path;
  std::vector<PrecompiledInput> inputs;
};

// All that the options of `instance` name, and those that these refer to. What cannot be read is
// left out: clang says so.
std::vector<PrecompiledFile> precompiledFiles(const clang::CompilerInstance &instance);

} // namespace tender
