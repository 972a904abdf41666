// See unit_order.h.
#include "unit_order.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/DeclCXX.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Serialization/ASTReader.h"
#include "llvm/ADT/STLExtras.h"

using namespace clang;

namespace tender {
namespace {

std::vector<std::unique_ptr<ASTConsumer>> only(std::unique_ptr<ASTConsumer> consumer) {
  std::vector<std::unique_ptr<ASTConsumer>> list;
  list.push_back(std::move(consumer));
  return list;
}

} // namespace

bool isNamedScope(const Decl *decl) {
  return isa<UsingDecl, UsingDirectiveDecl, UsingEnumDecl, NamespaceAliasDecl>(decl);
}

UnitOrder::UnitOrder(std::unique_ptr<ASTConsumer> generator, const TokenRecord &scan,
                     const std::vector<NamedScope> *named, Redeclarations &redeclarations,
                     CompilerInstance &instance)
    : MultiplexConsumer(only(std::move(generator))), scan(scan), named(named),
      redeclarations(redeclarations), instance(instance) {}

void UnitOrder::Initialize(ASTContext &context) {
  this->context = &context;
  MultiplexConsumer::Initialize(context);
}

// Called for what is read from the precompiled file: at the start for what clang emits in any case,
// and for the rest when something refers to it.
void UnitOrder::HandleInterestingDecl(DeclGroupRef group) {
  for (Decl *decl : group)
    if (context->DeclMustBeEmitted(decl))
      waiting.push_back({runAt(decl), decl});
    else
      read(decl);
}

bool UnitOrder::HandleTopLevelDecl(DeclGroupRef group) {
  bool goOn = true;
  for (Decl *decl : group)
    goOn &= give(decl);
  return goOn;
}

void UnitOrder::HandleTagDeclDefinition(TagDecl *tag) {
  Instantiations::completed(tag);
  MultiplexConsumer::HandleTagDeclDefinition(tag);
}

void UnitOrder::HandleCXXImplicitFunctionInstantiation(FunctionDecl *function) {
  Instantiations::declared(function);
  MultiplexConsumer::HandleCXXImplicitFunctionInstantiation(function);
}

// Using-declarations come last, because debug information describes what they name as far as it is
// complete by then.
void UnitOrder::HandleTranslationUnit(ASTContext &context) {
  flush(UINT32_MAX);
  if (named && instance.getCodeGenOpts().hasReducedDebugInfo()) {
    ASTReader &reader = *instance.getASTReader();
    serialization::ModuleFile &file = reader.getModuleManager().getPrimaryModule();
    for (const NamedScope &one : *named)
      if (Decl *decl = reader.GetLocalDecl(file, LocalDeclID::get(reader, file, one.id)))
        scopes.push_back({scan.runAt(one.place.file, one.place.offset), decl});
  }
  llvm::stable_sort(scopes, [](const Placed &a, const Placed &b) { return a.run < b.run; });
  for (const Placed &one : scopes)
    MultiplexConsumer::HandleTopLevelDecl(DeclGroupRef(one.decl));
  MultiplexConsumer::HandleTranslationUnit(context);
}

uint32_t UnitOrder::runAt(const Decl *decl) const {
  return scan.runAt(context->getSourceManager(), decl);
}

bool UnitOrder::give(Decl *decl) {
  if (isScope(decl)) {
    bool goOn = true;
    for (Decl *inner : cast<DeclContext>(decl)->decls())
      goOn &= give(inner);
    return goOn;
  }
  flush(runAt(decl));
  Instantiations::declared(decl);
  if (instance.getCodeGenOpts().hasReducedDebugInfo())
    redeclarations.declared(decl, context->getSourceManager());
  if (isNamedScope(decl)) {
    scopes.push_back({runAt(decl), decl});
    return true;
  }
  return MultiplexConsumer::HandleTopLevelDecl(DeclGroupRef(decl));
}

void UnitOrder::read(Decl *decl) {
  Instantiations::declared(decl);
  MultiplexConsumer::HandleInterestingDecl(DeclGroupRef(decl));
}

void UnitOrder::flush(uint32_t end) {
  if (waiting.empty())
    return;
  llvm::stable_sort(waiting, [](const Placed &a, const Placed &b) { return a.run < b.run; });
  auto until = llvm::find_if(waiting, [end](const Placed &one) { return one.run >= end; });
  std::vector<Placed> now(waiting.begin(), until);
  waiting.erase(waiting.begin(), until);
  for (const Placed &one : now)
    read(one.decl);
}

} // namespace tender
