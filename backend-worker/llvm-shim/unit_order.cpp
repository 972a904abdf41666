// See unit_order.h.
#include "unit_order.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/Mangle.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Sema/Sema.h"
#include "clang/Serialization/ASTReader.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace clang;

namespace tender {
namespace {

std::vector<std::unique_ptr<ASTConsumer>> only(std::unique_ptr<ASTConsumer> consumer) {
  std::vector<std::unique_ptr<ASTConsumer>> list;
  list.push_back(std::move(consumer));
  return list;
}

bool isInstantiatedVariable(const Decl *decl) {
  const auto *variable = dyn_cast<VarDecl>(decl);
  return variable && variable->getTemplateSpecializationKind() == TSK_ImplicitInstantiation;
}

} // namespace

bool isNamedScope(const Decl *decl) {
  return isa<UsingDecl, UsingDirectiveDecl, UsingEnumDecl, NamespaceAliasDecl>(decl);
}

UnitOrder::UnitOrder(std::unique_ptr<ASTConsumer> generator, const TokenRecord &scan,
                     const TokenRecord &parsed, const std::vector<NamedScope> *named,
                     TemplateInputs *inputs, Redeclarations &redeclarations,
                     CompilerInstance &instance)
    : MultiplexConsumer(only(std::move(generator))), scan(scan), parsed(parsed), named(named),
      inputs(inputs), redeclarations(redeclarations), instance(instance) {}

void UnitOrder::Initialize(ASTContext &context) {
  this->context = &context;
  names.reset(context.createMangleContext());
  MultiplexConsumer::Initialize(context);
}

// Called for what is read from the precompiled file: before the unit is parsed for what clang emits
// in any case, and for the rest when something refers to it.
void UnitOrder::HandleInterestingDecl(DeclGroupRef group) {
  for (Decl *decl : group) {
    Instantiations::declared(decl);
    if (gives)
      MultiplexConsumer::HandleInterestingDecl(DeclGroupRef(decl));
    else
      held.push_back({decl, How::TopLevel});
  }
}

bool UnitOrder::HandleTopLevelDecl(DeclGroupRef group) {
  for (Decl *decl : group)
    hold(decl);
  // Otherwise the rest need not be parsed.
  return !hasTemplateInput();
}

void UnitOrder::HandleInlineFunctionDefinition(FunctionDecl *function) {
  held.push_back({function, How::Inline});
}

void UnitOrder::HandleCXXStaticMemberVarInstantiation(VarDecl *variable) {
  held.push_back({variable, How::StaticMember});
}

void UnitOrder::HandleVTable(CXXRecordDecl *record) { vtables.push_back(record); }

void UnitOrder::HandleTagDeclDefinition(TagDecl *tag) {
  Instantiations::completed(tag);
  if (inputs)
    inputs->completed(tag);
  MultiplexConsumer::HandleTagDeclDefinition(tag);
}

void UnitOrder::HandleCXXImplicitFunctionInstantiation(FunctionDecl *function) {
  Instantiations::declared(function);
  MultiplexConsumer::HandleCXXImplicitFunctionInstantiation(function);
}

void UnitOrder::HandleTranslationUnit(ASTContext &context) {
  if (inputs)
    inputs->parsed(instance.getSema(), parsed.instantiatesExplicitly);
  if (hasTemplateInput())
    return;
  // Declarations with errors have no linkage and no names.
  if (context.getDiagnostics().hasErrorOccurred())
    return MultiplexConsumer::HandleTranslationUnit(context);
  gives = true;
  // Debug information describes a type whose definition was needed. Of this one a precompiled file
  // does not say so, since each unit makes it.
  if (auto *tag = dyn_cast_or_null<TagDecl>(context.getVaListTagDecl()))
    tag->setCompleteDefinitionRequired();
  std::vector<Placed> eager;
  std::vector<Held> variables;
  uint32_t reached = 0;
  for (const Held &one : held) {
    if (!context.DeclMustBeEmitted(one.decl)) {
      give(one);
    } else if (isInstantiatedVariable(one.decl)) {
      variables.push_back(one);
    } else {
      uint32_t run = runAt(one.decl);
      // Those of the unit have its order already: what it instantiates explicitly has the place of
      // the template.
      if (!one.decl->isFromASTFile())
        run = reached = std::max(reached, run);
      eager.push_back({run, one});
    }
  }
  llvm::stable_sort(eager, [](const Placed &a, const Placed &b) { return a.run < b.run; });
  for (const Placed &one : eager)
    give(one.held);
  giveVariables(variables);
  giveVTables();
  if (instance.getCodeGenOpts().hasReducedDebugInfo())
    giveScopes();
  MultiplexConsumer::HandleTranslationUnit(context);
}

uint32_t UnitOrder::runAt(const Decl *decl) const {
  return scan.runAt(context->getSourceManager(), decl);
}

void UnitOrder::hold(Decl *decl) {
  if (isScope(decl)) {
    for (Decl *inner : cast<DeclContext>(decl)->decls())
      hold(inner);
    return;
  }
  Instantiations::declared(decl);
  if (inputs)
    inputs->declared(decl);
  if (instance.getCodeGenOpts().hasReducedDebugInfo())
    redeclarations.declared(decl, context->getSourceManager());
  if (isNamedScope(decl))
    scopes.push_back(decl);
  else
    held.push_back({decl, How::TopLevel});
}

void UnitOrder::give(const Held &held) {
  switch (held.how) {
  case How::TopLevel:
    MultiplexConsumer::HandleTopLevelDecl(DeclGroupRef(held.decl));
    break;
  case How::Inline:
    MultiplexConsumer::HandleInlineFunctionDefinition(cast<FunctionDecl>(held.decl));
    break;
  case How::StaticMember:
    MultiplexConsumer::HandleCXXStaticMemberVarInstantiation(cast<VarDecl>(held.decl));
    break;
  }
}

// Variables and vtables that a template refers to come when it is instantiated, at the end of the
// headers or of the unit. So they have the order of their names. Such variables are initialised in
// no order.
void UnitOrder::giveVariables(const std::vector<Held> &variables) {
  std::map<std::string, Held> ordered;
  for (const Held &one : variables)
    ordered.try_emplace(nameOf([&](MangleContext &names, raw_ostream &out) {
                          names.mangleName(cast<VarDecl>(one.decl), out);
                        }),
                        one);
  for (const auto &[name, one] : ordered)
    give(one);
}

void UnitOrder::giveVTables() {
  std::map<std::string, CXXRecordDecl *> ordered;
  for (CXXRecordDecl *record : vtables)
    ordered.try_emplace(nameOf([&](MangleContext &names, raw_ostream &out) {
                          cast<ItaniumMangleContext>(names).mangleCXXVTable(record, out);
                        }),
                        record);
  for (const auto &[name, record] : ordered)
    MultiplexConsumer::HandleVTable(record);
}

std::string UnitOrder::nameOf(llvm::function_ref<void(MangleContext &, raw_ostream &)> write) {
  std::string name;
  llvm::raw_string_ostream out(name);
  write(*names, out);
  return name;
}

// Using-declarations come last, because debug information describes what they name as far as it is
// complete by then.
void UnitOrder::giveScopes() {
  if (named) {
    ASTReader &reader = *instance.getASTReader();
    serialization::ModuleFile &file = reader.getModuleManager().getPrimaryModule();
    for (const NamedScope &one : *named)
      if (Decl *decl = reader.GetLocalDecl(file, LocalDeclID::get(reader, file, one.id)))
        scopes.push_back(decl);
  }
  llvm::stable_sort(scopes, [this](const Decl *a, const Decl *b) { return runAt(a) < runAt(b); });
  for (Decl *decl : scopes)
    MultiplexConsumer::HandleTopLevelDecl(DeclGroupRef(decl));
}

} // namespace tender
