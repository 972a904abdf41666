#include <cmath>
#include <moon.hpp>

namespace moon {

constexpr double month = 29.530588853;

double age(int day)
{
    // The new moon of 6 January 2000, at a quarter past six in the evening.
    double since = day - 5.76;
    return since - month * std::floor(since / month);
}

} // namespace moon
