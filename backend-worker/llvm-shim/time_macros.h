// Tells what of the clock and of files' times went into what is compiled (`__DATE__`, `__TIME__`,
// `__TIMESTAMP__`): the environment variables that decide it, and the source files whose times of
// change did.
#pragma once

#include <memory>

#include "clang/Frontend/Utils.h"

#include "shim.h"

namespace tender {

// For CompilerInstance::addDependencyCollector, which gives it to the preprocessor when that is
// made.
std::shared_ptr<clang::DependencyCollector> timeMacros(const TenderEvents &events);

} // namespace tender
