#include "report.hpp"

#include "shapes.hpp"
#include "text.h"

#include <cstdio>

namespace report {
namespace {

constexpr std::size_t width = 40;

std::string line(base_name name, const char *value)
{
    std::string text(width + 1, '\0');
    text_leader(text.data(), width, name, value);
    text.resize(width);
    return text;
}

} // namespace

std::vector<std::string> lines()
{
    std::vector<std::string> all;
    char value[32];
    for (const auto &shape : shapes::samples()) {
        std::snprintf(value, sizeof value, "%.4f", shape->area());
        all.push_back(line(shape->name(), value));
    }
    std::snprintf(value, sizeof value, "%llx", (unsigned long long)base_multiply_high(0xfedcba9876543210, 0x10));
    all.push_back(line(base_make_name("high half of a product"), value));
    return all;
}

} // namespace report
