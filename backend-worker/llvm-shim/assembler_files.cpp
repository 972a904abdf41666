// See assembler_files.h.
//
// LLVM parses assembly in four places: in assemble.cpp, in the code generator for inline assembly
// and for assembly outside of functions (AsmPrinter), and for the symbol table of bitcode
// (ModuleSymbolTable). Each has its own llvm::SourceMgr, which finds and reads files, and only ours
// is accessible. But each calls Target::createMCAsmParser after it has created the source manager
// and before it parses. So our version of that function sets a recording file system there. It
// reports exactly what LLVM reads.
#include "assembler_files.h"

#include <map>

#include "llvm/MC/MCParser/MCAsmParser.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/SourceMgr.h"

#include "recording_fs.h"

using namespace llvm;

namespace tender {
namespace {

thread_local IntrusiveRefCntPtr<vfs::FileSystem> recording;

// Copies of the original targets, by their address in the registry.
std::map<const Target *, Target> &originals() {
  static std::map<const Target *, Target> all;
  return all;
}

MCTargetAsmParser *create(const MCSubtargetInfo &subtarget, MCAsmParser &parser,
                          const MCInstrInfo &instructions, const MCTargetOptions &options) {
  if (recording)
    parser.getSourceManager().setVirtualFileSystem(recording);
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(subtarget.getTargetTriple(), error);
  return originals().at(target).createMCAsmParser(subtarget, parser, instructions, options);
}

} // namespace

AssemblerFiles::AssemblerFiles(const TenderEvents &events) : outer(std::move(recording)) {
  recording = recordingFileSystem(events);
}

AssemblerFiles::~AssemblerFiles() { recording = std::move(outer); }

void recordAssemblerFiles() {
  for (const Target &target : TargetRegistry::targets()) {
    if (!target.hasMCAsmParser() || !originals().emplace(&target, target).second)
      continue;
    // The registry returns constant references, but the targets themselves are not constant: they
    // register their functions in the same way.
    TargetRegistry::RegisterMCAsmParser(const_cast<Target &>(target), create);
  }
}

} // namespace tender
