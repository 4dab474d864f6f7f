#include "check_chain.h"

#include <string.h>

#include "bytes.h"
#include "spdm.h"
#include "x509.h"

enum { CHAIN_HEAD_LEN = 4 };

/* Where each certificate of a list begins; one more at the end. */
struct cuts {
	size_t at[SPDM_CHAIN_CERTIFICATES_MAX + 1];
	size_t count;
};

static int cut(const uint8_t *ders, size_t len, enum err_domain domain, const char *code,
    struct cuts *ret, struct err *e)
{
	size_t at = 0;

	ret->count = 0;
	while (at < len) {
		size_t one = x509_cut(ders + at, len - at);

		if (one == 0)
			return err_set(e, domain, code, "certificate %zu of the chain is none",
			    ret->count + 1);
		if (ret->count == SPDM_CHAIN_CERTIFICATES_MAX)
			return err_set(e, domain, code, "the chain has more than %d certificates",
			    SPDM_CHAIN_CERTIFICATES_MAX);
		ret->at[ret->count++] = at;
		at += one;
	}
	ret->at[ret->count] = len;
	if (ret->count == 0)
		return err_set(e, domain, code, "the chain has no certificate");
	return 0;
}

static int add_reversed(const uint8_t *ders, const struct cuts *c, struct buf *ret, struct err *e)
{
	for (size_t i = c->count; i-- > 0;)
		if (buf_add(ret, ders + c->at[i], c->at[i + 1] - c->at[i], e) != 0)
			return -1;
	return 0;
}

int spdm_chain_build(const struct spdm_algorithm *a, const struct buf *ders, struct buf *ret,
    struct err *e)
{
	struct cuts c = { 0 };
	uint8_t root_hash[SPDM_HASH_MAX];
	size_t total = CHAIN_HEAD_LEN + a->hash_len + ders->len;
	size_t root_at;

	if (cut(ders->data, ders->len, ERR_CERT, "chain", &c, e) != 0)
		return -1;
	if (total > SPDM_CHAIN_MAX)
		return err_set(e, ERR_CERT, "chain", "the chain is %zu bytes long; SPDM takes %d",
		    total, SPDM_CHAIN_MAX);
	root_at = c.at[c.count - 1];
	/* That it is signed by itself is known since the profile was loaded. */
	if (!x509_cut_is_self_issued(ders->data + root_at, ders->len - root_at))
		return err_set(e, ERR_CERT, "chain",
		    "the chain does not end at a root, whose hash SPDM wants in front");
	spdm_hash(a, ders->data + root_at, ders->len - root_at, root_hash);
	if (buf_add_u16le(ret, (uint16_t)total, e) != 0 || buf_add_u16le(ret, 0, e) != 0 ||
	    buf_add(ret, root_hash, a->hash_len, e) != 0)
		return -1;
	return add_reversed(ders->data, &c, ret, e);
}

int spdm_chain_read(const struct spdm_algorithm *a, const struct buf *chain, const char *code,
    struct buf *ret, struct err *e)
{
	size_t head = CHAIN_HEAD_LEN + a->hash_len;
	struct cuts c = { 0 };
	uint8_t root_hash[SPDM_HASH_MAX];
	const uint8_t *ders;

	if (chain->len <= head || get_u16le(chain->data) != chain->len ||
	    get_u16le(chain->data + 2) != 0)
		return err_set(e, ERR_DEVICE, code,
		    "the device's certificate chain has a wrong length field (%zu bytes came)",
		    chain->len);
	ders = chain->data + head;
	if (cut(ders, chain->len - head, ERR_DEVICE, code, &c, e) != 0)
		return -1;
	spdm_hash(a, ders, c.at[1], root_hash);
	/* A first certificate that is no root names one that is known from elsewhere. */
	if (memcmp(root_hash, chain->data + CHAIN_HEAD_LEN, a->hash_len) != 0 &&
	    x509_cut_is_self_issued(ders, c.at[1]))
		return err_set(e, ERR_DEVICE, code,
		    "the root hash of the device's certificate chain is not that of its root");
	buf_clear(ret);
	return add_reversed(ders, &c, ret, e);
}

size_t spdm_chain_leaf_len(const struct buf *ders)
{
	return x509_cut(ders->data, ders->len);
}
