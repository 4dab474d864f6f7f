#include "station_open.h"

#include "file.h"

static json_t *token_request(const struct config *c, const struct config_token *t,
    const struct secret *pin, struct err *e)
{
	AUTO_STRUCT(buf) certificate = { 0 };
	AUTO(json_t) *request = NULL;

	if (file_read(t->certificate, 64 * 1024, &certificate, e) != 0)
		return NULL;
	request = json_pack("{s:s, s:s, s:s, s:s, s:s%}", "module", c->module, "token", t->token,
	    "key", t->key, "guard", t->guard, "certificate", (const char *)certificate.data,
	    certificate.len);
	if (request == NULL) {
		(void)err_set(e, ERR_CONFIG, "config", "%s is not text", t->certificate);
		return NULL;
	}
	return secret_to_json(pin, request, "pin", e) == 0 ? steal(&request) : NULL;
}

int station_position_file(const struct config *c, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, "%s/signer-position.json", c->state) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

json_t *station_open_signer(const struct config *c, const struct secret *pin, struct err *e)
{
	AUTO(json_t) *open = token_request(c, &c->attestation, pin, e);
	AUTO_STRUCT(buf) state = { 0 };

	if (open == NULL || station_position_file(c, &state, e) != 0)
		return NULL;
	if (json_set_str(open, "do", "open", e) != 0 ||
	    json_set_str(open, "state", (const char *)state.data, e) != 0 ||
	    json_set_str(open, "station", c->station, e) != 0)
		return NULL;
	return steal(&open);
}

json_t *station_open_enroller(const struct config *c, const struct secret *secret, struct err *e)
{
	AUTO_STRUCT(buf) anchors = { 0 };
	AUTO(json_t) *open = NULL;

	if (file_read(c->ca_anchors, 256 * 1024, &anchors, e) != 0)
		return NULL;
	open = json_pack("{s:s, s:s, s:s%, s:I, s:I, s:I}", "do", "open", "url", c->ca_url,
	    "anchors", (const char *)anchors.data, anchors.len, "retry_min_s",
	    (json_int_t)c->retry_min_s, "retry_max_s", (json_int_t)c->retry_max_s,
	    "retry_default_s", (json_int_t)c->retry_default_s);
	if (open == NULL) {
		(void)err_set(e, ERR_CONFIG, "config", "%s is not text", c->ca_anchors);
		return NULL;
	}
	if (c->credential_kind != NULL) {
		if (json_set_str(open, "credential_kind", c->credential_kind, e) != 0 ||
		    secret_to_json(secret, open, "credential", e) != 0)
			return NULL;
	} else if (json_set_new(open, "client", token_request(c, &c->tls, secret, e), e) != 0) {
		return NULL;
	}
	return steal(&open);
}
