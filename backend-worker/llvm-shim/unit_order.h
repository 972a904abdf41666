// Gives the code generator the declarations of a unit in the order of the unit's own text, also those
// that come from a precompiled file. Knows nothing of how such files are chosen.
#pragma once

#include "clang/Frontend/MultiplexConsumer.h"

#include "instantiations.h"
#include "redeclarations.h"
#include "token_record.h"

namespace tender {

// A using-declaration or the like in a precompiled file. No code refers to them, so clang would not
// read them; debug information lists them.
struct NamedScope {
  NamedPlace place;
  // clang::LocalDeclID.
  uint64_t id;
};
bool isNamedScope(const clang::Decl *decl);

class UnitOrder final : public clang::MultiplexConsumer {
public:
  // `scan` is the unit alone. All must outlive this; `named` is null without a precompiled file.
  UnitOrder(std::unique_ptr<clang::ASTConsumer> generator, const TokenRecord &scan,
            const std::vector<NamedScope> *named, Redeclarations &redeclarations,
            clang::CompilerInstance &instance);

  void Initialize(clang::ASTContext &context) override;
  clang::ASTMutationListener *GetASTMutationListener() override { return &instantiations; }
  void HandleInterestingDecl(clang::DeclGroupRef group) override;
  bool HandleTopLevelDecl(clang::DeclGroupRef group) override;
  void HandleTagDeclDefinition(clang::TagDecl *tag) override;
  void HandleCXXImplicitFunctionInstantiation(clang::FunctionDecl *function) override;
  void HandleTranslationUnit(clang::ASTContext &context) override;

private:
  struct Placed {
    uint32_t run;
    clang::Decl *decl;
  };
  uint32_t runAt(const clang::Decl *decl) const;
  bool give(clang::Decl *decl);
  void read(clang::Decl *decl);
  void flush(uint32_t end);

  Instantiations instantiations;
  const TokenRecord &scan;
  const std::vector<NamedScope> *named;
  Redeclarations &redeclarations;
  clang::CompilerInstance &instance;
  clang::ASTContext *context = nullptr;
  // Definitions of the precompiled file, until the unit includes them.
  std::vector<Placed> waiting;
  std::vector<Placed> scopes;
};

} // namespace tender
