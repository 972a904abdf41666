// See diagnostics.h.
#include "diagnostics.h"

#include "clang/Basic/SourceManager.h"
#include "llvm/ADT/SmallString.h"

#include "buffer.h"

using namespace clang;

namespace tender {

Diagnostics::Diagnostics(DiagnosticOptions &options, const TenderEvents &events)
    : events(events), stream(text),
      printer(std::make_unique<TextDiagnosticPrinter>(stream, options)) {
  // The text always has colours. The reader removes them if it does not show colours.
  options.ShowColors = true;
  stream.enable_colors(true);
}

Diagnostics::~Diagnostics() { flush(); }

void Diagnostics::BeginSourceFile(const LangOptions &lang, const Preprocessor *pp) {
  printer->BeginSourceFile(lang, pp);
}

void Diagnostics::EndSourceFile() {
  printer->EndSourceFile();
  flush();
}

static TenderLevel levelOf(DiagnosticsEngine::Level level) {
  switch (level) {
  case DiagnosticsEngine::Ignored:
  case DiagnosticsEngine::Note:
    return TENDER_NOTE;
  case DiagnosticsEngine::Remark:
    return TENDER_REMARK;
  case DiagnosticsEngine::Warning:
    return TENDER_WARNING;
  case DiagnosticsEngine::Error:
  case DiagnosticsEngine::Fatal:
    return TENDER_ERROR;
  }
  return TENDER_ERROR;
}

void Diagnostics::HandleDiagnostic(DiagnosticsEngine::Level clangLevel, const Diagnostic &info) {
  // The base class counts warnings and errors.
  DiagnosticConsumer::HandleDiagnostic(clangLevel, info);
  if (clangLevel != DiagnosticsEngine::Note || !pending) {
    flush();
    pending = true;
    level = levelOf(clangLevel);
    llvm::SmallString<128> words;
    info.FormatDiagnostic(words);
    message = std::string(words);
    file.clear();
    line = column = 0;
    if (info.getLocation().isValid() && info.hasSourceManager()) {
      PresumedLoc loc = info.getSourceManager().getPresumedLoc(info.getLocation());
      if (loc.isValid()) {
        file = loc.getFilename();
        line = loc.getLine();
        column = loc.getColumn();
      }
    }
  }
  printer->HandleDiagnostic(clangLevel, info);
}

void Diagnostics::flush() {
  if (!pending)
    return;
  pending = false;
  events.diagnostic(events.context, level, str(message), str(file), line, column, str(text));
  text.clear();
}

} // namespace tender
