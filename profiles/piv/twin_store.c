#include "twin_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "json.h"

enum { FLASH_MAX = 1 << 20 };

void twin_store_drop_keys(struct twin_store *s)
{
	for (size_t i = 0; i < TWIN_KEYS_MAX; i++) {
		if (s->keys[i].slot == TWIN_SLOT_ATTESTATION)
			continue;
		EVP_PKEY_free(s->keys[i].key);
		memset(&s->keys[i], 0, sizeof(s->keys[i]));
	}
}

void twin_store_free(struct twin_store *s)
{
	free(s->path);
	free(s->log_path);
	for (size_t i = 0; i < TWIN_KEYS_MAX; i++)
		EVP_PKEY_free(s->keys[i].key);
	for (size_t i = 0; i < TWIN_OBJECTS_MAX; i++)
		buf_free(&s->objects[i].content);
	memset(s, 0, sizeof(*s));
}

const struct twin_key *twin_store_key(const struct twin_store *s, uint8_t slot)
{
	for (size_t i = 0; i < TWIN_KEYS_MAX; i++)
		if (s->keys[i].key != NULL && s->keys[i].slot == slot)
			return &s->keys[i];
	return NULL;
}

int twin_store_put_key(struct twin_store *s, const struct twin_key *key, struct err *e)
{
	struct twin_key *place = NULL;

	for (size_t i = 0; i < TWIN_KEYS_MAX; i++) {
		if (s->keys[i].slot == key->slot || (place == NULL && s->keys[i].key == NULL))
			place = &s->keys[i];
		if (s->keys[i].slot == key->slot)
			break;
	}
	if (place == NULL) {
		EVP_PKEY_free(key->key);
		return err_set(e, ERR_DEVICE, "twin.flash", "there is no room for a key");
	}
	EVP_PKEY_free(place->key);
	*place = *key;
	return 0;
}

const struct twin_object *twin_store_object(const struct twin_store *s, uint32_t tag)
{
	for (size_t i = 0; i < TWIN_OBJECTS_MAX; i++)
		if (s->objects[i].tag == tag)
			return &s->objects[i];
	return NULL;
}

int twin_store_put_object(struct twin_store *s, uint32_t tag, const struct buf *content,
    bool *ret_room, struct err *e)
{
	struct twin_object *place = NULL;

	for (size_t i = 0; i < TWIN_OBJECTS_MAX; i++) {
		if (s->objects[i].tag == tag || (place == NULL && s->objects[i].tag == 0))
			place = &s->objects[i];
		if (s->objects[i].tag == tag)
			break;
	}
	*ret_room = place != NULL || content == NULL;
	if (place == NULL)
		return 0;
	place->tag = content != NULL ? tag : 0;
	if (content == NULL) {
		buf_free(&place->content);
		return 0;
	}
	return buf_set(&place->content, content->data, content->len, e);
}

static int read_key(struct twin_store *s, const json_t *object, struct err *e)
{
	AUTO_STRUCT(buf) stored = { 0 };
	struct twin_key key = { .slot = (uint8_t)json_opt_int(object, "slot", 0),
		.algorithm = (uint8_t)json_opt_int(object, "algorithm", 0),
		.pin_policy = (uint8_t)json_opt_int(object, "pin_policy", 0),
		.touch_policy = (uint8_t)json_opt_int(object, "touch_policy", 0) };

	if (json_get_bytes(object, "private", &stored, ERR_DEVICE, e) != 0 ||
	    twin_engine_restore(&stored, &key.key, e) != 0)
		return -1;
	return twin_store_put_key(s, &key, e);
}

static int read_object(struct twin_store *s, const json_t *object, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 };
	bool room;

	if (json_get_bytes(object, "content", &content, ERR_DEVICE, e) != 0 ||
	    twin_store_put_object(s, (uint32_t)json_opt_int(object, "tag", 0), &content, &room,
		e) != 0)
		return -1;
	return room ? 0 : err_set(e, ERR_DEVICE, "twin.flash", "there are too many objects");
}

