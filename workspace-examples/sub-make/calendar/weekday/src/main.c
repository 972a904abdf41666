#include <dates.h>
#include <stdio.h>

int main(void)
{
    for (int year = 2024; year <= 2028; year++) {
        printf("%d begins on a %s and has %d days\n", year, dates_weekday(year, 1, 1),
               dates_day_of_year(year, 12, 31));
    }
    return 0;
}
