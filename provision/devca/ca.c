#include "ca.h"

#include <stdlib.h>

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "csr.h"
#include "file.h"
#include "oids.h"

#define KU_SIGN "critical,digitalSignature"

/* One row of x509v3_config(5). */
struct extension {
	int nid;
	const char *value;
};

enum { EXTENSIONS_MAX = 6 };

static const struct extension root_extensions[EXTENSIONS_MAX] = {
	{ NID_basic_constraints, "critical,CA:TRUE" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
};
static const struct extension issuing_extensions[EXTENSIONS_MAX] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
};
static const struct extension tls_extensions[EXTENSIONS_MAX] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, KU_SIGN },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
};
static const struct extension station_extensions[][EXTENSIONS_MAX] = {
	[CA_STATION_RA] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, KU_SIGN },
		{ NID_ext_key_usage, "clientAuth," OID_CMC_RA },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	},
	[CA_STATION_ATTESTATION] = {
		{ NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, KU_SIGN },
		{ NID_ext_key_usage, OID_KILN_EKU_ATTESTATION },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" },
	},
};

/* issuer NULL: self-signed. */
static int make(const struct cert_plan *plan, const struct cert_pair *issuer,
    const struct extension *extensions, X509 **ret, struct err *e)
{
	AUTO(X509) *cert = NULL;

	if (cert_start(plan, &cert, e) != 0)
		return -1;
	for (size_t i = 0; i < EXTENSIONS_MAX && extensions[i].value != NULL; i++)
		if (cert_add(cert, plan->issuer, extensions[i].nid, extensions[i].value, e) != 0)
			return -1;
	if (cert_sign(cert, issuer != NULL ? issuer->key : plan->key, e) != 0)
		return -1;
	*ret = steal(&cert);
	return 0;
}

/* "CN=<title> <run> DRY RUN NOT FOR PRODUCTION": two runs' CAs never share a name. */
static int make_name(const char *title, const char *run, X509_NAME **ret, struct err *e)
{
	AUTO(X509_NAME) *name = X509_NAME_new();
	AUTO_STRUCT(buf) text = { 0 };

	if (buf_printf(&text, e, "%s %s DRY RUN NOT FOR PRODUCTION", title, run) != 0)
		return -1;
	if (name == NULL ||
	    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const uint8_t *)"kiln-devca", -1,
		-1, 0) != 1 ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text.data, (int)text.len, -1,
		0) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "making a name");
	*ret = steal(&name);
	return 0;
}

static int make_pair(struct ca *ca, struct cert_pair *ret, const char *title, const char *run,
    const struct cert_pair *issuer, const struct extension *extensions, struct err *e)
{
	AUTO(X509_NAME) *name = NULL;
	struct cert_plan plan = {
		.issuer = issuer != NULL ? issuer->cert : NULL,
		.not_before = clock_wall_s() - CA_BACKDATE_S,
		.not_after = ca->not_after,
	};

	if (make_name(title, run, &name, e) != 0 || cert_new_key(&ret->key, e) != 0)
		return -1;
	plan.subject = name;
	plan.key = ret->key;
	return make(&plan, issuer, extensions, &ret->cert, e);
}

int ca_new(struct ca **ret, const struct ca_options *options, struct err *e)
{
	AUTO_PTR(ca) *ca = calloc(1, sizeof(*ca));
	uint8_t random[4];
	char run[2 * sizeof(random) + 1];

	if (ca == NULL)
		return err_nomem(e);
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_openssl(e, ERR_CONFIG, "devca", "drawing random bytes");
	hex_encode(random, sizeof(random), run);
	ca->options = *options;
	ca->not_after = clock_wall_s() + options->hours * 3600;
	if (make_pair(ca, &ca->root, "root", run, NULL, root_extensions, e) != 0 ||
	    make_pair(ca, &ca->issuing, "issuing", run, &ca->root, issuing_extensions, e) != 0 ||
	    make_pair(ca, &ca->tls_root, "TLS root", run, NULL, root_extensions, e) != 0 ||
	    make_pair(ca, &ca->tls, "TLS", run, &ca->tls_root, tls_extensions, e) != 0)
		return -1;
	*ret = steal(&ca);
	return 0;
}

void ca_free(struct ca *ca)
{
	cert_pair_free(&ca->root);
	cert_pair_free(&ca->issuing);
	cert_pair_free(&ca->tls_root);
	cert_pair_free(&ca->tls);
	free(ca);
}

/* second may be NULL. */
static int write_pem(const char *folder, const char *name, const X509 *first, const X509 *second,
    struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };
	const char *text;

	if (buf_printf(&path, e, "%s/%s", folder, name) != 0 || x509_add_pem(first, &pem, e) != 0)
		return -1;
	if (second != NULL && x509_add_pem(second, &pem, e) != 0)
		return -1;
	text = buf_str(&path, e);
	return text != NULL ? file_write(text, pem.data, pem.len, 0644, e) : -1;
}

int ca_write(const struct ca *ca, const char *folder, struct err *e)
{
	if (write_pem(folder, "root.pem", ca->root.cert, NULL, e) != 0 ||
	    write_pem(folder, "issuing.pem", ca->issuing.cert, NULL, e) != 0 ||
	    write_pem(folder, "chain.pem", ca->issuing.cert, ca->root.cert, e) != 0)
		return -1;
	return write_pem(folder, "tls-anchor.pem", ca->tls_root.cert, NULL, e);
}

int ca_sign_station(const struct ca *ca, X509_REQ *request, enum ca_station_use use, X509 **ret,
    struct err *e)
{
	const struct cert_plan plan = {
		.subject = X509_REQ_get_subject_name(request),
		.key = X509_REQ_get0_pubkey(request),
		.issuer = ca->issuing.cert,
		.not_before = clock_wall_s() - CA_BACKDATE_S,
		.not_after = ca->not_after,
	};

	if (csr_check(request, e) != 0)
		return -1;
	return make(&plan, &ca->issuing, station_extensions[use], ret, e);
}
