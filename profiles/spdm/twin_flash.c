#include "twin_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

void twin_flash_free(struct twin_flash *f)
{
	free(f->path);
	free(f->log_path);
	for (size_t i = 0; i < TWIN_KEYS; i++) {
		EVP_PKEY_free(f->pairs[i].key);
		buf_free(&f->pairs[i].stored);
	}
	buf_free(&f->slot.certificates);
	buf_free(&f->pending.certificates);
	buf_free(&f->anchors);
	memset(f, 0, sizeof(*f));
}

enum { LOG_MAX = 1 << 20 };

static int read_pair(struct twin_key_pair *pair, const json_t *object, struct err *e)
{
	struct buf *stored = &pair->stored;

	if (json_get_bytes(object, "private", stored, ERR_DEVICE, e) != 0)
		return -1;
	pair->asym = (uint32_t)json_opt_int(object, "asym", 0);
	pair->usage = (uint16_t)json_opt_int(object, "usage", 0);
	pair->slots = (uint8_t)json_opt_int(object, "slots", 0);
	return stored->len > 0 ? twin_key_restore(stored, &pair->key, e) : 0;
}

static int read_slot(struct twin_slot *slot, const json_t *flash, const char *name, struct err *e)
{
	json_t *object;

	if (json_get_object(flash, name, &object, ERR_DEVICE, e) != 0)
		return -1;
	slot->pair = (uint8_t)json_opt_int(object, "pair", 0);
	slot->model = (uint8_t)json_opt_int(object, "model", 0);
	if (slot->pair > TWIN_KEYS)
		return err_set(e, ERR_DEVICE, "twin.flash", "there is no key pair %d", slot->pair);
	return json_get_bytes(object, "certificates", &slot->certificates, ERR_DEVICE, e);
}

static int read_tag(struct twin_tag *tag, const json_t *object, struct err *e)
{
	AUTO_STRUCT(buf) request = { 0 };

	tag->state = (enum twin_tag_state)json_opt_int(object, "state", TWIN_TAG_FREE);
	if (json_get_bytes(object, "request", &request, ERR_DEVICE, e) != 0)
		return -1;
	if (request.len != SHA256_LEN)
		return err_set(e, ERR_DEVICE, "twin.flash", "a tag has %zu bytes", request.len);
	memcpy(tag->request, request.data, SHA256_LEN);
	return 0;
}

static int read_lists(struct twin_flash *f, const json_t *flash, struct err *e)
{
	const json_t *pairs = json_object_get(flash, "pairs");
	const json_t *tags = json_object_get(flash, "tags");

	if (json_array_size(pairs) != TWIN_KEYS || json_array_size(tags) != TWIN_TRACKING_TAGS)
		return err_set(e, ERR_DEVICE, "twin.flash", "the flash is of another layout");
	for (size_t i = 0; i < TWIN_KEYS; i++)
		if (read_pair(&f->pairs[i], json_array_get(pairs, i), e) != 0)
			return -1;
	for (size_t i = 0; i < TWIN_TRACKING_TAGS; i++)
		if (read_tag(&f->tags[i], json_array_get(tags, i), e) != 0)
			return -1;
	return 0;
}

static int read_flash(struct twin_flash *f, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *flash = NULL;

	if (twin_bank_load(f->path, &text, &f->number, e) != 0)
		return -1;
	if (f->number == 0)
		return 0;
	if (json_parse((const char *)text.data, text.len, &flash, ERR_DEVICE, e) != 0)
		return -1;
	f->sealed = json_opt_bool(flash, "sealed", false);
	f->requested = json_opt_bool(flash, "requested", false);
	f->faults = json_opt_int(flash, "faults", 0);
	if (read_slot(&f->slot, flash, "slot", e) != 0 ||
	    read_slot(&f->pending, flash, "pending", e) != 0 ||
	    json_get_bytes(flash, "anchors", &f->anchors, ERR_DEVICE, e) != 0)
		return -1;
	return read_lists(f, flash, e);
}

static int name_paths(struct twin_flash *f, const char *folder, struct err *e)
{
	if (asprintf(&f->path, "%s/flash", folder) < 0) {
		f->path = NULL;
		return err_nomem(e);
	}
	if (asprintf(&f->log_path, "%s.log", f->path) < 0) {
		f->log_path = NULL;
		return err_nomem(e);
	}
	return 0;
}

