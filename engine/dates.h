/* dates.h - days of the calendar that may be known to the year or the month only.
 *
 * As a number a day is yyyymmdd, so that dates compare as numbers; a month lies between its
 * days 01 and 31, whatever month it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RS_ENGINE_DATES_H
#define RS_ENGINE_DATES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    int year, month, day;          /* month and day 0 where they are not known */
} rs_date;

enum { RS_DATE_SIZE = 11 };

/* 2024, 2024-03, 2024-03-01 or 20240301: a year from 1000 to 9999, a day that there is. */
bool rs_date_read(rs_date *out, const char *text, size_t len);
/* "2024-03". */
void rs_date_text(rs_date d, char text[RS_DATE_SIZE]);
/* The first and the last day that it may be, as numbers. */
int  rs_date_first(rs_date d);
int  rs_date_last(rs_date d);

#endif
