#include "label_internal.h"

#include <string.h>

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && strchr("^~_", c) == NULL;
}

static int add_byte(unsigned char c, struct buf *ret, struct err *e)
{
	return is_plain(c) ? buf_add_u8(ret, c, e) : buf_printf(ret, e, "_%02X", c);
}

/* What the symbol itself takes as a command is data when it stands twice. */
static char doubled(const struct label_part *p)
{
	if (p->symbol == SYMBOL_BLOCK)
		return '\\';
	return p->symbol == SYMBOL_MATRIX ? p->escape : '\0';
}

static int check_value(const struct label *l, const struct label_part *p, const char *value,
    struct err *e)
{
	const char *name = label_field_name((enum label_field)p->field);

	if (value == NULL || value[0] == '\0')
		return label_error(l, "label.value", p->at, e, "this unit has no {%s}", name);
	if (strlen(value) > LABEL_VALUE_MAX)
		return label_error(l, "label.value", p->at, e,
		    "{%s} has more than %d bytes in this unit", name, LABEL_VALUE_MAX);
	if (p->symbol == SYMBOL_TEXT || p->symbol == SYMBOL_BLOCK)
		return 0;
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			return label_error(l, "label.value", p->at, e,
			    "{%s} of this unit is not ASCII: no symbol is drawn of it", name);
	if (p->symbol == SYMBOL_CODE128 && strchr(value, '>') != NULL)
		return label_error(l, "label.value", p->at, e,
		    "{%s} of this unit has a >, which Code 128 takes as a command: draw it by ^BQ "
		    "or "
		    "^BX",
		    name);
	return 0;
}

static int fill_field(const struct label *l, const struct label_part *p, const char *value,
    struct buf *ret, struct err *e)
{
	if (check_value(l, p, value, e) != 0)
		return -1;
	for (const char *c = value; *c != '\0'; c++) {
		if (*c == doubled(p) && add_byte((unsigned char)*c, ret, e) != 0)
			return -1;
		if (add_byte((unsigned char)*c, ret, e) != 0)
			return -1;
	}
	return 0;
}

int label_fill(const struct label *l, const struct label_values *values, struct buf *ret,
    struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct label_part *p = &l->parts[i];

		if (p->field < 0) {
			if (buf_add(ret, l->text.data + p->at, p->len, e) != 0)
				return -1;
		} else if (fill_field(l, p, values->of[p->field], ret, e) != 0) {
			return -1;
		}
	}
	return 0;
}
