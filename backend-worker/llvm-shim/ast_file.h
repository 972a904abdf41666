// Writes clang's AST files (module files, precompiled headers) to memory, so that they do not depend
// on the directory. Knows nothing of what is in them.
#pragma once

#include <string>

#include "clang/Frontend/CompilerInstance.h"
#include "clang/Serialization/ASTWriter.h"
#include "llvm/Support/VirtualFileSystem.h"

namespace tender {

// Keeps relative paths as they are. Clang makes the paths in an AST file absolute by its file
// system, and they would depend on the workspace's directory.
class StayRelative final : public llvm::vfs::ProxyFileSystem {
public:
  using ProxyFileSystem::ProxyFileSystem;
  std::error_code makeAbsolute(llvm::SmallVectorImpl<char> &) const override { return {}; }
};

// To be called before the instance runs an action that makes an AST file.
inline void keepPathsRelative(clang::CompilerInstance &instance) {
  instance.setVirtualFileSystem(
      llvm::makeIntrusiveRefCnt<StayRelative>(instance.getVirtualFileSystemPtr()));
}

// A generator of clang whose result is a string. Clang's own write to files.
template <typename Generator> class AstToString : public Generator {
public:
  template <typename... Args>
  explicit AstToString(std::string &out, Args &&...args)
      : Generator(std::forward<Args>(args)...), out(out) {}

  void HandleTranslationUnit(clang::ASTContext &context) override {
    clang::PCHGenerator::HandleTranslationUnit(context);
    if (this->isComplete())
      out.assign(this->getPCH().begin(), this->getPCH().end());
  }

private:
  std::string &out;
};

// A generator of `instance`'s AST file. Without times of files: whether those that it was made from
// have changed, the build knows by their contents.
template <typename Generator, typename... First>
std::unique_ptr<Generator> astGenerator(clang::CompilerInstance &instance, First &&...first) {
  return std::make_unique<Generator>(
      std::forward<First>(first)..., instance.getPreprocessor(), instance.getModuleCache(),
      instance.getFrontendOpts().OutputFile, /*isysroot=*/"",
      std::make_shared<clang::PCHBuffer>(), instance.getCodeGenOpts(),
      instance.getFrontendOpts().ModuleFileExtensions, /*AllowASTWithErrors=*/false,
      /*IncludeTimestamps=*/false);
}

} // namespace tender
