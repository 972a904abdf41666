// Finds what a unit declares that could change what a template in the headers before it is
// instantiated to. If there is nothing, it makes no difference whether the template is instantiated
// at the end of the headers or, as the standard has it, also at the end of the unit
// (https://eel.is/c++draft/temp.point#7). Knows nothing of how headers are shared.
#pragma once

#include <string>
#include <vector>

#include "clang/AST/ASTContext.h"
#include "llvm/ADT/StringSet.h"

namespace clang {
class Sema;
} // namespace clang

namespace tender {

// The names of functions that templates look up again where they are instantiated, sorted
// (https://eel.is/c++draft/temp.dep.candidate). With `CONVERTS_TO_ANY` if a class has a conversion
// function template.
std::vector<std::string> namesLookedUpLate(clang::ASTContext &context);
constexpr const char *CONVERTS_TO_ANY = "operator auto";
// Before the name of a class that the headers only declare, and whose definition they have looked
// for.
constexpr const char *CLASS = "class ";

// The declarations of the headers come from a precompiled file.
class TemplateInputs {
public:
  // `names` are those that were looked up, of functions and classes.
  explicit TemplateInputs(llvm::ArrayRef<llvm::StringRef> names);

  // To be called for each declaration of the unit outside of classes and functions.
  void declared(const clang::Decl *decl);
  // To be called for each class and enumeration that is completed.
  void completed(const clang::TagDecl *tag);
  // To be called when the unit is parsed: notes what no declaration shows. `instantiatesExplicitly`
  // is `TokenRecord`'s, of what was parsed.
  void parsed(clang::Sema &sema, bool instantiatesExplicitly);

  // The first of them, as a diagnostic would name it; empty if there is none.
  std::string found;

private:
  void function(const clang::FunctionDecl *function);
  void variable(const clang::VarDecl *variable);
  bool isLookedUp(const clang::NamedDecl *decl) const;
  bool isViable(const clang::FunctionDecl *function) const;
  void find(const clang::NamedDecl *decl);

  llvm::StringSet<> names;
};

} // namespace tender
