// See precompiled.h.
#include "precompiled.h"

#include <set>

#include "clang/Basic/FileManager.h"
#include "clang/Frontend/FrontendOptions.h"
#include "clang/Lex/HeaderSearchOptions.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "clang/Serialization/ASTReader.h"
#include "llvm/Support/VirtualFileSystem.h"

using namespace clang;

namespace tender {
namespace {

class Contents final : public ASTReaderListener {
public:
  explicit Contents(std::vector<PrecompiledInput> &inputs, std::vector<std::string> &imports)
      : inputs(inputs), imports(imports) {}

  bool needsInputFileVisitation() override { return true; }
  bool needsSystemInputFileVisitation() override { return true; }
  bool visitInputFileAsRequested(llvm::StringRef, llvm::StringRef path, bool, bool isOverridden,
                                 time_t mtime, bool) override {
    // Overridden inputs are no files.
    if (!isOverridden)
      inputs.push_back({path.str(), mtime});
    return true;
  }
  bool needsImportVisitation() const override { return true; }
  void visitImport(llvm::StringRef, llvm::StringRef path) override {
    imports.push_back(path.str());
  }

private:
  std::vector<PrecompiledInput> &inputs;
  std::vector<std::string> &imports;
};

} // namespace

std::vector<PrecompiledFile> precompiledFiles(const CompilerInstance &instance) {
  std::vector<std::string> open;
  if (!instance.getPreprocessorOpts().ImplicitPCHInclude.empty())
    open.push_back(instance.getPreprocessorOpts().ImplicitPCHInclude);
  for (const std::string &path : instance.getFrontendOpts().ModuleFiles)
    open.push_back(path);
  for (const auto &[name, path] : instance.getHeaderSearchOpts().PrebuiltModuleFiles)
    open.push_back(path);
  std::vector<PrecompiledFile> files;
  std::set<std::string> seen;
  if (open.empty())
    return files;
  // Not the unit's file manager, because it would cache file states.
  FileManager manager(FileSystemOptions(), llvm::vfs::getRealFileSystem());
  while (!open.empty()) {
    PrecompiledFile file{std::move(open.back()), {}};
    open.pop_back();
    if (!seen.insert(file.path).second)
      continue;
    Contents contents(file.inputs, open);
    if (!ASTReader::readASTFileControlBlock(
            file.path, manager, instance.getModuleCache(), instance.getPCHContainerReader(),
            /*FindModuleFileExtensions=*/false, contents, /*ValidateDiagnosticOptions=*/false))
      files.push_back(std::move(file));
  }
  return files;
}

} // namespace tender
