#include <dates.h>

int dates_day_of_year(int year, int month, int day)
{
    static const int before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[month - 1] + (month > 2 && dates_is_leap(year)) + day;
}
