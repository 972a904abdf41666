// See instantiations.h.
#include "instantiations.h"

#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"

using namespace clang;

namespace tender {
namespace {

// Each declaration of a template may name its parameters, or not.
void rename(const TemplateDecl *of, const TemplateDecl *like) {
  TemplateParameterList *list = of->getTemplateParameters();
  const TemplateParameterList *names = like->getTemplateParameters();
  if (list == names || list->size() != names->size())
    return;
  for (unsigned at = 0; at < list->size(); ++at)
    list->getParam(at)->setDeclName(names->getParam(at)->getDeclName());
}

void locate(const ClassTemplateSpecializationDecl *made, const CXXRecordDecl *like) {
  TemplateSpecializationKind kind = made->getSpecializationKind();
  if ((kind != TSK_Undeclared && kind != TSK_ImplicitInstantiation) || made->getDefinition())
    return;
  auto *decl = const_cast<ClassTemplateSpecializationDecl *>(made);
  decl->setLocation(like->getLocation());
  decl->setLocStart(like->getBeginLoc());
}

void function(const FunctionDecl *made) {
  const FunctionDecl *pattern = made->getTemplateInstantiationPattern();
  if (!pattern || pattern->getNumParams() != made->getNumParams())
    return;
  for (unsigned at = 0; at < made->getNumParams(); ++at)
    const_cast<ParmVarDecl *>(made->getParamDecl(at))
        ->setLocation(pattern->getParamDecl(at)->getLocation());
  const FunctionTemplateDecl *found = made->getPrimaryTemplate();
  const FunctionTemplateDecl *defined = pattern->getDescribedFunctionTemplate();
  if (found && defined)
    rename(found, defined);
}

// An explicit instantiation has the place of its last declaration otherwise.
void explicitly(const ClassTemplateSpecializationDecl *made) {
  const ClassTemplateDecl *found = made->getSpecializedTemplate();
  const CXXRecordDecl *defined = found->getTemplatedDecl()->getDefinition();
  if (!defined || made->isExplicitSpecialization())
    return;
  const_cast<ClassTemplateSpecializationDecl *>(made)->setLocation(defined->getLocation());
  rename(found, defined->getDescribedClassTemplate());
}

} // namespace

void Instantiations::AddedCXXTemplateSpecialization(const ClassTemplateDecl *found,
                                                    const ClassTemplateSpecializationDecl *made) {
  const CXXRecordDecl *defined = found->getTemplatedDecl()->getDefinition();
  locate(made, defined ? defined : found->getCanonicalDecl()->getTemplatedDecl());
  if (defined)
    rename(found, defined->getDescribedClassTemplate());
}

void Instantiations::completed(const TagDecl *tag) {
  const auto *pattern = dyn_cast<CXXRecordDecl>(tag);
  const ClassTemplateDecl *made = pattern ? pattern->getDescribedClassTemplate() : nullptr;
  if (!made)
    return;
  for (const ClassTemplateSpecializationDecl *one : made->specializations())
    locate(one, pattern);
  for (const RedeclarableTemplateDecl *one : made->redecls())
    rename(one, made);
}

void Instantiations::declared(const Decl *decl) {
  if (const auto *made = dyn_cast<FunctionDecl>(decl))
    function(made);
  if (const auto *made = dyn_cast<ClassTemplateSpecializationDecl>(decl))
    explicitly(made);
}

bool isScope(const Decl *decl) { return isa<NamespaceDecl, LinkageSpecDecl, ExportDecl>(decl); }

} // namespace tender
