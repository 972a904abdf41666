// Source locations for modules that another unit translated, and options that forbid cutting.
//
// A module that is written to be read by another unit takes them along as metadata. The unit that
// reads it takes them out before anything else sees them.
#include <optional>

#include "clang/Basic/FileManager.h"
#include "clang/Basic/SourceManager.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Metadata.h"
#include "llvm/IR/Module.h"

#include "buffer.h"
#include "clang_unit.h"
#include "shim.h"

using namespace clang;
using namespace tender;

namespace {

// What the metadata is called. Each operand has a cookie, and the file, line and column where it
// leads.
constexpr const char *NOTES = "tender.locations";

std::optional<SourcePlace> find(const TenderClang &unit, uint64_t cookie) {
  const SourceManager &sources = unit.instance->getSourceManager();
  SourceLocation location = unit.ownLocation(cookie);
  if (location.isInvalid())
    return std::nullopt;
  location = sources.getFileLoc(location);
  OptionalFileEntryRef file = sources.getFileEntryRefForID(sources.getFileID(location));
  if (!file)
    return std::nullopt;
  return SourcePlace{file->getName().str(), sources.getSpellingLineNumber(location),
                     sources.getSpellingColumnNumber(location)};
}

SourcePlaces placesIn(const TenderClang &unit, const llvm::Module &module) {
  SourcePlaces places;
  if (!unit.translated || !unit.instance->hasSourceManager())
    return places;
  for (const llvm::Function &function : module)
    for (const llvm::Instruction &instruction : llvm::instructions(function))
      if (const llvm::MDNode *node = instruction.getMetadata("srcloc"))
        for (const llvm::MDOperand &operand : node->operands())
          if (auto *number = llvm::mdconst::dyn_extract_or_null<llvm::ConstantInt>(operand))
            if (std::optional<SourcePlace> place = find(unit, number->getZExtValue()))
              places.insert({number->getZExtValue(), *std::move(place)});
  return places;
}

} // namespace

void tender::takeNotes(TenderClang &unit, llvm::Module &module) {
  if (unit.translated)
    return;
  SourcePlaces &places = unit.places.emplace();
  llvm::NamedMDNode *notes = module.getNamedMetadata(NOTES);
  if (!notes)
    return;
  auto number = [](const llvm::MDNode &note, unsigned index) {
    auto *value = llvm::mdconst::dyn_extract_or_null<llvm::ConstantInt>(note.getOperand(index));
    return value ? value->getZExtValue() : 0;
  };
  for (const llvm::MDNode *note : notes->operands()) {
    if (note->getNumOperands() != 4)
      continue;
    if (auto *file = llvm::dyn_cast_or_null<llvm::MDString>(note->getOperand(1)))
      places.insert({number(*note, 0),
                     {file->getString().str(), static_cast<unsigned>(number(*note, 2)),
                      static_cast<unsigned>(number(*note, 3))}});
  }
  module.eraseNamedMetadata(notes);
}

SourceLocation TenderClang::sourceLocation(uint64_t cookie) const {
  if (places) {
    auto found = places->find(cookie);
    if (found == places->end())
      return SourceLocation();
    return sourceLocation(found->second.file, found->second.line, found->second.column);
  }
  return translated ? ownLocation(cookie) : SourceLocation();
}

SourceLocation TenderClang::ownLocation(uint64_t cookie) const {
  if (cookies) {
    if (cookie == 0 || cookie > cookies->size())
      return SourceLocation();
    cookie = (*cookies)[cookie - 1];
  }
  return SourceLocation::getFromRawEncoding(static_cast<SourceLocation::UIntTy>(cookie));
}

SourceLocation TenderClang::sourceLocation(llvm::StringRef path, unsigned line,
                                           unsigned column) const {
  if (!instance->hasSourceManager() || line == 0)
    return SourceLocation();
  auto file = instance->getFileManager().getOptionalFileRef(path);
  if (!file)
    return SourceLocation();
  SourceManager &sources = instance->getSourceManager();
  if (!translated)
    sources.getOrCreateFileID(*file, SrcMgr::C_User);
  return sources.translateFileLineCol(*file, line, column ? column : 1);
}

extern "C" {

void tender_clang_note_locations(const TenderClang *unit, LLVMModuleRef moduleRef) {
  llvm::Module &module = *llvm::unwrap(moduleRef);
  llvm::LLVMContext &context = module.getContext();
  auto number = [&](uint64_t value) {
    return llvm::ConstantAsMetadata::get(
        llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), value));
  };
  for (const auto &[cookie, place] : unit->places ? *unit->places : placesIn(*unit, module))
    module.getOrInsertNamedMetadata(NOTES)->addOperand(
        llvm::MDNode::get(context, {number(cookie), llvm::MDString::get(context, place.file),
                                    number(place.line), number(place.column)}));
}

bool tender_clang_optimised(const TenderClang *unit) {
  return unit->instance->getCodeGenOpts().OptimizationLevel > 0;
}

TenderStr tender_clang_uncuttable_reason(const TenderClang *unit) {
  const CodeGenOptions &codegen = unit->instance->getCodeGenOpts();
  const LangOptions &lang = unit->instance->getLangOpts();
  auto reason = [&]() -> const char * {
    if (codegen.OptimizationRemark.hasValidPattern() ||
        codegen.OptimizationRemarkMissed.hasValidPattern() ||
        codegen.OptimizationRemarkAnalysis.hasValidPattern())
      return "remarks are asked for (-Rpass)";
    if (!codegen.SplitDwarfOutput.empty() || !codegen.SplitDwarfFile.empty())
      return "debug information is split (-gsplit-dwarf)";
    if (codegen.getProfileInstr() != llvm::driver::ProfileInstrKind::ProfileNone ||
        codegen.CoverageMapping || !codegen.CoverageNotesFile.empty() ||
        !codegen.CoverageDataFile.empty())
      return "it is instrumented for a profile or for coverage";
    // A profile identifies functions by name, and promotion changes names.
    if (codegen.getProfileUse() != llvm::driver::ProfileInstrKind::ProfileNone ||
        !codegen.SampleProfileFile.empty())
      return "a profile is used";
    if (codegen.SanitizeCoverageType || codegen.SanitizeCoverageTracePC ||
        codegen.SanitizeCoverageTracePCGuard || codegen.SanitizeCoverageInline8bitCounters ||
        codegen.SanitizeCoverageInlineBoolFlag)
      return "it is instrumented for -fsanitize-coverage";
    SanitizerMask able = SanitizerKind::Address | SanitizerKind::Undefined | SanitizerKind::Thread |
                         SanitizerKind::Leak | SanitizerKind::Memory | SanitizerKind::Integer |
                         SanitizerKind::Nullability | SanitizerKind::FloatDivideByZero |
                         SanitizerKind::Bounds | SanitizerKind::PointerOverflow |
                         SanitizerKind::LocalBounds;
    if (lang.Sanitize.Mask & ~able)
      return "it has a sanitizer that looks at the whole module";
    if (codegen.getEmbedBitcode() != CodeGenOptions::Embed_Off)
      return "bitcode is embedded";
    return nullptr;
  }();
  return reason ? str(reason) : TenderStr{nullptr, 0};
}

} // extern "C"
