// Passes clang's diagnostics on, rendered by clang, one whole message at a time.
#pragma once

#include <memory>
#include <string>

#include "clang/Basic/Diagnostic.h"
#include "clang/Basic/DiagnosticOptions.h"
#include "clang/Frontend/TextDiagnosticPrinter.h"
#include "llvm/Support/raw_ostream.h"

#include "shim.h"

namespace tender {

// A message and its notes are collected, and sent when the next message starts.
class Diagnostics final : public clang::DiagnosticConsumer {
public:
  // `options` must outlive this object, because clang's printer keeps a reference.
  Diagnostics(clang::DiagnosticOptions &options, const TenderEvents &events);
  ~Diagnostics() override;

  void BeginSourceFile(const clang::LangOptions &lang, const clang::Preprocessor *pp) override;
  void EndSourceFile() override;
  void HandleDiagnostic(clang::DiagnosticsEngine::Level level,
                        const clang::Diagnostic &info) override;

  // Sends the collected message.
  void flush();

private:
  const TenderEvents &events;
  std::string text;
  llvm::raw_string_ostream stream;
  std::unique_ptr<clang::TextDiagnosticPrinter> printer;

  bool pending = false;
  TenderLevel level = TENDER_NOTE;
  std::string message;
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

} // namespace tender
