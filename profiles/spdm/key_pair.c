#include "key_pair.h"

#include "bytes.h"

enum { KEY_PAIR_INFO_LEN = 23 };

static bool has_info(const struct spdm_connection *c)
{
	return c->peer.version >= SPDM_VERSION_13 && (c->flags & SPDM_CAP_GET_KEY_PAIR_INFO) != 0;
}

/* c->pair is as the device says, now or before in this connection. */
static int learn(struct spdm_connection *c, struct err *e)
{
	const uint8_t message[] = { c->peer.version, SPDM_GET_KEY_PAIR_INFO, 0, 0,
		c->options->key_pair };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	const uint8_t *m;

	if (c->pair.known)
		return 0;
	if (buf_set(&request, message, sizeof(message), e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0)
		return -1;
	m = answer.data;
	if (answer.len < KEY_PAIR_INFO_LEN ||
	    answer.len < KEY_PAIR_INFO_LEN + (size_t)get_u16le(m + 20) ||
	    m[5] != c->options->key_pair)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "KEY_PAIR_INFO is too short, or about another key pair than %u",
		    c->options->key_pair);
	c->pair = (struct spdm_key_pair){
		.known = true,
		.capabilities = get_u16le(m + 6),
		.usages = get_u16le(m + 8),
		.algorithm = get_u32le(m + 16),
		.slots = m[22],
	};
	return 0;
}

int spdm_key_present(struct spdm_connection *c, bool *ret, struct err *e)
{
	*ret = true;
	if (!has_info(c))
		return 0;
	if (learn(c, e) != 0)
		return -1;
	*ret = c->pair.algorithm != 0;
	return 0;
}

/* ERASE has no more than the KeyPairID. */
static int set_info(struct spdm_connection *c, uint8_t operation, uint16_t usage,
    uint32_t algorithm, struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_SET_KEY_PAIR_INFO, operation, 0,
		c->options->key_pair };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	c->pair.known = false;
	if (buf_set(&request, head, sizeof(head), e) != 0)
		return -1;
	if (operation != SPDM_KEY_ERASE &&
	    (buf_add_u8(&request, 0, e) != 0 || buf_add_u16le(&request, usage, e) != 0 ||
		buf_add_u32le(&request, algorithm, e) != 0 || buf_add_u8(&request, 0, e) != 0))
		return -1;
	return spdm_exchange(&c->peer, &request, SPDM_CRYPTO, &answer, e);
}

/* A key pair that a slot uses takes no new key and gives none away: not even where its key is lost. */
static int release(struct spdm_connection *c, const struct spdm_key_pair *pair, struct err *e)
{
	if (pair->slots == 0 || set_info(c, SPDM_KEY_CHANGE, 0, 0, e) == 0)
		return 0;
	return err_while(e, "taking key pair %u from its slots", c->options->key_pair);
}

static int erase(struct spdm_connection *c, const struct spdm_key_pair *pair, struct err *e)
{
	if ((pair->capabilities & SPDM_KEY_CAP_ERASE) == 0)
		return err_set(e, ERR_DEVICE, "device.unsupported",
		    "key pair %u can not be erased; the profile's key existing must be reuse",
		    c->options->key_pair);
	if (release(c, pair, e) != 0)
		return -1;
	if (set_info(c, SPDM_KEY_ERASE, 0, 0, e) != 0)
		return err_while(e, "erasing key pair %u", c->options->key_pair);
	return 0;
}

static int generate(struct spdm_connection *c, const struct spdm_key_pair *pair, struct err *e)
{
	const struct spdm_algorithm *a = c->options->algorithm;
	uint16_t usage = 0;
	uint32_t algorithm = 0;

	if ((pair->capabilities & SPDM_KEY_CAP_GENERATE) == 0)
		return err_set(e, ERR_DEVICE, "device.unsupported",
		    "key pair %u can not be generated (capabilities %04X)", c->options->key_pair,
		    pair->capabilities);
	if ((pair->capabilities & SPDM_KEY_CAP_USAGE) != 0)
		usage = pair->usages & (SPDM_USAGE_CHALLENGE | SPDM_USAGE_MEASUREMENT);
	if ((pair->capabilities & SPDM_KEY_CAP_ASYM_ALGO) != 0)
		algorithm = a->key;
	if (set_info(c, SPDM_KEY_GENERATE, usage, algorithm, e) != 0)
		return err_while(e, "generating key pair %u", c->options->key_pair);
	/* The CSR will show the key that was named; what a pair makes of itself must be asked. */
	c->pair = *pair;
	c->pair.algorithm = algorithm;
	c->pair.known = algorithm != 0;
	return 0;
}

static int check_made(struct spdm_connection *c, struct err *e)
{
	if (learn(c, e) != 0)
		return -1;
	if (c->pair.algorithm != c->options->algorithm->key)
		return err_set(e, ERR_DEVICE, "device.key",
		    "key pair %u has algorithm %X where %s is %X", c->options->key_pair,
		    c->pair.algorithm, c->options->algorithm->name, c->options->algorithm->key);
	return 0;
}

int spdm_key_make(struct spdm_connection *c, bool replace, struct err *e)
{
	struct spdm_key_pair pair;

	if (!has_info(c))
		return replace ? err_set(e, ERR_DEVICE, "device.unsupported",
				     "the device can not make a key (SPDM 1.3 key pair information "
				     "is not offered); the profile's key existing must be reuse")
			       : 0;
	c->pair.known = c->pair.known && !replace; /* an installed chain may use it by now */
	if (learn(c, e) != 0)
		return -1;
	pair = c->pair;
	if (pair.algorithm != 0 && !replace)
		return check_made(c, e);
	if (spdm_require(c, SPDM_CAP_SET_KEY_PAIR_INFO, "SET_KEY_PAIR_INFO_CAP", e) != 0)
		return -1;
	if (pair.algorithm != 0 ? erase(c, &pair, e) != 0 : release(c, &pair, e) != 0)
		return -1;
	if (generate(c, &pair, e) != 0)
		return -1;
	return check_made(c, e);
}
