#pragma once

namespace moon {

/// Days since the last new moon, of about 29.53, by the mean length of a month alone: right to within a day.
/// `day` counts from 1 January 2000.
double age(int day);

/// "new", "full" and so on.
const char *phase(double age);

} // namespace moon
