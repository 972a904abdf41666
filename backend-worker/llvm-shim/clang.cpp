// Runs clang in this process: one source file, one CompilerInstance, one LLVMContext.
//
// The pass pipeline and the code generator are clang's own (emitBackendOutput). They run on the
// module in two steps, so every flag has the same effect as in `clang -c`. The AST is freed before.
#include <mutex>

#include "clang/Basic/DiagnosticDriver.h"
#include "clang/Basic/DiagnosticFrontend.h"
#include "clang/Basic/FileManager.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/CodeGen/BackendUtil.h"
#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/CompilerInvocation.h"
#include "clang/Frontend/FrontendActions.h"
#include "clang/Frontend/Utils.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Signals.h"

#include "assembler_files.h"
#include "bitcode.h"
#include "buffer.h"
#include "clang_unit.h"
#include "driver.h"
#include "precompiled.h"
#include "recording_fs.h"
#include "shim.h"
#include "time_macros.h"

using namespace clang;
using namespace tender;

namespace {

// The driver adds this option to -fprofile-sample-use. Only the pass that reads sample profiles
// uses it, so it can be set for the whole process when the first unit needs it.
constexpr const char *PROFI = "sample-profile-use-profi";

bool setProfi() {
  static bool known = [] {
    auto &options = llvm::cl::getRegisteredOptions();
    auto found = options.find(PROFI);
    return found != options.end() && !found->second->addOccurrence(0, PROFI, "true");
  }();
  return known;
}

// Describes what sets this option of LLVM: the user's flag if it is known, because the driver
// derives such options from its flags.
std::string settingOfLlvm(const DriverRequest &request, const std::string &option) {
  std::string flags = optionsBehind(request, {"-mllvm", option});
  if (flags.empty())
    return "the option " + option + " of LLVM itself (-mllvm), which is global to the process";
  return flags + ", which sets the option " + option + " of LLVM itself for the whole process";
}

// The reason to refuse the options, because they would affect the whole process or make LLVM write
// files. Empty if none. The parsed options are checked, so that every spelling is found.
std::string refusal(const CompilerInvocation &invocation, frontend::ActionKind action,
                    const DriverRequest &request) {
  const FrontendOptions &front = invocation.getFrontendOpts();
  const CodeGenOptions &codegen = invocation.getCodeGenOpts();
  bool profi = false;
  for (const std::string &option : front.LLVMArgs) {
    if (llvm::StringRef(option).ltrim('-') != PROFI || !setProfi())
      return settingOfLlvm(request, option);
    profi = true;
  }
  if (!profi && !codegen.SampleProfileFile.empty())
    return "-fno-sample-profile-use-profi (how profiles are read is one setting for the whole "
           "process)";
  // Code outside of the link may have further types: docs/manifest.md, `lto`.
  if (codegen.WholeProgramVTables || codegen.VirtualFunctionElimination ||
      invocation.getLangOpts().Sanitize.hasOneOf(SanitizerKind::CFI))
    return "-fwhole-program-vtables, -fvirtual-function-elimination or -fsanitize=cfi: no mode of "
           "`lto` promises to see "
           "all types of a program";
  // clang sets LLVM options for these two (BackendUtil.cpp).
  if (!codegen.DebugPass.empty())
    return "-mdebug-pass, which sets an option of LLVM itself for the whole process";
  if (!codegen.LimitFloatPrecision.empty())
    return "-mlimit-float-precision, which sets an option of LLVM itself for the whole process";
  if (!front.Plugins.empty() || !front.AddPluginActions.empty() || !codegen.PassPlugins.empty())
    return "a plugin (-fplugin, -fpass-plugin, -load)";
  if (!codegen.SaveTempsFilePrefix.empty())
    return "-save-temps";
  if (!codegen.OptRecordFile.empty())
    return "-fsave-optimization-record";
  if (!codegen.StackUsageOutput.empty())
    return "-fstack-usage";
  if (!codegen.ThinLTOIndexFile.empty() || codegen.PrepareForLTO || codegen.PrepareForThinLTO)
    return "-flto (link-time optimisation belongs to the profile: `lto`)";
  if (front.TimeTracePath.size())
    return "-ftime-trace (use --trace)";
  if (codegen.TimePasses || !front.StatsFile.empty())
    return "a report about the whole compiler process (-ftime-report, -save-stats), which is "
           "shared by many units";
  if (!invocation.getFileSystemOpts().WorkingDir.empty())
    return "-working-directory (all paths start from the workspace root)";
  if (invocation.getLangOpts().Modules && invocation.getLangOpts().ImplicitModules &&
      !invocation.getHeaderSearchOpts().ModuleCachePath.empty())
    return "implicit modules (-fmodules)";
  if (!invocation.getDependencyOutputOpts().OutputFile.empty())
    return "a dependency file (-M...): tender itself records what a unit reads";
  if (front.ProgramAction != action)
    return "an action other than compiling (-E, -S, -emit-llvm, -fsyntax-only, a precompiled "
           "header)";
  return std::string();
}

// clang and LLVM open some files that options name without using the instance's file system. Looks
// them up there, so that they are recorded.
void recordFilesOfOptions(const CompilerInvocation &invocation,
                                  llvm::ArrayRef<const char *> words,
                                  llvm::vfs::FileSystem &files) {
  const CodeGenOptions &codegen = invocation.getCodeGenOpts();
  std::vector<std::string> paths = {invocation.getFrontendOpts().OverrideRecordLayoutsFile,
                                    codegen.SampleProfileFile,
                                    codegen.ProfileInstrumentUsePath,
                                    codegen.ProfileRemappingFile,
                                    codegen.MemoryProfileUsePath,
                                    codegen.MSSecureHotPatchFunctionsFile};
  llvm::StringRef sections = codegen.BBSections;
  if (sections.consume_front("list="))
    paths.push_back(sections.str());
  for (const auto *named : {&codegen.SanitizeCoverageAllowlistFiles,
                            &codegen.SanitizeCoverageIgnorelistFiles, &codegen.OffloadObjects})
    llvm::append_range(paths, *named);
  for (llvm::StringRef word : words)
    if (word.consume_front("-frandomize-layout-seed-file="))
      paths.push_back(word.str());
  for (const std::string &path : paths)
    if (!path.empty())
      (void)files.status(path);
}

// Converts LLVM's diagnostics of optimising and emitting to clang's, with clang's text and, if it
// is known, clang's location.
class BackendDiagnostics final : public llvm::DiagnosticHandler {
public:
  explicit BackendDiagnostics(TenderClang &unit) : unit(unit) {
    const CodeGenOptions &codegen = unit.instance->getCodeGenOpts();
    passed = codegen.OptimizationRemark;
    missed = codegen.OptimizationRemarkMissed;
    analysis = codegen.OptimizationRemarkAnalysis;
  }

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    DiagnosticsEngine &diags = unit.instance->getDiagnostics();
    std::string words;
    llvm::raw_string_ostream stream(words);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    SourceLocation location;
    switch (info.getKind()) {
    case llvm::DK_SrcMgr: {
      // Inline assembly. The cookie is clang's own location of the statement.
      const auto &source = llvm::cast<llvm::DiagnosticInfoSrcMgr>(info);
      if (source.isInlineAsmDiag())
        location = unit.sourceLocation(source.getLocCookie());
      words = source.getSMDiag().getMessage().str();
      break;
    }
    case llvm::DK_InlineAsm: {
      const auto &source = llvm::cast<llvm::DiagnosticInfoInlineAsm>(info);
      location = unit.sourceLocation(source.getLocCookie());
      words = source.getMsgStr().str();
      break;
    }
    case llvm::DK_DontCall: {
      const auto &source = llvm::cast<llvm::DiagnosticInfoDontCall>(info);
      location = unit.sourceLocation(source.getLocCookie());
      info.print(printer);
      break;
    }
    case llvm::DK_StackSize: {
      const auto &source = llvm::cast<llvm::DiagnosticInfoStackSize>(info);
      stream << "stack frame size (" << source.getStackSize() << ") exceeds limit ("
             << source.getStackLimit() << ") in '" << source.getFunction().getName() << "'";
      break;
    }
    case llvm::DK_Unsupported: {
      const auto &source = llvm::cast<llvm::DiagnosticInfoUnsupported>(info);
      location = find(source);
      words = source.getMessage().str();
      break;
    }
    case llvm::DK_OptimizationRemark:
    case llvm::DK_OptimizationRemarkMissed:
    case llvm::DK_OptimizationRemarkAnalysis:
    case llvm::DK_OptimizationRemarkAnalysisFPCommute:
    case llvm::DK_OptimizationRemarkAnalysisAliasing:
    case llvm::DK_MachineOptimizationRemark:
    case llvm::DK_MachineOptimizationRemarkMissed:
    case llvm::DK_MachineOptimizationRemarkAnalysis: {
      const auto &remark = llvm::cast<llvm::DiagnosticInfoOptimizationBase>(info);
      if (!wanted(remark))
        return true;
      location = find(remark);
      words = remark.getMsg();
      words += std::string(" [") +
               (remark.isMissed()     ? "-Rpass-missed="
                : remark.isAnalysis() ? "-Rpass-analysis="
                                      : "-Rpass=") +
               remark.getPassName().str() + "]";
      break;
    }
    case llvm::DK_OptimizationFailure: {
      const auto &failure = llvm::cast<llvm::DiagnosticInfoOptimizationBase>(info);
      location = find(failure);
      words = failure.getMsg() + " [-Wpass-failed=" + failure.getPassName().str() + "]";
      if (diags.isIgnored(diag::warn_fe_backend_optimization_failure, location))
        return true;
      break;
    }
    default:
      info.print(printer);
      break;
    }
    DiagnosticsEngine::Level level = DiagnosticsEngine::Error;
    switch (info.getSeverity()) {
    case llvm::DS_Error:
      break;
    case llvm::DS_Warning:
      level = DiagnosticsEngine::Warning;
      break;
    case llvm::DS_Remark:
      level = DiagnosticsEngine::Remark;
      break;
    case llvm::DS_Note:
      level = DiagnosticsEngine::Note;
      break;
    }
    diags.Report(location, diags.getCustomDiagID(level, "%0")) << words;
    return true;
  }

