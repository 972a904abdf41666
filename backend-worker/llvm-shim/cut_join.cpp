// Joins the objects of the pieces: makes the linker script for `ld.lld -r`, and restores the joined
// object so that it looks like the object of an uncut compile.
//
// A promoted function has its own section. If nothing refers to it, the section is dropped; the
// optimiser could not do that, because it did not see the other pieces. Then the symbol table and
// the tables that depend on it are updated: with LLVM's objcopy, in memory, and in place where
// objcopy has no option.
//
// Debuggers, profilers and `--icf=safe` then see what they see in an uncut object, with two
// differences: functions that clang inlines into every caller, and we do not, are still there (65
// of 1,650 functions in sqlite3.c); and a local constant that clang drops is still there, if
// another piece has folded all that read it.
#include <deque>
#include <string>
#include <system_error>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/Module.h"
#include "llvm/ObjCopy/CommonConfig.h"
#include "llvm/ObjCopy/ELF/ELFConfig.h"
#include "llvm/ObjCopy/ELF/ELFObjcopy.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/LEB128.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

#include "buffer.h"
#include "clang_unit.h"
#include "cut.h"
#include "shim.h"

using namespace llvm;
using namespace tender;

struct TenderJoin {
  std::vector<TenderRename> renames;
  std::string suffix;
  std::string script;
  // The names of promoted symbols that nothing refers to, before promotion.
  StringSet<> dead;
  // The names in the source of symbols whose address is significant. Absent if no piece has such a
  // table.
  std::optional<StringSet<>> significant;
};

namespace {

using ELFT = object::ELF64LE;

// The parts of an object that are used here.
struct View {
  static Expected<View> of(StringRef bytes) {
    Expected<object::ELFFile<ELFT>> file = object::ELFFile<ELFT>::create(bytes);
    if (!file)
      return file.takeError();
    View view{*file, {}, {}, {}, {}, {}, 0};
    auto sections = file->sections();
    if (!sections)
      return sections.takeError();
    view.sections = *sections;
    for (const ELFT::Shdr &section : view.sections) {
      auto name = file->getSectionName(section);
      if (!name)
        return name.takeError();
      view.sectionNames.push_back(*name);
      if (section.sh_type == ELF::SHT_SYMTAB) {
        auto symbols = file->symbols(&section);
        auto strings = file->getStringTableForSymtab(section);
        if (!symbols)
          return symbols.takeError();
        if (!strings)
          return strings.takeError();
        view.symbols = *symbols;
        view.strings = *strings;
        view.symtab = static_cast<uint32_t>(&section - view.sections.begin());
      } else if (section.sh_type == ELF::SHT_SYMTAB_SHNDX) {
        auto table = file->getSHNDXTable(section);
        if (!table)
          return table.takeError();
        view.indexes = *table;
      }
    }
    return view;
  }

  // 0 if it is in no section.
  uint32_t sectionOf(uint32_t symbol) const {
    uint32_t index = symbols[symbol].st_shndx;
    if (index == ELF::SHN_XINDEX && symbol < indexes.size())
      return indexes[symbol];
    return index < ELF::SHN_LORESERVE ? index : 0;
  }

  StringRef nameOf(uint32_t symbol) const {
    uint32_t at = symbols[symbol].st_name;
    return at < strings.size() ? StringRef(strings.data() + at) : StringRef();
  }

  object::ELFFile<ELFT> file;
  ArrayRef<ELFT::Shdr> sections;
  std::vector<StringRef> sectionNames;
  ArrayRef<ELFT::Sym> symbols;
  StringRef strings;
  ArrayRef<ELFT::Word> indexes;
  uint32_t symtab;
};

// Finds the sections of promoted functions that nothing refers to.
class Liveness {
public:
  Liveness(ArrayRef<View> pieces, const TenderJoin &join) : pieces(pieces), ids(pieces.size()) {
    StringMap<const TenderRename *> promoted;
    for (const TenderRename &rename : join.renames)
      if (!rename.used)
        promoted[ref(rename.now)] = &rename;
    for (size_t piece = 0; piece < pieces.size(); ++piece)
      findCandidates(piece, promoted);
    for (size_t piece = 0; piece < pieces.size(); ++piece)
      findOtherNames(piece, promoted);
    for (size_t piece = 0; piece < pieces.size(); ++piece)
      findReferences(piece);
    while (!work.empty()) {
      uint32_t id = work.back();
      work.pop_back();
      for (uint32_t to : references[id])
        need(to);
    }
  }

