#include "request.h"

#include "csr.h"

enum level {
	LEVEL_KEY,     /* a plain CSR, only to learn the key */
	LEVEL_FULL,    /* subject and alternative names */
	LEVEL_SUBJECT, /* subject */
	LEVEL_PLAIN,   /* whatever the device puts in */
	LEVEL_COUNT,
};

/* What is asked for now. As a resume token: level, tag, and the key once it is known, because a
 * device may want a reset for every CSR and the same RequesterInfo after it. */
struct wish {
	enum level level;
	uint8_t tag;      /* of the reset that was made for it; 0: none */
	struct buf key;   /* spdm_key_of; empty: not known yet */
	struct buf plain; /* the CSR of LEVEL_KEY */
};

static void wish_free(struct wish *w)
{
	buf_free(&w->key);
	buf_free(&w->plain);
}
OWNED_STRUCT(wish, wish_free)

static int save(const struct spdm_algorithm *a, const struct wish *w, uint8_t tag,
    struct buf *resume, struct err *e)
{
	buf_clear(resume);
	if (buf_add_u8(resume, (uint8_t)w->level, e) != 0 || buf_add_u8(resume, tag, e) != 0)
		return -1;
	return w->key.len > 0 ? spdm_key_compress(a, &w->key, resume, e) : 0;
}

static int load(const struct spdm_algorithm *a, struct buf *resume, struct wish *ret, struct err *e)
{
	AUTO_STRUCT(buf) token = buf_steal(resume);

	if (token.len == 0)
		return 0;
	if (token.len < 2 || token.data[0] >= LEVEL_COUNT)
		return err_set(e, ERR_CONFIG, "device.resume",
		    "the resume token is not the driver's");
	ret->level = (enum level)token.data[0];
	ret->tag = token.data[1];
	if (token.len == 2 && (ret->level == LEVEL_KEY || ret->level == LEVEL_PLAIN))
		return 0;
	return spdm_key_expand(a, token.data + 2, token.len - 2, &ret->key, e);
}

static int ask(struct spdm_connection *c, const struct subject *subject, const struct wish *w,
    struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) info = { 0 };

	if ((w->level == LEVEL_FULL || w->level == LEVEL_SUBJECT) &&
	    spdm_requester_info(subject, &w->key, w->level == LEVEL_FULL, &info, e) != 0)
		return -1;
	return spdm_get_csr(c, &info, w->tag, ret, e);
}

static int learn_key(const struct spdm_algorithm *a, struct buf *csr, struct wish *w, struct err *e)
{
	if (spdm_key_of(a, csr, &w->key, e) != 0)
		return -1;
	w->plain = buf_steal(csr);
	return 0;
}

/* The device refused the RequesterInfo: the next one down. */
static enum level settle_for(enum level level, const struct subject *subject)
{
	return level == LEVEL_FULL && subject->san.len > 0 ? LEVEL_SUBJECT : LEVEL_PLAIN;
}

int spdm_request_csr(struct spdm_connection *c, const struct subject *subject, struct buf *resume,
    struct buf *ret, bool *ret_reset, struct err *e)
{
	const struct spdm_algorithm *a = c->options->algorithm;
	AUTO_STRUCT(wish) w = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };

	*ret_reset = false;
	if (load(a, resume, &w, e) != 0)
		return -1;
	while (w.level != LEVEL_PLAIN || w.plain.len == 0) {
		int rc = ask(c, subject, &w, &csr, e);

		if (rc != 0 && c->peer.error_code == SPDM_ERROR_RESET_REQUIRED) {
			*ret_reset = true;
			return save(a, &w, c->peer.error_data, resume, e);
		}
		if (rc != 0 && (c->peer.error_code != SPDM_ERROR_INVALID_REQUEST ||
				   (w.level != LEVEL_FULL && w.level != LEVEL_SUBJECT)))
			return -1;
		w.tag = 0;
		if (rc != 0) {
			w.level = settle_for(w.level, subject);
		} else if (w.level == LEVEL_KEY) {
			if (learn_key(a, &csr, &w, e) != 0)
				return -1;
			w.level = LEVEL_FULL;
		} else {
			buf_free(ret);
			*ret = buf_steal(&csr);
			return 0;
		}
	}
	buf_free(ret);
	*ret = buf_steal(&w.plain);
	return 0;
}
