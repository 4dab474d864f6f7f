#include "leaf.h"

#include "peer.h"
#include "warning.h"

/* root > issuing > device; other is a device of the same CA, root_again has root's name and
 * another key. */
static struct peer_identity root, root_again, issuing, device, other;
static X509 *second; /* another certificate for the device's key */

static X509_STACK *list(X509 *const certs[])
{
	X509_STACK *all = sk_X509_new_null();

	for (; *certs != NULL; certs++)
		assert_true(X509_up_ref(*certs) == 1 && sk_X509_push(all, *certs) > 0);
	return all;
}

static int select_from(X509 *const certs[], X509 **ret, int *ret_others, unsigned *warnings,
    struct err *e)
{
	AUTO(X509_STACK) *all = list(certs);
	AUTO(X509_STACK) *others = NULL;

	if (leaf_select(all, device.key, ret, &others, warnings, e) != 0)
		return -1;
	*ret_others = sk_X509_num(others);
	return 0;
}

static void finds_the_leaf_by_its_key(void **state)
{
	X509 *const orders[][4] = {
		{ device.cert, issuing.cert, root.cert, NULL },
		{ root.cert, device.cert, issuing.cert, NULL },
		{ root.cert, issuing.cert, device.cert, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		AUTO(X509) *leaf = NULL;
		unsigned warnings = 0;
		int others = 0;
		struct err e = { 0 };

		assert_ok(select_from(orders[i], &leaf, &others, &warnings, &e), &e);
		assert_int_equal(X509_cmp(leaf, device.cert), 0);
		assert_int_equal(others, 2);
		assert_int_equal(warnings, 0);
	}
}

static void reports_what_else_came(void **state)
{
	X509 *const certs[] = { other.cert, device.cert, device.cert, NULL };
	AUTO(X509) *leaf = NULL;
	unsigned warnings = 0;
	int others = 9;
	struct err e = { 0 };

	(void)state;
	assert_ok(select_from(certs, &leaf, &others, &warnings, &e), &e);
	assert_int_equal(X509_cmp(leaf, device.cert), 0);
	assert_int_equal(others, 0);
	assert_int_equal(warnings, WARN_FOREIGN_END_ENTITY | WARN_DUPLICATE_CERTIFICATE);
}

static void refuses_none_and_two(void **state)
{
	X509 *const two[] = { device.cert, issuing.cert, second, NULL };
	X509 *const foreign[] = { issuing.cert, other.cert, NULL };
	X509 *const only_ca[] = { issuing.cert, root.cert, NULL };
	X509 *leaf = NULL;
	unsigned warnings = 0;
	int others = 0;
	struct err e = { 0 };

	(void)state;
	assert_err(select_from(two, &leaf, &others, &warnings, &e), &e, "est.two-leaves");
	assert_err(select_from(foreign, &leaf, &others, &warnings, &e), &e, "est.other-key");
	assert_err(select_from(only_ca, &leaf, &others, &warnings, &e), &e, "est.no-leaf");
	assert_null(leaf);
	assert_int_equal(warnings, 0);
}

static void keeps_what_a_refused_answer_brought(void **state)
{
	X509 *const certs[] = { issuing.cert, other.cert, device.cert, second, device.cert, NULL };
	X509 *many[LEAF_KEPT_MAX + 4] = { other.cert };
	X509 *copies[LEAF_KEPT_MAX + 2];
	AUTO(X509_STACK) *all = list(certs);
	AUTO(X509_STACK) *kept = NULL;
	AUTO(X509_STACK) *flood = NULL;
	AUTO(X509_STACK) *first = NULL;
	size_t left_out = 9;
	struct err e = { 0 };

	(void)state;
	assert_ok(leaf_keep(all, device.key, &kept, &left_out, &e), &e);
	assert_int_equal(sk_X509_num(kept), 3);
	assert_int_equal(X509_cmp(sk_X509_value(kept, 0), device.cert), 0);
	assert_int_equal(X509_cmp(sk_X509_value(kept, 1), second), 0);
	assert_int_equal(X509_cmp(sk_X509_value(kept, 2), other.cert), 0);
	assert_int_equal(left_out, 0);

	/* Ours before all others, and no more than there is room for. */
	for (size_t i = 0; i < COUNT(copies); i++)
		many[i + 1] = copies[i] =
		    peer_certify(device.key, "device", "DNS:d", false, &issuing, 3600);
	flood = list(many);
	assert_ok(leaf_keep(flood, device.key, &first, &left_out, &e), &e);
	assert_int_equal(sk_X509_num(first), LEAF_KEPT_MAX);
	assert_int_equal(left_out, COUNT(copies) + 1 - LEAF_KEPT_MAX);
	for (int i = 0; i < LEAF_KEPT_MAX; i++)
		assert_int_equal(X509_cmp(sk_X509_value(first, i), copies[i]), 0);
	for (size_t i = 0; i < COUNT(copies); i++)
		X509_free(copies[i]);
}

static void knows_what_is_above_the_leaf(void **state)
{
	const struct {
		X509 *others[4];
		X509 *issuers[3];
		bool only_ancestors;
	} cases[] = {
		{ { NULL }, { NULL }, true },
		{ { issuing.cert, root.cert, NULL }, { NULL }, true },
		{ { root.cert, NULL }, { issuing.cert, NULL }, true },
		{ { root.cert, NULL }, { NULL }, false },
		{ { issuing.cert, root_again.cert, NULL }, { root.cert, NULL }, false },
		{ { other.cert, NULL }, { issuing.cert, root.cert, NULL }, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(X509_STACK) *others = list(cases[i].others);
		AUTO(X509_STACK) *issuers = list(cases[i].issuers);

		assert_int_equal(leaf_has_only_ancestors(device.cert, others, issuers),
		    cases[i].only_ancestors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_leaf_by_its_key),
		cmocka_unit_test(reports_what_else_came),
		cmocka_unit_test(refuses_none_and_two),
		cmocka_unit_test(keeps_what_a_refused_answer_brought),
		cmocka_unit_test(knows_what_is_above_the_leaf),
	};
	int rc;

	root = peer_identity("root", NULL, NULL, 3600);
	root_again = peer_identity("root", NULL, NULL, 3600);
	issuing = peer_identity("issuing", NULL, &root, 3600);
	device = peer_identity("device", "DNS:d", &issuing, 3600);
	other = peer_identity("device", "DNS:d", &issuing, 3600);
	second = peer_certify(device.key, "device", "DNS:d", false, &issuing, 3600);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	X509_free(second);
	peer_identity_free(&root);
	peer_identity_free(&root_again);
	peer_identity_free(&issuing);
	peer_identity_free(&device);
	peer_identity_free(&other);
	return rc;
}
