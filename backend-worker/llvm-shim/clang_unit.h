// What a TenderClang is, for the files that look into one.
#pragma once

#include <memory>
#include <string>

#include "clang/Frontend/CompilerInstance.h"

#include "diagnostics.h"
#include "recording_fs.h"
#include "shim.h"

struct TenderClang {
  explicit TenderClang(const TenderEvents &events) : events(events), consumer(options, events) {}
  ~TenderClang() {
    instance.reset();
    consumer.flush();
  }

  // A location cookie of a module; invalid where nothing here knows what it means (cut_places.cpp).
  clang::SourceLocation locate(uint64_t cookie) const;
  // Columns count from 1, and 0 stands for the first as well.
  clang::SourceLocation locate(llvm::StringRef file, unsigned line, unsigned column) const;

  const TenderEvents &events;
  // Options and consumer come first, because the instance's engine refers to them until it is
  // destroyed.
  clang::DiagnosticOptions options;
  tender::FileTimes times;
  tender::Diagnostics consumer;
  // clang's name, to which the instance's CodeGenOptions::Argv0 points.
  std::string program;
  std::unique_ptr<clang::CompilerInstance> instance;
  std::string dwoPath;
  TenderLto lto = TENDER_LTO_OFF;
  // The modules of this unit were made by its own instance, so that its source manager knows their
  // cookies.
  bool translated = false;
  // Where the cookies of a module that another unit translated are.
  const TenderPlaces *places = nullptr;
};
