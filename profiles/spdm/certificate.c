#include "certificate.h"

#include <string.h>

#include "bytes.h"

enum {
	SLOTS = 8,
	KEY_DATA_LEN = 4, /* multi-key: KeyPairID, CertificateInfo, le16 KeyUsageMask of a slot */
	CERTIFICATE_HEAD = 8,
	PORTION_MAX = SPDM_EXPECTED_LEN - CERTIFICATE_HEAD,
};

int spdm_get_digest(struct spdm_connection *c, uint8_t ret[static SPDM_HASH_MAX], bool *ret_present,
    struct err *e)
{
	const uint8_t message[] = { c->peer.version, SPDM_GET_DIGESTS, 0, 0 };
	size_t hash_len = c->options->algorithm->hash_len;
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	size_t len = SPDM_HEADER_LEN;

	*ret_present = false;
	if (buf_set(&request, message, sizeof(message), e) != 0)
		return -1;
	if (spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0)
		return c->peer.error_code == SPDM_ERROR_UNSPECIFIED ? 0 : -1;
	for (size_t i = 0; i < SLOTS; i++)
		if ((answer.data[3] >> i & 1) != 0)
			len += hash_len + (c->multi_key ? KEY_DATA_LEN : 0);
	if (answer.len < len)
		return err_set(e, ERR_DEVICE, "device.protocol", "DIGESTS is shorter than it says");
	*ret_present = (answer.data[3] & 1) != 0;
	if (*ret_present)
		memcpy(ret, answer.data + SPDM_HEADER_LEN, hash_len);
	spdm_forget_chain(c);
	return spdm_remember(c, &request, &answer, len, e);
}

/* One GET_CERTIFICATE from where ret ends; *left is what the device says remains. */
static int get_portion(struct spdm_connection *c, struct buf *ret, size_t *left, struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_GET_CERTIFICATE, 0, 0 };
	size_t want = *left < PORTION_MAX ? *left : PORTION_MAX;
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	size_t len;

	if (buf_set(&request, head, sizeof(head), e) != 0 ||
	    buf_add_u16le(&request, (uint16_t)ret->len, e) != 0 ||
	    buf_add_u16le(&request, (uint16_t)want, e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0)
		return -1;
	if (answer.len < CERTIFICATE_HEAD)
		return err_set(e, ERR_DEVICE, "device.protocol", "CERTIFICATE is too short");
	len = get_u16le(answer.data + 4);
	*left = get_u16le(answer.data + 6);
	if ((answer.data[2] & 15) != 0 || len == 0 || len > want ||
	    answer.len < CERTIFICATE_HEAD + len || ret->len + len + *left > SPDM_CHAIN_MAX)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "CERTIFICATE has a wrong portion (%zu bytes at %zu, %zu left)", len, ret->len,
		    *left);
	if (buf_add(ret, answer.data + CERTIFICATE_HEAD, len, e) != 0)
		return -1;
	return spdm_remember(c, &request, &answer, CERTIFICATE_HEAD + len, e);
}

/* The device adds to what it keeps of an earlier reading, until GET_DIGESTS makes it forget. */
static int begin_reading(struct spdm_connection *c, struct err *e)
{
	uint8_t digest[SPDM_HASH_MAX]; /* CHALLENGE_AUTH will say it, signed */
	bool present;

	spdm_forget_chain(c);
	return c->has_read ? spdm_get_digest(c, digest, &present, e) : 0;
}

int spdm_get_chain(struct spdm_connection *c, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };
	size_t left = PORTION_MAX;

	if (begin_reading(c, e) != 0)
		return -1;
	while (left > 0) {
		if (get_portion(c, &chain, &left, e) == 0)
			continue;
		if (chain.len == 0 && c->peer.error_code == SPDM_ERROR_INVALID_REQUEST)
			return err_set(e, ERR_DEVICE, "device.empty",
			    "certificate slot 0 is empty");
		return -1;
	}
	c->has_chain = true;
	buf_free(ret);
	*ret = buf_steal(&chain);
	return 0;
}

int spdm_set_chain(struct spdm_connection *c, const struct buf *chain, bool *ret_reset,
    struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_SET_CERTIFICATE,
		c->multi_key ? SPDM_MODEL_DEVICE << 4 : 0,
		c->multi_key ? c->options->key_pair : 0 };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	*ret_reset = false;
	c->has_chain = false; /* it is of another one */
	if (spdm_require(c, SPDM_CAP_SET_CERT, "SET_CERT_CAP", e) != 0 ||
	    buf_set(&request, head, sizeof(head), e) != 0 ||
	    buf_add(&request, chain->data, chain->len, e) != 0)
		return -1;
	if (spdm_exchange(&c->peer, &request, SPDM_CRYPTO, &answer, e) != 0) {
		*ret_reset = c->peer.error_code == SPDM_ERROR_RESET_REQUIRED;
		return *ret_reset ? 0 : -1;
	}
	if ((answer.data[2] & 15) != 0)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "SET_CERTIFICATE was answered for another slot");
	return 0;
}
