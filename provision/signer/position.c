#include "position.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

enum { POSITION_MAX = 4096, POSITION_VERSION = 1 };

static int damaged(const char *path, const char *why, struct err *e)
{
	return err_set(e, ERR_HSM, "signer.state",
	    "%s %s: find out how that came before this station attests again", path, why);
}

static int parse(const char *path, const char *station, const struct buf *text, int64_t *ret_seq,
    struct err *e)
{
	AUTO(json_t) *state = NULL;
	struct err bad = { 0 };
	int64_t seq;

	if (json_parse((const char *)text->data, text->len, &state, ERR_HSM, &bad) != 0)
		return damaged(path, "does not parse", e);
	if (json_opt_int(state, "version", 0) != POSITION_VERSION)
		return damaged(path, "is of another version", e);
	if (strcmp(json_opt_str(state, "station", ""), station) != 0)
		return damaged(path, "belongs to another station", e);
	seq = json_opt_int(state, "seq", 0);
	if (seq <= 0)
		return damaged(path, "holds no position", e);
	*ret_seq = seq;
	return 0;
}

int position_open(struct position *ret, const char *path, const char *station, struct err *e)
{
	AUTO_STRUCT(position) p = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	bool fresh;

	p.path = strdup(path);
	p.station = strdup(station);
	if (p.path == NULL || p.station == NULL)
		return err_nomem(e);
	fresh = access(path, F_OK) != 0 && errno == ENOENT;
	if (!fresh && (file_read(path, POSITION_MAX, &text, e) != 0 ||
			  parse(path, station, &text, &p.seq, e) != 0))
		return -1;
	position_free(ret);
	*ret = p;
	p = (struct position){ 0 };
	return 0;
}

void position_free(struct position *p)
{
	free(p->path);
	free(p->station);
	*p = (struct position){ 0 };
}

int position_check(const struct position *p, int64_t seq, struct err *e)
{
	if (seq > p->seq)
		return 0;
	return err_set(e, ERR_HSM, "signer.position",
	    "position %lld of the event chain is not above %lld, the last one attested: the "
	    "records were "
	    "rolled back or rewritten",
	    (long long)seq, (long long)p->seq);
}

int position_advance(struct position *p, int64_t seq, const char *head, struct err *e)
{
	AUTO(json_t) *state = json_object();
	AUTO_STRUCT(buf) text = { 0 };

	if (state == NULL)
		return err_nomem(e);
	if (position_check(p, seq, e) != 0 ||
	    json_set_int(state, "version", POSITION_VERSION, e) != 0 ||
	    json_set_str(state, "station", p->station, e) != 0 ||
	    json_set_int(state, "seq", seq, e) != 0 || json_set_str(state, "head", head, e) != 0 ||
	    json_canonical(state, &text, e) != 0 || buf_add_u8(&text, '\n', e) != 0)
		return -1;
	if (file_write(p->path, text.data, text.len, 0600, e) != 0)
		return err_while(e, "keeping the chain position");
	p->seq = seq;
	return 0;
}
