// C++20 named modules: which of them a source provides and requires, and the module file (BMI) of
// a source that declares one.
#include "clang/Basic/SourceManager.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/FrontendActions.h"
#include "clang/Frontend/MultiplexConsumer.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"

#include "ast_file.h"
#include "buffer.h"
#include "clang_unit.h"
#include "shim.h"

using namespace clang;
using namespace tender;

namespace {

using Found = llvm::function_ref<void(bool provided, llvm::StringRef name, SourceLocation)>;

class Imports final : public PPCallbacks {
public:
  Imports(Preprocessor &pp, Found found) : pp(pp), found(found) {}

  void moduleImport(SourceLocation location, ModuleIdPath path, const Module *) override {
    // Clang gives the whole name as one part, with that of the module before a partition's.
    if (pp.isInImportingCXXNamedModules())
      found(/*provided=*/false, path.front().getIdentifierInfo()->getName(), location);
  }

private:
  Preprocessor &pp;
  Found found;
};

class Scan final : public PreprocessorFrontendAction {
public:
  explicit Scan(Found found) : found(found) {}

protected:
  void ExecuteAction() override {
    Preprocessor &pp = getCompilerInstance().getPreprocessor();
    pp.IgnorePragmas();
    pp.addPPCallbacks(std::make_unique<Imports>(pp, found));
    pp.EnterMainSourceFile();
    bool declared = false;
    Token token;
    do {
      pp.Lex(token);
      // True from the semicolon of the module declaration on.
      if (!declared && pp.isInNamedModule()) {
        declared = true;
        found(!pp.isInImplementationUnit(), pp.getNamedModuleName(), token.getLocation());
      }
    } while (token.isNot(tok::eof));
  }

private:
  Found found;
};

std::unique_ptr<ASTConsumer> moduleFileWriter(CompilerInstance &instance, std::string &out) {
  return std::make_unique<AstToString<ReducedBMIGenerator>>(
      out, instance.getPreprocessor(), instance.getModuleCache(),
      instance.getFrontendOpts().OutputFile, instance.getCodeGenOpts());
}

class Interface final : public GenerateModuleInterfaceAction {
public:
  explicit Interface(std::string &out) : out(out) {}

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &instance,
                                                 llvm::StringRef) override {
    return moduleFileWriter(instance, out);
  }

private:
  std::string &out;
};

// As clang's -fmodule-output does.
class TranslateInterface final : public EmitLLVMOnlyAction {
public:
  TranslateInterface(llvm::LLVMContext &context, std::string &out)
      : EmitLLVMOnlyAction(&context), out(out) {}

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &instance,
                                                 llvm::StringRef file) override {
    std::vector<std::unique_ptr<ASTConsumer>> consumers;
    consumers.push_back(moduleFileWriter(instance, out));
    consumers.push_back(EmitLLVMOnlyAction::CreateASTConsumer(instance, file));
    return std::make_unique<MultiplexConsumer>(std::move(consumers));
  }

private:
  std::string &out;
};

} // namespace

extern "C" {

bool tender_clang_scan(TenderClang *unit, void *context,
                       void (*found)(void *context, bool provided, TenderStr name, TenderStr file,
                                     uint32_t line)) {
  CompilerInstance &instance = *unit->instance;
  instance.getDiagnostics().setIgnoreAllWarnings(true);
  Scan action([&](bool provided, llvm::StringRef name, SourceLocation location) {
    PresumedLoc place = instance.getSourceManager().getPresumedLoc(location);
    found(context, provided, str(name), str(place.isValid() ? place.getFilename() : ""),
          place.isValid() ? place.getLine() : 0);
  });
  bool ok = instance.ExecuteAction(action);
  unit->consumer.flush();
  return ok;
}

bool tender_clang_interface(TenderClang *unit, TenderBuffer *out) {
  CompilerInstance &instance = *unit->instance;
  instance.getDiagnostics().setIgnoreAllWarnings(true);
  keepPathsRelative(instance);
  std::string file;
  Interface action(file);
  bool ok = instance.ExecuteAction(action);
  unit->consumer.flush();
  *out = copy(file);
  return ok && !file.empty();
}

LLVMModuleRef tender_clang_translate_interface(TenderClang *unit, LLVMContextRef context,
                                               TenderBuffer *out) {
  keepPathsRelative(*unit->instance);
  std::string file;
  TranslateInterface action(*llvm::unwrap(context), file);
  std::unique_ptr<llvm::Module> module = translate(*unit, action);
  *out = copy(file);
  return file.empty() ? nullptr : llvm::wrap(module.release());
}

} // extern "C"
