/* GET_CSR (DSP0274 10.23), with the resets and tracking tags of CERT_INSTALL_RESET. */
#include <string.h>

#include "bytes.h"
#include "twin_device.h"
#include "twin_request.h"

enum {
	HEADER = 8,
	MODEL_MASK = 0x07,
	TAG_SHIFT = 3,
	TAG_MASK = 0x07,
	OVERWRITE = 0x80,
	OPAQUE_HEADER = 4,
	OPAQUE_ELEMENT = 2, /* registry id, vendor id length */
};

/* One element of OpaqueDataFmt1 (DSP0274 15.6), padded; 0 where it is none. */
static size_t element_len(const uint8_t *p, size_t len)
{
	size_t at = OPAQUE_ELEMENT;

	if (len < at || p[1] > len - at)
		return 0;
	at += p[1];
	if (len - at < 2 || get_u16le(p + at) > len - at - 2)
		return 0;
	at += 2U + get_u16le(p + at);
	at = (at + 3) & ~(size_t)3;
	return at <= len ? at : 0;
}

static bool opaque_is_fine(const uint8_t *p, size_t len)
{
	size_t at = OPAQUE_HEADER;

	if (len > SPDM_OPAQUE_MAX || len < OPAQUE_HEADER || len % 4 != 0 || p[0] == 0)
		return false;
	for (int i = 0; i < p[0]; i++) {
		size_t n = element_len(p + at, len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return at == len;
}

static bool request_is_whole(const struct twin_device *d, const struct twin_exchange *x)
{
	const uint8_t *p = x->request.data;
	size_t info, opaque;

	if (x->request.len < HEADER)
		return false;
	info = get_u16le(p + 4);
	opaque = get_u16le(p + 6);
	if (info + opaque > x->request.len - HEADER)
		return false;
	return opaque == 0 || (d->connection.opaque && opaque_is_fine(p + HEADER + info, opaque));
}

/* KeyPairID and model fit the connection; *ret_pair: the key asked for, 0 where there is none. */
static bool choose_pair(const struct twin_device *d, const struct twin_exchange *x,
    uint8_t *ret_pair)
{
	uint8_t pair = x->request.data[2];
	uint8_t model = x->request.data[3] & MODEL_MASK;

	if (d->connection.multi_key) {
		*ret_pair = pair;
		return pair != 0 && pair <= TWIN_KEYS && model != SPDM_MODEL_NONE &&
		       model <= SPDM_MODEL_GENERIC;
	}
	*ret_pair = twin_device_pair(d);
	return !twin_is_13(d) || (pair == 0 && model == 0);
}

/* What identifies a request across a reset: all of it but tag and overwrite. */
static int request_digest(const struct twin_exchange *x, uint8_t ret[static SHA256_LEN],
    struct err *e)
{
	AUTO_STRUCT(buf) copy = { 0 };

	if (buf_set(&copy, x->request.data, x->request.len, e) != 0)
		return -1;
	copy.data[3] &= MODEL_MASK;
	sha256(copy.data, copy.len, ret);
	return 0;
}

/* A reset is needed: the request gets a tag, or is told the one it has. */
static int ask_for_reset(struct twin_device *d, struct twin_exchange *x, uint8_t known,
    const uint8_t digest[static SHA256_LEN], struct err *e)
{
	size_t i = known;

	if (known == 0)
		while (i < TWIN_TRACKING_TAGS && d->flash.tags[i].state != TWIN_TAG_FREE)
			i++;
	else
		i--;
	if (i == TWIN_TRACKING_TAGS)
		return twin_refuse(d, x, SPDM_ERROR_BUSY, 0, e);
	if (known == 0) {
		d->flash.tags[i].state = TWIN_TAG_WAITS;
		memcpy(d->flash.tags[i].request, digest, SHA256_LEN);
		if (twin_flash_save(&d->flash, e) != 0)
			return -1;
	}
	return twin_refuse(d, x, SPDM_ERROR_RESET_REQUIRED, twin_is_13(d) ? (uint8_t)(i + 1) : 0,
	    e);
}

/* 1.2 has no tag in the message: the same request is known by its bytes. */
static uint8_t tag_of(const struct twin_device *d, const uint8_t digest[static SHA256_LEN])
{
	for (size_t i = 0; i < TWIN_TRACKING_TAGS; i++)
		if (d->flash.tags[i].state != TWIN_TAG_FREE &&
		    memcmp(d->flash.tags[i].request, digest, SHA256_LEN) == 0)
			return (uint8_t)(i + 1);
	return 0;
}

/* *ret_go: the reset that this request needed has taken place; else the answer is there. */
static int track(struct twin_device *d, struct twin_exchange *x, bool *ret_go, struct err *e)
{
	uint8_t digest[SHA256_LEN];
	uint8_t tag = x->request.data[3] >> TAG_SHIFT & TAG_MASK;
	bool overwrite = (x->request.data[3] & OVERWRITE) != 0;
	const struct twin_tag *known;

	if (request_digest(x, digest, e) != 0)
		return -1;
	if (!twin_is_13(d))
		tag = tag_of(d, digest);
	else if (overwrite && tag != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	else if (overwrite)
		memset(d->flash.tags, 0, sizeof(d->flash.tags));
	if (tag == 0)
		return ask_for_reset(d, x, 0, digest, e);
	known = &d->flash.tags[tag - 1];
	if (known->state == TWIN_TAG_FREE || memcmp(known->request, digest, SHA256_LEN) != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (known->state == TWIN_TAG_WAITS)
		return ask_for_reset(d, x, tag, digest, e);
	*ret_go = true;
	return 0;
}

/* *ret_go: no reset is in the way. */
static int check_tag(struct twin_device *d, struct twin_exchange *x, bool *ret_go, struct err *e)
{
	uint8_t tag = x->request.data[3] >> TAG_SHIFT & TAG_MASK;

	*ret_go = false;
	if ((twin_flags(d) & SPDM_CAP_INSTALL_RESET) != 0)
		return track(d, x, ret_go, e);
	if (twin_is_13(d) && tag != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	*ret_go = true;
	return 0;
}

/* The subject that nobody asked for. */
static int name_another(X509_REQ **wanted, struct err *e)
{
	AUTO(X509_NAME) *name = X509_NAME_new();

	X509_REQ_free(*wanted);
	*wanted = X509_REQ_new();
	if (name == NULL || *wanted == NULL ||
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)"someone else", -1, -1, 0) != 1 ||
	    X509_REQ_set_subject_name(*wanted, name) != 1)
		return err_nomem(e);
	return 0;
}

static int make(struct twin_device *d, X509_REQ **wanted, EVP_PKEY *key, struct buf *ret,
    struct err *e)
{
	char serial[IDENTITY_MAX + 1];

	twin_device_serial(d, serial);
	if (twin_device_strikes(d, TWIN_FAULT_OTHER_CSR_SUBJECT, STEP_REQUEST) &&
	    name_another(wanted, e) != 0)
		return -1;
	if (twin_request_make(*wanted, d->config->model, serial, key, d->connection.hash, ret, e) !=
	    0)
		return -1;
	if (twin_device_strikes(d, TWIN_FAULT_BAD_CSR_SIGNATURE, STEP_REQUEST))
		ret->data[ret->len - 1] ^= 1;
	return 0;
}

static int say_csr(const struct twin_device *d, struct twin_exchange *x, const struct buf *csr,
    struct err *e)
{
	if (twin_begin(d, x, 0, 0, e) != 0 ||
	    buf_add_u16le(&x->answer, (uint16_t)csr->len, e) != 0 ||
	    buf_add_u16le(&x->answer, 0, e) != 0)
		return -1;
	return buf_add(&x->answer, csr->data, csr->len, e);
}

static int answer_csr(struct twin_device *d, struct twin_exchange *x, X509_REQ **wanted,
    EVP_PKEY *key, struct err *e)
{
	AUTO_STRUCT(buf) csr = { 0 };
	struct err why = { 0 };

	if (make(d, wanted, key, &csr, &why) != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (!d->flash.requested) {
		d->flash.requested = true;
		if (twin_flash_save(&d->flash, e) != 0)
			return -1;
	}
	return say_csr(d, x, &csr, e);
}

int twin_get_csr(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const uint8_t *p = x->request.data;
	AUTO(X509_REQ) *wanted = NULL;
	struct err why = { 0 };
	uint8_t pair = 0;
	size_t info;
	EVP_PKEY *key;
	bool go;

	if (!request_is_whole(d, x) || !choose_pair(d, x, &pair))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (d->flash.sealed)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	if (pair == 0 || d->flash.pairs[pair - 1].key == NULL)
		return twin_refuse(d, x, SPDM_ERROR_UNSPECIFIED, 0, e);
	key = d->flash.pairs[pair - 1].key;
	info = get_u16le(p + 4);
	x->request.len = HEADER + info + get_u16le(p + 6);
	if (info > 0 && twin_request_parse(p + HEADER, info, key, &wanted, &why) != 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	if (check_tag(d, x, &go, e) != 0)
		return -1;
	if (!go)
		return 0;
	return answer_csr(d, x, &wanted, key, e);
}
