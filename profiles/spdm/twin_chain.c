#include "twin_chain.h"

#include <string.h>

#include <openssl/x509v3.h>

#include "spdm.h"

OWNED(X509_STORE, X509_STORE_free)
OWNED(X509_STORE_CTX, X509_STORE_CTX_free)
OWNED(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)

#define OID_EKU_REQUESTER "1.3.6.1.4.1.412.274.4"

static int refuse(struct err *e, const char *why)
{
	return err_openssl(e, ERR_DEVICE, "twin.chain", "%s", why);
}

int twin_chain_root(const struct buf *certificates, const struct twin_hash *hash, struct buf *ret,
    struct err *e)
{
	const uint8_t *p = certificates->data;
	int tag, class;
	long len = 0;

	/* its length is enough: it was read when it was stored, and is asked for with every portion of a chain */
	if (certificates->len == 0 ||
	    (ASN1_get_object(&p, &len, &tag, &class, (long)certificates->len) & 0x81) != 0)
		return refuse(e, "there is no certificate");
	return twin_hash(hash, certificates->data, (size_t)(p - certificates->data) + (size_t)len,
	    ret, e);
}

/* Path rules (CA, path length, validity) from the root to the leaf; the order is checked apart. */
static int check_path(X509_STACK *list, struct err *e)
{
	AUTO(X509_STORE) *store = X509_STORE_new();
	AUTO(X509_STORE_CTX) *context = X509_STORE_CTX_new();
	X509 *root = sk_X509_value(list, 0);
	X509 *leaf = sk_X509_value(list, sk_X509_num(list) - 1);

	if (store == NULL || context == NULL || X509_STORE_add_cert(store, root) != 1 ||
	    X509_STORE_CTX_init(context, store, leaf, list) != 1)
		return err_nomem(e);
	/* what an extension means is the station's business */
	X509_STORE_CTX_set_flags(context, X509_V_FLAG_IGNORE_CRITICAL);
	if (X509_verify_cert(context) != 1)
		return err_set(e, ERR_DEVICE, "twin.chain", "%s",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
	return 0;
}

static int check_order(X509_STACK *list, struct err *e)
{
	if (!x509_is_self_signed(sk_X509_value(list, 0)))
		return refuse(e, "the first certificate is no root");
	for (int i = 1; i < sk_X509_num(list); i++) {
		EVP_PKEY *issuer = X509_get0_pubkey(sk_X509_value(list, i - 1));

		if (issuer == NULL || X509_verify(sk_X509_value(list, i), issuer) != 1)
			return refuse(e, "a certificate is not signed by the one before it");
	}
	return 0;
}

static bool has_usage(const EXTENDED_KEY_USAGE *usages, const char *oid)
{
	AUTO(ASN1_OBJECT) *wanted = OBJ_txt2obj(oid, 1);

	for (int i = 0; wanted != NULL && i < sk_ASN1_OBJECT_num(usages); i++)
		if (OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), wanted) == 0)
			return true;
	return false;
}

/* Absent is fine; the requester's purpose alone is not for a responder. */
static bool purpose_is_fine(const X509 *leaf)
{
	AUTO(EXTENDED_KEY_USAGE) *usages = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);

	return usages == NULL || !has_usage(usages, OID_EKU_REQUESTER) ||
	       has_usage(usages, SPDM_OID_EKU_RESPONDER);
}

static int check_leaf(X509 *leaf, EVP_PKEY *key, bool strict, struct err *e)
{
	bool constrained = X509_get_ext_by_NID(leaf, NID_basic_constraints, -1) >= 0;
	EVP_PKEY *public = X509_get0_pubkey(leaf);

	if (public == NULL || EVP_PKEY_eq(public, key) != 1)
		return refuse(e, "the leaf is over another key");
	if (X509_get_version(leaf) != X509_VERSION_3 || X509_check_ca(leaf) != 0)
		return refuse(e, "the leaf is no device certificate");
	if (strict && !constrained)
		return refuse(e, "the leaf has no basicConstraints");
	if (X509_get_ext_by_NID(leaf, NID_key_usage, -1) < 0 ||
	    (X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE) == 0)
		return refuse(e, "the leaf may not sign");
	if (!purpose_is_fine(leaf))
		return refuse(e, "the leaf is for requesters");
	return 0;
}

int twin_chain_check(const struct buf *certificates, X509_STACK *list, const struct twin_hash *hash,
    const uint8_t *root_hash, EVP_PKEY *key, bool strict, struct err *e)
{
	AUTO_STRUCT(buf) digest = { 0 };

	if (twin_chain_root(certificates, hash, &digest, e) != 0)
		return -1;
	if (memcmp(digest.data, root_hash, hash->len) != 0)
		return refuse(e, "RootHash is not the first certificate's");
	if (sk_X509_num(list) < 2)
		return refuse(e, "a single certificate is no chain");
	if (check_order(list, e) != 0 || check_path(list, e) != 0)
		return -1;
	return check_leaf(sk_X509_value(list, sk_X509_num(list) - 1), key, strict, e);
}

static int set_name(X509_NAME *name, const char *common, struct err *e)
{
	if (X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1,
		-1, 0) != 1)
		return err_nomem(e);
	return 0;
}

static int add_ca_constraints(X509 *root, struct err *e)
{
	BASIC_CONSTRAINTS *ca = BASIC_CONSTRAINTS_new();
	int added = 0;

	if (ca != NULL) {
		ca->ca = 0xff;
		added = X509_add1_ext_i2d(root, NID_basic_constraints, ca, 1, X509V3_ADD_DEFAULT);
	}
	BASIC_CONSTRAINTS_free(ca);
	return added == 1 ? 0 : err_nomem(e);
}

static int make_root(EVP_PKEY *key, X509 **ret, struct err *e)
{
	AUTO(X509) *root = X509_new();

	if (root == NULL || X509_set_version(root, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(root), 1) != 1 ||
	    X509_gmtime_adj(X509_getm_notBefore(root), -3600) == NULL ||
	    X509_time_adj_ex(X509_getm_notAfter(root), 3650, 0, NULL) == NULL ||
	    X509_set_pubkey(root, key) != 1)
		return err_nomem(e);
	if (set_name(X509_get_subject_name(root), "made in the device", e) != 0 ||
	    set_name(X509_get_issuer_name(root), "made in the device", e) != 0 ||
	    add_ca_constraints(root, e) != 0)
		return -1;
	if (X509_sign(root, key, EVP_sha256()) == 0)
		return refuse(e, "signing a root");
	*ret = steal(&root);
	return 0;
}

int twin_chain_forge(const struct buf *certificates, struct buf *ret, struct err *e)
{
	AUTO(X509_STACK) *list = NULL;
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(X509) *root = NULL;
	AUTO(X509) *leaf = NULL;

	if (x509_parse_list(certificates->data, certificates->len, &list, ERR_DEVICE, e) != 0 ||
	    twin_key_make(twin_curve_of_base(SPDM_ASYM_ECDSA_P256), &key, e) != 0 ||
	    make_root(key, &root, e) != 0)
		return -1;
	leaf = X509_dup(sk_X509_value(list, sk_X509_num(list) - 1));
	if (leaf == NULL || X509_set_issuer_name(leaf, X509_get_subject_name(root)) != 1)
		return err_nomem(e);
	if (X509_sign(leaf, key, EVP_sha256()) == 0)
		return refuse(e, "signing a leaf");
	if (x509_add_der(root, ret, e) != 0)
		return -1;
	return x509_add_der(leaf, ret, e);
}
