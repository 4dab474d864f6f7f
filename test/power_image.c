#include "power_internal.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "testing.h"

enum { SECTOR = 512 };

void *power_grown(void *old, size_t size)
{
	void *ret = realloc(old, size);

	if (ret == NULL)
		abort(); /* inside open or write there is nobody to tell */
	return ret;
}

struct name *power_find_name(struct name list[static FILES], const char *name)
{
	for (size_t i = 0; i < FILES; i++)
		if (list[i].file != 0 && strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

void power_drop_name(struct name list[static FILES], const char *name)
{
	struct name *n = power_find_name(list, name);

	if (n != NULL)
		n->file = 0;
}

void power_set_name(struct name list[static FILES], const char *name, size_t file)
{
	power_drop_name(list, name);
	for (size_t i = 0; i < FILES; i++) {
		if (list[i].file != 0)
			continue;
		(void)snprintf(list[i].name, NAME, "%s", name);
		list[i].file = file;
		return;
	}
	abort(); /* a test with more files than that */
}

struct image {
	const struct power *power;
	const struct power_cut *cut;
	uint64_t random;
	unsigned keep, tear; /* of 100 operations that were not synced; the others are lost */
	struct bytes files[FILES];
	struct name names[FILES];
};

uint64_t power_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static size_t below(struct image *image, size_t limit)
{
	return (size_t)(power_random(&image->random) % limit);
}

/* Room grows in large steps: a log grows by thousands of small writes. */
static void resize(struct bytes *b, size_t len)
{
	if (len + 1 > b->room) {
		b->room = 2 * len + 4096;
		b->data = power_grown(b->data, b->room);
	}
	if (len > b->len)
		memset(b->data + b->len, 0, len - b->len);
	b->len = len;
}

enum rest { REST_OLD, REST_ZEROS, REST_GARBAGE, RESTS };

static void fill_rest(struct image *image, struct bytes *b, size_t from, size_t to, enum rest rest)
{
	for (size_t i = from; i < to && rest != REST_OLD; i++)
		b->data[i] = rest == REST_ZEROS ? 0 : (uint8_t)below(image, 256);
}

/*
 * One part of the write is there, up to a sector's border; the sectors of the other hold what they held, or
 * zeros, or anything. The length may have grown all the same. Bytes beside the write are safe, unless the
 * image is of a disk that writes whole sectors.
 */
static void tear(struct image *image, struct bytes *b, const struct op *op)
{
	size_t first = op->offset, end = op->offset + op->len;
	size_t middle = (first + below(image, op->len + 1)) / SECTOR * SECTOR;
	enum rest rest = (enum rest)below(image, RESTS);
	bool front = below(image, 4) > 0; /* which part is there */

	if (end > b->len)
		resize(b, end);
	middle = middle < first ? first : middle;
	memcpy(b->data + (front ? first : middle), op->bytes + (front ? 0 : middle - first),
	    front ? middle - first : end - middle);
	if (front)
		first = middle;
	else
		end = middle;
	if (image->cut->kind == POWER_SECTORS && first < end) {
		first -= first % SECTOR;
		end += (SECTOR - end % SECTOR) % SECTOR;
		end = end < b->len ? end : b->len;
	}
	fill_rest(image, b, first, end, rest);
}

static void carry_out(struct image *image, const struct op *op)
{
	struct bytes *b = &image->files[op->file];

	switch (op->kind) {
	case OP_WRITE:
		if (op->offset + op->len > b->len)
			resize(b, op->offset + op->len);
		memcpy(b->data + op->offset, op->bytes, op->len);
		break;
	case OP_TRUNCATE:
		resize(b, op->len);
		break;
	case OP_NAME:
		power_set_name(image->names, op->name, op->file);
		break;
	case OP_UNNAME:
		power_drop_name(image->names, op->name);
		break;
	case OP_RENAME:
		power_drop_name(image->names, op->name);
		power_set_name(image->names, op->to, op->file);
		break;
	case OP_SYNC:
		break;
	}
}

static void carry_out_unsynced(struct image *image, const struct op *op)
{
	size_t die;

	if (image->cut->kind == POWER_SYNCED)
		return;
	if (image->cut->kind == POWER_PREFIX) {
		carry_out(image, op);
		return;
	}
	die = below(image, 100);
	if (die < image->keep)
		carry_out(image, op);
	else if (die < image->keep + image->tear && op->kind == OP_WRITE)
		tear(image, &image->files[op->file], op);
}

static bool is_of_a_name(const struct op *op)
{
	return op->kind == OP_NAME || op->kind == OP_UNNAME || op->kind == OP_RENAME;
}

/* Which operations are on the disk for sure: a sync of their file, or of the folder, came after them. */
static bool *find_synced(const struct power *p, const struct power_cut *cut)
{
	bool *ret = power_grown(NULL, cut->at + 1);
	bool synced[FILES] = { false };

	for (size_t i = cut->at; i-- > 0;) {
		const struct op *op = &p->ops[i];

		if (op->kind == OP_SYNC)
			synced[op->file] = !cut->liar;
		ret[i] = synced[is_of_a_name(op) ? FOLDER : op->file];
	}
	return ret;
}

static void choose_odds(struct image *image)
{
	static const unsigned odds[][2] = { { 45, 25 }, { 90, 5 }, { 5, 5 }, { 20, 75 },
		{ 50, 0 } };
	size_t i = below(image, sizeof(odds) / sizeof(odds[0]));

	image->keep = odds[i][0];
	image->tear = odds[i][1];
}

static void begin(struct image *image)
{
	const struct power *p = image->power;

	memcpy(image->names, p->was, sizeof(image->names));
	for (size_t i = 0; i < p->files; i++) {
		resize(&image->files[i], p->before[i].len);
		if (p->before[i].len > 0)
			memcpy(image->files[i].data, p->before[i].data, p->before[i].len);
	}
	choose_odds(image);
}

static void put_file(const char *folder, const char *name, const struct bytes *b)
{
	char path[PATH_MAX + NAME + 1];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(b->data, 1, b->len, file), b->len);
	assert_int_equal(fclose(file), 0);
}

void power_image(const struct power *p, const struct power_cut *cut, const char *folder)
{
	struct image *image = calloc(1, sizeof(*image));
	bool *synced = find_synced(p, cut);

	assert_non_null(image);
	image->power = p;
	image->cut = cut;
	image->random = cut->seed;
	begin(image);
	for (size_t i = 0; i < cut->at; i++) {
		if (synced[i])
			carry_out(image, &p->ops[i]);
		else
			carry_out_unsynced(image, &p->ops[i]);
	}
	for (size_t i = 0; i < FILES; i++)
		if (image->names[i].file != 0)
			put_file(folder, image->names[i].name, &image->files[image->names[i].file]);
	for (size_t i = 0; i < p->files; i++)
		free(image->files[i].data);
	free(synced);
	free(image);
}

void power_clear(const char *folder)
{
	char path[PATH_MAX + 300];
	const struct dirent *entry;
	DIR *dir = opendir(folder);

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_type == DT_REG)
			assert_int_equal(unlink(path), 0);
	}
	(void)closedir(dir); /* only read */
}

const char *power_kind_name(enum power_kind kind)
{
	static const char *const names[] = { [POWER_SYNCED] = "synced only",
		[POWER_PREFIX] = "every write so far",
		[POWER_SAMPLE] = "lost, reordered, torn",
		[POWER_SECTORS] = "torn with whole sectors" };

	return names[kind];
}

void power_report(const char *name, bool first, const char *format, ...)
{
	const char *bin = getenv("KILN_BIN");
	char path[PATH_MAX], line[400];
	va_list values;
	FILE *file;

	va_start(values, format);
	(void)vsnprintf(line, sizeof(line), format, values);
	va_end(values);
	print_message("%s\n", line);
	if (bin == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/../power-%s.txt", bin, name);
	file = fopen(path, first ? "w" : "a");
	assert_non_null(file);
	assert_true(fprintf(file, "%s\n", line) > 0);
	assert_int_equal(fclose(file), 0);
}
