#include "leaf.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "container.h"
#include "warning.h"

static bool has_key(const X509 *cert, const EVP_PKEY *key)
{
	EVP_PKEY *own = X509_get0_pubkey(cert);
	bool same = own != NULL && EVP_PKEY_eq(own, key) == 1;

	ERR_clear_error();
	return same;
}

static int push_copy(X509_STACK *list, X509 *cert, struct err *e)
{
	if (X509_up_ref(cert) != 1)
		return err_nomem(e);
	if (sk_X509_push(list, cert) <= 0) {
		X509_free(cert);
		return err_nomem(e);
	}
	return 0;
}

static int no_leaf(unsigned warnings, struct err *e)
{
	if (warnings & WARN_FOREIGN_END_ENTITY)
		return err_set(e, ERR_CA, "est.other-key",
		    "the CA answered with a certificate for another key than the request's");
	return err_set(e, ERR_CA, "est.no-leaf", "the CA answered with CA certificates only");
}

int leaf_select(const X509_STACK *certs, const EVP_PKEY *key, X509 **ret, X509_STACK **ret_others,
    unsigned *warnings, struct err *e)
{
	AUTO(X509_STACK) *others = sk_X509_new_null();
	unsigned found = 0;
	X509 *leaf = NULL;

	if (others == NULL)
		return err_nomem(e);
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *cert = sk_X509_value(certs, i);

		if (has_key(cert, key) && leaf == NULL)
			leaf = cert;
		else if (has_key(cert, key) && X509_cmp(leaf, cert) == 0)
			found |= WARN_DUPLICATE_CERTIFICATE;
		else if (has_key(cert, key))
			return err_set(e, ERR_CA, "est.two-leaves",
			    "the CA answered with two different certificates for the request's "
			    "key");
		else if (X509_check_ca(cert) == 0)
			found |= WARN_FOREIGN_END_ENTITY;
		else if (push_copy(others, cert, e) != 0)
			return -1;
	}
	if (leaf == NULL)
		return no_leaf(found, e);
	if (X509_up_ref(leaf) != 1)
		return err_nomem(e);
	*warnings |= found;
	*ret = leaf;
	*ret_others = steal(&others);
	return 0;
}

static bool is_listed(const X509_STACK *list, const X509 *cert)
{
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(sk_X509_value(list, i), cert) == 0)
			return true;
	return false;
}

struct kept {
	X509_STACK *list; /* borrowed */
	size_t bytes, left_out;
};

static int keep(struct kept *k, X509 *cert, struct err *e)
{
	int len = i2d_X509(cert, NULL);

	if (is_listed(k->list, cert))
		return 0;
	if (len <= 0 || sk_X509_num(k->list) == LEAF_KEPT_MAX ||
	    (size_t)len > LEAF_KEPT_BYTES - k->bytes) {
		k->left_out++;
		return 0;
	}
	k->bytes += (size_t)len;
	return push_copy(k->list, cert, e);
}

int leaf_keep(const X509_STACK *certs, const EVP_PKEY *key, X509_STACK **ret, size_t *ret_left_out,
    struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	struct kept k = { .list = list };

	if (list == NULL)
		return err_nomem(e);
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (has_key(sk_X509_value(certs, i), key) &&
		    keep(&k, sk_X509_value(certs, i), e) != 0)
			return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (!has_key(sk_X509_value(certs, i), key) &&
		    X509_check_ca(sk_X509_value(certs, i)) == 0 &&
		    keep(&k, sk_X509_value(certs, i), e) != 0)
			return -1;
	*ret = steal(&list);
	*ret_left_out = k.left_out;
	return 0;
}

static bool has_issued(X509 *issuer, X509 *subject)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	bool yes =
	    key != NULL &&
	    X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(subject)) == 0 &&
	    X509_verify(subject, key) == 1;

	ERR_clear_error();
	return yes;
}

/* The certificates above the leaf, found one level of signatures at a time. */
struct ancestors {
	X509 *list[3 * CONTAINER_CERTS_MAX];
	size_t count;
};

static bool is_ancestor(const struct ancestors *a, const X509 *cert)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->list[i] == cert)
			return true;
	return false;
}

static void add_issuers_of(struct ancestors *a, X509 *subject, const X509_STACK *from)
{
	for (int i = 0; i < sk_X509_num(from); i++) {
		X509 *cert = sk_X509_value(from, i);

		if (a->count < COUNT(a->list) && !is_ancestor(a, cert) && has_issued(cert, subject))
			a->list[a->count++] = cert;
	}
}

bool leaf_has_only_ancestors(X509 *leaf, const X509_STACK *others, const X509_STACK *issuers)
{
	struct ancestors above = { .list = { leaf }, .count = 1 };

	for (size_t i = 0; i < above.count; i++) {
		add_issuers_of(&above, above.list[i], others);
		add_issuers_of(&above, above.list[i], issuers);
	}
	for (int i = 0; i < sk_X509_num(others); i++)
		if (!is_ancestor(&above, sk_X509_value(others, i)))
			return false;
	return true;
}
