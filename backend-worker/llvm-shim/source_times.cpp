// See source_times.h.
#include "source_times.h"

#include "clang/Basic/SourceManager.h"
#include "clang/Lex/MacroInfo.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Lex/PreprocessorOptions.h"

#include "buffer.h"

using namespace clang;

namespace tender {
namespace {

class Expansions final : public PPCallbacks {
public:
  Expansions(Preprocessor &pp, const TenderEvents &events) : pp(pp), events(events) {}

  void MacroExpands(const Token &name, const MacroDefinition &macro, SourceRange, const MacroArgs *) override {
    // What the sources define under that name is no time, nor is what the environment sets.
    if (!macro.getMacroInfo()->isBuiltinMacro() || !name.getIdentifierInfo()->isStr("__TIMESTAMP__") ||
        pp.getPreprocessorOpts().SourceDateEpoch)
      return;
    // As clang chooses the file (ExpandBuiltinMacro): the one whose text is being read, macros left out.
    const PreprocessorLexer *lexer = pp.getCurrentFileLexer();
    if (!lexer)
      return;
    if (OptionalFileEntryRef file = pp.getSourceManager().getFileEntryRefForID(lexer->getFileID()))
      events.dated(events.context, str(file->getName()), file->getModificationTime());
  }

private:
  Preprocessor &pp;
  const TenderEvents &events;
};

class SourceTimes final : public DependencyCollector {
public:
  explicit SourceTimes(const TenderEvents &events) : events(events) {}

  void attachToPreprocessor(Preprocessor &pp) override {
    pp.addPPCallbacks(std::make_unique<Expansions>(pp, events));
  }
  // It collects no files: the recording file system does.
  void attachToASTReader(ASTReader &) override {}

private:
  const TenderEvents &events;
};

} // namespace

std::shared_ptr<DependencyCollector> sourceTimes(const TenderEvents &events) {
  return std::make_shared<SourceTimes>(events);
}

} // namespace tender
