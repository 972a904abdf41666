// A bitcode module of a link.
#pragma once

#include <memory>

#include "llvm/LTO/LTO.h"

#include "shim.h"

struct TenderLtoInput {
  std::unique_ptr<llvm::lto::InputFile> file;
};

namespace tender {

// The text of `error`, which is consumed.
TenderBuffer take(llvm::Error error);

} // namespace tender
