// See instantiations.h.
#include "instantiations.h"

#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"

using namespace clang;

namespace tender {
namespace {

void locate(const ClassTemplateSpecializationDecl *made, const CXXRecordDecl *like) {
  TemplateSpecializationKind kind = made->getSpecializationKind();
  if ((kind != TSK_Undeclared && kind != TSK_ImplicitInstantiation) || made->getDefinition())
    return;
  auto *decl = const_cast<ClassTemplateSpecializationDecl *>(made);
  decl->setLocation(like->getLocation());
  decl->setLocStart(like->getBeginLoc());
}

void parameters(const FunctionDecl *made) {
  const FunctionDecl *pattern = made->getTemplateInstantiationPattern();
  if (!pattern || pattern->getNumParams() != made->getNumParams())
    return;
  for (unsigned at = 0; at < made->getNumParams(); ++at)
    const_cast<ParmVarDecl *>(made->getParamDecl(at))
        ->setLocation(pattern->getParamDecl(at)->getLocation());
  const FunctionTemplateDecl *found = made->getPrimaryTemplate();
  const FunctionTemplateDecl *defined = pattern->getDescribedFunctionTemplate();
  if (!found || !defined)
    return;
  TemplateParameterList *list = found->getTemplateParameters();
  const TemplateParameterList *like = defined->getTemplateParameters();
  if (list == like || list->size() != like->size())
    return;
  for (unsigned at = 0; at < list->size(); ++at)
    list->getParam(at)->setDeclName(like->getParam(at)->getDeclName());
}

void declaredWithin(const Decl *decl) {
  if (isScope(decl))
    for (const Decl *inner : cast<DeclContext>(decl)->decls())
      declaredWithin(inner);
  else
    Instantiations::declared(decl);
}

} // namespace

void Instantiations::AddedCXXTemplateSpecialization(const ClassTemplateDecl *found,
                                                    const ClassTemplateSpecializationDecl *made) {
  const CXXRecordDecl *defined = found->getTemplatedDecl()->getDefinition();
  locate(made, defined ? defined : found->getCanonicalDecl()->getTemplatedDecl());
}

void Instantiations::completed(const TagDecl *tag) {
  const auto *pattern = dyn_cast<CXXRecordDecl>(tag);
  if (const ClassTemplateDecl *made = pattern ? pattern->getDescribedClassTemplate() : nullptr)
    for (const ClassTemplateSpecializationDecl *one : made->specializations())
      locate(one, pattern);
}

void Instantiations::declared(const Decl *decl) {
  if (const auto *function = dyn_cast<FunctionDecl>(decl))
    parameters(function);
  // An explicit instantiation has the place of its last declaration otherwise.
  if (const auto *made = dyn_cast<ClassTemplateSpecializationDecl>(decl))
    if (!made->isExplicitSpecialization())
      if (const CXXRecordDecl *defined =
              made->getSpecializedTemplate()->getTemplatedDecl()->getDefinition())
        const_cast<ClassTemplateSpecializationDecl *>(made)->setLocation(defined->getLocation());
}

void SettleInstantiations::HandleTagDeclDefinition(TagDecl *tag) { Instantiations::completed(tag); }

bool SettleInstantiations::HandleTopLevelDecl(DeclGroupRef group) {
  for (const Decl *decl : group)
    declaredWithin(decl);
  return true;
}

bool isScope(const Decl *decl) { return isa<NamespaceDecl, LinkageSpecDecl, ExportDecl>(decl); }

} // namespace tender
