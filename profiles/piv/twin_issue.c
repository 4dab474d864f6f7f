#include "twin_issue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "file.h"
#include "twin_object.h"
#include "twin_tlv.h"

OWNED(X509_EXTENSION, X509_EXTENSION_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)
OWNED(ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)

/* Extensions of Yubico's attestation: developers.yubico.com, "PIV attestation". */
#define OID_FIRMWARE "1.3.6.1.4.1.41482.3.3"
#define OID_SERIAL   "1.3.6.1.4.1.41482.3.7"
#define OID_POLICY   "1.3.6.1.4.1.41482.3.8"
#define OID_FORM     "1.3.6.1.4.1.41482.3.9"

/* The private side of the fleet: key and certificate, one PEM behind the other. */
#define ROOT_KEY_FILE "attestation-root-key.pem"
enum { PEM_MAX = 16384, SERIAL_LEN = 16, FORM_USB_A = 1 };

struct issuer {
	EVP_PKEY *key;
	X509 *cert;
};
static void issuer_free(struct issuer *i)
{
	EVP_PKEY_free(i->key);
	X509_free(i->cert);
}
OWNED_STRUCT(issuer, issuer_free)

static int set_serial(X509 *cert, struct err *e)
{
	uint8_t bytes[SERIAL_LEN];
	BIGNUM *n;
	int rc;

	if (twin_engine_random(bytes, sizeof(bytes), e) != 0)
		return -1;
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	rc = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL ? 0 : -1;
	BN_free(n);
	return rc == 0 ? 0 : err_nomem(e);
}

/* Valid for ever, by any clock: what a factory put in does not run out. issuer NULL: self-issued. */
static int begin(X509 *cert, const char *name, EVP_PKEY *key, const X509 *issuer, struct err *e)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	if (set_serial(cert, e) != 0)
		return -1;
	if (X509_set_version(cert, X509_VERSION_3) != 1 ||
	    ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z") != 1 ||
	    ASN1_TIME_set_string(X509_getm_notAfter(cert), "20491231235959Z") != 1 ||
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name,
		-1, -1, 0) != 1 ||
	    X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject) !=
		1 ||
	    X509_set_pubkey(cert, key) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.issue", "beginning a certificate");
	return 0;
}

static int add_text(X509 *cert, X509 *issuer, int nid, const char *value, struct err *e)
{
	AUTO(X509_EXTENSION) *extension = NULL;
	X509V3_CTX context;

	X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.issue", "adding %s", value);
	return 0;
}

static int add_ca(X509 *cert, X509 *issuer, const char *constraints, struct err *e)
{
	if (add_text(cert, issuer, NID_basic_constraints, constraints, e) != 0 ||
	    add_text(cert, issuer, NID_key_usage, "critical,keyCertSign", e) != 0)
		return -1;
	return add_text(cert, issuer, NID_subject_key_identifier, "hash", e);
}

static int finish(X509 *cert, EVP_PKEY *key, struct err *e)
{
	if (X509_sign(cert, key, EVP_sha256()) <= 0)
		return err_openssl(e, ERR_DEVICE, "twin.issue", "signing a certificate");
	return 0;
}

static int make_root(const char *name, struct issuer *ret, struct err *e)
{
	AUTO_STRUCT(issuer) root = { .cert = X509_new() };

	if (root.cert == NULL)
		return err_nomem(e);
	if (twin_engine_make(TWIN_P256, &root.key, e) != 0 ||
	    begin(root.cert, name, root.key, NULL, e) != 0 ||
	    add_ca(root.cert, root.cert, "critical,CA:TRUE", e) != 0 ||
	    finish(root.cert, root.key, e) != 0)
		return -1;
	*ret = root;
	memset(&root, 0, sizeof(root));
	return 0;
}

/* Appends the object 5FFF01 of a certificate over key. */
static int certify(const struct issuer *root, EVP_PKEY *key, struct buf *ret, struct err *e)
{
	AUTO(X509) *cert = X509_new();
	AUTO_STRUCT(buf) der = { 0 };

	if (cert == NULL)
		return err_nomem(e);
	if (begin(cert, "kiln twin PIV Attestation", key, root->cert, e) != 0 ||
	    add_ca(cert, root->cert, "critical,CA:TRUE,pathlen:0", e) != 0 ||
	    add_text(cert, root->cert, NID_authority_key_identifier, "keyid", e) != 0 ||
	    finish(cert, root->key, e) != 0 || x509_add_der(cert, &der, e) != 0)
		return -1;
	return twin_object_wrap(&der, ret, e);
}

