// Shared by the files that cut a module.
#pragma once

#include <string>
#include <vector>

#include "llvm/ADT/StringRef.h"

namespace llvm {
class GlobalValue;
class Module;
} // namespace llvm

namespace tender {

// The module's global values in the order that their numbers follow (see shim.h).
std::vector<llvm::GlobalValue *> numbered(llvm::Module &module);

// The name that the assembler sees of `value`, as LLVM's Mangler makes it for ELF.
std::string nameInAssembly(const llvm::GlobalValue &value);

// Lists of symbols that are made anew for each piece, or, as annotations, mean nothing to the
// backend.
inline bool isSpecial(llvm::StringRef name) {
  return name == "llvm.used" || name == "llvm.compiler.used" || name == "llvm.global.annotations";
}

} // namespace tender
