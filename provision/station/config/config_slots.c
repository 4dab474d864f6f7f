#include "config_slots.h"

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "usb_tree.h"

/* What is written where a path of the file system belongs: a place, or an address that has one. */
static int check_address(const struct yaml_node *map, const char *address, struct err *e)
{
	const char *colon = strchr(address, ':');
	const char *path = colon != NULL ? colon + 1 : address;
	char place[USB_PLACE_MAX + 1] = "";
	struct err not_one = { 0 };
	size_t len = strcspn(path, "?");

	if (colon == NULL)
		return yaml_error(yaml_get(map, "address"), e,
		    "an address is scheme:path?options, as serial:/dev/ttyUSB0?baud=115200");
	if (len < sizeof(place))
		memcpy(place, path, len);
	if (usb_place_check(place, &not_one) != 0 && strncmp(address, "usb:", 4) != 0)
		return 0;
	return yaml_error(yaml_get(map, "address"), e,
	    "an address is a serial port's path; of what is in USB write place: %s", place);
}

static int take_place(struct config_slot *s, const struct yaml_node *n, struct err *e)
{
	struct err why = { 0 };
	const char *text;

	if (yaml_text(n, &text, e) != 0)
		return -1;
	if (usb_place_check(text, &why) != 0)
		return yaml_error(n, e, "%s", why.message);
	for (size_t i = 0; i < s->place_count; i++)
		if (strcmp(s->places[i], text) == 0)
			return yaml_error(n, e, "%s is there twice", text);
	s->places[s->place_count++] = text;
	return 0;
}

static int read_places(struct config_slot *s, const struct yaml_node *n, struct err *e)
{
	if (!yaml_is_list(n))
		return take_place(s, n, e);
	if (yaml_len(n) == 0 || yaml_len(n) > CONFIG_PLACES_MAX)
		return yaml_error(n, e, "a slot has 1 to %d places: aliases of one connector",
		    CONFIG_PLACES_MAX);
	for (size_t i = 0; i < yaml_len(n); i++)
		if (take_place(s, yaml_at(n, i), e) != 0)
			return -1;
	return 0;
}

/* A number up to max, and what follows it; 0 where there is none. */
static int take_number(const char **text)
{
	int value = 0;

	for (; **text >= '0' && **text <= '9' && value <= CONFIG_TILES_MAX; (*text)++)
		value = value * 10 + **text - '0';
	return value;
}

static int read_tile(struct config_slot *s, const struct yaml_node *map, struct err *e)
{
	const char *text;

	if (yaml_str(map, "tile", "", &text, e) != 0)
		return -1;
	if (yaml_get(map, "tile") == NULL)
		return 0;
	s->row = take_number(&text);
	text += *text == ',' ? strspn(text + 1, " ") + 1 : 0;
	s->column = take_number(&text);
	if (*text != '\0' || s->row < 1 || s->column < 1 || s->row > CONFIG_TILES_MAX ||
	    s->column > CONFIG_TILES_MAX)
		return yaml_error(yaml_get(map, "tile"), e,
		    "a tile is \"row,column\", each 1 to %d, as seen from the operator",
		    CONFIG_TILES_MAX);
	return 0;
}

static int read_slot(struct config_slot *s, const struct yaml_node *map, struct err *e)
{
	static const char *const keys[] = { "name", "address", "place", "tile", NULL };
	const struct yaml_node *place;

	s->at = map;
	if (yaml_keys(map, keys, e) != 0 || yaml_str(map, "name", NULL, &s->name, e) != 0 ||
	    read_tile(s, map, e) != 0)
		return -1;
	if (s->name[0] == '\0' || strlen(s->name) > CONFIG_NAME_MAX)
		return yaml_error(yaml_get(map, "name"), e, "a slot's name has 1 to %d characters",
		    CONFIG_NAME_MAX);
	place = yaml_get(map, "place");
	if ((place == NULL) == (yaml_get(map, "address") == NULL))
		return yaml_error(map, e, "slot %s needs either an address or a place", s->name);
	if (place != NULL)
		return read_places(s, place, e);
	if (yaml_str(map, "address", NULL, &s->address, e) != 0)
		return -1;
	return check_address(map, s->address, e);
}