static int path_of(const char *folder, const char *name, struct buf *ret, const char **ret_text,
    struct err *e)
{
	if (buf_printf(ret, e, "%s/%s", folder, name) != 0)
		return -1;
	*ret_text = buf_str(ret, e);
	return *ret_text != NULL ? 0 : -1;
}

static int add_bio(BIO *bio, struct buf *ret, struct err *e)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);

	return len > 0 ? buf_add(ret, data, (size_t)len, e) : err_nomem(e);
}

static int write_root(const struct issuer *root, struct buf *ret, struct err *e)
{
	AUTO(BIO) *bio = BIO_new(BIO_s_mem());

	if (bio == NULL ||
	    PEM_write_bio_PrivateKey(bio, root->key, NULL, NULL, 0, NULL, NULL) != 1 ||
	    PEM_write_bio_X509(bio, root->cert) != 1)
		return err_openssl(e, ERR_DEVICE, "twin.issue", "encoding the root");
	return add_bio(bio, ret, e);
}

static int read_root(const char *path, struct issuer *ret, struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO(BIO) *bio = NULL;

	if (file_read(path, PEM_MAX, &pem, e) != 0)
		return -1;
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio == NULL)
		return err_nomem(e);
	ret->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	ret->cert = ret->key != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (ret->cert == NULL)
		return err_openssl(e, ERR_DEVICE, "twin.issue", "reading %s", path);
	return 0;
}

/* Of several cards that start at once one wins: link(2) does not replace. */
static int offer(const char *path, const struct buf *content, mode_t mode, struct err *e)
{
	AUTO_STRUCT(buf) own = { 0 };
	const char *text;
	int rc = 0;

	if (buf_printf(&own, e, "%s.%ld", path, (long)getpid()) != 0 ||
	    (text = buf_str(&own, e)) == NULL ||
	    file_write(text, content->data, content->len, mode, e) != 0)
		return -1;
	if (link(text, path) != 0 && errno != EEXIST)
		rc = err_errno(e, ERR_DEVICE, "twin.issue", "making %s", path);
	(void)unlink(text); /* it has another name now, or is not wanted */
	return rc;
}

static int offer_root(const char *path, struct err *e)
{
	AUTO_STRUCT(issuer) root = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };

	if (make_root("kiln twin PIV Attestation Root", &root, e) != 0 ||
	    write_root(&root, &pem, e) != 0)
		return -1;
	return offer(path, &pem, 0600, e);
}

static int publish(const char *folder, const X509 *root, struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 }, path = { 0 };
	const char *text;

	if (path_of(folder, TWIN_ROOT_FILE, &path, &text, e) != 0 ||
	    x509_add_pem(root, &pem, e) != 0)
		return -1;
	return access(text, F_OK) == 0 ? 0 : offer(text, &pem, 0644, e);
}

static int find_root(const char *folder, struct issuer *ret, struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	const char *text;

	if (path_of(folder, ROOT_KEY_FILE, &path, &text, e) != 0 ||
	    (access(text, F_OK) != 0 && offer_root(text, e) != 0) || read_root(text, ret, e) != 0)
		return -1;
	return publish(folder, ret->cert, e);
}

int twin_issue_prepare(const char *folder, struct err *e)
{
	AUTO_STRUCT(issuer) root = { 0 };

	return find_root(folder, &root, e);
}

int twin_issue_factory(struct twin_card *c, struct err *e)
{
	struct twin_key key = { .slot = TWIN_SLOT_ATTESTATION,
		.algorithm = TWIN_P256,
		.pin_policy = 1,
		.touch_policy = 1 };
	AUTO_STRUCT(issuer) root = { 0 };
	AUTO_STRUCT(buf) object = { 0 }, fleet = { 0 };
	bool room;

	if (buf_printf(&fleet, e, "%s/..", c->config->folder) != 0 || buf_str(&fleet, e) == NULL ||
	    find_root((const char *)fleet.data, &root, e) != 0 ||
	    twin_engine_make(key.algorithm, &key.key, e) != 0)
		return -1;
	if (certify(&root, key.key, &object, e) != 0) {
		EVP_PKEY_free(key.key);
		return -1;
	}
	if (twin_store_put_key(&c->store, &key, e) != 0)
		return -1;
	return twin_store_put_object(&c->store, TWIN_TAG_ATTESTATION, &object, &room, e);
}

