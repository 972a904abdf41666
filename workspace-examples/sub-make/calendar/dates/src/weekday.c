#include <dates.h>

const char *dates_weekday(int year, int month, int day)
{
    static const char *const names[7] = {
        "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
    };
    /* A year before has 365 days, one more if it is a leap year, and 365 is one more than 52 weeks. */
    int before = year - 1;
    int days = before + before / 4 - before / 100 + before / 400;
    return names[(days + dates_day_of_year(year, month, day)) % 7];
}
