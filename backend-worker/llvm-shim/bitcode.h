// Modules as bitcode, for the three purposes that there are.
#pragma once

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/Module.h"

namespace tender {

// With the order of use lists, the module that is read back gives the same machine code.
llvm::SmallString<0> plainBitcode(const llvm::Module &module, bool keepUseLists);
// With the summary that a ThinLTO link needs (ThinLTOBitcodeWriterPass), as `clang -flto=thin`
// writes it.
llvm::SmallString<0> thinBitcode(llvm::Module &module);

} // namespace tender
