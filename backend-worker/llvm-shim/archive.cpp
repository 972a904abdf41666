// Static archives: deterministic, in GNU format, with a symbol table. The members of nested
// archives are added.
#include "llvm/Object/Archive.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/MemoryBuffer.h"

#include "buffer.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

namespace {

Error addArchive(MemoryBufferRef buffer, std::vector<NewArchiveMember> &members,
                 std::vector<std::unique_ptr<object::Archive>> &owners) {
  auto archive = object::Archive::create(buffer);
  if (!archive)
    return archive.takeError();
  Error error = Error::success();
  for (const object::Archive::Child &child : (*archive)->children(error)) {
    auto member = NewArchiveMember::getOldMember(child, /*Deterministic=*/true);
    if (!member)
      return joinErrors(std::move(error), member.takeError());
    members.push_back(std::move(*member));
  }
  if (error)
    return error;
  owners.push_back(std::move(*archive));
  return Error::success();
}

} // namespace

extern "C" bool tender_archive(const TenderMember *members, size_t count, TenderBuffer *out,
                               TenderBuffer *error) {
  std::vector<NewArchiveMember> list;
  // Member names refer to memory of their archives.
  std::vector<std::unique_ptr<object::Archive>> owners;
  for (size_t i = 0; i < count; ++i) {
    MemoryBufferRef buffer(StringRef(members[i].data, members[i].len), ref(members[i].name));
    file_magic magic = identify_magic(buffer.getBuffer());
    if (magic == file_magic::archive) {
      if (Error failed = addArchive(buffer, list, owners)) {
        *error = copy((Twine(ref(members[i].name)) + ": " + toString(std::move(failed))).str());
        return false;
      }
      continue;
    }
    NewArchiveMember member(buffer);
    member.MemberName = ref(members[i].name);
    list.push_back(std::move(member));
  }
  auto archive = writeArchiveToBuffer(list, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU,
                                      /*Deterministic=*/true, /*Thin=*/false);
  if (!archive) {
    *error = copy(toString(archive.takeError()));
    return false;
  }
  *out = copy((*archive)->getBuffer());
  return true;
}
