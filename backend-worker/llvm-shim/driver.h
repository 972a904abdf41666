// clang's driver: from the arguments that people write to those of `clang -cc1` or `clang -cc1as`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clang/Basic/Diagnostic.h"
#include "llvm/ADT/ArrayRef.h"

#include "shim.h"

namespace tender {

// The one job that compiles the one input, without its program and the leading `-cc1` or `-cc1as`.
struct DriverJob {
  bool assembler;
  std::vector<std::string> args;
};

// Driver arguments without the input and the output, which are given apart so that units can share
// a run.
struct DriverRequest {
  std::string clang;
  std::vector<std::string> args;
  std::string input;
  std::string output;

  DriverRequest(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                TenderStr output);
};

// Nothing after reporting why through `diags`. `events` is told which files the driver read and
// looked for: configuration files, GCC installations.
std::optional<DriverJob> runDriver(const DriverRequest &request, clang::DiagnosticsEngine &diags,
                                   const TenderEvents &events);

// The options of the request, with blanks between them, without any one of which the driver would
// not put these words, one behind the other, into the job. Empty if none is found. It takes a run
// of the driver for each option: for texts of errors.
std::string optionsBehind(const DriverRequest &request, llvm::ArrayRef<std::string> words);

} // namespace tender
