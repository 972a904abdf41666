// See redeclarations.h.
#include "redeclarations.h"

using namespace clang;

namespace tender {

NamedPlace placeOf(const Decl *decl, const SourceManager &sources) {
  SourceLocation location = sources.getExpansionLoc(decl->getLocation());
  OptionalFileEntryRef file = sources.getFileEntryRefForID(sources.getFileID(location));
  if (!file)
    return {};
  return {file->getName().str(), sources.getFileOffset(location)};
}

void Redeclarations::declared(Decl *decl, const SourceManager &sources) {
  auto *later = dyn_cast<TypedefNameDecl>(decl);
  const TypedefNameDecl *first = later ? later->getPreviousDecl() : nullptr;
  if (!first)
    return;
  found.push_back({placeOf(first, sources), placeOf(later, sources)});
  later->setLocation(first->getLocation());
  later->setTypeSourceInfo(first->getTypeSourceInfo());
}

} // namespace tender
