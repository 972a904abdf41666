// Symbol tables of bitcode. IR is loaded only if the file has no symbol table.
#include "llvm/Object/IRSymtab.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBufferRef.h"
#include "llvm/TargetParser/Triple.h"

#include "buffer.h"
#include "lto_input.h"
#include "shim.h"

using namespace llvm;

namespace {

uint32_t visibility(GlobalValue::VisibilityTypes type) {
  switch (type) {
  case GlobalValue::DefaultVisibility:
    return 0;
  case GlobalValue::HiddenVisibility:
    return 2;
  case GlobalValue::ProtectedVisibility:
    return 3;
  }
  return 0;
}

} // namespace

TenderBuffer tender::take(Error error) { return copy(toString(std::move(error))); }

extern "C" {

TenderLtoInput *tender_lto_input_open(const char *data, size_t len, TenderStr id,
                                      TenderBuffer *error) {
  auto file = lto::InputFile::create(MemoryBufferRef(StringRef(data, len), tender::ref(id)));
  if (!file) {
    *error = tender::take(file.takeError());
    return nullptr;
  }
  return new TenderLtoInput{std::move(*file)};
}

void tender_lto_input_free(TenderLtoInput *input) { delete input; }

size_t tender_lto_input_symbols(const TenderLtoInput *input) {
  return input->file->symbols().size();
}

TenderLtoSymbol tender_lto_input_symbol(const TenderLtoInput *input, size_t index) {
  const lto::InputFile::Symbol &symbol = input->file->symbols()[index];
  uint32_t flags = 0;
  flags |= symbol.isUndefined() ? TENDER_LTO_UNDEFINED : 0;
  flags |= symbol.isWeak() ? TENDER_LTO_WEAK : 0;
  flags |= symbol.isCommon() ? TENDER_LTO_COMMON : 0;
  flags |= symbol.isUsed() ? TENDER_LTO_USED : 0;
  flags |= symbol.canBeOmittedFromSymbolTable() ? TENDER_LTO_OMITTABLE : 0;
  StringRef comdat;
  if (int at = symbol.getComdatIndex(); at >= 0) {
    auto [name, kind] = input->file->getComdatTable()[at];
    // Such a group is for garbage collection, not for deduplication.
    if (kind != Comdat::NoDeduplicate)
      comdat = name;
  }
  return TenderLtoSymbol{tender::str(symbol.getName()),
                         tender::str(symbol.getSectionName()),
                         tender::str(comdat),
                         symbol.isCommon() ? symbol.getCommonSize() : 0,
                         flags,
                         visibility(symbol.getVisibility())};
}

TenderStr tender_lto_input_source(const TenderLtoInput *input) {
  return tender::str(input->file->getSourceFileName());
}

TenderStr tender_lto_input_triple(const TenderLtoInput *input) {
  return tender::str(input->file->getTargetTriple());
}

void tender_lto_libcalls(TenderStr triple, void *context,
                         void (*name)(void *context, TenderStr name)) {
  for (const char *libcall : lto::LTO::getRuntimeLibcallSymbols(Triple(tender::ref(triple))))
    name(context, tender::str(libcall));
}

} // extern "C"
