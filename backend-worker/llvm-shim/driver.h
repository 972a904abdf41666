// clang's driver: from the arguments that people write to those of `clang -cc1` or `clang -cc1as`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "clang/Basic/Diagnostic.h"

#include "shim.h"

namespace tender {

// The one job that compiles the one input, without its program and the leading `-cc1` or `-cc1as`.
struct DriverJob {
  bool assembler;
  std::vector<std::string> args;
};

// Nothing after reporting why through `diags`.
std::optional<DriverJob> runDriver(TenderStr clang, const TenderStr *args, size_t count,
                                   clang::DiagnosticsEngine &diags);

} // namespace tender
