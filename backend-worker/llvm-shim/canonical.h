// The order of what a module defines.
#pragma once

namespace llvm {
class Module;
}

namespace tender {

// Puts functions and variables into an order that depends on the module's content alone, and numbers
// the names of those that have a number alike. To be called before anything else changes the module.
void canonicalise(llvm::Module &module);

} // namespace tender
