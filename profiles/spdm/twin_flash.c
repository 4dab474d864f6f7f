#include "twin_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

enum { FLASH_MAX = 1 << 20 };

void twin_flash_free(struct twin_flash *f)
{
	free(f->path);
	for (size_t i = 0; i < TWIN_KEYS; i++)
		EVP_PKEY_free(f->pairs[i].key);
	buf_free(&f->slot.certificates);
	buf_free(&f->pending.certificates);
	buf_free(&f->anchors);
	memset(f, 0, sizeof(*f));
}

static int read_pair(struct twin_key_pair *pair, const json_t *object, struct err *e)
{
	AUTO_STRUCT(buf) stored = { 0 };

	if (json_get_bytes(object, "private", &stored, ERR_DEVICE, e) != 0)
		return -1;
	pair->asym = (uint32_t)json_opt_int(object, "asym", 0);
	pair->usage = (uint16_t)json_opt_int(object, "usage", 0);
	pair->slots = (uint8_t)json_opt_int(object, "slots", 0);
	return stored.len > 0 ? twin_key_restore(&stored, &pair->key, e) : 0;
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

	if (file_read(f->path, FLASH_MAX, &text, e) != 0 ||
	    json_parse((const char *)text.data, text.len, &flash, ERR_DEVICE, e) != 0)
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

int twin_flash_load(struct twin_flash *ret, const char *folder, struct err *e)
{
	AUTO_STRUCT(twin_flash) f = { 0 };

	if (asprintf(&f.path, "%s/flash.json", folder) < 0) {
		f.path = NULL;
		return err_nomem(e);
	}
	if (access(f.path, F_OK) == 0 && read_flash(&f, e) != 0)
		return err_while(e, "starting from %s", f.path);
	*ret = f;
	memset(&f, 0, sizeof(f));
	return 0;
}

static int set_pair(json_t *list, const struct twin_key_pair *pair, struct err *e)
{
	AUTO_STRUCT(buf) stored = { 0 };
	AUTO(json_t) *object = json_object();

	if (pair->key != NULL && twin_key_store(pair->key, &stored, e) != 0)
		return -1;
	if (json_set_bytes(object, "private", stored.data, stored.len, e) != 0 ||
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

static int set_lists(json_t *flash, const struct twin_flash *f, struct err *e)
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

int twin_flash_save(const struct twin_flash *f, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *flash = json_object();

	if (json_set_bool(flash, "sealed", f->sealed, e) != 0 ||
	    json_set_bool(flash, "requested", f->requested, e) != 0 ||
	    json_set_int(flash, "faults", f->faults, e) != 0 ||
	    json_set_bytes(flash, "anchors", f->anchors.data, f->anchors.len, e) != 0 ||
	    set_slot(flash, "slot", &f->slot, e) != 0 ||
	    set_slot(flash, "pending", &f->pending, e) != 0 || set_lists(flash, f, e) != 0)
		return -1;
	if (json_canonical(flash, &text, e) != 0)
		return -1;
	return file_write(f->path, text.data, text.len, 0600, e);
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
