#pragma once

#include <string>
#include <vector>

namespace report {

std::vector<std::string> lines();

} // namespace report
