// Makes precompiled headers. See precompiled.h for what is in them.
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/FrontendActions.h"

#include "ast_file.h"
#include "buffer.h"
#include "clang_unit.h"
#include "shim.h"

using namespace clang;
using namespace tender;

namespace {

class Precompile final : public GeneratePCHAction {
public:
  explicit Precompile(std::string &out) : out(out) {}

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &instance,
                                                 llvm::StringRef) override {
    return astGenerator<AstToString<PCHGenerator>>(instance, out);
  }

private:
  std::string &out;
};

} // namespace

extern "C" {

bool tender_clang_precompile(TenderClang *unit, TenderBuffer *out) {
  keepPathsRelative(*unit->instance);
  std::string file;
  Precompile action(file);
  bool ok = unit->instance->ExecuteAction(action);
  unit->consumer.flush();
  *out = copy(file);
  return ok && !file.empty();
}

} // extern "C"
