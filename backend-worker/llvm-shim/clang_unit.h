// The definition of TenderClang.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "clang/CodeGen/CodeGenAction.h"
#include "clang/Frontend/CompilerInstance.h"
#include "llvm/IR/Module.h"

#include "diagnostics.h"
#include "recording_fs.h"
#include "shim.h"

namespace tender {

struct SourcePlace {
  std::string file;
  unsigned line, column;
};

// By the location cookies of a module (inline assembly, dontcall).
using SourcePlaces = std::map<uint64_t, SourcePlace>;

} // namespace tender

struct TenderClang {
  explicit TenderClang(const TenderEvents &events) : events(events), consumer(options, events) {}
  ~TenderClang() {
    instance.reset();
    consumer.flush();
  }

  // Decodes a location cookie of a module; invalid if that is not possible (source_locations.cpp).
  clang::SourceLocation sourceLocation(uint64_t cookie) const;
  // The same for the module that this unit translated.
  clang::SourceLocation ownLocation(uint64_t cookie) const;
  // Columns count from 1; 0 also means the first one.
  clang::SourceLocation sourceLocation(llvm::StringRef file, unsigned line, unsigned column) const;

  const TenderEvents &events;
  // Options and consumer are declared first, because the instance's engine refers to them until it
  // is destroyed.
  clang::DiagnosticOptions options;
  tender::FileTimes times;
  tender::Diagnostics consumer;
  // clang's name, to which the instance's CodeGenOptions::Argv0 points.
  std::string program;
  std::unique_ptr<clang::CompilerInstance> instance;
  std::string dwoPath;
  TenderLto lto = TENDER_LTO_OFF;
  // Whether this unit translated its modules, so that its source manager can decode their cookies.
  bool translated = false;
  // What the cookies of its module stand for, if they are numbers (canonical.h).
  std::optional<std::vector<uint64_t>> cookies;
  // Where the cookies lead of a module that another unit translated, if it adopted one.
  std::optional<tender::SourcePlaces> places;
};

namespace tender {

// Runs an action that makes a module of the unit's source, without optimising it, and frees the
// AST. Null after reporting errors.
std::unique_ptr<llvm::Module> translate(TenderClang &unit, clang::CodeGenAction &action);

// Takes what tender_clang_note_locations has written out of a module (source_locations.cpp).
void takeNotes(TenderClang &unit, llvm::Module &module);

} // namespace tender
