/* The tables of a report in HTML: what the drawings show, and the rest. */
#ifndef KILN_REPORT_TABLES_H
#define KILN_REPORT_TABLES_H

#include "report_view.h"

void report_tables(const struct report *r, const struct report_head *h, FILE *out);

#endif