  bool isAnalysisRemarkEnabled(llvm::StringRef pass) const override {
    return analysis.patternMatches(pass);
  }
  bool isMissedOptRemarkEnabled(llvm::StringRef pass) const override {
    return missed.patternMatches(pass);
  }
  bool isPassedOptRemarkEnabled(llvm::StringRef pass) const override {
    return passed.patternMatches(pass);
  }
  bool isAnyRemarkEnabled() const override {
    return analysis.hasValidPattern() || missed.hasValidPattern() || passed.hasValidPattern();
  }

private:
  bool wanted(const llvm::DiagnosticInfoOptimizationBase &remark) const {
    if (remark.isPassed())
      return passed.patternMatches(remark.getPassName());
    if (remark.isMissed())
      return missed.patternMatches(remark.getPassName());
    return analysis.patternMatches(remark.getPassName());
  }

  SourceLocation find(const llvm::DiagnosticInfoWithLocationBase &info) const {
    if (!info.isLocationAvailable())
      return SourceLocation();
    llvm::StringRef path;
    unsigned line = 0, column = 0;
    info.getLocation(path, line, column);
    return unit.sourceLocation(path, line, column);
  }

  TenderClang &unit;
  CodeGenOptions::OptRemark passed, missed, analysis;
};

// Diagnostics may show source lines only between BeginSourceFile and EndSourceFile. The backend
// runs after clang has called EndSourceFile.
class SourceFileScope {
public:
  explicit SourceFileScope(TenderClang &unit) : unit(unit) {
    unit.consumer.BeginSourceFile(unit.instance->getLangOpts(), nullptr);
  }
  ~SourceFileScope() { unit.consumer.EndSourceFile(); }

private:
  TenderClang &unit;
};

