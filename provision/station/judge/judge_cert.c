#include "lint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "der.h"

enum { CERT_MAX = 32 * 1024, SERIAL_OCTETS_MAX = 20, SECURITY_BITS_MIN = 112 };

void cert_report_free(struct cert_report *r)
{
	buf_free(&r->chain);
	X509_free(r->leaf);
	*r = (struct cert_report){ 0 };
}

__attribute__((format(printf, 4, 0))) static void add(struct lint *l, bool is_error, const char *id,
    const char *fmt, va_list ap)
{
	struct cert_report *r = l->report;
	struct cert_finding *f = &r->findings[r->count];

	if (r->count == CERT_FINDINGS_MAX)
		return;
	r->count++;
	f->id = id;
	f->is_error = is_error;
	(void)vsnprintf(f->message, sizeof(f->message), fmt, ap); /* cut, not refused */
}

void lint_error(struct lint *l, const char *id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, true, id, fmt, ap);
	va_end(ap);
}

void lint_warning(struct lint *l, const char *id, const char *fmt, ...)
{
	va_list ap;

	/* A warning never takes the place of an error. */
	if (l->report->count >= CERT_FINDINGS_MAX / 2)
		return;
	va_start(ap, fmt);
	add(l, false, id, fmt, ap);
	va_end(ap);
}

void lint_name(const ASN1_OBJECT *type, char ret[static LINT_NAME_MAX])
{
	int known = OBJ_obj2nid(type);

	if (known != NID_undef)
		(void)snprintf(ret, LINT_NAME_MAX, "%s", OBJ_nid2sn(known)); /* they are shorter */
	else
		OBJ_obj2txt(ret, LINT_NAME_MAX, type, 1);
}

X509_EXTENSION *lint_extension(X509 *cert, const char *oid)
{
	ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
	int at = type != NULL ? X509_get_ext_by_OBJ(cert, type, -1) : -1;

	ASN1_OBJECT_free(type);
	return at >= 0 ? X509_get_ext(cert, at) : NULL;
}

static void lint_version(struct lint *l)
{
	if (X509_get_version(l->leaf) != X509_VERSION_3)
		lint_error(l, "cert.version", "version %ld, not 3: it can have no extensions",
		    X509_get_version(l->leaf) + 1);
}

static void lint_key(struct lint *l)
{
	EVP_PKEY *key = X509_get0_pubkey(l->leaf);

	if (key == NULL || EVP_PKEY_eq(key, l->question->key) != 1)
		lint_error(l, "cert.spki",
		    "the certificate is for another public key than the device's");
}

static void lint_serial(struct lint *l)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(l->leaf);
	BIGNUM *number = ASN1_INTEGER_to_BN(serial, NULL);
	int bits = number != NULL ? BN_num_bits(number) : 0;

	if (number == NULL || BN_is_negative(number) || BN_is_zero(number))
		lint_error(l, "cert.serial",
		    "the serial number is not positive (RFC 5280 4.1.2.2)");
	else if (bits > 8 * SERIAL_OCTETS_MAX - 1)
		lint_error(l, "cert.serial",
		    "the serial number is longer than 20 octets (RFC 5280 4.1.2.2)");
	else if (bits < l->profile->min_serial_bits)
		lint_error(l, "cert.serial",
		    "the serial number has %d bits, at least %lld are asked", bits,
		    (long long)l->profile->min_serial_bits);
	BN_free(number);
}

static bool allows_signature(const struct profile *p, const ASN1_OBJECT *algorithm)
{
	for (size_t k = 0; p->signatures[k] != NULL; k++) {
		ASN1_OBJECT *allowed = OBJ_txt2obj(p->signatures[k], 0);
		bool same = allowed != NULL && OBJ_cmp(allowed, algorithm) == 0;

		ASN1_OBJECT_free(allowed);
		if (same)
			return true;
	}
	return false;
}

static void lint_signature(struct lint *l)
{
	const X509_ALGOR *inner = X509_get0_tbs_sigalg(l->leaf), *outer = NULL;
	const ASN1_OBJECT *algorithm = NULL;
	char name[80];
	int bits = 0;

	X509_get0_signature(NULL, &outer, l->leaf);
	X509_ALGOR_get0(&algorithm, NULL, NULL, inner);
	OBJ_obj2txt(name, sizeof(name), algorithm, 0);
	if (X509_ALGOR_cmp(inner, outer) != 0)
		lint_error(l, "cert.signature",
		    "two signature algorithms, one inside and one outside");
	if (!allows_signature(l->profile, algorithm))
		lint_error(l, "cert.signature", "signed with %s, which the profile does not allow",
		    name);
	else if (X509_get_signature_info(l->leaf, NULL, NULL, &bits, NULL) == 1 &&
		 bits < SECURITY_BITS_MIN)
		lint_error(l, "cert.signature", "signed with %s of only %d bits of security", name,
		    bits);
}

static int parse(struct lint *l, X509 **ret, struct err *e)
{
	const struct buf *der = l->question->leaf;
	struct err why = { 0 };

	if (der->len == 0 || der->len > CERT_MAX || !der_is_strict(der->data, der->len))
		lint_error(l, "cert.der",
		    "%zu bytes that are not exactly one certificate in DER (1 to %d are possible)",
		    der->len, CERT_MAX);
	else if (x509_parse(der->data, der->len, ret, ERR_CERT, &why) < 0)
		lint_error(l, "cert.der", "it does not parse: %s", why.message);
	else
		return 0;
	return err_set(e, ERR_CERT, "cert.der", "%s", l->report->findings[0].message);
}

static int first_error(const struct cert_report *r, struct err *e)
{
	const struct cert_finding *first = NULL;
	size_t errors = 0;

	for (size_t k = 0; k < r->count; k++) {
		if (!r->findings[k].is_error)
			continue;
		if (first == NULL)
			first = &r->findings[k];
		errors++;
	}
	if (first == NULL)
		return 0;
	if (errors == 1)
		return err_set(e, ERR_CERT, first->id, "%s", first->message);
	return err_set(e, ERR_CERT, first->id, "%s (and %zu more findings)", first->message,
	    errors - 1);
}

int judge_cert(const struct profile *p, const struct identity *i, const struct cert_question *q,
    struct cert_report *ret, struct err *e)
{
	static void (*const checks[])(struct lint *) = { lint_key, lint_version, lint_subject,
		lint_san, lint_extensions, lint_dates, lint_signature, lint_serial, lint_chain };
	AUTO_STRUCT(subject) want = { 0 };
	struct lint l = { .profile = p,
		.identity = i,
		.question = q,
		.want = &want,
		.report = ret };

	cert_report_free(ret);
	if (subject_render(&want, p, i, e) < 0 || parse(&l, &ret->leaf, e) < 0)
		return -1;
	l.leaf = ret->leaf;
	for (size_t k = 0; k < COUNT(checks); k++)
		checks[k](&l);
	return l.no_memory ? err_nomem(e) : first_error(ret, e);
}
