#ifndef DATES_H
#define DATES_H

/* Whether February has 29 days, in the Gregorian calendar. */
int dates_is_leap(int year);

/* The number of the day in its year, from 1. */
int dates_day_of_year(int year, int month, int day);

/* "Monday" and so on. */
const char *dates_weekday(int year, int month, int day);

#endif
