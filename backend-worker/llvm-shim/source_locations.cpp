// Source locations for modules that another unit translated, and options that forbid cutting.
#include <unordered_map>

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

struct TenderSourceLocations {
  struct Location {
    std::string file;
    unsigned line, column;
  };
  std::unordered_map<uint64_t, Location> locations;
};

namespace {

void record(const TenderClang &unit, uint64_t cookie, TenderSourceLocations &table) {
  const SourceManager &sources = unit.instance->getSourceManager();
  SourceLocation location = unit.ownLocation(cookie);
  if (location.isInvalid())
    return;
  location = sources.getFileLoc(location);
  OptionalFileEntryRef file = sources.getFileEntryRefForID(sources.getFileID(location));
  if (!file)
    return;
  table.locations.insert({cookie,
                          {file->getName().str(), sources.getSpellingLineNumber(location),
                           sources.getSpellingColumnNumber(location)}});
}

} // namespace

SourceLocation TenderClang::sourceLocation(uint64_t cookie) const {
  if (locations) {
    auto found = locations->locations.find(cookie);
    if (found == locations->locations.end())
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

TenderSourceLocations *tender_source_locations(const TenderClang *unit, LLVMModuleRef moduleRef) {
  auto table = std::make_unique<TenderSourceLocations>();
  if (!unit->translated || !unit->instance->hasSourceManager())
    return table.release();
  for (const llvm::Function &function : *llvm::unwrap(moduleRef))
    for (const llvm::Instruction &instruction : llvm::instructions(function))
      if (const llvm::MDNode *node = instruction.getMetadata("srcloc"))
        for (const llvm::MDOperand &operand : node->operands())
          if (auto *cookie = llvm::mdconst::dyn_extract_or_null<llvm::ConstantInt>(operand))
            record(*unit, cookie->getZExtValue(), *table);
  return table.release();
}

void tender_source_locations_free(TenderSourceLocations *locations) { delete locations; }

void tender_clang_set_source_locations(TenderClang *unit, const TenderSourceLocations *locations) {
  unit->locations = locations;
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
