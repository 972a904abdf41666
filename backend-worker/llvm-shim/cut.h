// Functions that the files for cutting a module share.
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

// The name of `value` as the assembler sees it: that of LLVM's Mangler for ELF.
std::string nameInAssembly(const llvm::GlobalValue &value);

// Whether a variable is a list of symbols that is rebuilt for each piece, or, as annotations are,
// ignored by the backend.
inline bool isSpecial(llvm::StringRef name) {
  return name == "llvm.used" || name == "llvm.compiler.used" || name == "llvm.global.annotations";
}

} // namespace tender
