// Reports uses of `__DATE__`, `__TIME__` and `__TIMESTAMP__`: the environment variables that decide
// their values, and the source files whose modification times are used.
#pragma once

#include <memory>

#include "clang/Frontend/Utils.h"

#include "shim.h"

namespace tender {

// For CompilerInstance::addDependencyCollector, which attaches it to the preprocessor.
std::shared_ptr<clang::DependencyCollector> timeMacros(const TenderEvents &events);

} // namespace tender
