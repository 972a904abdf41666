// Link-time optimisation in two steps: LLVM's lto::LTO runs the thin link over the whole program,
// and the caller runs the backends, one for each module, later on its own threads.
#include <memory>
#include <vector>

#include "llvm/ADT/SmallString.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/LTO/LTO.h"
#include "llvm/LTO/LTOBackend.h"
#include "llvm/Support/Caching.h"
#include "llvm/Support/Threading.h"
#include "llvm/Support/raw_ostream.h"

#include "assembler_files.h"
#include "buffer.h"
#include "lto_input.h"
#include "shim.h"

using namespace llvm;

namespace {

// The receiver of LLVM's diagnostics on this thread. lto::Config has one handler for all threads.
struct DiagnosticScope {
  explicit DiagnosticScope(const TenderEvents *events) : events(events), outer(current), files(*events) {
    current = this;
  }
  ~DiagnosticScope() { current = outer; }
  DiagnosticScope(const DiagnosticScope &) = delete;
  DiagnosticScope &operator=(const DiagnosticScope &) = delete;

  const TenderEvents *events;
  DiagnosticScope *outer;
  tender::AssemblerFiles files;
  bool failed = false;
  static thread_local DiagnosticScope *current;
};
thread_local DiagnosticScope *DiagnosticScope::current = nullptr;

TenderLevel levelOf(DiagnosticSeverity severity) {
  switch (severity) {
  case DS_Error:
    return TENDER_ERROR;
  case DS_Warning:
    return TENDER_WARNING;
  case DS_Remark:
    return TENDER_REMARK;
  case DS_Note:
    return TENDER_NOTE;
  }
  return TENDER_ERROR;
}

void handleDiagnostic(const DiagnosticInfo &info) {
  DiagnosticScope *scope = DiagnosticScope::current;
  if (!scope)
    return;
  scope->failed |= info.getSeverity() == DS_Error;
  std::string text;
  raw_string_ostream stream(text);
  DiagnosticPrinterRawOStream printer(stream);
  info.print(printer);
  const TenderEvents &events = *scope->events;
  events.diagnostic(events.context, levelOf(info.getSeverity()), tender::str(text),
                    TenderStr{nullptr, 0}, 0, 0, TenderStr{nullptr, 0});
}

// The settings of ld.lld (lld/ELF/LTO.cpp), so that the output is the same.
lto::Config configOf(const TenderLtoConfig &wanted) {
  lto::Config config;
  // lld's defaults differ from those of lto::Config.
  config.Options.UseInitArray = true;
  config.Options.EmitAddrsig = true;
  config.Options.FunctionSections = true;
  config.Options.DataSections = true;
  config.RelocModel = wanted.position_independent ? Reloc::PIC_ : Reloc::Static;
  config.DisableVerify = true;
  config.DiagHandler = handleDiagnostic;
  config.OptLevel = wanted.opt_level;
  // Code generation below -O2 is for debugging, which link-time optimisation is not for.
  config.CGOptLevel =
      wanted.opt_level >= 3 ? CodeGenOptLevel::Aggressive : CodeGenOptLevel::Default;
  config.PTO.LoopVectorization = wanted.opt_level > 1;
  config.PTO.SLPVectorization = wanted.opt_level > 1;
  return config;
}

// A stream into memory. LLVM's base class aborts if the stream was not committed, which happens
// after an error.
class MemoryStream final : public CachedFileStream {
public:
  explicit MemoryStream(SmallVectorImpl<char> &out)
      : CachedFileStream(std::make_unique<raw_svector_ostream>(out)) {}
  ~MemoryStream() override { Committed = true; }
};

AddStreamFn into(SmallVectorImpl<char> &out) {
  return [&out](unsigned, const Twine &) -> Expected<std::unique_ptr<CachedFileStream>> {
    return std::make_unique<MemoryStream>(out);
  };
}

// The thin link's decisions for one module, copied because LLVM's data exists only during LTO::run.
struct Backend {
  Backend(unsigned task, BitcodeModule module, const FunctionImporter::ImportMapTy &given,
          GVSummaryMapTy defined)
      : task(task), module(module), imports(ids), defined(std::move(defined)) {
    for (const auto &[from, guid, kind] : given)
      imports.addGUID(from, guid, kind);
  }

  unsigned task;
  BitcodeModule module;
  // The import list refers to the table.
  FunctionImporter::ImportIDTable ids;
  FunctionImporter::ImportMapTy imports;
  GVSummaryMapTy defined;
};

} // namespace

struct TenderLtoLink {
  explicit TenderLtoLink(const TenderLtoConfig &config);

  // Data of `lto`, set when LLVM starts the first backend.
  const lto::Config *config = nullptr;
  const ModuleSummaryIndex *index = nullptr;
  MapVector<StringRef, BitcodeModule> *modules = nullptr;
  std::vector<std::unique_ptr<Backend>> backends;
  // The original linkage of weak definitions, with `keep_copies`.
  std::vector<std::pair<const GlobalValueSummary *, GlobalValue::LinkageTypes>> weak;
  SmallString<0> merged;
  lto::LTO lto;
};

namespace {

// Records the backends instead of running them.
class Recorder final : public lto::ThinBackendProc {
public:
  Recorder(TenderLtoLink &link, const lto::Config &config, ModuleSummaryIndex &index,
           const DenseMap<StringRef, GVSummaryMapTy> &defined)
      // The thread pool of the base class starts no threads, because it is never used.
      : ThinBackendProc(config, index, defined, nullptr, false,
                        heavyweight_hardware_concurrency(1)),
        link(link) {
    link.config = &config;
    link.index = &index;
    // The thin link keeps one copy of each weak definition and makes the others
    // available_externally. This restores them.
    DenseMap<const GlobalValueSummary *, GlobalValue::LinkageTypes> before(link.weak.begin(),
                                                                           link.weak.end());
    for (auto &entry : index)
      for (const auto &summary : entry.second.getSummaryList())
        if (auto known = before.find(summary.get()); known != before.end())
          summary->setLinkage(known->second);
  }

