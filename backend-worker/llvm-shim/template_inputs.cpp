// See template_inputs.h.
#include "template_inputs.h"

#include "clang/AST/Attr.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/RecursiveASTVisitor.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Sema/Sema.h"

#include <set>

using namespace clang;

namespace tender {
namespace {

class LateNames : public RecursiveASTVisitor<LateNames> {
public:
  bool VisitUnresolvedLookupExpr(UnresolvedLookupExpr *expression) {
    if (expression->requiresADL())
      names.insert(expression->getName().getAsString());
    return true;
  }
  bool VisitFunctionTemplateDecl(FunctionTemplateDecl *decl) {
    const auto *conversion = dyn_cast<CXXConversionDecl>(decl->getTemplatedDecl());
    if (conversion &&
        conversion->getConversionType().getNonReferenceType()->isTemplateTypeParmType())
      names.insert(CONVERTS_TO_ANY);
    return true;
  }

  // Loops over ranges and structured bindings look these up.
  std::set<std::string> names{"begin", "end", "get"};
};

bool isOfHeaders(const Decl *decl) {
  const Decl *first = decl->getCanonicalDecl();
  return first->isFromASTFile() || first->isImplicit();
}

// Whether the headers have instantiated nothing of a template: they have no definition of it.
bool isUnused(ClassTemplateDecl *made) {
  const CXXRecordDecl *defined = made->getTemplatedDecl()->getDefinition();
  return defined && !defined->isFromASTFile() &&
         llvm::none_of(made->specializations(), [](const ClassTemplateSpecializationDecl *one) {
           return one->isFromASTFile();
         });
}

// Whether it belongs to the standard library. Each of its headers may include each other one, so it
// means the same with and without what a later one adds (https://eel.is/c++draft/res.on.headers).
bool isStandard(const Decl *decl) {
  const SourceManager &sources = decl->getASTContext().getSourceManager();
  if (!sources.isInSystemHeader(decl->getLocation()))
    return false;
  const auto *function = dyn_cast<FunctionDecl>(decl);
  if (function && function->getDeclName().isAnyOperatorNewOrDelete())
    return true;
  const DeclContext *scope = decl->getDeclContext();
  while (!scope->isTranslationUnit() && !scope->getParent()->isTranslationUnit())
    scope = scope->getParent();
  const auto *space = dyn_cast<NamespaceDecl>(scope);
  return space && (space->getName() == "std" || space->getName() == "__gnu_cxx");
}

// Whether a type or template is mentioned that the headers do not have. They instantiate nothing
// that depends on it.
class Mentions : public RecursiveASTVisitor<Mentions> {
public:
  bool VisitTagType(TagType *type) { return see(type->getDecl()); }
  bool VisitInjectedClassNameType(InjectedClassNameType *type) { return see(type->getDecl()); }
  bool VisitTemplateSpecializationType(TemplateSpecializationType *type) {
    const TemplateDecl *of = type->getTemplateName().getAsTemplateDecl();
    return !of || see(of);
  }