static int count_writes(struct twin_flash *f, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (access(f->log_path, F_OK) != 0)
		return 0;
	if (file_read(f->log_path, LOG_MAX, &text, e) != 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		f->writes += text.data[i] == '\n';
	return 0;
}

int twin_flash_load(struct twin_flash *ret, const char *folder, struct err *e)
{
	AUTO_STRUCT(twin_flash) f = { 0 };

	if (name_paths(&f, folder, e) != 0)
		return -1;
	if (read_flash(&f, e) != 0)
		return err_while(e, "starting from %s", f.path);
	if (count_writes(&f, e) != 0)
		return -1;
	*ret = f;
	memset(&f, 0, sizeof(f));
	return 0;
}

static int set_pair(json_t *list, struct twin_key_pair *pair, struct err *e)
{
	AUTO(json_t) *object = json_object();

	if (pair->key != NULL && pair->stored.len == 0 &&
	    twin_key_store(pair->key, &pair->stored, e) != 0)
		return -1;
	if (json_set_bytes(object, "private", pair->stored.data, pair->stored.len, e) != 0 ||
	    json_set_int(object, "asym", pair->asym, e) != 0 ||
	    json_set_int(object, "usage", pair->usage, e) != 0 ||
	    json_set_int(object, "slots", pair->slots, e) != 0)
		return -1;
	return json_array_append_new(list, steal(&object)) == 0 ? 0 : err_nomem(e);
}

static int set_slot(json_t *flash, const char *name, const struct twin_slot *slot, struct err *e)
{
	AUTO(json_t) *object = json_object();

	if (json_set_bytes(object, "certificates", slot->certificates.data, slot->certificates.len,
		e) != 0 ||
	    json_set_int(object, "pair", slot->pair, e) != 0 ||
	    json_set_int(object, "model", slot->model, e) != 0)
		return -1;
	return json_set_new(flash, name, steal(&object), e);
}

static int set_tag(json_t *list, const struct twin_tag *tag, struct err *e)
{
	AUTO(json_t) *object = json_object();

	if (json_set_int(object, "state", (int64_t)tag->state, e) != 0 ||
	    json_set_bytes(object, "request", tag->request, SHA256_LEN, e) != 0)
		return -1;
	return json_array_append_new(list, steal(&object)) == 0 ? 0 : err_nomem(e);
}

static int set_lists(json_t *flash, struct twin_flash *f, struct err *e)
{
	AUTO(json_t) *pairs = json_array();
	AUTO(json_t) *tags = json_array();

	for (size_t i = 0; i < TWIN_KEYS; i++)
		if (set_pair(pairs, &f->pairs[i], e) != 0)
			return -1;
	for (size_t i = 0; i < TWIN_TRACKING_TAGS; i++)
		if (set_tag(tags, &f->tags[i], e) != 0)
			return -1;
	if (json_set_new(flash, "pairs", steal(&pairs), e) != 0)
		return -1;
	return json_set_new(flash, "tags", steal(&tags), e);
}

static int add_content(struct twin_flash *f, struct buf *ret, struct err *e)
{
	AUTO(json_t) *flash = json_object();

	if (json_set_bool(flash, "sealed", f->sealed, e) != 0 ||
	    json_set_bool(flash, "requested", f->requested, e) != 0 ||
	    json_set_int(flash, "faults", f->faults, e) != 0 ||
	    json_set_bytes(flash, "anchors", f->anchors.data, f->anchors.len, e) != 0 ||
	    set_slot(flash, "slot", &f->slot, e) != 0 ||
	    set_slot(flash, "pending", &f->pending, e) != 0 || set_lists(flash, f, e) != 0)
		return -1;
	return json_canonical(flash, ret, e);
}

/* The emulator's diary, which no fault reaches. */
static int log_write(struct twin_flash *f, size_t len, bool torn, struct err *e)
{
	static const char *const rests[] = { "old bytes", "erased bytes", "garbage" };
	FILE *log = fopen(f->log_path, "a");
	bool wrong;

	if (log == NULL)
		return err_errno(e, ERR_DEVICE, "twin.flash", "opening %s", f->log_path);
	f->writes++;
	wrong = fprintf(log, "%lld %zu bytes", (long long)f->writes, len) < 0;
	if (torn)
		wrong |= fprintf(log, ", torn after %u/256, then %s", f->tear.fraction,
			     rests[f->tear.rest]) < 0;
	wrong |= fputc('\n', log) == EOF;
	if (fclose(log) != 0 || wrong)
		return err_errno(e, ERR_DEVICE, "twin.flash", "writing %s", f->log_path);
	return 0;
}

int twin_flash_save(struct twin_flash *f, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 };
	bool torn = f->cut > 0 && f->writes + 1 == f->cut;

	if (add_content(f, &content, e) != 0 || log_write(f, content.len, torn, e) != 0 ||
	    twin_bank_store(f->path, f->number + 1, &content, torn ? &f->tear : NULL, e) != 0)
		return -1;
	if (torn)
		return err_set(e, ERR_DEVICE, "twin.power", "the power was cut in write %lld",
		    (long long)f->cut);
	f->number++;
	return 0;
}

void twin_flash_reset(struct twin_flash *f, bool *ret_changed)
{
	*ret_changed = f->pending.certificates.len > 0;
	if (*ret_changed) {
		buf_free(&f->slot.certificates);
		f->slot = f->pending;
		memset(&f->pending, 0, sizeof(f->pending));
		for (size_t i = 0; i < TWIN_KEYS; i++)
			f->pairs[i].slots = i + 1 == f->slot.pair;
	}
	for (size_t i = 0; i < TWIN_TRACKING_TAGS; i++) {
		*ret_changed = *ret_changed || f->tags[i].state == TWIN_TAG_WAITS;
		if (f->tags[i].state == TWIN_TAG_WAITS)
			f->tags[i].state = TWIN_TAG_READY;
	}
}