  struct Candidate {
    StringRef section;
    const TenderRename *rename;
    bool live = false;
  };
  std::deque<Candidate> candidates;

private:
  static constexpr uint32_t ROOT = ~0u;

  void findCandidates(size_t piece, const StringMap<const TenderRename *> &promoted) {
    const View &view = pieces[piece];
    for (uint32_t i = 0; i < view.symbols.size(); ++i) {
      uint32_t section = view.sectionOf(i);
      if (!section || section >= view.sections.size() || view.symbols[i].getType() != ELF::STT_FUNC)
        continue;
      StringRef name = view.nameOf(i);
      auto found = promoted.find(name);
      if (found == promoted.end() || !view.sectionNames[section].ends_with(name) ||
          (view.sections[section].sh_flags & ELF::SHF_GROUP))
        continue;
      uint32_t id = static_cast<uint32_t>(candidates.size());
      candidates.push_back({view.sectionNames[section], found->second});
      references.emplace_back();
      ids[piece][section] = id;
      byName[name] = id;
    }
  }

  // Aliases are further names of the same code. Other objects may use those that were not local.
  void findOtherNames(size_t piece, const StringMap<const TenderRename *> &promoted) {
    const View &view = pieces[piece];
    for (uint32_t i = 0; i < view.symbols.size(); ++i) {
      auto found = ids[piece].find(view.sectionOf(i));
      if (found == ids[piece].end() || view.symbols[i].getBinding() == ELF::STB_LOCAL)
        continue;
      StringRef name = view.nameOf(i);
      byName[name] = found->second;
      if (!promoted.contains(name))
        need(found->second);
    }
  }

  void findReferences(size_t piece) {
    const View &view = pieces[piece];
    auto idOf = [&](uint32_t section) {
      auto found = ids[piece].find(section);
      return found == ids[piece].end() ? ROOT : found->second;
    };
    for (const ELFT::Shdr &section : view.sections) {
      if ((section.sh_flags & ELF::SHF_LINK_ORDER) && section.sh_link < view.sections.size())
        need(idOf(section.sh_link));
      if (section.sh_type != ELF::SHT_RELA || section.sh_info >= view.sections.size())
        continue;
      // References from unwind tables and debug information do not keep code.
      const ELFT::Shdr &target = view.sections[section.sh_info];
      if (!(target.sh_flags & ELF::SHF_ALLOC) || view.sectionNames[section.sh_info] == ".eh_frame")
        continue;
      uint32_t from = idOf(section.sh_info);
      auto relocations = view.file.relas(section);
      if (!relocations) {
        consumeError(relocations.takeError());
        continue;
      }
      for (const ELFT::Rela &relocation : *relocations) {
        uint32_t symbol = relocation.getSymbol(false);
        if (symbol == 0 || symbol >= view.symbols.size())
          continue;
        uint32_t to = ROOT;
        if (uint32_t at = view.sectionOf(symbol))
          to = idOf(at);
        else if (auto found = byName.find(view.nameOf(symbol)); found != byName.end())
          to = found->second;
        if (from == ROOT)
          need(to);
        else if (to != ROOT)
          references[from].push_back(to);
      }
    }
  }

  void need(uint32_t id) {
    if (id == ROOT || candidates[id].live)
      return;
    candidates[id].live = true;
    work.push_back(id);
  }