// clang's own action writes to a file or to standard output.
class PreprocessToString final : public PreprocessorFrontendAction {
public:
  explicit PreprocessToString(llvm::raw_ostream &out) : out(out) {}

protected:
  void ExecuteAction() override {
    CompilerInstance &instance = getCompilerInstance();
    DoPrintPreprocessedInput(instance.getPreprocessor(), &out,
                             instance.getPreprocessorOutputOpts());
  }
  bool hasPCHSupport() const override { return true; }

private:
  llvm::raw_ostream &out;
};

bool runBackend(TenderClang &unit, llvm::Module &module, BackendAction action, bool passes,
                std::unique_ptr<llvm::raw_pwrite_stream> out) {
  CompilerInstance &instance = *unit.instance;
  CodeGenOptions &codegen = instance.getCodeGenOpts();
  SourceFileScope sourceFile(unit);
  AssemblerFiles files(unit.events);
  llvm::LLVMContext &context = module.getContext();
  auto previous = context.getDiagnosticHandler();
  context.setDiagnosticHandler(std::make_unique<BackendDiagnostics>(unit));
  unsigned before = instance.getDiagnosticClient().getNumErrors();

  bool disabled = codegen.DisableLLVMPasses;
  codegen.DisableLLVMPasses = !passes || disabled;
  emitBackendOutput(instance, codegen, instance.getTarget().getDataLayoutString(), &module, action,
                    instance.getVirtualFileSystemPtr(), std::move(out));
  codegen.DisableLLVMPasses = disabled;

  context.setDiagnosticHandler(std::move(previous));
  return instance.getDiagnosticClient().getNumErrors() == before;
}

} // namespace

