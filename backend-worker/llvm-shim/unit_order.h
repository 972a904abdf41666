// Gives the code generator the declarations of a unit in the order of the unit's own text, also
// those that come from a precompiled file. Knows nothing of how such files are chosen.
#pragma once

#include "clang/AST/Mangle.h"
#include "clang/Frontend/MultiplexConsumer.h"

#include "instantiations.h"
#include "redeclarations.h"
#include "template_inputs.h"
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

// Keeps all declarations until the unit is parsed, and all templates that it uses are instantiated.
// Clang knows then every definition when it meets the first reference to it, wherever it comes
// from.
class UnitOrder final : public clang::MultiplexConsumer {
public:
  // `scan` is the unit alone, `parsed` what is parsed of it. All must outlive this. `named` is null
  // without a precompiled file, and `inputs` without one whose templates are instantiated; if there
  // are any, no code is generated.
  UnitOrder(std::unique_ptr<clang::ASTConsumer> generator, const TokenRecord &scan,
            const TokenRecord &parsed, const std::vector<NamedScope> *named, TemplateInputs *inputs,
            Redeclarations &redeclarations, clang::CompilerInstance &instance);

  void Initialize(clang::ASTContext &context) override;
  clang::ASTMutationListener *GetASTMutationListener() override { return &instantiations; }
  void HandleInterestingDecl(clang::DeclGroupRef group) override;
  bool HandleTopLevelDecl(clang::DeclGroupRef group) override;
  void HandleInlineFunctionDefinition(clang::FunctionDecl *function) override;
  void HandleCXXStaticMemberVarInstantiation(clang::VarDecl *variable) override;
  void HandleVTable(clang::CXXRecordDecl *record) override;
  void HandleTagDeclDefinition(clang::TagDecl *tag) override;
  void HandleCXXImplicitFunctionInstantiation(clang::FunctionDecl *function) override;
  void HandleTranslationUnit(clang::ASTContext &context) override;

private:
  enum class How { TopLevel, Inline, StaticMember };
  struct Held {
    clang::Decl *decl;
    How how;
  };
  struct Placed {
    uint32_t run;
    Held held;
  };
  uint32_t runAt(const clang::Decl *decl) const;
  void hold(clang::Decl *decl);
  bool hasTemplateInput() const { return inputs && !inputs->found.empty(); }
  void give(const Held &held);
  void giveVariables(const std::vector<Held> &variables);
  void giveVTables();
  void giveScopes();
  std::string nameOf(llvm::function_ref<void(clang::MangleContext &, llvm::raw_ostream &)> write);

  Instantiations instantiations;
  const TokenRecord &scan;
  const TokenRecord &parsed;
  const std::vector<NamedScope> *named;
  TemplateInputs *inputs;
  Redeclarations &redeclarations;
  clang::CompilerInstance &instance;
  clang::ASTContext *context = nullptr;
  std::unique_ptr<clang::MangleContext> names;
  std::vector<Held> held;
  std::vector<clang::CXXRecordDecl *> vtables;
  std::vector<clang::Decl *> scopes;
  // Code is generated: what is read from the precompiled file now is wanted now.
  bool gives = false;
};

} // namespace tender