  ArrayRef<View> pieces;
  // For each piece, by section.
  std::vector<DenseMap<uint32_t, uint32_t>> ids;
  StringMap<uint32_t> byName;
  std::deque<std::vector<uint32_t>> references;
  std::vector<uint32_t> work;
};

// Reads .llvm_addrsig, the table of symbols whose address is significant. Linkers may fold the
// others. https://llvm.org/docs/Extensions.html#sht-llvm-addrsig-section-address-significance-table
Error readSignificant(const View &view, TenderJoin &join, const StringMap<StringRef> &before) {
  for (const ELFT::Shdr &section : view.sections) {
    if (section.sh_type != ELF::SHT_LLVM_ADDRSIG)
      continue;
    if (!join.significant)
      join.significant.emplace();
    auto bytes = view.file.getSectionContents(section);
    if (!bytes)
      return bytes.takeError();
    for (const uint8_t *at = bytes->begin(); at != bytes->end();) {
      unsigned length = 0;
      const char *wrong = nullptr;
      uint64_t symbol = decodeULEB128(at, &length, bytes->end(), &wrong);
      if (wrong || symbol >= view.symbols.size())
        return createStringError("the object's table of significant addresses (.llvm_addrsig) is malformed");
      at += length;
      StringRef name = view.nameOf(static_cast<uint32_t>(symbol));
      auto renamed = before.find(name);
      join.significant->insert(renamed == before.end() ? name : renamed->second);
    }
  }
  return Error::success();
}

Error prepare(TenderJoin &join, ArrayRef<TenderStr> objects) {
  std::vector<View> pieces;
  StringMap<StringRef> before;
  for (const TenderRename &rename : join.renames)
    before[ref(rename.now)] = ref(rename.before);
  for (const TenderStr &object : objects) {
    Expected<View> view = View::of(ref(object));
    if (!view)
      return view.takeError();
    if (Error error = readSignificant(*view, join, before))
      return error;
    pieces.push_back(std::move(*view));
  }
  Liveness liveness(pieces, join);
  raw_string_ostream script(join.script);
  script << "SECTIONS {\n";
  for (const Liveness::Candidate &candidate : liveness.candidates)
    if (!candidate.live) {
      script << "  /DISCARD/ : { *(\"" << candidate.section << "\") }\n";
      join.dead.insert(ref(candidate.rename->before));
    }
  // The other functions go to the section that they would be in without cutting.
  for (const char *section : {".text", ".text.hot.", ".text.unlikely."})
    script << "  " << section << " : { *(" << section << ' ' << section << (section[5] ? "" : ".")
           << "tender." << join.suffix << ".*) }\n";
  script << "}\n";
  return Error::success();
}

bool refersByPlace(const ELFT::Rela &relocation) {
  switch (relocation.getType(false)) {
  case ELF::R_X86_64_64:
  case ELF::R_X86_64_32:
  case ELF::R_X86_64_32S:
  case ELF::R_X86_64_PC32:
  case ELF::R_X86_64_PC64:
    return true;
  default:
    return false;
  }
}

// Makes the changes that objcopy has no option for.
Error adjust(MutableArrayRef<char> bytes, const StringSet<> &nameless) {
  Expected<View> view = View::of(StringRef(bytes.data(), bytes.size()));
  if (!view)
    return view.takeError();
  DenseMap<uint32_t, uint32_t> sectionSymbols;
  for (uint32_t i = 0; i < view->symbols.size(); ++i)
    if (view->symbols[i].getType() == ELF::STT_SECTION)
      sectionSymbols[view->sectionOf(i)] = i;
  for (const ELFT::Shdr &section : view->sections) {
    if (section.sh_type != ELF::SHT_RELA || section.sh_info >= view->sections.size())
      continue;
    const ELFT::Shdr &target = view->sections[section.sh_info];
    StringRef name = view->sectionNames[section.sh_info];
    bool debug = name.starts_with(".debug_") && !(target.sh_flags & ELF::SHF_COMPRESSED);
    // In these lists 0 is the end and -1 starts a base address: https://reviews.llvm.org/D81784
    uint64_t nowhere = name == ".debug_ranges" || name == ".debug_loc" ? 1 : ~uint64_t(0);
    auto relocations = view->file.relas(section);
    if (!relocations)
      return relocations.takeError();
    // We own the bytes.
    MutableArrayRef<ELFT::Rela> list(const_cast<ELFT::Rela *>(relocations->data()),
                                     relocations->size());
    size_t kept = 0;
    for (size_t at = 0; at < list.size(); ++at) {
      ELFT::Rela &relocation = list[at];
      uint32_t symbol = relocation.getSymbol(false);
      if (symbol == 0 && debug && relocation.r_offset + 8 <= target.sh_size) {
        // It referred to dropped code. lld writes the same value in a last link.
        support::endian::write64le(bytes.data() + target.sh_offset + relocation.r_offset, nowhere);
        continue;
      }
      list[kept++] = relocation;
    }
    const_cast<ELFT::Shdr &>(section).sh_size = kept * sizeof(ELFT::Rela);
    for (ELFT::Rela &relocation : list.take_front(kept)) {
      uint32_t symbol = relocation.getSymbol(false);
      if (symbol == 0 || symbol >= view->symbols.size() || !refersByPlace(relocation) ||
          !nameless.contains(view->nameOf(symbol)))
        continue;
      uint32_t at = view->sectionOf(symbol);
      auto found = sectionSymbols.find(at);
      // For linkers, an addend into a mergeable section is not an offset.
      if (!at || found == sectionSymbols.end() ||
          ((view->sections[at].sh_flags & ELF::SHF_MERGE) && relocation.r_addend != 0))
        continue;
      relocation.r_addend =
          relocation.r_addend + static_cast<int64_t>(view->symbols[symbol].st_value);
      relocation.setSymbol(found->second, false);
    }
  }
  return Error::success();
}

Error add(objcopy::NameMatcher &matcher, StringRef name) {
  return matcher.addMatcher(objcopy::NameOrPattern::create(name, objcopy::MatchStyle::Literal,
                                                           [](Error error) { return error; }));
}

Error restore(const TenderJoin &join, StringRef bytes, raw_ostream &out) {
  auto object = object::ObjectFile::createELFObjectFile(MemoryBufferRef(bytes, "joined object"));
  if (!object)
    return object.takeError();
  auto &elf = cast<object::ELFObjectFileBase>(**object);

  objcopy::CommonConfig config;
  objcopy::ELFConfig elfConfig;
  objcopy::NameMatcher promoted;
  for (const TenderRename &rename : join.renames) {
    StringRef now = ref(rename.now), before = ref(rename.before);
    if (Error error = add(config.SymbolsToLocalize, now))
      return error;
    if (Error error = add(promoted, now))
      return error;
    config.SymbolsToRename[now] = before;
    if (before.starts_with(".L") || join.dead.contains(before))
      if (Error error = add(config.UnneededSymbolsToRemove, before))
        return error;
  }
  elfConfig.SymbolsToSetVisibility.emplace_back(std::move(promoted),
                                                static_cast<uint8_t>(ELF::STV_DEFAULT));
  // The file symbols of the other pieces; see tender_cut_prepare.
  if (Error error = add(config.SymbolsToRemove, join.suffix))
    return error;
  // It lists symbol numbers, which have changed; a linker would warn.
  if (!join.significant)
    if (Error error = add(config.ToRemove, ".llvm_addrsig"))
      return error;
  // With -ffunction-sections and -fdata-sections, section names contain symbol names.
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

// Writes the table at the end of the file, because it may have grown.
Error writeSignificant(SmallVectorImpl<char> &bytes, const StringSet<> &significant) {
  std::string table;
  raw_string_ostream stream(table);
  size_t header;
  uint32_t symtab;
  {
    Expected<View> view = View::of(StringRef(bytes.data(), bytes.size()));
    if (!view)
      return view.takeError();
    auto found = find_if(view->sections, [](const ELFT::Shdr &section) {
      return section.sh_type == ELF::SHT_LLVM_ADDRSIG;
    });
    if (found == view->sections.end())
      return Error::success();
    for (uint32_t i = 0; i < view->symbols.size(); ++i)
      if (view->symbols[i].getType() != ELF::STT_FILE && significant.contains(view->nameOf(i)))
        encodeULEB128(i, stream);
    symtab = view->symtab;
    header = reinterpret_cast<const char *>(&*found) - bytes.data();
  }
  uint64_t offset = bytes.size();
  bytes.append(table.begin(), table.end());
  auto &section = *reinterpret_cast<ELFT::Shdr *>(bytes.data() + header);
  section.sh_offset = offset;
  section.sh_size = table.size();
  section.sh_link = symtab;
  return Error::success();
}

Error finish(const TenderJoin &join, StringRef object, SmallVectorImpl<char> &out) {
  SmallString<0> bytes(object);
  StringSet<> nameless;
  for (const TenderRename &rename : join.renames)
    if (ref(rename.before).starts_with(".L"))
      nameless.insert(ref(rename.now));
  if (Error error = adjust(bytes, nameless))
    return error;
  raw_svector_ostream stream(out);
  if (Error error = restore(join, bytes, stream))
    return error;
  return join.significant ? writeSignificant(out, *join.significant) : Error::success();
}

bool tell(Error failed, TenderBuffer *error) {
  std::error_code code;
  std::string text;
  handleAllErrors(std::move(failed), [&](const ErrorInfoBase &info) {
    code = info.convertToErrorCode();
    text = info.message();
  });
  // Handled as any failed allocation, because it is no error of the unit.
  if (code == std::errc::not_enough_memory)
    report_bad_alloc_error(text.c_str());
  *error = copy(text);
  return false;
}

} // namespace

extern "C" {

void tender_cut_prepare(const TenderClang *unit, LLVMModuleRef moduleRef, TenderStr suffixRef,
                        bool first) {
  Module &module = *unwrap(moduleRef);
  StringRef suffix = ref(suffixRef);
  // The joined object must name one source file. objcopy finds symbols only by name, so the others
  // get the suffix as name.
  if (!first)
    module.setSourceFileName(suffix);
  // With these options, functions have their own sections already, or are split into several.
  const clang::CodeGenOptions &codegen = unit->instance->getCodeGenOpts();
  if (codegen.FunctionSections || (!codegen.BBSections.empty() && codegen.BBSections != "none"))
    return;
  SmallVector<GlobalValue *, 8> list;
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/false);
  collectUsedGlobalVariables(module, list, /*CompilerUsed=*/true);
  SmallPtrSet<GlobalValue *, 8> used(list.begin(), list.end());
  for (Function &function : module) {
    StringRef name = function.getName();
    if (function.isDeclarationForLinker() || !function.hasHiddenVisibility() ||
        !name.consume_back(suffix) || !name.ends_with(".") || name.contains('"') ||
        function.hasSection() || function.hasComdat() ||
        function.hasFnAttribute("implicit-section-name") || used.contains(&function))
      continue;
    // The section that CodeGenPrepare would choose.
    bool divided = codegen.OptimizationLevel > 0 && !function.hasOptNone();
    StringRef kind = divided && function.hasFnAttribute(Attribute::Hot)    ? "hot."
                     : divided && function.hasFnAttribute(Attribute::Cold) ? "unlikely."
                                                                           : "";
    function.setSection(
        (".text." + kind + "tender." + suffix + "." + nameInAssembly(function)).str());
  }
}

TenderJoin *tender_join_new(const TenderStr *pieces, size_t count, const TenderRename *renames,
                            size_t renameCount, TenderStr suffix, TenderBuffer *error) {
  auto join = std::make_unique<TenderJoin>();
  join->renames.assign(renames, renames + renameCount);
  join->suffix = ref(suffix).str();
  if (Error failed = prepare(*join, ArrayRef(pieces, count))) {
    tell(std::move(failed), error);
    return nullptr;
  }
  return join.release();
}

void tender_join_free(TenderJoin *join) { delete join; }

TenderStr tender_join_script(const TenderJoin *join) { return str(join->script); }

bool tender_join_finish(const TenderJoin *join, TenderStr object, TenderBuffer *out,
                        TenderBuffer *error) {
  SmallString<0> bytes;
  if (Error failed = finish(*join, ref(object), bytes))
    return tell(std::move(failed), error);
  *out = copy(bytes);
  return true;
}

} // extern "C"
