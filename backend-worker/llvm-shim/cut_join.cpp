// After `ld.lld -r` has joined the pieces of one module: its symbol table becomes that of an object that was never
// cut. Renaming is LLVM's objcopy, in memory.
#include <deque>
#include <string>
#include <system_error>

#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ELF/ELFConfig.h"
#include "llvm/ObjCopy/ELF/ELFObjcopy.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"

#include "buffer.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

namespace {

Error add(objcopy::NameMatcher &matcher, StringRef name) {
  return matcher.addMatcher(objcopy::NameOrPattern::create(name, objcopy::MatchStyle::Literal,
                                                           [](Error error) { return error; }));
}

Error restore(StringRef bytes, ArrayRef<TenderRename> renames, raw_ostream &out) {
  auto object = object::ObjectFile::createELFObjectFile(MemoryBufferRef(bytes, "joined object"));
  if (!object)
    return object.takeError();
  auto &elf = cast<object::ELFObjectFileBase>(**object);

  objcopy::CommonConfig config;
  objcopy::ELFConfig elfConfig;
  objcopy::NameMatcher promoted;
  for (const TenderRename &rename : renames) {
    StringRef now = ref(rename.now);
    if (Error error = add(config.SymbolsToLocalize, now))
      return error;
    if (Error error = add(promoted, now))
      return error;
    config.SymbolsToRename[now] = ref(rename.before);
  }
  elfConfig.SymbolsToSetVisibility.emplace_back(std::move(promoted), static_cast<uint8_t>(ELF::STV_DEFAULT));
  // It is a list of symbol numbers, which are others now; a linker would warn of it.
  if (Error error = add(config.ToRemove, ".llvm_addrsig"))
    return error;
  // -ffunction-sections and -fdata-sections name sections after symbols.
  std::deque<std::string> names;
  for (const object::ELFSectionRef section : elf.sections()) {
    Expected<StringRef> name = section.getName();
    if (!name)
      return name.takeError();
    for (size_t dot = name->find('.', 1); dot != StringRef::npos; dot = name->find('.', dot + 1)) {
      auto rename = config.SymbolsToRename.find(name->substr(dot + 1));
      if (rename == config.SymbolsToRename.end())
        continue;
      names.push_back((name->substr(0, dot + 1) + rename->getValue()).str());
      objcopy::SectionRename to;
      to.OriginalName = *name;
      to.NewName = names.back();
      config.SectionsToRename[*name] = to;
      break;
    }
  }
  return objcopy::elf::executeObjcopyOnBinary(config, elfConfig, elf, out);
}

} // namespace

extern "C" bool tender_restore_names(TenderStr object, const TenderRename *renames, size_t count, TenderBuffer *out,
                                     TenderBuffer *error) {
  SmallString<0> bytes;
  raw_svector_ostream stream(bytes);
  if (Error failed = restore(ref(object), ArrayRef(renames, count), stream)) {
    std::error_code code;
    std::string text;
    handleAllErrors(std::move(failed), [&](const ErrorInfoBase &info) {
      code = info.convertToErrorCode();
      text = info.message();
    });
    // As where any other allocation fails: it is no fault of the unit.
    if (code == std::errc::not_enough_memory)
      report_bad_alloc_error(text.c_str());
    *error = copy(text);
    return false;
  }
  *out = copy(bytes);
  return true;
}