static int read_pin(struct twin_pin *pin, const json_t *flash, const char *name, struct err *e)
{
	AUTO_STRUCT(buf) value = { 0 };
	json_t *object;

	if (json_get_object(flash, name, &object, ERR_DEVICE, e) != 0 ||
	    json_get_bytes(object, "value", &value, ERR_DEVICE, e) != 0)
		return -1;
	if (value.len != TWIN_PIN_LEN)
		return err_set(e, ERR_DEVICE, "twin.flash", "the %s has %zu bytes", name,
		    value.len);
	memcpy(pin->value, value.data, TWIN_PIN_LEN);
	pin->left = (uint8_t)json_opt_int(object, "left", 0);
	pin->tries = (uint8_t)json_opt_int(object, "tries", 0);
	return 0;
}

static int read_management(struct twin_store *s, const json_t *flash, struct err *e)
{
	AUTO_STRUCT(buf) key = { 0 };

	s->management_algorithm = (uint8_t)json_opt_int(flash, "management_algorithm", 0);
	if (json_get_bytes(flash, "management", &key, ERR_DEVICE, e) != 0)
		return -1;
	if (key.len == 0 || key.len != twin_cipher_key_len(s->management_algorithm))
		return err_set(e, ERR_DEVICE, "twin.flash", "the management key has %zu bytes",
		    key.len);
	memcpy(s->management, key.data, key.len);
	return 0;
}

static int read_lists(struct twin_store *s, const json_t *flash, struct err *e)
{
	const json_t *keys = json_object_get(flash, "keys");
	const json_t *objects = json_object_get(flash, "objects");

	for (size_t i = 0; i < json_array_size(keys); i++)
		if (read_key(s, json_array_get(keys, i), e) != 0)
			return -1;
	for (size_t i = 0; i < json_array_size(objects); i++)
		if (read_object(s, json_array_get(objects, i), e) != 0)
			return -1;
	return 0;
}

static int read_flash(struct twin_store *s, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	AUTO(json_t) *flash = NULL;

	if (access(s->path, F_OK) != 0)
		return 0;
	if (file_read(s->path, FLASH_MAX, &text, e) != 0 ||
	    json_parse((const char *)text.data, text.len, &flash, ERR_DEVICE, e) != 0)
		return -1;
	s->made = true;
	s->certified = json_opt_bool(flash, "certified", false);
	s->faults = json_opt_int(flash, "faults", 0);
	if (read_pin(&s->pin, flash, "pin", e) != 0 || read_pin(&s->puk, flash, "puk", e) != 0 ||
	    read_management(s, flash, e) != 0)
		return -1;
	return read_lists(s, flash, e);
}

static int name_paths(struct twin_store *s, const char *folder, struct err *e)
{
	if (asprintf(&s->path, "%s/flash", folder) < 0) {
		s->path = NULL;
		return err_nomem(e);
	}
	if (asprintf(&s->log_path, "%s.log", s->path) < 0) {
		s->log_path = NULL;
		return err_nomem(e);
	}
	return 0;
}

static int count_writes(struct twin_store *s, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (access(s->log_path, F_OK) != 0)
		return 0;
	if (file_read(s->log_path, FLASH_MAX, &text, e) != 0)
		return -1;
	for (size_t i = 0; i < text.len; i++)
		s->writes += text.data[i] == '\n';
	return 0;
}

int twin_store_load(struct twin_store *ret, const char *folder, struct err *e)
{
	AUTO_STRUCT(twin_store) s = { 0 };

	if (folder != NULL) {
		if (name_paths(&s, folder, e) != 0)
			return -1;
		if (read_flash(&s, e) != 0)
			return err_while(e, "starting from %s", s.path);
		if (count_writes(&s, e) != 0)
			return -1;
	}
	*ret = s;
	memset(&s, 0, sizeof(s));
	return 0;
}

static int add_key(json_t *list, const struct twin_key *key, struct err *e)
{
	AUTO_STRUCT(buf) stored = { 0 };
	AUTO(json_t) *object = json_object();

	if (twin_engine_store(key->key, &stored, e) != 0 ||
	    json_set_bytes(object, "private", stored.data, stored.len, e) != 0 ||
	    json_set_int(object, "slot", key->slot, e) != 0 ||
	    json_set_int(object, "algorithm", key->algorithm, e) != 0 ||
	    json_set_int(object, "pin_policy", key->pin_policy, e) != 0 ||
	    json_set_int(object, "touch_policy", key->touch_policy, e) != 0)
		return -1;
	return json_array_append_new(list, steal(&object)) == 0 ? 0 : err_nomem(e);
}

