// Writes modules as bitcode.
#pragma once

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/Module.h"

namespace tender {

// With `keepUseLists`, the module that is read back gives the same machine code.
llvm::SmallString<0> plainBitcode(const llvm::Module &module, bool keepUseLists);
// With the summary for a ThinLTO link (ThinLTOBitcodeWriterPass), as `clang -flto=thin` writes it.
llvm::SmallString<0> thinBitcode(llvm::Module &module);

} // namespace tender
