#include "weak_key.h"

#include <stdint.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/params.h>

#include "bytes.h"
#include "weak_points.h"

OWNED(EC_GROUP, EC_GROUP_free)
OWNED(EC_POINT, EC_POINT_free)
OWNED(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

enum { EC_POINT_MAX = 1 + 2 * 66 }; /* uncompressed, P-521 */

/* A key as the curve's name and the encoded point. */
struct ec_key {
	char group[64];
	uint8_t point[EC_POINT_MAX];
	size_t len;
};

/* On the curve, in range, not the point at infinity. */
static int check_point(EVP_PKEY *key, struct err *e)
{
	AUTO(EVP_PKEY_CTX) *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);

	if (ctx == NULL)
		return err_nomem(e);
	if (EVP_PKEY_public_check_quick(ctx) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.weak",
		    "the device's key is no point of its curve");
	return 0;
}

static int read_key(EVP_PKEY *key, struct ec_key *ret, struct err *e)
{
	if (EVP_PKEY_get_group_name(key, ret->group, sizeof(ret->group), NULL) != 1 ||
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret->point,
		sizeof(ret->point), &ret->len) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.weak", "the EC key can not be read");
	return 0;
}

static const struct weak_points *find_points(const struct ec_key *key)
{
	for (size_t i = 0; i < COUNT(weak_points); i++)
		if (strcmp(weak_points[i].group, key->group) == 0)
			return &weak_points[i];
	return NULL;
}

/* False for all but one good key of millions, and for that one the points are walked. */
static bool may_be_small(const struct ec_key *key)
{
	const struct weak_points *points = find_points(key);
	uint32_t tail;

	if (points == NULL || key->len % 2 == 0 || key->point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return true;
	tail = get_u32le(key->point + 1 + (key->len - 1) / 2 - 4); /* of 04, x, y */
	for (size_t i = 0; i < WEAK_MULTIPLES; i++)
		if (points->tail[i] == tail)
			return true;
	return false;
}

static int get_point(struct ec_key *key, EC_GROUP **ret_group, EC_POINT **ret_point, struct err *e)
{
	OSSL_PARAM params[] = { OSSL_PARAM_END, OSSL_PARAM_END };
	AUTO(EC_GROUP) *group = NULL;
	AUTO(EC_POINT) *point = NULL;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, key->group, 0);
	group = EC_GROUP_new_from_params(params, NULL, NULL);
	point = group != NULL ? EC_POINT_new(group) : NULL;
	if (point == NULL || EC_POINT_oct2point(group, point, key->point, key->len, NULL) != 1)
		return err_openssl(e, ERR_DEVICE, "csr.weak", "the EC key can not be read");
	*ret_group = steal(&group);
	*ret_point = steal(&point);
	return 0;
}

/* Whether the point is k * G or -k * G for a small k: 1, 0, or -1 where it can not be computed. */
static int is_small_multiple(const EC_GROUP *group, const EC_POINT *point, int *ret_k)
{
	const EC_POINT *g = EC_GROUP_get0_generator(group);
	AUTO(EC_POINT) *minus = EC_POINT_dup(point, group);
	AUTO(EC_POINT) *walk = EC_POINT_dup(g, group);
	AUTO(BN_CTX) *ctx = BN_CTX_new();

	if (minus == NULL || walk == NULL || ctx == NULL || EC_POINT_invert(group, minus, ctx) != 1)
		return -1;
	for (int k = 1; k <= WEAK_MULTIPLES; k++) {
		if (EC_POINT_cmp(group, walk, point, ctx) == 0 ||
		    EC_POINT_cmp(group, walk, minus, ctx) == 0) {
			*ret_k = k;
			return 1;
		}
		if (EC_POINT_add(group, walk, walk, g, ctx) != 1)
			return -1;
	}
	return 0;
}

static int walk(struct ec_key *key, struct err *e)
{
	AUTO(EC_GROUP) *group = NULL;
	AUTO(EC_POINT) *point = NULL;
	int found, k = 0;

	if (get_point(key, &group, &point, e) < 0)
		return -1;
	found = is_small_multiple(group, point, &k);
	if (found < 0)
		return err_openssl(e, ERR_DEVICE, "csr.weak", "the EC key can not be checked");
	if (found > 0)
		return err_set(e, ERR_DEVICE, "csr.weak",
		    "the device's private key is %d (or its negative): its random generator does "
		    "not work",
		    k);
	return 0;
}

int weak_ec_check(EVP_PKEY *key, struct err *e)
{
	struct ec_key read = { 0 };

	if (check_point(key, e) < 0 || read_key(key, &read, e) < 0)
		return -1;
	return may_be_small(&read) ? walk(&read, e) : 0;
}
