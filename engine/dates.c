/* dates.c - see dates.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "engine/dates.h"

#include <stdio.h>

/* n digits as a number; -1 where they are others. */
static int digits(const char *s, size_t n)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        v = 10 * v + (s[i] - '0');
    }
    return v;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

bool rs_date_read(rs_date *out, const char *text, size_t len)
{
    const bool plain = len == 8, to_month = len == 7, to_day = len == 10 || plain;
    rs_date d = {0};

    if (!plain && !to_day && !to_month && len != 4)
        return false;
    d.year = digits(text, 4);
    if (d.year < 1000)
        return false;
    if (to_month || to_day) {
        d.month = digits(text + (plain ? 4 : 5), 2);
        if ((!plain && text[4] != '-') || d.month < 1 || d.month > 12)
            return false;
    }
    if (to_day) {
        d.day = digits(text + (plain ? 6 : 8), 2);
        if ((!plain && text[7] != '-') || d.day < 1 || d.day > days_of(d.year, d.month))
            return false;
    }
    *out = d;
    return true;
}

void rs_date_text(rs_date d, char text[RS_DATE_SIZE])
{
    const unsigned y = (unsigned)d.year % 10000, m = (unsigned)d.month % 100,
                   day = (unsigned)d.day % 100;

    if (day)
        snprintf(text, RS_DATE_SIZE, "%04u-%02u-%02u", y, m, day);
    else if (m)
        snprintf(text, RS_DATE_SIZE, "%04u-%02u", y, m);
    else
        snprintf(text, RS_DATE_SIZE, "%04u", y);
}

int rs_date_first(rs_date d)
{
    return 10000 * d.year + 100 * (d.month ? d.month : 1) + (d.day ? d.day : 1);
}

int rs_date_last(rs_date d)
{
    return 10000 * d.year + 100 * (d.month ? d.month : 12) + (d.day ? d.day : 31);
}
