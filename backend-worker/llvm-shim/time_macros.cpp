// See time_macros.h.
#include "time_macros.h"

#include "clang/Basic/FileManager.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Lex/MacroInfo.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Lex/PreprocessorOptions.h"
#include "llvm/Support/VirtualFileSystem.h"

#include "buffer.h"

using namespace clang;

namespace tender {
namespace {

class Expansions final : public PPCallbacks {
public:
  Expansions(Preprocessor &pp, const TenderEvents &events) : pp(pp), events(events) {}

  // Called at each expansion. Nearly all return at the first check.
  void MacroExpands(const Token &name, const MacroDefinition &definition, SourceRange,
                    const MacroArgs *) override {
    // A macro of this name that the source defines is not about time.
    const MacroInfo *macro = definition.getMacroInfo();
    if (!macro || !macro->isBuiltinMacro())
      return;
    llvm::StringRef text = name.getIdentifierInfo()->getName();
    bool timestamp = text == "__TIMESTAMP__";
    if (!timestamp && text != "__DATE__" && text != "__TIME__")
      return;
    events.variable(events.context, str("SOURCE_DATE_EPOCH"));
    if (timestamp && !pp.getPreprocessorOpts().SourceDateEpoch)
      fileTime();
  }

private:
  // The modification time of a file in local time.
  void fileTime() {
    events.variable(events.context, str("TZ"));
    (void)pp.getFileManager().getVirtualFileSystem().status("/etc/localtime");
    // clang chooses the file in the same way (ExpandBuiltinMacro): the one that is being lexed,
    // without macro expansions.
    const PreprocessorLexer *lexer = pp.getCurrentFileLexer();
    if (!lexer)
      return;
    if (OptionalFileEntryRef file = pp.getSourceManager().getFileEntryRefForID(lexer->getFileID()))
      events.dated(events.context, str(file->getName()), file->getModificationTime());
  }

  Preprocessor &pp;
  const TenderEvents &events;
};

class TimeMacros final : public DependencyCollector {
public:
  explicit TimeMacros(const TenderEvents &events) : events(events) {}

  void attachToPreprocessor(Preprocessor &pp) override {
    pp.addPPCallbacks(std::make_unique<Expansions>(pp, events));
  }
  // The recording file system collects the files.
  void attachToASTReader(ASTReader &) override {}

private:
  const TenderEvents &events;
};

} // namespace

std::shared_ptr<DependencyCollector> timeMacros(const TenderEvents &events) {
  return std::make_shared<TimeMacros>(events);
}

} // namespace tender
