#include "bitcode.h"

#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PassManager.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/ThinLTOBitcodeWriter.h"

#include "buffer.h"
#include "shim.h"

using namespace llvm;

SmallString<0> tender::plainBitcode(const Module &module, bool keepUseLists) {
  SmallString<0> bytes;
  raw_svector_ostream stream(bytes);
  WriteBitcodeToFile(module, stream, keepUseLists);
  return bytes;
}

SmallString<0> tender::thinBitcode(Module &module) {
  // clang sets the flag when it writes bitcode (BackendUtil.cpp). A link refuses to mix modules
  // with and without it.
  if (!module.getModuleFlag("EnableSplitLTOUnit"))
    module.addModuleFlag(Module::Error, "EnableSplitLTOUnit", uint32_t(0));
  SmallString<0> bytes;
  raw_svector_ostream stream(bytes);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassBuilder builder;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  ModulePassManager passes;
  passes.addPass(ThinLTOBitcodeWriterPass(stream, nullptr));
  passes.run(module, modules);
  return bytes;
}

void tender_bitcode_write(LLVMModuleRef module, TenderBuffer *bitcode) {
  *bitcode = tender::copy(tender::plainBitcode(*unwrap(module), /*keepUseLists=*/true));
}
