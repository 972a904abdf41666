// See instantiate.h.
#include "instantiate.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/RecursiveASTVisitor.h"
#include "clang/Sema/Sema.h"
#include "llvm/ADT/DenseMap.h"

using namespace clang;

namespace tender {
namespace {

class Undefined : public RecursiveASTVisitor<Undefined> {
public:
  bool shouldVisitTemplateInstantiations() const { return true; }
  bool VisitCXXRecordDecl(CXXRecordDecl *record) {
    if (!record->hasDefinition() && !record->isImplicit())
      classes.push_back(record);
    return true;
  }
  bool VisitClassTemplateDecl(ClassTemplateDecl *made) {
    if (made->isCanonicalDecl() && !made->getTemplatedDecl()->hasDefinition())
      templates.push_back({made, count(made)});
    return true;
  }
  static size_t count(ClassTemplateDecl *made) {
    return std::distance(made->spec_begin(), made->spec_end());
  }

  std::vector<CXXRecordDecl *> classes;
  // With the number of their specialisations.
  std::vector<std::pair<ClassTemplateDecl *, size_t>> templates;
};

// Whether a declaration is a specialisation for, or in one for, a class without a definition. Ends:
// arguments are there before what they are arguments of.
class Dependence : public RecursiveASTVisitor<Dependence> {
public:
  bool isOpen(const Decl *decl) {
    auto [known, isNew] = open.try_emplace(decl, false);
    if (!isNew)
      return known->second;
    bool outer = std::exchange(found, false);
    visit(decl);
    bool result = std::exchange(found, outer);
    return open[decl] = result;
  }

  bool VisitTagType(TagType *type) {
    const TagDecl *tag = type->getDecl();
    found |= (isa<CXXRecordDecl>(tag) && !tag->getDefinition()) || isOpen(tag);
    return !found;
  }

private:
  void visit(const Decl *decl) {
    if (const auto *function = dyn_cast<FunctionDecl>(decl))
      TraverseType(function->getType().getCanonicalType());
    const DeclContext *scope = dyn_cast<DeclContext>(decl);
    for (; scope && !found; scope = scope->getParent()) {
      const TemplateArgumentList *arguments = nullptr;
      if (const auto *made = dyn_cast<ClassTemplateSpecializationDecl>(scope))
        arguments = &made->getTemplateArgs();
      else if (const auto *function = dyn_cast<FunctionDecl>(scope))
        arguments = function->getTemplateSpecializationArgs();
      for (unsigned at = 0; arguments && at < arguments->size() && !found; ++at)
        TraverseTemplateArgument(
            scope->getParentASTContext().getCanonicalTemplateArgument(arguments->get(at)));
    }
  }

  bool found = false;
  llvm::DenseMap<const Decl *, bool> open;
};

bool canBeMade(const FunctionDecl *function) {
  return function->getTemplateSpecializationKind() == TSK_ImplicitInstantiation &&
         !function->isMultiVersion() && !function->isInvalidDecl();
}

} // namespace

void AskedClasses::CompleteType(TagDecl *tag) { names.insert(tag->getQualifiedNameAsString()); }

void instantiateHere(Sema &sema, Scope *scope, llvm::IntrusiveRefCntPtr<AskedClasses> asked) {
  ASTContext &context = sema.getASTContext();
  Undefined undefined;
  undefined.TraverseAST(context);
  // Clang asks the source only for what is said to be there. It stays: declarations that are made
  // from now on refer to it.
  context.setExternalSource(asked);
  auto ask = [&](bool on) {
    for (CXXRecordDecl *record : undefined.classes)
      for (TagDecl *one : record->redecls())
        one->setHasExternalLexicalStorage(on);
  };
  ask(true);
  sema.TUScope = scope;
  Dependence dependence;
  std::deque<Sema::PendingImplicitInstantiation> left;
  while (!sema.PendingInstantiations.empty()) {
    Sema::PendingImplicitInstantiation one = sema.PendingInstantiations.front();
    sema.PendingInstantiations.pop_front();
    auto *function = dyn_cast<FunctionDecl>(one.first);
    if (!function || !canBeMade(function) || dependence.isOpen(function)) {
      left.push_back(one);
      continue;
    }
    sema.InstantiateFunctionDefinition(one.second, function, /*Recursive=*/false,
                                       /*DefinitionRequired=*/false, /*AtEndOfTU=*/true);
    if (function->isDefined())
      function->setInstantiationIsPending(false);
    else
      left.push_back(one);
  }
  sema.PendingInstantiations = std::move(left);
  sema.TUScope = nullptr;
  ask(false);
  for (auto [made, count] : undefined.templates)
    if (Undefined::count(made) != count)
      asked->CompleteType(made->getTemplatedDecl());
}

} // namespace tender
