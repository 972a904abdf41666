#include <cstdio>
#include <moon.hpp>

int main()
{
    for (int year = 2024; year <= 2028; year++) {
        int leap_days = (year - 1997) / 4;
        int day = 365 * (year - 2000) + leap_days;
        std::printf("at the beginning of %d the moon is %s\n", year, moon::phase(moon::age(day)));
    }
}
