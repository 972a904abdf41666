// See redeclarations.h.
#include "redeclarations.h"

#include <set>

#include "clang/AST/DeclCXX.h"

using namespace clang;

namespace tender {

NamedPlace placeOf(const Decl *decl, const SourceManager &sources) {
  SourceLocation location = sources.getExpansionLoc(decl->getLocation());
  OptionalFileEntryRef file = sources.getFileEntryRefForID(sources.getFileID(location));
  if (!file)
    return {};
  return {file->getName().str(), sources.getFileOffset(location)};
}

namespace {

// Debug information has one of the functions that a using-declaration brings in: the first in this
// list. In which order clang found them depends on where they come from.
void sortShadows(UsingDecl *decl, const SourceManager &sources) {
  std::vector<std::pair<NamedPlace, UsingShadowDecl *>> shadows;
  for (UsingShadowDecl *shadow : decl->shadows())
    shadows.push_back({placeOf(shadow->getTargetDecl(), sources), shadow});
  llvm::stable_sort(shadows, [](const auto &a, const auto &b) {
    return std::tie(a.first.file, a.first.offset) > std::tie(b.first.file, b.first.offset);
  });
  for (const auto &[place, shadow] : shadows)
    decl->removeShadowDecl(shadow);
  // Each becomes the first one.
  for (const auto &[place, shadow] : shadows)
    decl->addShadowDecl(shadow);
}

} // namespace

void Redeclarations::declared(Decl *decl, const SourceManager &sources) {
  if (auto *one = dyn_cast<UsingDecl>(decl)) {
    sortShadows(one, sources);
    noteEarlier(one, sources);
    return;
  }
  auto *later = dyn_cast<TypedefNameDecl>(decl);
  const TypedefNameDecl *first = later ? later->getPreviousDecl() : nullptr;
  if (!first)
    return;
  found.push_back({placeOf(first, sources), placeOf(later, sources)});
  later->setLocation(first->getLocation());
  later->setTypeSourceInfo(first->getTypeSourceInfo());
}

// Of two using-declarations for functions of one name, the later one brings in those alone that the
// earlier one has not.
void Redeclarations::noteEarlier(const UsingDecl *later, const SourceManager &sources) {
  std::set<const Decl *> earlier;
  const DeclContext *scope = later->getDeclContext()->getRedeclContext();
  for (const NamedDecl *known : scope->lookup(later->getDeclName())) {
    const auto *shadow = dyn_cast<UsingShadowDecl>(known);
    if (!shadow || !shadow->getTargetDecl()->getAsFunction())
      continue;
    const BaseUsingDecl *first = shadow->getIntroducer();
    if (first != later && earlier.insert(first).second &&
        sources.isBeforeInTranslationUnit(first->getLocation(), later->getLocation()))
      found.push_back({placeOf(first, sources), placeOf(later, sources)});
  }
}

} // namespace tender
