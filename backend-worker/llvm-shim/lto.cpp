// Link-time optimisation in two steps: LLVM's own lto::LTO makes all decisions over the whole
// program, and the backends, one for each module, are run later by whoever has threads and tokens
// for them.
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

// Who hears what LLVM says on this thread. lto::Config has one handler for all threads.
struct Hearing {
  explicit Hearing(const TenderEvents *events) : events(events), outer(current), files(*events) {
    current = this;
  }
  ~Hearing() { current = outer; }
  Hearing(const Hearing &) = delete;
  Hearing &operator=(const Hearing &) = delete;

  const TenderEvents *events;
  Hearing *outer;
  tender::AssemblerFiles files;
  bool failed = false;
  static thread_local Hearing *current;
};
thread_local Hearing *Hearing::current = nullptr;

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

void hear(const DiagnosticInfo &info) {
  Hearing *hearing = Hearing::current;
  if (!hearing)
    return;
  hearing->failed |= info.getSeverity() == DS_Error;
  std::string text;
  raw_string_ostream stream(text);
  DiagnosticPrinterRawOStream printer(stream);
  info.print(printer);
  const TenderEvents &events = *hearing->events;
  events.diagnostic(events.context, levelOf(info.getSeverity()), tender::str(text),
                    TenderStr{nullptr, 0}, 0, 0, TenderStr{nullptr, 0});
}

// The settings of ld.lld, which is what our output is compared with (lld/ELF/LTO.cpp).
lto::Config configOf(const TenderLtoConfig &wanted) {
  lto::Config config;
  // The defaults of lld's command line differ from those of the type.
  config.Options.UseInitArray = true;
  config.Options.EmitAddrsig = true;
  config.Options.FunctionSections = true;
  config.Options.DataSections = true;
  config.RelocModel = wanted.position_independent ? Reloc::PIC_ : Reloc::Static;
  config.DisableVerify = true;
  config.DiagHandler = hear;
  config.OptLevel = wanted.opt_level;
  // Code generation below -O2 is for debugging, and a link that optimises is not.
  config.CGOptLevel =
      wanted.opt_level >= 3 ? CodeGenOptLevel::Aggressive : CodeGenOptLevel::Default;
  config.PTO.LoopVectorization = wanted.opt_level > 1;
  config.PTO.SLPVectorization = wanted.opt_level > 1;
  return config;
}

// A stream into memory. LLVM's own ends the process if it was not committed, which happens on the
// way out of an error.
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

// What the thin link decided for one module. Copies of what lives only as long as LTO::run.
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

  // These are the link's own, and live as long as it: the first backend that LLVM starts tells
  // where they are.
  const lto::Config *config = nullptr;
  const ModuleSummaryIndex *index = nullptr;
  MapVector<StringRef, BitcodeModule> *modules = nullptr;
  std::vector<std::unique_ptr<Backend>> backends;
  // The linkage that weak definitions have in their source, where copies are kept.
  std::vector<std::pair<const GlobalValueSummary *, GlobalValue::LinkageTypes>> weak;
  SmallString<0> merged;
  lto::LTO lto;
};

namespace {

// Notes the backends in place of running them.
class Recorder final : public lto::ThinBackendProc {
public:
  Recorder(TenderLtoLink &link, const lto::Config &config, ModuleSummaryIndex &index,
           const DenseMap<StringRef, GVSummaryMapTy> &defined)
      // The pool of the base class makes its threads when it is first used, which is never.
      : ThinBackendProc(config, index, defined, nullptr, false,
                        heavyweight_hardware_concurrency(1)),
        link(link) {
    link.config = &config;
    link.index = &index;
    // The thin link leaves one copy of each, and makes the others available_externally.
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

// True if neither an error came back nor one was told on the way.
bool done(Error result, const Hearing &hearing, TenderBuffer *error) {
  if (result) {
    *error = tender::take(std::move(result));
    return false;
  }
  return !hearing.failed;
}

// The hook is called before the thin link changes anything.
lto::Config noting(TenderLtoLink &link, const TenderLtoConfig &wanted) {
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
    : lto(noting(*this, config),
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
  Hearing hearing(events);
  std::unique_ptr<TenderLtoInput> owned(input);
  std::vector<lto::SymbolResolution> list(count);
  for (size_t i = 0; i != count; ++i) {
    list[i].Prevailing = (resolutions[i] & TENDER_LTO_PREVAILING) != 0;
    list[i].FinalDefinitionInLinkageUnit = (resolutions[i] & TENDER_LTO_FINAL_DEFINITION) != 0;
    list[i].VisibleToRegularObj = (resolutions[i] & TENDER_LTO_VISIBLE_TO_REGULAR) != 0;
    list[i].ExportDynamic = (resolutions[i] & TENDER_LTO_EXPORT_DYNAMIC) != 0;
    list[i].LinkerRedefined = (resolutions[i] & TENDER_LTO_LINKER_REDEFINED) != 0;
  }
  return done(lto->lto.add(std::move(owned->file), list), hearing, error);
}

bool tender_lto_run(TenderLtoLink *lto, const TenderEvents *events, TenderBuffer *error) {
  Hearing hearing(events);
  // Task 0 is that of the merged module.
  return done(lto->lto.run(into(lto->merged)), hearing, error);
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
  Hearing hearing(events);
  const Backend &backend = *lto->backends[index];
  SmallString<0> code;
  // As LLVM's in-process backend does it, which runs several at once over the same index and
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
  bool ok = done(run(), hearing, error);
  if (ok && !code.empty())
    *object = tender::copy(code);
  return ok;
}

} // extern "C"
