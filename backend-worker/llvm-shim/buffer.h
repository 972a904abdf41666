// Buffers and strings of the C interface.
#pragma once

#include <cstdlib>
#include <cstring>

#include "llvm/ADT/StringRef.h"

#include "shim.h"

namespace tender {

inline llvm::StringRef ref(TenderStr s) { return llvm::StringRef(s.data, s.len); }
inline TenderStr str(llvm::StringRef s) { return TenderStr{s.data(), s.size()}; }

// The copy is allocated with malloc and freed with tender_buffer_free.
inline TenderBuffer copy(llvm::StringRef bytes) {
  char *data = static_cast<char *>(std::malloc(bytes.size() ? bytes.size() : 1));
  if (!data)
    std::abort();
  std::memcpy(data, bytes.data(), bytes.size());
  return TenderBuffer{data, bytes.size()};
}

} // namespace tender
