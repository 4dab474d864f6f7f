/* The drawings of a report as inline SVG: they need no script, no colour, and nothing from elsewhere. */
#ifndef KILN_REPORT_SVG_H
#define KILN_REPORT_SVG_H

#include "report_view.h"

/* Text as content or as a quoted attribute: never markup, never a control or a change of direction. */
void svg_text(FILE *out, const char *text);

/* The hatchings that the others refer to; once in a document, before them. */
void svg_patterns(FILE *out);
/* Passes and failures over the period. */
void svg_rate(const struct report *r, FILE *out);
/* Failures by reason, with how many of all they and those above them are. */
void svg_pareto(const struct report_reasons *reasons, FILE *out);
/* p50 and p95 of each step. */
void svg_steps(const struct report *r, FILE *out);
/* Whose the time of a passed job is: device, CA, HSM, station. */
void svg_split(const struct report *r, FILE *out);
/* How long passed jobs took. */
void svg_whole(const struct report *r, FILE *out);

#endif
