// See assembler_files.h.
//
// LLVM parses assembly in four places: for us (assemble.cpp), in the code generator for each inline
// assembly and for that outside of functions (AsmPrinter), and for the symbol table of bitcode
// (ModuleSymbolTable). Each has an llvm::SourceMgr of its own, which searches and reads files, and
// all but ours keep it to themselves. But each asks the target for its half of the parser
// (Target::createMCAsmParser) between the making of the source manager and the first line, so there
// the source manager is given a file system that records. No text is scanned: what LLVM reads is
// what is told.
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

// The targets as they were, by what stands for them in the registry.
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
    // The registry has them as constants, and takes changes as its own targets make them at start:
    // of what is not constant.
    TargetRegistry::RegisterMCAsmParser(const_cast<Target &>(target), create);
  }
}

} // namespace tender
