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

  // Called at each expansion: nearly all end at the first question.
  void MacroExpands(const Token &name, const MacroDefinition &definition, SourceRange,
                    const MacroArgs *) override {
    // What the sources define under such a name is no time.
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
  // The time of a file, as the clock on the wall has it.
  void fileTime() {
    events.variable(events.context, str("TZ"));
    (void)pp.getFileManager().getVirtualFileSystem().status("/etc/localtime");
    // As clang chooses the file (ExpandBuiltinMacro): the one whose text is being read, macros left
    // out.
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
  // It collects no files: the recording file system does.
  void attachToASTReader(ASTReader &) override {}

private:
  const TenderEvents &events;
};

} // namespace

std::shared_ptr<DependencyCollector> timeMacros(const TenderEvents &events) {
  return std::make_shared<TimeMacros>(events);
}

} // namespace tender
