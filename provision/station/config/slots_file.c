#include "slots_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "yaml.h"

enum { KEPT_MAX = 100 };

/* Between double quotes YAML says it as it stands. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\\')
			return false;
	return true;
}

static int take_row(struct slots_file *f, const struct config_slot *s, struct err *e)
{
	struct slots_file_row *r = &f->rows[f->count++];

	*r = (struct slots_file_row){ .place_count = s->place_count,
		.row = s->row,
		.column = s->column };
	(void)snprintf(r->name, sizeof(r->name), "%s", s->name);
	for (size_t i = 0; i < s->place_count; i++)
		(void)snprintf(r->places[i], sizeof(r->places[i]), "%s", s->places[i]);
	if (s->address == NULL)
		return 0;
	r->address = strdup(s->address);
	return r->address != NULL ? 0 : err_nomem(e);
}

static int check_text(const struct config_slot *s, const char *key, const char *text, struct err *e)
{
	if (text == NULL || is_plain(text))
		return 0;
	return yaml_error(yaml_get(s->at, key), e,
	    "the %s is not printable ASCII without \" and \\, as kiln slots learn writes it: write "
	    "it so, "
	    "or begin with --anew",
	    key);
}

/* A row of the file, which is written again as it was. */
static int take_over(struct slots_file *f, const struct config_slot *s, struct err *e)
{
	if (check_text(s, "name", s->name, e) != 0 || check_text(s, "address", s->address, e) != 0)
		return -1;
	return take_row(f, s, e);
}

int slots_file_open(struct slots_file *ret, const char *path, bool anew, struct err *e)
{
	AUTO_STRUCT(slots_file)
	f = { .path = strdup(path), .rows = calloc(CONFIG_SLOTS_MAX, sizeof(*f.rows)) };
	AUTO_PTR(config) *c = NULL;

	if (f.path == NULL || f.rows == NULL)
		return err_nomem(e);
	if (access(path, F_OK) == 0 && config_load_slots_file(&c, path, e) != 0)
		return anew ? err_while(e, "replacing a file that is to be one of slots") : -1;
	for (size_t i = 0; !anew && c != NULL && i < c->slot_count; i++)
		if (take_over(&f, &c->slots[i], e) != 0)
			return -1;
	*ret = f;
	f = (struct slots_file){ 0 };
	return 0;
}

void slots_file_free(struct slots_file *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->rows[i].address);
	free(f->rows);
	free(f->path);
	free(f->kept_as);
}

const struct slots_file_row *slots_file_named(const struct slots_file *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->rows[i].name, name) == 0)
			return &f->rows[i];
	return NULL;
}

const struct slots_file_row *slots_file_at(const struct slots_file *f, const char *place,
    const char *peer)
{
	for (size_t i = 0; i < f->count; i++)
		for (size_t k = 0; k < f->rows[i].place_count; k++)
			if (strcmp(f->rows[i].places[k], place) == 0 ||
			    strcmp(f->rows[i].places[k], peer) == 0)
				return &f->rows[i];
	return NULL;
}

int slots_file_check_name(const struct slots_file *f, const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > CONFIG_NAME_MAX)
		return err_set(e, ERR_CONFIG, "slot.name", "a slot's name has 1 to %d characters",
		    CONFIG_NAME_MAX);
	if (!is_plain(name))
		return err_set(e, ERR_CONFIG, "slot.name",
		    "a slot's name is printable ASCII without \" and \\");
	if (slots_file_named(f, name) != NULL)
		return err_set(e, ERR_CONFIG, "slot.name", "there is a slot %s already", name);
	return 0;
}

void slots_file_next_name(const struct slots_file *f, char ret[static 16])
{
	unsigned number = 0;

	do
		(void)snprintf(ret, 16, "%u", ++number);
	while (slots_file_named(f, ret) != NULL);
}

static int add_row(const struct slots_file_row *r, struct buf *text, struct err *e)
{
	if (buf_printf(text, e, "  - { name: \"%s\", ", r->name) != 0)
		return -1;
	if (r->row > 0 && buf_printf(text, e, "tile: \"%d,%d\", ", r->row, r->column) != 0)
		return -1;
	if (r->address != NULL)
		return buf_printf(text, e, "address: \"%s\" }\n", r->address);
	if (buf_add_str(text, "place: [", e) != 0)
		return -1;
	for (size_t i = 0; i < r->place_count; i++)
		if (buf_printf(text, e, "%s\"%s\"", i > 0 ? ", " : "", r->places[i]) != 0)
			return -1;
	return buf_add_str(text, "] }\n", e);
}

/* Where nothing is yet: what was kept earlier is never written over. */
static int find_free(const char *path, struct buf *ret, struct err *e)
{
	struct stat there;

	for (int i = 0; i < KEPT_MAX; i++) {
		buf_clear(ret);
		if (buf_printf(ret, e, "%s.bak", path) != 0 ||
		    (i > 0 && buf_printf(ret, e, ".%d", i) != 0) || buf_str(ret, e) == NULL)
			return -1;
		if (lstat((const char *)ret->data, &there) != 0)
			return 0;
	}
	return err_set(e, ERR_CONFIG, "file", "%d older files are kept as %s.bak: move them away",
	    KEPT_MAX, path);
}

/* What was there before this run, under another name, once. */
static int keep_old(struct slots_file *f, struct err *e)
{
	AUTO_STRUCT(buf) old = { 0 };
	AUTO_STRUCT(buf) path = { 0 };

	if (f->kept || access(f->path, F_OK) != 0) {
		f->kept = true;
		return 0;
	}
	if (file_read(f->path, 256 * 1024, &old, e) != 0 || find_free(f->path, &path, e) != 0 ||
	    file_write((const char *)path.data, old.data, old.len, 0644, e) != 0)
		return -1;
	f->kept = true;
	f->kept_as = strdup((const char *)path.data);
	return f->kept_as != NULL ? 0 : err_nomem(e);
}

static int write_all(struct slots_file *f, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };

	if (keep_old(f, e) != 0 || buf_add_str(&text,
				       "# Positions of the fixture, by kiln slots learn. The "
				       "places of one are aliases of one "
				       "connector.\nslots:\n",
				       e) != 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (add_row(&f->rows[i], &text, e) != 0)
			return -1;
	return file_write(f->path, text.data, text.len, 0644, e);
}

int slots_file_add(struct slots_file *f, const char *name, const char *place, const char *peer,
    struct err *e)
{
	const struct config_slot slot = { .name = name,
		.places = { place, peer },
		.place_count = peer[0] != '\0' ? 2 : 1 };

	if (f->count == CONFIG_SLOTS_MAX)
		return err_set(e, ERR_CONFIG, "slot.name", "a station has at most %d slots",
		    CONFIG_SLOTS_MAX);
	if (take_row(f, &slot, e) != 0)
		return -1;
	if (write_all(f, e) == 0)
		return 0;
	f->count--;
	return -1;
}
