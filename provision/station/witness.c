#include "witness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "station_open.h"

enum { POSITION_MAX = 4096 };

static bool is_place(const struct records_place *p)
{
	return p->seq > 0 && strspn(p->hash, "0123456789abcdef") == 2 * SHA256_LEN;
}

static int unreadable(const char *path, struct err *e)
{
	return err_set(e, ERR_HSM, "signer.state",
	    "%s can not be read as this station's: find out how that came before this station goes "
	    "on",
	    path);
}

int witness_position(const struct config *c, struct records_place *ret, struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *position = NULL;
	struct records_place found = { 0 };
	struct err why = { 0 };
	const char *name;

	if (station_position_file(c, &path, e) != 0)
		return -1;
	name = (const char *)path.data;
	(void)snprintf(found.station, sizeof(found.station), "%s", c->station);
	if (access(name, F_OK) != 0 && errno == ENOENT) {
		*ret = found;
		return 0;
	}
	if (file_read(name, POSITION_MAX, &text, &why) != 0 ||
	    json_parse((const char *)text.data, text.len, &position, ERR_HSM, &why) != 0 ||
	    strcmp(json_opt_str(position, "station", ""), c->station) != 0)
		return unreadable(name, e);
	found.seq = json_opt_int(position, "seq", 0);
	(void)snprintf(found.hash, sizeof(found.hash), "%s", json_opt_str(position, "head", ""));
	if (!is_place(&found))
		return unreadable(name, e);
	*ret = found;
	return 0;
}

/* The checkpoint says nothing: the signer has to. */
static int check_unmarked(struct records *r, const struct config *c,
    const struct records_place *signer, struct err *e)
{
	const char *fault = records_checkpoint_fault(r);
	bool attested = false;

	if (fault == NULL || signer->seq > 0)
		return 0;
	if (records_attested(r, &attested, e) != 0)
		return -1;
	if (!attested)
		return 0;
	return err_set(e, ERR_RECORDS, "records.unwitnessed",
	    "the checkpoint of %s is %s, and the signer's position in %s is gone too: nothing says "
	    "that these records are the newest",
	    c->records, fault, c->state);
}

int witness_open(struct records **ret, const struct config *c, bool create, struct err *e)
{
	AUTO_PTR(records) *r = NULL;
	struct records_place signer;

	if (witness_position(c, &signer, e) != 0)
		return -1;
	if (signer.seq > 0 && access(c->records, F_OK) != 0 && errno == ENOENT)
		return err_set(e, ERR_RECORDS, "records.restored",
		    "there are no records at %s, and the signer of station %.64s remembers event "
		    "%lld of them",
		    c->records, c->station, (long long)signer.seq);
	if (records_open(&r, c->records, c->station, create, e) != 0)
		return -1;
	if (signer.seq > 0 && records_hold(r, &signer, "the signer", e) != 0)
		return -1;
	if (check_unmarked(r, c, &signer, e) != 0)
		return -1;
	*ret = steal(&r);
	return 0;
}

int witness_note(struct records *r, struct err *e)
{
	const char *fault = records_checkpoint_fault(r);
	struct record note = { 0 };
	int rc;

	if (fault == NULL)
		return 0;
	note.body = json_pack("{s:s, s:s, s:{s:s, s:s}}", "event", "station", "what", "note",
	    "detail", "checkpoint", fault, "message",
	    "the checkpoint is written anew; the signer's position holds");
	if (note.body == NULL)
		return err_nomem(e);
	rc = records_append(r, &note, e);
	record_free(&note);
	return rc;
}
