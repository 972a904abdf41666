// The order of what a module defines.
#pragma once

#include <cstdint>
#include <vector>

namespace llvm {
class Module;
}

namespace tender {

// Puts functions and variables into an order that depends on the module's content alone, and
// numbers the names of those that have a number alike. To be called before anything else changes
// the module. Location cookies, which depend on what clang has read before, become numbers from 1.
// Returns what they were.
std::vector<uint64_t> canonicalise(llvm::Module &module);

} // namespace tender
