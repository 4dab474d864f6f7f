/* What the operator does now, by the code of an error; by its domain where the code says no more. */
#ifndef KILN_ADVICE_H
#define KILN_ADVICE_H

#include "err.h"

/* One line, a literal. */
const char *advice_for(const struct err *e);

#endif