  Error start(unsigned task, BitcodeModule module, const FunctionImporter::ImportMapTy &imports,
              const FunctionImporter::ExportSetTy &,
              const std::map<GlobalValue::GUID, GlobalValue::LinkageTypes> &,
              MapVector<StringRef, BitcodeModule> &modules) override {
    link.modules = &modules;
    GVSummaryMapTy defined;
    if (auto found = ModuleToDefinedGVSummaries.find(module.getModuleIdentifier());
        found != ModuleToDefinedGVSummaries.end())
      defined = found->second;
    link.backends.push_back(std::make_unique<Backend>(task, module, imports, std::move(defined)));
    return Error::success();
  }
  Error wait() override { return Error::success(); }
  bool isSensitiveToInputOrder() override { return true; }

private:
  TenderLtoLink &link;
};

// True if no error was returned or reported.
bool done(Error result, const DiagnosticScope &scope, TenderBuffer *error) {
  if (result) {
    *error = tender::take(std::move(result));
    return false;
  }
  return !scope.failed;
}

// The hook is called before the thin link changes linkages.
lto::Config recordingConfig(TenderLtoLink &link, const TenderLtoConfig &wanted) {
  lto::Config config = configOf(wanted);
  if (wanted.keep_copies)
    config.CombinedIndexHook = [&link](const ModuleSummaryIndex &index,
                                       const DenseSet<GlobalValue::GUID> &) {
      for (const auto &entry : index)
        for (const auto &summary : entry.second.getSummaryList())
          if (GlobalValue::isWeakForLinker(summary->linkage()))
            link.weak.emplace_back(summary.get(), summary->linkage());
      return true;
    };
  return config;
}

} // namespace

TenderLtoLink::TenderLtoLink(const TenderLtoConfig &config)
    : lto(recordingConfig(*this, config),
          lto::ThinBackend(
              [this](const lto::Config &config, ModuleSummaryIndex &index,
                     const DenseMap<StringRef, GVSummaryMapTy> &defined, AddStreamFn, FileCache) {
                return std::make_unique<Recorder>(*this, config, index, defined);
              },
              heavyweight_hardware_concurrency(1))) {}

extern "C" {

TenderLtoLink *tender_lto_new(const TenderLtoConfig *config) { return new TenderLtoLink(*config); }

void tender_lto_free(TenderLtoLink *lto) { delete lto; }

bool tender_lto_add(TenderLtoLink *lto, TenderLtoInput *input, const uint8_t *resolutions,
                    size_t count, const TenderEvents *events, TenderBuffer *error) {
  DiagnosticScope scope(events);
  std::unique_ptr<TenderLtoInput> owned(input);
  std::vector<lto::SymbolResolution> list(count);
  for (size_t i = 0; i != count; ++i) {
    list[i].Prevailing = (resolutions[i] & TENDER_LTO_PREVAILING) != 0;
    list[i].FinalDefinitionInLinkageUnit = (resolutions[i] & TENDER_LTO_FINAL_DEFINITION) != 0;
    list[i].VisibleToRegularObj = (resolutions[i] & TENDER_LTO_VISIBLE_TO_REGULAR) != 0;
    list[i].ExportDynamic = (resolutions[i] & TENDER_LTO_EXPORT_DYNAMIC) != 0;
    list[i].LinkerRedefined = (resolutions[i] & TENDER_LTO_LINKER_REDEFINED) != 0;
  }
  return done(lto->lto.add(std::move(owned->file), list), scope, error);
}

bool tender_lto_run(TenderLtoLink *lto, const TenderEvents *events, TenderBuffer *error) {
  DiagnosticScope scope(events);
  // Task 0 is the merged module.
  return done(lto->lto.run(into(lto->merged)), scope, error);
}

TenderBuffer tender_lto_merged(TenderLtoLink *lto) {
  if (lto->merged.empty())
    return TenderBuffer{nullptr, 0};
  TenderBuffer bytes = tender::copy(lto->merged);
  lto->merged = SmallString<0>();
  return bytes;
}

size_t tender_lto_backends(const TenderLtoLink *lto) { return lto->backends.size(); }

TenderStr tender_lto_backend_id(const TenderLtoLink *lto, size_t index) {
  return tender::str(lto->backends[index]->module.getModuleIdentifier());
}

bool tender_lto_backend(const TenderLtoLink *lto, size_t index, const TenderEvents *events,
                        TenderBuffer *object, TenderBuffer *error) {
  DiagnosticScope scope(events);
  const Backend &backend = *lto->backends[index];
  SmallString<0> code;
  // As LLVM's in-process backend does, which also runs several at once with the same index and
  // modules.
  auto run = [&]() -> Error {
    lto::LTOLLVMContext context(*lto->config);
    BitcodeModule bitcode = backend.module;
    Expected<std::unique_ptr<Module>> module = bitcode.parseModule(context);
    if (!module)
      return module.takeError();
    return lto::thinBackend(*lto->config, backend.task, into(code), **module, *lto->index,
                            backend.imports, backend.defined, lto->modules, /*CodeGenOnly=*/false);
  };
  bool ok = done(run(), scope, error);
  if (ok && !code.empty())
    *object = tender::copy(code);
  return ok;
}

} // extern "C"
