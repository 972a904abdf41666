#include <moon.hpp>

namespace moon {

const char *phase(double age)
{
    static const char *const names[8] = {
        "new", "a waxing crescent", "at first quarter", "waxing", "full", "waning", "at last quarter", "a waning crescent",
    };
    // Eight parts of a month, each with its name in the middle.
    return names[static_cast<int>(age / 29.530588853 * 8 + 0.5) % 8];
}

} // namespace moon
