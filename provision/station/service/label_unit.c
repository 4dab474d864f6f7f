#include "label_unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "x509.h"

/* Texts that the values of a unit point into. */
struct texts {
	json_t *job;
	struct profile *profile;
	struct buf number; /* of the certificate */
	char not_before[16], not_after[16], ordinal[24], date[16], yymmdd[16];
};

static void texts_free(struct texts *t)
{
	json_decref(t->job);
	if (t->profile != NULL)
		profile_free(t->profile);
	buf_free(&t->number);
}
OWNED_STRUCT(texts, texts_free)

static int write_day(const ASN1_TIME *at, char *ret, size_t size, struct err *e)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(at, &tm) != 1)
		return err_openssl(e, ERR_RECORDS, "label.certificate",
		    "a date of the certificate");
	(void)strftime(ret, size, "%Y-%m-%d", &tm);
	return 0;
}

static int take_certificate(struct texts *t, struct records *r, const char *digest, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509) *cert = NULL;

	if (records_blob(r, digest, &der, e) != 0 ||
	    x509_parse(der.data, der.len, &cert, ERR_RECORDS, e) != 0 ||
	    x509_add_serial(cert, &t->number, e) != 0 || buf_str(&t->number, e) == NULL ||
	    write_day(X509_get0_notBefore(cert), t->not_before, sizeof(t->not_before), e) != 0)
		return -1;
	return write_day(X509_get0_notAfter(cert), t->not_after, sizeof(t->not_after), e);
}

/* The one that it was made under, not the present one. */
static int take_profile(struct texts *t, struct records *r, const char *digest, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (records_blob(r, digest, &text, e) != 0)
		return -1;
	return profile_parse(&t->profile, "profile", (const char *)text.data, text.len, e);
}

/* at: "2026-11-28T...". */
static void take_date(struct texts *t, const char *at)
{
	if (strlen(at) < 10)
		return;
	(void)snprintf(t->date, sizeof(t->date), "%.10s", at);
	(void)snprintf(t->yymmdd, sizeof(t->yymmdd), "%.2s%.2s%.2s", at + 2, at + 5, at + 8);
}

static int gather(struct texts *t, struct records *r, const char *serial, struct err *e)
{
	int64_t ordinal;

	if (records_passed(r, serial, &t->job, e) != 0 ||
	    take_certificate(t, r, json_opt_str(t->job, "certificate", ""), e) != 0 ||
	    take_profile(t, r, json_opt_str(t->job, "profile", ""), e) != 0)
		return -1;
	ordinal = json_opt_int(t->job, "ordinal", 0);
	if (ordinal > 0)
		(void)snprintf(t->ordinal, sizeof(t->ordinal), "%lld", (long long)ordinal);
	take_date(t, json_opt_str(t->job, "ended_at", ""));
	return 0;
}

int label_of_unit(const struct label *l, struct records *r, const char *serial, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(texts) t = { 0 };
	struct label_values v = { 0 };
	const char **of = v.of;

	if (gather(&t, r, serial, e) != 0)
		return -1;
	of[LABEL_SERIAL] = json_opt_str(t.job, "serial", NULL);
	of[LABEL_MODEL] = json_opt_str(t.job, "model", NULL);
	of[LABEL_FIRMWARE] = json_opt_str(t.job, "firmware", NULL);
	of[LABEL_PRODUCT] = t.profile->product;
	of[LABEL_PROFILE_VERSION] = t.profile->version;
	of[LABEL_CERTIFICATE_SERIAL] = (const char *)t.number.data;
	of[LABEL_CERTIFICATE_FINGERPRINT] = json_opt_str(t.job, "certificate", NULL);
	of[LABEL_NOT_BEFORE] = t.not_before;
	of[LABEL_NOT_AFTER] = t.not_after;
	of[LABEL_ORDER] = json_opt_str(t.job, "order", NULL);
	of[LABEL_ORDINAL] = t.ordinal;
	of[LABEL_STATION] = json_opt_str(t.job, "station", NULL);
	of[LABEL_DATE] = t.date;
	of[LABEL_DATE_YYMMDD] = t.yymmdd;
	return label_fill(l, &v, ret, e);
}

int label_of_example(const struct label *l, const struct config *config, const struct profile *p,
    struct buf *ret, struct err *e)
{
	struct texts t = { 0 };
	char now[CLOCK_TEXT];
	struct label_values v = { 0 };
	const char **of = v.of;

	clock_wall_text(now);
	take_date(&t, now);
	of[LABEL_SERIAL] = p != NULL ? p->serial_example : "EXAMPLE1";
	of[LABEL_MODEL] = p != NULL ? p->model_example : "EXAMPLE";
	of[LABEL_FIRMWARE] = "1.0";
	of[LABEL_PRODUCT] = p != NULL ? p->product : "example";
	of[LABEL_PROFILE_VERSION] = p != NULL ? p->version : "1";
	of[LABEL_CERTIFICATE_SERIAL] = "00112233445566778899aabbccddeeff";
	of[LABEL_CERTIFICATE_FINGERPRINT] =
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	of[LABEL_NOT_BEFORE] = t.date;
	of[LABEL_NOT_AFTER] = "9999-12-31";
	of[LABEL_ORDER] = config->order;
	of[LABEL_ORDINAL] = config->order != NULL ? "1" : NULL;
	of[LABEL_STATION] = config->station;
	of[LABEL_DATE] = t.date;
	of[LABEL_DATE_YYMMDD] = t.yymmdd;
	return label_fill(l, &v, ret, e);
}