int twin_issue_foreign(struct twin_card *c, struct err *e)
{
	AUTO_STRUCT(issuer) root = { 0 };

	if (make_root("somebody else's root", &root, e) != 0 ||
	    twin_engine_make(TWIN_P256, &c->foreign_key, e) != 0)
		return -1;
	return certify(&root, c->foreign_key, &c->foreign, e);
}

/* The certificate of the attestation key, as the card gives it. */
static int read_issuer(const struct twin_card *c, X509 **ret, struct err *e)
{
	const struct twin_object *o = twin_store_object(&c->store, TWIN_TAG_ATTESTATION);
	const struct buf *content = c->foreign.len > 0 ? &c->foreign
				    : o != NULL        ? &o->content
						       : NULL;
	struct twin_tlv outer, cert;

	if (content == NULL || !twin_tlv_find(content->data, content->len, 0x53, &outer) ||
	    !twin_tlv_find(outer.value, outer.len, 0x70, &cert))
		return err_set(e, ERR_DEVICE, "twin.issue", "the attestation key is not certified");
	return x509_parse(cert.value, cert.len, ret, ERR_DEVICE, e);
}

static int add_raw(X509 *cert, const char *oid, const uint8_t *data, size_t len, struct err *e)
{
	AUTO(X509_EXTENSION) *extension = NULL;
	AUTO(ASN1_OBJECT) *object = OBJ_txt2obj(oid, 1);
	AUTO(ASN1_OCTET_STRING) *value = ASN1_OCTET_STRING_new();

	if (object == NULL || value == NULL || ASN1_OCTET_STRING_set(value, data, (int)len) != 1)
		return err_nomem(e);
	extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		return err_nomem(e);
	return 0;
}

/* An INTEGER: the shortest two's complement. */
static int add_serial(X509 *cert, uint32_t serial, struct err *e)
{
	uint8_t der[7] = { 0x02, 5, 0, (uint8_t)(serial >> 24), (uint8_t)(serial >> 16),
		(uint8_t)(serial >> 8), (uint8_t)serial };
	uint8_t *number = der + 2;

	while (der[1] > 1 && number[0] == 0 && (number[1] & 0x80) == 0) {
		memmove(number, number + 1, (size_t)der[1] - 1);
		der[1]--;
	}
	return add_raw(cert, OID_SERIAL, der, 2U + der[1], e);
}

static int add_claims(const struct twin_card *c, const struct twin_key *key, X509 *cert,
    struct err *e)
{
	const uint8_t policy[] = { key->pin_policy, key->touch_policy };
	const uint8_t form = FORM_USB_A;

	if (add_raw(cert, OID_FIRMWARE, c->traits->version, sizeof(c->traits->version), e) != 0 ||
	    add_serial(cert, twin_card_serial(c->config), e) != 0 ||
	    add_raw(cert, OID_POLICY, policy, sizeof(policy), e) != 0)
		return -1;
	return add_raw(cert, OID_FORM, &form, 1, e);
}

int twin_issue_attestation(const struct twin_card *c, const struct twin_key *key, struct buf *ret,
    struct err *e)
{
	EVP_PKEY *own = twin_store_key(&c->store, TWIN_SLOT_ATTESTATION)->key;
	AUTO(X509) *issuer = NULL;
	AUTO(X509) *cert = X509_new();
	char name[40];

	(void)snprintf(name, sizeof(name), "YubiKey PIV Attestation %02x", key->slot);
	if (cert == NULL)
		return err_nomem(e);
	if (read_issuer(c, &issuer, e) != 0 || begin(cert, name, key->key, issuer, e) != 0 ||
	    add_claims(c, key, cert, e) != 0 ||
	    finish(cert, c->foreign_key != NULL ? c->foreign_key : own, e) != 0)
		return -1;
	return x509_add_der(cert, ret, e);
}
