// Gives what is instantiated from a template the places and names of the template's definition. Clang
// takes those of the declaration that it found; of several, that is another one where they come from
// a precompiled file. Debug information shows them. Knows nothing of precompiled files.
#pragma once

#include "clang/AST/ASTMutationListener.h"

namespace tender {

class Instantiations final : public clang::ASTMutationListener {
public:
  void AddedCXXTemplateSpecialization(const clang::ClassTemplateDecl *found,
                                      const clang::ClassTemplateSpecializationDecl *made) override;
  // To be called when a class is complete.
  static void completed(const clang::TagDecl *tag);
  // To be called for each declaration outside of classes and functions, before code is generated.
  static void declared(const clang::Decl *decl);
};

// Whether a declaration is only there to hold others: a namespace, `extern "C" {}`.
bool isScope(const clang::Decl *decl);

} // namespace tender
