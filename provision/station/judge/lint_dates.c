#include "lint.h"

#include <string.h>
#include <time.h>

enum { DAY_S = 86400, UTC_TIME_END_YEAR = 2050 };

static const char never[] = "99991231235959Z"; /* RFC 5280 4.1.2.5 */

static bool is_never(const ASN1_TIME *t)
{
	return ASN1_STRING_length(t) == (int)strlen(never) &&
	       memcmp(ASN1_STRING_get0_data(t), never, strlen(never)) == 0;
}

/* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on, seconds and Z in both. */
static void lint_encoding(struct lint *l, const char *what, const ASN1_TIME *t)
{
	bool general = ASN1_STRING_type(t) == V_ASN1_GENERALIZEDTIME;
	struct tm tm;

	if (ASN1_TIME_check(t) != 1 || ASN1_TIME_to_tm(t, &tm) != 1 ||
	    ASN1_STRING_length(t) != (general ? 15 : 13))
		lint_error(l, "cert.validity", "%s is malformed", what);
	else if (general != (tm.tm_year + 1900 >= UTC_TIME_END_YEAR))
		lint_error(l, "cert.validity",
		    "%s is a %s, which RFC 5280 4.1.2.5 forbids for its year", what,
		    general ? "GeneralizedTime" : "UTCTime");
}

static void lint_period(struct lint *l, const ASN1_TIME *from, const ASN1_TIME *to)
{
	const struct profile *p = l->profile;
	int days = 0, seconds = 0;

	if (p->no_expiry) {
		if (!is_never(to))
			lint_error(l, "cert.validity",
			    "it expires; the profile asks for notAfter %s", never);
		return;
	}
	if (is_never(to)) {
		lint_error(l, "cert.validity",
		    "it never expires, which the profile does not allow");
		return;
	}
	if (ASN1_TIME_diff(&days, &seconds, from, to) != 1)
		return;
	if (days < 0 || seconds < 0)
		lint_error(l, "cert.validity", "it ends before it begins");
	else if (days < p->min_days)
		lint_error(l, "cert.validity", "valid for %d.%02d days, the least is %lld", days,
		    seconds * 100 / DAY_S, (long long)p->min_days);
	else if (days > p->max_days || (days == p->max_days && seconds > 0))
		lint_error(l, "cert.validity", "valid for %d.%02d days, the most is %lld", days,
		    seconds * 100 / DAY_S, (long long)p->max_days);
}

void lint_dates(struct lint *l)
{
	const ASN1_TIME *from = X509_get0_notBefore(l->leaf), *to = X509_get0_notAfter(l->leaf);
	time_t at = (time_t)l->question->at;
	time_t latest = at + (time_t)l->profile->clock_skew_s;

	lint_encoding(l, "notBefore", from);
	lint_encoding(l, "notAfter", to);
	if (X509_cmp_time(from, &latest) > 0)
		lint_error(l, "cert.validity", "it is not valid yet (more than %lld s from now)",
		    (long long)l->profile->clock_skew_s);
	if (X509_cmp_time(to, &at) < 0)
		lint_error(l, "cert.validity", "it has expired");
	lint_period(l, from, to);
}
