// Tells which source files' times of change went into what is compiled (`__TIMESTAMP__`).
#pragma once

#include <memory>

#include "clang/Frontend/Utils.h"

#include "shim.h"

namespace tender {

// For CompilerInstance::addDependencyCollector, which gives it to the preprocessor when that is made.
std::shared_ptr<clang::DependencyCollector> sourceTimes(const TenderEvents &events);

} // namespace tender
