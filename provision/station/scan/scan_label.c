#include "scan_label.h"

#include <string.h>

int scan_label_compile(struct scan_label *l, const char *pattern, struct err *e)
{
	char why[100];
	int rc;

	if (pattern[0] == '\0' || strlen(pattern) > SCAN_PATTERN_MAX)
		return err_set(e, ERR_CONFIG, "scan.pattern", "a pattern has 1 to %d characters",
		    SCAN_PATTERN_MAX);
	rc = regcomp(&l->pattern, pattern, REG_EXTENDED);
	if (rc == REG_ESPACE)
		return err_nomem(e);
	if (rc != 0) {
		(void)regerror(rc, &l->pattern, why, sizeof(why));
		return err_set(e, ERR_CONFIG, "scan.pattern",
		    "not a POSIX extended regular expression: %s", why);
	}
	l->compiled = true;
	if (l->pattern.re_nsub != 1)
		return err_set(e, ERR_CONFIG, "scan.pattern",
		    "a label's pattern has one group, which is the serial; this one has %zu",
		    l->pattern.re_nsub);
	return 0;
}

void scan_label_free(struct scan_label *l)
{
	if (l->compiled)
		regfree(&l->pattern);
	l->compiled = false;
}

int scan_text_check(const char *text, struct err *e)
{
	size_t len = strlen(text);

	if (len == 0 || len > SCAN_TEXT_MAX)
		return err_set(e, ERR_OPERATOR, "scan.text",
		    len == 0 ? "nothing was scanned" : "a label has at most %d characters",
		    SCAN_TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return err_set(e, ERR_OPERATOR, "scan.text",
			    "the scanned text is not printable: %s", text);
	return 0;
}

static int no_label(const char *text, struct err *e)
{
	return err_set(e, ERR_OPERATOR, "scan.label", "\"%s\" is no unit's label", text);
}

int scan_label_serial(const struct scan_label *l, const char *text, char ret[IDENTITY_MAX + 1],
    struct err *e)
{
	regmatch_t m[2] = { { .rm_so = 0 }, { .rm_so = 0 } };
	size_t len;

	if (scan_text_check(text, e) != 0)
		return -1;
	m[0].rm_eo = m[1].rm_eo = (regoff_t)strlen(text);
	/* The leftmost and longest match is the whole text where any is. */
	if (l->compiled && (regexec(&l->pattern, text, 2, m, 0) != 0 || m[0].rm_so != 0 ||
			       text[m[0].rm_eo] != '\0'))
		return no_label(text, e);
	if (m[1].rm_so < 0 || m[1].rm_eo <= m[1].rm_so || m[1].rm_eo - m[1].rm_so > IDENTITY_MAX)
		return no_label(text, e);
	len = (size_t)(m[1].rm_eo - m[1].rm_so);
	memcpy(ret, text + m[1].rm_so, len);
	ret[len] = '\0';
	return 0;
}
