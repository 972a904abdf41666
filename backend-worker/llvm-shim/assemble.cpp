// The integrated assembler for .s and preprocessed .S files. clang has it in its driver program
// (cc1as), not in a library, so this file sets it up from the driver's cc1as arguments. Unknown
// arguments are refused by name.
#include "clang/Basic/Diagnostic.h"
#include "clang/Basic/DiagnosticDriver.h"
#include "clang/Options/Options.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/MC/MCAsmBackend.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCCodeEmitter.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCObjectFileInfo.h"
#include "llvm/MC/MCObjectWriter.h"
#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/MCParser/MCTargetAsmParser.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCStreamer.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Option/ArgList.h"
#include "llvm/Option/OptTable.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

#include "assembler_files.h"
#include "buffer.h"
#include "diagnostics.h"
#include "driver.h"
#include "shim.h"

using namespace clang;
using namespace tender;
namespace opts = clang::options;

namespace {

struct Settings {
  std::string triple, cpu, compilationDir, dwarfFlags, dwarfProducer, mainFile, abi,
      relocation = "static";
  std::vector<std::string> features, includes, symbols;
  std::vector<std::pair<std::string, std::string>> prefixMap;
  llvm::MCTargetOptions mc;
  llvm::DebugCompressionType compress = llvm::DebugCompressionType::None;
  unsigned dwarfVersion = 5;
  bool genDwarf = false, dwarf64 = false, noExecStack = false, noInitialText = false;
};

// False after reporting an unknown argument.
bool parse(const std::vector<std::string> &args, const DriverRequest &request, Settings &out,
           DiagnosticsEngine &diags) {
  std::vector<const char *> words;
  for (const std::string &arg : args)
    words.push_back(arg.c_str());
  unsigned missingIndex = 0, missingCount = 0;
  llvm::opt::InputArgList list = getDriverOptTable().ParseArgs(
      words, missingIndex, missingCount, llvm::opt::Visibility(opts::CC1AsOption));
  if (missingCount) {
    diags.Report(diag::err_drv_missing_argument) << list.getArgString(missingIndex) << missingCount;
    return false;
  }
  bool ok = true;
  for (const llvm::opt::Arg *arg : list) {
    switch (arg->getOption().getID()) {
    case opts::OPT_INPUT:
    case opts::OPT_filetype:
    case opts::OPT_o:
    case opts::OPT_ObjC:
    case opts::OPT_fdebug_default_version:
    case opts::OPT_mrelax_all:
    case opts::OPT_clear_ast_before_backend:
    case opts::OPT_fno_verbose_asm:
    case opts::OPT_tune_cpu:
    // For other object formats.
    case opts::OPT_object_file_name_EQ:
    // For assembly clang writes an empty .dwo.
    case opts::OPT_split_dwarf_output:
    case opts::OPT_debugger_tuning_EQ:
      break;
    case opts::OPT_femit_dwarf_unwind_EQ:
      out.mc.EmitDwarfUnwind =
          llvm::StringSwitch<llvm::EmitDwarfUnwindType>(arg->getValue())
              .Case("always", llvm::EmitDwarfUnwindType::Always)
              .Case("no-compact-unwind", llvm::EmitDwarfUnwindType::NoCompactUnwind)
              .Default(llvm::EmitDwarfUnwindType::Default);
      break;
    case opts::OPT_crel:
      out.mc.Crel = true;
      break;
    case opts::OPT_triple:
      out.triple = llvm::Triple::normalize(arg->getValue());
      break;
    case opts::OPT_target_cpu:
      out.cpu = arg->getValue();
      break;
    case opts::OPT_target_feature:
      out.features.push_back(arg->getValue());
      break;
    case opts::OPT_target_abi:
      out.abi = arg->getValue();
      break;
    case opts::OPT_I:
      out.includes.push_back(arg->getValue());
      break;
    case opts::OPT_main_file_name:
      out.mainFile = arg->getValue();
      break;
    case opts::OPT_fdebug_compilation_dir_EQ:
      out.compilationDir = arg->getValue();
      break;
    case opts::OPT_fdebug_prefix_map_EQ: {
      auto pair = llvm::StringRef(arg->getValue()).split('=');
      out.prefixMap.emplace_back(pair.first.str(), pair.second.str());
      break;
    }
    case opts::OPT_dwarf_debug_flags:
      out.dwarfFlags = arg->getValue();
      break;
    case opts::OPT_dwarf_debug_producer:
      out.dwarfProducer = arg->getValue();
      break;
    case opts::OPT_debug_info_kind_EQ:
      out.genDwarf = llvm::StringRef(arg->getValue()) != "none";
      break;
    case opts::OPT_dwarf_version_EQ:
      llvm::StringRef(arg->getValue()).getAsInteger(10, out.dwarfVersion);
      break;
    case opts::OPT_gdwarf64:
      out.dwarf64 = true;
      break;
    case opts::OPT_gdwarf32:
      out.dwarf64 = false;
      break;
    case opts::OPT_compress_debug_sections_EQ:
      out.mc.CompressDebugSections = llvm::StringSwitch<llvm::DebugCompressionType>(arg->getValue())
                                         .Case("zlib", llvm::DebugCompressionType::Zlib)
                                         .Case("zstd", llvm::DebugCompressionType::Zstd)
                                         .Default(llvm::DebugCompressionType::None);
      break;
    case opts::OPT_mrelocation_model:
      out.relocation = arg->getValue();
      break;
    case opts::OPT_mno_exec_stack:
      out.noExecStack = true;
      break;
    case opts::OPT_massembler_no_warn:
      out.mc.MCNoWarn = true;
      break;
    case opts::OPT_massembler_fatal_warnings:
      out.mc.MCFatalWarnings = true;
      break;
    case opts::OPT_msave_temp_labels:
      out.mc.MCSaveTempLabels = true;
      break;
    case opts::OPT_mrelax_relocations_no:
      out.mc.X86RelaxRelocations = false;
      break;
    case opts::OPT_msse2avx:
      out.mc.X86Sse2Avx = true;
      break;
    case opts::OPT_n:
      out.noInitialText = true;
      break;
    case opts::OPT_defsym:
      out.symbols.push_back(arg->getValue());
      break;
    default: {
      llvm::opt::ArgStringList rendered;
      arg->render(list, rendered);
      std::string flags =
          optionsBehind(request, std::vector<std::string>(rendered.begin(), rendered.end()));
      diags.Report(
          diags.getCustomDiagID(DiagnosticsEngine::Error, "tender's assembler does not support %0"))
          << (flags.empty() ? arg->getAsString(list) : flags);
      ok = false;
    }
    }
  }
  return ok;
}

struct DiagnosticSink {
  const TenderEvents &events;
  bool failed = false;
};

// The assembler's messages do not go through clang's engine, because their locations are LLVM's.
void report(const llvm::SMDiagnostic &message, void *context) {
  DiagnosticSink &diagnosticSink = *static_cast<DiagnosticSink *>(context);
  TenderLevel level = TENDER_ERROR;
  switch (message.getKind()) {
  case llvm::SourceMgr::DK_Error:
    diagnosticSink.failed = true;
    break;
  case llvm::SourceMgr::DK_Warning:
    level = TENDER_WARNING;
    break;
  case llvm::SourceMgr::DK_Remark:
    level = TENDER_REMARK;
    break;
  case llvm::SourceMgr::DK_Note:
    level = TENDER_NOTE;
    break;
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream.enable_colors(true);
  message.print(nullptr, stream, /*ShowColors=*/true);
  unsigned line = message.getLineNo() > 0 ? message.getLineNo() : 0;
  unsigned column = message.getColumnNo() >= 0 ? message.getColumnNo() + 1 : 0;
  diagnosticSink.events.diagnostic(diagnosticSink.events.context, level, str(message.getMessage()),
                         str(message.getFilename()), line, column, str(text));
}

bool assemble(Settings &settings, llvm::StringRef text, llvm::StringRef name,
              const TenderEvents &events, DiagnosticsEngine &diags, TenderBuffer *object) {
  std::string error;
  llvm::Triple triple(settings.triple);
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target) {
    diags.Report(diag::err_target_unknown_triple) << settings.triple;
    return false;
  }
  DiagnosticSink diagnosticSink{events};
  llvm::SourceMgr sources;
  sources.setDiagHandler(report, &diagnosticSink);
  sources.setIncludeDirs(settings.includes);
  unsigned main =
      sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, name), llvm::SMLoc());

  llvm::MCTargetOptions &options = settings.mc;
  options.MCUseDwarfDirectory = llvm::MCTargetOptions::EnableDwarfDirectory;
  options.MCNoExecStack = settings.noExecStack;
  options.ABIName = settings.abi;
  std::unique_ptr<llvm::MCRegisterInfo> registers(target->createMCRegInfo(triple));
  std::unique_ptr<llvm::MCAsmInfo> info(target->createMCAsmInfo(*registers, triple, options));
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget(
      target->createMCSubtargetInfo(triple, settings.cpu, llvm::join(settings.features, ",")));
  std::unique_ptr<llvm::MCInstrInfo> instructions(target->createMCInstrInfo());

  llvm::MCContext context(triple, info.get(), registers.get(), subtarget.get(), &sources, &options);
  std::unique_ptr<llvm::MCObjectFileInfo> layout(
      target->createMCObjectFileInfo(context, settings.relocation == "pic"));
  context.setObjectFileInfo(layout.get());
  context.setGenDwarfForAssembly(settings.genDwarf);
  context.setDwarfDebugFlags(settings.dwarfFlags);
  context.setDwarfDebugProducer(settings.dwarfProducer);
  context.setCompilationDir(settings.compilationDir.empty() ? "." : settings.compilationDir);
  for (const auto &entry : settings.prefixMap)
    context.addDebugPrefixMapEntry(entry.first, entry.second);
  if (!settings.mainFile.empty())
    context.setMainFileName(settings.mainFile);
  context.setDwarfFormat(settings.dwarf64 ? llvm::dwarf::DWARF64 : llvm::dwarf::DWARF32);
  context.setDwarfVersion(settings.dwarfVersion);
  if (settings.genDwarf)
    context.setGenDwarfRootFile(name, sources.getMemoryBuffer(main)->getBuffer());

  llvm::SmallString<0> code;
  llvm::raw_svector_ostream out(code);
  std::unique_ptr<llvm::MCAsmBackend> backend(
      target->createMCAsmBackend(*subtarget, *registers, options));
  std::unique_ptr<llvm::MCCodeEmitter> emitter(target->createMCCodeEmitter(*instructions, context));
  std::unique_ptr<llvm::MCObjectWriter> writer = backend->createObjectWriter(out);
  std::unique_ptr<llvm::MCStreamer> streamer(target->createMCObjectStreamer(
      triple, context, std::move(backend), std::move(writer), std::move(emitter), *subtarget));
  streamer->initSections(settings.noExecStack, *subtarget);

  std::unique_ptr<llvm::MCAsmParser> parser(
      llvm::createMCAsmParser(sources, context, *streamer, *info));
  std::unique_ptr<llvm::MCTargetAsmParser> targetParser(
      target->createMCAsmParser(*subtarget, *parser, *instructions, options));
  if (!targetParser) {
    diags.Report(diag::err_target_unknown_triple) << settings.triple;
    return false;
  }
  for (llvm::StringRef symbol : settings.symbols) {
    auto pair = symbol.split('=');
    int64_t value = 0;
    pair.second.getAsInteger(0, value);
    context.setSymbolValue(*streamer, pair.first, value);
  }
  parser->setTargetParser(*targetParser);
  if (parser->Run(settings.noInitialText) || diagnosticSink.failed)
    return false;
  // The writer flushes when the streamer is destroyed.
  targetParser.reset();
  parser.reset();
  streamer.reset();
  *object = copy(code);
  return true;
}

} // namespace

extern "C" bool tender_assemble(TenderStr clang, const TenderStr *args, size_t count,
                                TenderStr input, TenderStr output, TenderStr text,
                                const TenderEvents *events, TenderBuffer *object) {
  DiagnosticOptions options;
  Diagnostics consumer(options, *events);
  DiagnosticsEngine diags(DiagnosticIDs::create(), options, &consumer, /*ShouldOwnClient=*/false);
  const DriverRequest request(clang, args, count, input, output);
  std::optional<DriverJob> job = runDriver(request, diags, *events);
  if (!job)
    return false;
  if (!job->assembler) {
    diags.Report(diags.getCustomDiagID(
        DiagnosticsEngine::Error,
        "the arguments select another assembler, but tender uses clang's integrated one"));
    return false;
  }
  AssemblerFiles files(*events);
  Settings settings;
  if (!parse(job->args, request, settings, diags))
    return false;
  return assemble(settings, ref(text), ref(input), *events, diags, object);
}
