// clang's driver: from driver arguments to the arguments of `clang -cc1` or `clang -cc1as`.
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

// Driver arguments. Input and output are separate, so that units can share a driver run.
struct DriverRequest {
  std::string clang;
  std::vector<std::string> args;
  std::string input;
  std::string output;

  DriverRequest(TenderStr clang, const TenderStr *args, size_t count, TenderStr input,
                TenderStr output);
};

// Returns nothing after reporting an error to `diags`. `events` gets the files that the driver read
// and looked up: configuration files, GCC installations.
std::optional<DriverJob> runDriver(const DriverRequest &request, clang::DiagnosticsEngine &diags,
                                   const TenderEvents &events);

// The options of the request that make the driver put these consecutive arguments into the job,
// joined by blanks: those that the job lacks them without. Empty if there is none. It runs the
// driver once for each option, so it is only for error messages.
std::string optionsBehind(const DriverRequest &request, llvm::ArrayRef<std::string> words);

} // namespace tender
