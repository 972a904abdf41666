// Gives each later declaration of a type's name the place and the type of the first one. Debug
// information shows those of the declaration that a use found; of several, that is another one
// where they come from a precompiled file. Notes which using-declarations stand before others of
// the same name. Knows nothing of precompiled files.
#pragma once

#include <string>
#include <vector>

#include "clang/AST/Decl.h"
#include "clang/Basic/SourceManager.h"

namespace clang {
class UsingDecl;
}

namespace tender {

// A place in a file, by the name under which the file was entered.
struct NamedPlace {
  std::string file;
  // In bytes.
  uint32_t offset = 0;
};
NamedPlace placeOf(const clang::Decl *decl, const clang::SourceManager &sources);

// Two declarations of one name in their order, where they stand in the text.
struct Redeclaration {
  NamedPlace first, later;
};

class Redeclarations {
public:
  // To be called for each declaration outside of classes and functions, in order, before any use of
  // it is compiled.
  void declared(clang::Decl *decl, const clang::SourceManager &sources);

  std::vector<Redeclaration> found;

private:
  void noteEarlier(const clang::UsingDecl *later, const clang::SourceManager &sources);
};

} // namespace tender