static int add_object(json_t *list, const struct twin_object *o, struct err *e)
{
	AUTO(json_t) *object = json_object();

	if (json_set_int(object, "tag", o->tag, e) != 0 ||
	    json_set_bytes(object, "content", o->content.data, o->content.len, e) != 0)
		return -1;
	return json_array_append_new(list, steal(&object)) == 0 ? 0 : err_nomem(e);
}

static int set_pin(json_t *flash, const char *name, const struct twin_pin *pin, struct err *e)
{
	AUTO(json_t) *object = json_object();

	if (json_set_bytes(object, "value", pin->value, TWIN_PIN_LEN, e) != 0 ||
	    json_set_int(object, "left", pin->left, e) != 0 ||
	    json_set_int(object, "tries", pin->tries, e) != 0)
		return -1;
	return json_set_new(flash, name, steal(&object), e);
}

static int set_lists(json_t *flash, const struct twin_store *s, struct err *e)
{
	AUTO(json_t) *keys = json_array();
	AUTO(json_t) *objects = json_array();

	for (size_t i = 0; i < TWIN_KEYS_MAX; i++)
		if (s->keys[i].key != NULL && add_key(keys, &s->keys[i], e) != 0)
			return -1;
	for (size_t i = 0; i < TWIN_OBJECTS_MAX; i++)
		if (s->objects[i].tag != 0 && add_object(objects, &s->objects[i], e) != 0)
			return -1;
	if (json_set_new(flash, "keys", steal(&keys), e) != 0)
		return -1;
	return json_set_new(flash, "objects", steal(&objects), e);
}

static int add_content(const struct twin_store *s, struct buf *ret, struct err *e)
{
	AUTO(json_t) *flash = json_object();

	if (json_set_bool(flash, "certified", s->certified, e) != 0 ||
	    json_set_int(flash, "faults", s->faults, e) != 0 ||
	    json_set_int(flash, "management_algorithm", s->management_algorithm, e) != 0 ||
	    json_set_bytes(flash, "management", s->management,
		twin_cipher_key_len(s->management_algorithm), e) != 0 ||
	    set_pin(flash, "pin", &s->pin, e) != 0 || set_pin(flash, "puk", &s->puk, e) != 0 ||
	    set_lists(flash, s, e) != 0)
		return -1;
	return json_canonical(flash, ret, e);
}

/* The emulator's diary, which no fault reaches. */
static int log_write(struct twin_store *s, size_t len, bool cut, struct err *e)
{
	FILE *log = fopen(s->log_path, "a");
	bool wrong;

	if (log == NULL)
		return err_errno(e, ERR_DEVICE, "twin.flash", "opening %s", s->log_path);
	s->writes++;
	wrong = fprintf(log, "%lld %zu bytes%s\n", (long long)s->writes, len,
		    !cut      ? ""
		    : s->torn ? ", lost with the power"
			      : ", the last before the power went") < 0;
	if (fclose(log) != 0 || wrong)
		return err_errno(e, ERR_DEVICE, "twin.flash", "writing %s", s->log_path);
	return 0;
}

/* As a cut before the rename leaves it: half a file under the new name. */
static int tear(const struct twin_store *s, const struct buf *content, struct err *e)
{
	AUTO_STRUCT(buf) path = { 0 };
	const char *text;

	if (buf_printf(&path, e, "%s.torn", s->path) != 0 || (text = buf_str(&path, e)) == NULL)
		return -1;
	return file_write(text, content->data, content->len / 2, 0600, e);
}

int twin_store_save(struct twin_store *s, struct err *e)
{
	AUTO_STRUCT(buf) content = { 0 };
	bool cut = s->cut > 0 && s->writes + 1 == s->cut;

	s->made = true;
	if (s->path == NULL)
		return 0;
	if (add_content(s, &content, e) != 0 || log_write(s, content.len, cut, e) != 0)
		return -1;
	if (cut && s->torn ? tear(s, &content, e) != 0
			   : file_write(s->path, content.data, content.len, 0600, e) != 0)
		return -1;
	if (cut)
		return err_set(e, ERR_DEVICE, "twin.power", "the power was cut in write %lld",
		    (long long)s->cut);
	return 0;
}