  bool found = false;

private:
  bool see(const Decl *decl) {
    found |= !isOfHeaders(decl);
    return !found;
  }
};

bool mentionsNew(llvm::ArrayRef<TemplateArgument> arguments) {
  Mentions mentions;
  mentions.TraverseTemplateArguments(arguments);
  return mentions.found;
}

bool isExplicitInstantiation(TemplateSpecializationKind kind) {
  return kind == TSK_ExplicitInstantiationDeclaration ||
         kind == TSK_ExplicitInstantiationDefinition;
}

// Whether a search by the arguments of a call may look into a namespace: that of a class of the
// headers.
bool isAssociated(const DeclContext *scope) {
  while (!scope->isTranslationUnit()) {
    const auto *space = dyn_cast<NamespaceDecl>(scope);
    if (space && !space->isInline())
      return isOfHeaders(space);
    scope = scope->getParent();
  }
  return true;
}

// From what an argument of an operator can be converted to a type.
enum class From {
  // Nothing that the headers have.
  Nothing,
  // Numbers and enumerations. They prefer the operators that the language has.
  Numbers,
  Anything,
};

From convertedTo(const CXXRecordDecl *record) {
  if (!record->hasDefinition() || record->hasInheritedConstructor())
    return From::Anything;
  From result = From::Nothing;
  for (const Decl *member : record->getDefinition()->decls()) {
    if (const auto *made = dyn_cast<FunctionTemplateDecl>(member)) {
      const auto *any = dyn_cast<CXXConstructorDecl>(made->getTemplatedDecl());
      if (any && !any->isExplicit())
        return From::Anything;
    }
    const auto *constructor = dyn_cast<CXXConstructorDecl>(member);
    if (!constructor || !constructor->isConvertingConstructor(/*AllowExplicit=*/false) ||
        constructor->isCopyOrMoveConstructor() || constructor->getNumParams() == 0 ||
        constructor->getMinRequiredArguments() > 1)
      continue;
    if (!constructor->getParamDecl(0)->getType().getNonReferenceType()->isArithmeticType())
      return From::Anything;
    result = From::Numbers;
  }
  return result;
}

From convertedTo(QualType type) {
  if (type->isArithmeticType() && !type->isEnumeralType())
    return From::Numbers;
  // If the headers only declare a class, and have not looked for its definition, no operand has its
  // type.
  const TagDecl *tag = type->getAsTagDecl();
  const TagDecl *defined = tag ? tag->getDefinition() : nullptr;
  if (!defined || defined->isFromASTFile() || defined->isImplicit())
    return From::Anything;
  const auto *record = dyn_cast<CXXRecordDecl>(tag);
  return record ? convertedTo(record) : From::Nothing;
}

// Attributes about which clang warns, or which choose, where a function is called.
bool changesCalls(const FunctionDecl *function) {
  return llvm::any_of(function->attrs(), [](const Attr *attribute) {
    const auto *inherited = dyn_cast<InheritableAttr>(attribute);
    return !(inherited && inherited->isInherited()) &&
           isa<AvailabilityAttr, DeprecatedAttr, DiagnoseIfAttr, EnableIfAttr, ErrorAttr,
               UnavailableAttr, WarnUnusedResultAttr>(attribute);
  });
}

} // namespace

std::vector<std::string> namesLookedUpLate(ASTContext &context) {
  LateNames late;
  late.TraverseAST(context);
  return {late.names.begin(), late.names.end()};
}

TemplateInputs::TemplateInputs(llvm::ArrayRef<llvm::StringRef> names) {
  for (llvm::StringRef name : names)
    this->names.insert(name);
}

void TemplateInputs::declared(const Decl *decl) {
  if (isStandard(decl))
    return;
  if (const auto *made = dyn_cast<RedeclarableTemplateDecl>(decl))
    decl = made->getTemplatedDecl();
  if (const auto *one = dyn_cast<FunctionDecl>(decl)) {
    function(one);
  } else if (const auto *one = dyn_cast<VarDecl>(decl)) {
    variable(one);
  } else if (const auto *one = dyn_cast<ClassTemplatePartialSpecializationDecl>(decl)) {
    // A whole specialisation after an instantiation is an error.
    if (isOfHeaders(one->getSpecializedTemplate()) &&
        !mentionsNew(one->getTemplateArgs().asArray()))
      find(one);
  } else if (const auto *one = dyn_cast<CXXRecordDecl>(decl)) {
    if (isExplicitInstantiation(one->getTemplateSpecializationKind()) && isOfHeaders(one))
      find(one);
  } else if (const auto *one = dyn_cast<UsingDecl>(decl)) {
    if (isAssociated(one->getDeclContext()))
      for (const UsingShadowDecl *shadow : one->shadows())
        if (shadow->getTargetDecl()->getAsFunction() && isLookedUp(shadow->getTargetDecl()))
          find(one);
  }
}

// Instantiations complete classes too, which does not count: clang does so wherever it needs them.
void TemplateInputs::completed(const TagDecl *tag) {
  const auto *record = dyn_cast<CXXRecordDecl>(tag);
  if (!record || record->getTemplateSpecializationKind() == TSK_ImplicitInstantiation ||
      record->isFromASTFile() || record->isImplicit() || !isOfHeaders(record))
    return;
  if (names.contains(CLASS + record->getQualifiedNameAsString()))
    find(record);
}

void TemplateInputs::parsed(Sema &sema, bool instantiatesExplicitly) {
  if (!found.empty())
    return;
  // Functions are instantiated with the setting at the end of the unit.
  if (sema.CurFPFeatureOverrides().requiresTrailingStorage())
    found = "#pragma";
  else if (instantiatesExplicitly)
    found = "template";
}

void TemplateInputs::function(const FunctionDecl *function) {
  if (function->getTemplateSpecializationKind() != TSK_Undeclared)
    return;
  if (const auto *guide = dyn_cast<CXXDeductionGuideDecl>(function)) {
    if (isOfHeaders(guide->getDeducedTemplate()) && isViable(guide))
      find(guide);
    return;
  }
  if (isOfHeaders(function)) {
    // A function template without a definition is left to the units.
    bool counts = function->isThisDeclarationADefinition() &&
                  (function->isConstexpr() || function->getReturnType()->getContainedDeducedType());
    for (const ParmVarDecl *parameter : function->parameters())
      counts |= parameter->hasDefaultArg() && !parameter->hasInheritedDefaultArg();
    if (counts || changesCalls(function))
      find(function);
    return;
  }
  if (!isa<CXXMethodDecl>(function) && isAssociated(function->getDeclContext()) &&
      isLookedUp(function) && isViable(function))
    find(function);
}

void TemplateInputs::variable(const VarDecl *variable) {
  if (const auto *one = dyn_cast<VarTemplateSpecializationDecl>(variable)) {
    if (isa<VarTemplatePartialSpecializationDecl>(one) &&
        isOfHeaders(one->getSpecializedTemplate()) &&
        !mentionsNew(one->getTemplateArgs().asArray()))
      find(one);
    return;
  }
  if (variable->isThisDeclarationADefinition() && isOfHeaders(variable) &&
      variable->mightBeUsableInConstantExpressions(variable->getASTContext()))
    find(variable);
}

// Operators are not noted: templates of the standard headers use almost all of them.
bool TemplateInputs::isLookedUp(const NamedDecl *decl) const {
  return decl->getDeclName().getNameKind() == DeclarationName::CXXOperatorName ||
         names.contains(decl->getDeclName().getAsString());
}

// Whether a call whose arguments have types of the headers can mean this function.
bool TemplateInputs::isViable(const FunctionDecl *function) const {
  // The arguments of operators have types, and are no lists in braces.
  bool isOperator = function->isOverloadedOperator() && !names.contains(CONVERTS_TO_ANY);
  bool onlyNumbers = isOperator;
  for (const ParmVarDecl *parameter : function->parameters()) {
    QualType type = parameter->getType().getNonReferenceType();
    // Deduced from nothing but one of its own.
    if (const auto *made = type->getAs<TemplateSpecializationType>())
      if (auto *of =
              dyn_cast_or_null<ClassTemplateDecl>(made->getTemplateName().getAsTemplateDecl());
          of && type->isDependentType() && (!isOfHeaders(of) || isUnused(of)))
        return false;
    From from = convertedTo(type);
    if (isOperator && from == From::Nothing)
      return false;
    onlyNumbers &= from == From::Numbers;
  }
  return !onlyNumbers;
}

void TemplateInputs::find(const NamedDecl *decl) {
  if (!found.empty())
    return;
  const SourceManager &sources = decl->getASTContext().getSourceManager();
  found = decl->getQualifiedNameAsString() + " (" +
          sources.getExpansionLoc(decl->getLocation()).printToString(sources) + ")";
}

} // namespace tender