namespace tender {

std::unique_ptr<llvm::Module> translate(TenderClang &unit, CodeGenAction &action) {
  CompilerInstance &instance = *unit.instance;
  CodeGenOptions &codegen = instance.getCodeGenOpts();
  bool disabled = codegen.DisableLLVMPasses;
  // Optimisation runs later, after the AST is freed.
  codegen.DisableLLVMPasses = true;
  bool ok = instance.ExecuteAction(action);
  codegen.DisableLLVMPasses = disabled;
  std::unique_ptr<llvm::Module> module = action.takeModule();
  unit.consumer.flush();
  instance.setSema(nullptr);
  instance.setASTConsumer(nullptr);
  instance.setASTContext(nullptr);
  instance.setPreprocessor(nullptr);
  if (!ok)
    return nullptr;
  unit.translated = module != nullptr;
  return module;
}

} // namespace tender

extern "C" {

TenderClang *tender_clang_open(TenderStr clang, const TenderStr *args, size_t count,
                               TenderStr input, TenderStr output, bool preprocess, TenderLto lto,
                               const TenderEvents *events) {
  auto unit = std::make_unique<TenderClang>(*events);
  std::optional<DriverJob> job;
  std::vector<const char *> words;
  {
    // The driver has its own engine, because the instance's engine depends on the driver's result.
    auto diags = llvm::makeIntrusiveRefCnt<DiagnosticsEngine>(
        DiagnosticIDs::create(), unit->options, &unit->consumer, /*ShouldOwnClient=*/false);
    const DriverRequest request(clang, args, count, input, output);
    job = runDriver(request, *diags, *events);
    unit->consumer.flush();
    if (!job)
      return nullptr;
    for (const std::string &word : job->args)
      words.push_back(word.c_str());
    auto invocation = std::make_shared<CompilerInvocation>();
    unit->program = ref(clang).str();
    bool ok = CompilerInvocation::CreateFromArgs(*invocation, words, *diags, unit->program.c_str());
    frontend::ActionKind action = preprocess ? frontend::PrintPreprocessedInput : frontend::EmitObj;
    if (std::string what = ok ? refusal(*invocation, action, request) : std::string();
        !what.empty()) {
      diags->Report(diags->getCustomDiagID(DiagnosticsEngine::Error, "tender does not support %0"))
          << what;
      ok = false;
    }
    unit->consumer.flush();
    if (!ok)
      return nullptr;

    FrontendOptions &front = invocation->getFrontendOpts();
    CodeGenOptions &codegen = invocation->getCodeGenOpts();
    // The driver sets these because its process ends after the compile. This process continues.
    front.DisableFree = false;
    codegen.DisableFree = false;
    codegen.ClearASTBeforeBackend = false;
    front.OutputFile.clear();
    // clang's `-flto` sets these: then only the passes before the link run.
    unit->lto = lto;
    codegen.PrepareForLTO = lto != TENDER_LTO_OFF;
    codegen.PrepareForThinLTO = lto == TENDER_LTO_THIN;
    codegen.LTOUnit = lto != TENDER_LTO_OFF;
    front.ShowStats = false;
    unit->dwoPath = codegen.SplitDwarfOutput;
    invocation->getDiagnosticOpts().ShowColors = true;
    unit->options = invocation->getDiagnosticOpts();
    unit->options.ShowColors = true;
    unit->instance = std::make_unique<CompilerInstance>(std::move(invocation));
  }
  CompilerInstance &instance = *unit->instance;
  instance.createVirtualFileSystem(recordingFileSystem(*events, &unit->times), &unit->consumer);
  recordFilesOfOptions(instance.getInvocation(), words, instance.getVirtualFileSystem());
  instance.createDiagnostics(&unit->consumer, /*ShouldOwnClient=*/false);
  // LLVM reads these after translation, when inputs are not recorded any more.
  const CodeGenOptions &codegen = instance.getCodeGenOpts();
  for (const std::string &profile : {codegen.SampleProfileFile, codegen.ProfileInstrumentUsePath,
                                     codegen.ProfileRemappingFile, codegen.MemoryProfileUsePath})
    if (!profile.empty())
      (void)instance.getVirtualFileSystem().getBufferForFile(profile);
  instance.addDependencyCollector(timeMacros(*events));
  // Suppresses "2 errors generated".
  instance.setVerboseOutputStream(std::make_unique<llvm::raw_null_ostream>());
  return unit.release();
}

void tender_clang_free(TenderClang *unit) { delete unit; }

void tender_clang_precompiled(const TenderClang *unit, void *context,
                              void (*input)(void *context, TenderStr file, TenderStr input,
                                            int64_t mtime_s)) {
  for (const PrecompiledFile &file : precompiledFiles(*unit->instance))
    for (const PrecompiledInput &made : file.inputs)
      input(context, str(file.path), str(made.path), made.mtime);
}

void tender_clang_assume_time(TenderClang *unit, TenderStr path, int64_t mtime_s) {
  unit->times[ref(path)] = llvm::sys::toTimePoint(mtime_s);
}

void tender_clang_assume_text(TenderClang *unit, TenderStr text) {
  CompilerInstance &instance = *unit->instance;
  const FrontendInputFile &input = instance.getFrontendOpts().Inputs.front();
  // The instance frees the buffer.
  instance.getPreprocessorOpts().addRemappedFile(
      input.getFile(), llvm::MemoryBuffer::getMemBufferCopy(ref(text)).release());
}

LLVMModuleRef tender_clang_translate(TenderClang *unit, LLVMContextRef context) {
  EmitLLVMOnlyAction action(llvm::unwrap(context));
  return llvm::wrap(translate(*unit, action).release());
}

bool tender_clang_adopt(TenderClang *unit, LLVMModuleRef moduleRef) {
  CompilerInstance &instance = *unit->instance;
  llvm::Module &module = *llvm::unwrap(moduleRef);
  instance.createFileManager();
  instance.createSourceManager();
  if (!instance.createTarget())
    return false;
  takeNotes(*unit, module);
  // As for modules that clang translates. Value names cost time, and would be written to bitcode.
  module.getContext().setDiscardValueNames(instance.getCodeGenOpts().DiscardValueNames);
  SourceFileScope sourceFile(*unit);
  const std::string &wanted = instance.getTargetOpts().Triple;
  // clang does the same with -x ir: the command line decides, and it warns about a module for
  // another target.
  if (module.getTargetTriple().str() != wanted) {
    if (!module.getTargetTriple().empty())
      instance.getDiagnostics().Report(SourceLocation(), diag::warn_fe_override_module) << wanted;
    module.setTargetTriple(llvm::Triple(wanted));
  }
  if (module.getDataLayout().isDefault())
    module.setDataLayout(instance.getTarget().getDataLayoutString());
  return true;
}

bool tender_clang_check(TenderClang *unit) {
  SyntaxOnlyAction action;
  bool ok = unit->instance->ExecuteAction(action);
  unit->consumer.flush();
  return ok;
}

bool tender_clang_preprocess(TenderClang *unit, TenderBuffer *out) {
  CompilerInstance &instance = *unit->instance;
  // Preprocessing for a reproducer must not crash:
  // https://clang.llvm.org/docs/LanguageExtensions.html, __debug.
  instance.getPreprocessorOpts().DisablePragmaDebugCrash = true;
  instance.getPreprocessorOutputOpts().ShowCPP = true;
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  PreprocessToString action(stream);
  bool ok = instance.ExecuteAction(action);
  unit->consumer.flush();
  *out = copy(text);
  return ok;
}

bool tender_clang_optimise(TenderClang *unit, LLVMModuleRef module) {
  return runBackend(*unit, *llvm::unwrap(module), Backend_EmitNothing, /*passes=*/true, nullptr);
}

bool tender_clang_emit(TenderClang *unit, LLVMModuleRef module, TenderBuffer *object,
                       TenderBuffer *dwo) {
  *dwo = TenderBuffer{nullptr, 0};
  llvm::SmallString<0> code;
  CodeGenOptions &codegen = unit->instance->getCodeGenOpts();
  auto emit = [&] {
    return runBackend(*unit, *llvm::unwrap(module), Backend_EmitObj, /*passes=*/false,
                      std::make_unique<llvm::raw_svector_ostream>(code));
  };
  bool ok;
  if (codegen.SplitDwarfOutput.empty()) {
    ok = emit();
  } else {
    // clang opens the .dwo itself and installs LLVM's signal handlers to remove it. So it gets a
    // temporary file, and the handlers are removed afterwards. Under a lock, because the handlers
    // are global.
    static std::mutex lock;
    std::lock_guard<std::mutex> guard(lock);
    llvm::SmallString<128> path;
    if (auto error = llvm::sys::fs::createTemporaryFile("tender", "dwo", path)) {
      SourceFileScope sourceFile(*unit);
      unit->instance->getDiagnostics().Report(diag::err_fe_unable_to_open_output)
          << path << error.message();
      return false;
    }
    std::string wanted = codegen.SplitDwarfOutput;
    codegen.SplitDwarfOutput = std::string(path);
    ok = emit();
    codegen.SplitDwarfOutput = wanted;
    if (auto bytes = llvm::MemoryBuffer::getFile(path))
      *dwo = copy((*bytes)->getBuffer());
    llvm::sys::DontRemoveFileOnSignal(path);
    llvm::sys::unregisterHandlers();
    llvm::sys::fs::remove(path);
  }
  if (ok)
    *object = copy(code);
  return ok;
}

void tender_clang_serialise(TenderClang *unit, LLVMModuleRef moduleRef, TenderBuffer *bitcode) {
  llvm::Module &module = *llvm::unwrap(moduleRef);
  // The symbol table includes symbols of assembly outside of functions.
  AssemblerFiles files(unit->events);
  *bitcode = copy(unit->lto == TENDER_LTO_THIN ? thinBitcode(module) : plainBitcode(module, false));
}

TenderStr tender_clang_dwo_path(const TenderClang *unit) { return str(unit->dwoPath); }

} // extern "C"
