// Records which tokens each file of a unit yields, and in which order: the parser's input, after
// preprocessing. Knows nothing of what the tokens mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clang/Basic/SourceLocation.h"
#include "clang/Basic/TokenKinds.h"
#include "clang/Lex/Pragma.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/StringMap.h"

namespace clang {
class CompilerInstance;
class Decl;
class IdentifierInfo;
class Preprocessor;
class SourceManager;
class Token;
} // namespace clang

namespace tender {

// A file by the name under which it was entered.
struct RecordedFile {
  std::string name;
  // The text of the first directive that named it.
  std::string spelled;
  // The file of that directive; itself for the main file.
  uint32_t includer = 0;
  // It lies in a system directory.
  bool system = false;
  // It leaves a setting of the compiler behind, or has a pragma that is not known here.
  bool leavesState = false;
  // How often it was entered and yielded tokens.
  uint32_t entries = 0;
  uint32_t tokens = 0;
  // Of its tokens and pragmas, in order.
  uint64_t hash = 0;
  // The sum of the hashes of its statements: the same in whatever order they stand.
  uint64_t statements = 0;
};

// Tokens of one file without tokens of another between them.
struct TokenRun {
  uint32_t file;
  // Where in the file it begins, in bytes.
  uint32_t offset;
  uint32_t tokens;
};

class TokenRecord {
public:
  // Begins to record what `instance` lexes. To be called when its preprocessor is there and has not
  // begun. The record must outlive the preprocessor's work.
  void watch(clang::CompilerInstance &instance);
  // To be called at the end, while the source manager is alive.
  void finish();

  // The number of the run in which this place lies, and of the first one for a place before it; 0
  // for files without tokens. To be called after `finish`.
  uint32_t runAt(llvm::StringRef file, uint32_t offset) const;
  uint32_t runAt(const clang::SourceManager &sources, const clang::Decl *decl) const;

  std::vector<RecordedFile> files;
  std::vector<TokenRun> runs;
  // The directories in which directives are looked up, in order.
  std::vector<std::string> searched;
  // The unit gets debug information, which shows where declarations stand.
  bool showsPlaces = false;
  // A file that lies in no system directory has an explicit instantiation of a function or
  // variable, of which clang makes no declaration, with a name that a precompiled file has too.
  bool instantiatesExplicitly = false;

private:
  class Callbacks;
  uint32_t file(llvm::StringRef name);
  uint32_t fileOf(clang::FileID id);
  void token(const clang::Token &token);
  void declarator(const clang::Token &token);
  void pragma(clang::SourceLocation location, clang::PragmaIntroducerKind kind);

  clang::Preprocessor *pp = nullptr;
  clang::SourceManager *sources = nullptr;
  llvm::StringMap<uint32_t> fileIndex;
  llvm::DenseMap<clang::FileID, uint32_t> ofFileId;
  llvm::DenseSet<clang::FileID> entered;
  llvm::DenseMap<const clang::IdentifierInfo *, uint64_t> identifiers;
  // By file, what it has pushed and not popped.
  std::vector<std::vector<std::string>> open;
  // By file, its runs.
  std::vector<std::vector<uint32_t>> runsOf;
  clang::FileID last;
  uint32_t lastFile = 0;
  // The kinds of the last two tokens.
  clang::tok::TokenKind previous[2] = {clang::tok::eof, clang::tok::eof};
  // Within an explicit instantiation.
  bool inInstantiation = false;
  // How deep within parameters or the arguments of an attribute.
  unsigned parameters = 0;
  // The token before, if it is an identifier.
  const clang::IdentifierInfo *name = nullptr;
  // By file, the hash of the statement that has begun.
  std::vector<uint64_t> begun;
};

} // namespace tender
