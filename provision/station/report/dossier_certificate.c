/* What a person wants to know of a certificate, without its bytes. */
#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "dossier.h"
#include "lint.h"
#include "oids.h"
#include "san.h"
#include "x509.h"

enum { CHAIN_MAX = 10, TRUST_MAX = 16, KEY_NAME = 64 };

/* What a certificate says is shown, never obeyed. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

static int set_time(json_t *ret, const char *key, const ASN1_TIME *time, struct err *e)
{
	char text[CLOCK_TEXT];
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days, seconds, rc;

	if (epoch == NULL)
		return err_nomem(e);
	rc = ASN1_TIME_diff(&days, &seconds, epoch, time);
	ASN1_TIME_free(epoch);
	if (rc != 1)
		return err_openssl(e, ERR_RECORDS, "x509", "a date of a certificate");
	clock_text(((int64_t)days * 86400 + seconds) * 1000, text);
	return json_set_str(ret, key, text, e);
}

static int set_names(json_t *ret, X509 *cert, struct err *e)
{
	AUTO_STRUCT(buf) subject = { 0 };
	AUTO_STRUCT(buf) issuer = { 0 };
	AUTO_STRUCT(buf) number = { 0 };

	if (x509_add_subject(cert, &subject, e) != 0 || x509_add_issuer(cert, &issuer, e) != 0 ||
	    x509_add_serial(cert, &number, e) != 0)
		return -1;
	return json_set_str(ret, "subject", buf_str(&subject, e), e) == 0 &&
		       json_set_str(ret, "issuer", buf_str(&issuer, e), e) == 0 &&
		       json_set_str(ret, "number", buf_str(&number, e), e) == 0
		   ? 0
		   : -1;
}

static int set_key(json_t *ret, X509 *cert, struct err *e)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	uint8_t digest[SHA256_LEN];
	char name[KEY_NAME] = "";
	size_t len = 0;

	if (key == NULL)
		return err_openssl(e, ERR_RECORDS, "x509", "the key of a certificate");
	if (EVP_PKEY_get_group_name(key, name, sizeof(name), &len) != 1)
		(void)snprintf(name, sizeof(name), "%.20s %d", EVP_PKEY_get0_type_name(key),
		    EVP_PKEY_get_bits(key));
	if (x509_spki_digest(key, digest, e) != 0)
		return -1;
	return json_set_str(ret, "key", name, e) == 0 &&
		       json_set_hex(ret, "spki", digest, sizeof(digest), e) == 0
		   ? 0
		   : -1;
}

static int set_sans(json_t *ret, X509 *cert, struct err *e)
{
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
	const ASN1_STRING *value = at >= 0 ? X509_EXTENSION_get_data(X509_get_ext(cert, at)) : NULL;
	json_t *list = json_array();
	struct san_names names;

	if (json_set_new(ret, "sans", list, e) != 0)
		return -1;
	if (value == NULL ||
	    !san_parse(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), &names))
		return 0; /* it has none; one that is malformed was refused */
	for (size_t i = 0; i < names.count; i++) {
		char text[SAN_TEXT_MAX];

		san_text(&names.names[i], text);
		make_printable(text);
		if (json_array_append_new(list, json_string(text)) != 0)
			return err_nomem(e);
	}
	return 0;
}

/* [{subject, sha256}] of the first max of a list of DERs. */
static int list_of(const struct buf *ders, int max, json_t **ret, bool *ret_test_ca, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	AUTO(json_t) *list = json_array();

	if (x509_parse_list(ders->data, ders->len, &certs, ERR_RECORDS, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs) && i < max; i++) {
		X509 *cert = sk_X509_value(certs, i);
		AUTO_STRUCT(buf) subject = { 0 };
		uint8_t digest[SHA256_LEN];
		char hex[2 * SHA256_LEN + 1];

		*ret_test_ca |= lint_extension(cert, OID_KILN_NOT_FOR_PRODUCTION) != NULL;
		if (x509_add_subject(cert, &subject, e) != 0 || x509_digest(cert, digest, e) != 0)
			return -1;
		hex_encode(digest, sizeof(digest), hex);
		if (json_array_append_new(list, json_pack("{s:s, s:s}", "subject",
						    buf_str(&subject, e), "sha256", hex)) != 0)
			return err_nomem(e);
	}
	*ret = steal(&list);
	return *ret != NULL ? 0 : err_nomem(e);
}

static int set_chain(json_t *ret, struct records *r, const json_t *job, struct err *e)
{
	const char *digest = json_opt_str(job, "chain", NULL);
	AUTO_STRUCT(buf) ders = { 0 };
	json_t *list = NULL;
	bool test_ca = false;

	if (digest == NULL)
		return 0;
	if (records_blob(r, digest, &ders, e) != 0 || list_of(&ders, CHAIN_MAX, &list, &test_ca, e))
		return -1;
	return json_set_new(ret, "chain", list, e) == 0 &&
		       json_set_bool(ret, "test_ca", test_ca, e) == 0
		   ? 0
		   : -1;
}

static int add_place(json_t *trust, const char *name, const json_t *anchors, struct err *e)
{
	AUTO_STRUCT(buf) ders = { 0 };
	json_t *list = NULL;
	bool ignored = false;

	if (json_get_bytes(anchors, name, &ders, ERR_RECORDS, e) != 0 ||
	    list_of(&ders, TRUST_MAX, &list, &ignored, e) != 0)
		return -1;
	return json_set_new(trust, name, list, e);
}

/* What the profile of the job trusts, and has devices trust. */
static int set_trust(json_t *ret, struct records *r, const json_t *job, struct err *e)
{
	AUTO(json_t) *profile = NULL;
	AUTO(json_t) *anchors = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	json_t *trust = json_object(), *value;
	const char *digest, *key;

	if (json_set_new(ret, "trust", trust, e) != 0 ||
	    records_profile(r, json_opt_str(job, "profile", ""), &profile, e) != 0)
		return -1;
	digest = json_opt_str(profile, "anchors", NULL);
	if (digest == NULL)
		return 0;
	if (records_blob(r, digest, &text, e) != 0 ||
	    json_parse((const char *)text.data, text.len, &anchors, ERR_RECORDS, e) != 0)
		return -1;
	json_object_foreach(anchors, key, value)
	{
		if (add_place(trust, key, anchors, e) != 0)
			return -1;
	}
	return 0;
}

int dossier_certificate(struct records *r, const json_t *job, json_t **ret, struct err *e)
{
	const char *digest = json_opt_str(job, "certificate", NULL);
	bool read_back =
	    strcmp(json_opt_str(job, "readback", ""), digest != NULL ? digest : "-") == 0;
	AUTO(json_t) *all = json_object();
	AUTO(X509) *leaf = NULL;
	AUTO_STRUCT(buf) der = { 0 };

	*ret = NULL;
	if (digest == NULL)
		return 0;
	if (json_set_str(all, "sha256", digest, e) != 0 || records_blob(r, digest, &der, e) != 0 ||
	    x509_parse(der.data, der.len, &leaf, ERR_RECORDS, e) != 0)
		return -1;
	if (set_names(all, leaf, e) != 0 || set_key(all, leaf, e) != 0 ||
	    set_time(all, "not_before", X509_get0_notBefore(leaf), e) != 0 ||
	    set_time(all, "not_after", X509_get0_notAfter(leaf), e) != 0 ||
	    set_sans(all, leaf, e) != 0 || json_set_bool(all, "read_back", read_back, e) != 0 ||
	    set_chain(all, r, job, e) != 0 || set_trust(all, r, job, e) != 0)
		return -1;
	*ret = steal(&all);
	return 0;
}
