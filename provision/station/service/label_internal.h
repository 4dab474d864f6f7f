/* What label.c reads and label_fill.c writes. */
#ifndef KILN_LABEL_INTERNAL_H
#define KILN_LABEL_INTERNAL_H

#include "label.h"

/* What draws a field's data. */
enum label_symbol {
	SYMBOL_TEXT,
	SYMBOL_BLOCK,  /* ^FB */
	SYMBOL_QR,     /* ^BQ */
	SYMBOL_MATRIX, /* ^BX */
	SYMBOL_CODE128,
	SYMBOL_OTHER,
};

/* A stretch of the text as it is, or a field. */
struct label_part {
	size_t at, len; /* in the text: of the stretch, or of the field with its braces */
	int field;      /* -1: none */
	enum label_symbol symbol;
	char escape; /* SYMBOL_MATRIX */
};

struct label {
	char *name;
	struct buf text;
	struct label_part *parts;
	size_t count, room;
};

/* "name:line:col: <fmt>", of the byte at that place. Returns -1. */
int label_error(const struct label *l, const char *code, size_t at, struct err *e, const char *fmt,
    ...) __attribute__((format(printf, 5, 6)));

#endif
