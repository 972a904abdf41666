// Instantiates templates at the end of headers, for all units that include them, as far as no unit
// can change what they become. What a unit may not declare then, `template_inputs.h` says.
#pragma once

#include <set>
#include <string>

#include "clang/AST/ExternalASTSource.h"

namespace clang {
class Scope;
class Sema;
} // namespace clang

namespace tender {

// What has looked for the definition of a class that the headers only declare.
class AskedClasses final : public clang::ExternalASTSource {
public:
  void CompleteType(clang::TagDecl *tag) override;
  std::set<std::string> names;
};

// Instantiates the functions that clang has noted. Leaves to the units those with a template
// argument that is, or depends on, a class without a definition: units that have it get the same as
// alone. `asked` must outlive the AST. `scope` is that of the unit.
void instantiateHere(clang::Sema &sema, clang::Scope *scope,
                     llvm::IntrusiveRefCntPtr<AskedClasses> asked);

} // namespace tender