static bool shares_place(const struct config_slot *a, const struct config_slot *b)
{
	for (size_t i = 0; i < a->place_count; i++)
		for (size_t k = 0; k < b->place_count; k++)
			if (strcmp(a->places[i], b->places[k]) == 0)
				return true;
	return false;
}

static int check_unique(const struct config *c, const struct config_slot *s, struct err *e)
{
	for (const struct config_slot *o = c->slots; o != s; o++)
		if (strcmp(s->name, o->name) == 0 || shares_place(s, o) ||
		    (s->address != NULL && o->address != NULL &&
			strcmp(s->address, o->address) == 0))
			return yaml_error(s->at, e,
			    "slot %s has the name, address or place of slot %s", s->name, o->name);
	return 0;
}

static int check_tile(const struct config *c, const struct config_slot *s, struct err *e)
{
	if (s->row == 0)
		return 0;
	if (c->fixture_columns > 0 && s->column > c->fixture_columns)
		return yaml_error(yaml_get(s->at, "tile"), e, "the fixture has %d columns",
		    (int)c->fixture_columns);
	for (const struct config_slot *o = c->slots; o != s; o++)
		if (o->row == s->row && o->column == s->column)
			return yaml_error(yaml_get(s->at, "tile"), e,
			    "slot %s has the tile of slot %s", s->name, o->name);
	return 0;
}

static int read_list(struct config *c, const struct yaml_node *list, bool required, struct err *e)
{
	if (yaml_len(list) > CONFIG_SLOTS_MAX || (required && yaml_len(list) == 0))
		return yaml_error(list, e, "a station has 1 to %d slots", CONFIG_SLOTS_MAX);
	for (size_t i = 0; i < yaml_len(list); i++)
		if (read_slot(&c->slots[i], yaml_at(list, i), e) != 0 ||
		    check_unique(c, &c->slots[i], e) != 0 || check_tile(c, &c->slots[i], e) != 0)
			return -1;
	c->slot_count = yaml_len(list);
	return 0;
}

static int read_file(struct config *c, const char *path, bool required, struct err *e)
{
	static const char *const keys[] = { "slots", NULL };
	AUTO_STRUCT(buf) text = { 0 };
	const struct yaml_node *list;

	if (file_read(path, 256 * 1024, &text, e) != 0 ||
	    yaml_parse(&c->slots_yaml, path, (const char *)text.data, text.len, e) != 0 ||
	    yaml_keys(yaml_root(c->slots_yaml), keys, e) != 0 ||
	    yaml_list(yaml_root(c->slots_yaml), "slots", true, &list, e) != 0)
		return -1;
	return read_list(c, list, required, e);
}

int config_slots_load_file(struct config *c, struct err *e)
{
	return read_file(c, c->path, false, e);
}

static int read_fixture(struct config *c, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "columns", NULL };
	const struct yaml_node *fixture;

	if (yaml_map(root, "fixture", false, &fixture, e) != 0)
		return -1;
	if (fixture == NULL)
		return 0;
	if (yaml_keys(fixture, keys, e) != 0)
		return -1;
	return yaml_int(fixture, "columns", true, 1, CONFIG_TILES_MAX, &c->fixture_columns, e);
}

int config_slots_load(struct config *c, const struct yaml_node *root, bool required, struct err *e)
{
	const struct yaml_node *slots = yaml_get(root, "slots");
	AUTO_STRUCT(buf) path = { 0 };
	const char *name;

	if (read_fixture(c, root, e) != 0)
		return -1;
	if (slots == NULL && !required)
		return 0;
	if (slots == NULL || yaml_is_list(slots))
		return yaml_list(root, "slots", true, &slots, e) == 0
			   ? read_list(c, slots, required, e)
			   : -1;
	if (yaml_text(slots, &name, e) != 0 || file_beside(c->path, name, &path, e) != 0)
		return -1;
	c->slots_file = strndup((const char *)path.data, path.len);
	if (c->slots_file == NULL)
		return err_nomem(e);
	if (!required && access(c->slots_file, F_OK) != 0)
		return 0;
	return read_file(c, c->slots_file, required, e);
}
