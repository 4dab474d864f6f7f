#include "shift.h"

#include <stdio.h>
#include <string.h>

enum { DAY_MIN = 24 * 60 };

static int length(const struct shift *s)
{
	return (s->end - s->begin + DAY_MIN - 1) % DAY_MIN + 1; /* the whole day is one too */
}

/* True where one begins while the other runs. */
static bool overlap(const struct shift *a, const struct shift *b)
{
	int from_a = (b->begin - a->begin + DAY_MIN) % DAY_MIN;
	int from_b = (a->begin - b->begin + DAY_MIN) % DAY_MIN;

	return from_a < length(a) || from_b < length(b);
}

static int load_minute(const struct yaml_node *map, const char *key, int max, int *ret,
    struct err *e)
{
	const char *text;

	if (yaml_str(map, key, NULL, &text, e) != 0)
		return -1;
	*ret = zone_minute_parse(text);
	if (*ret < 0 || *ret > max)
		return yaml_error(yaml_get(map, key), e,
		    "\"%s\" is no time of day: \"06:00\", between quotes", text);
	return 0;
}

static int load_shift(const struct yaml_node *map, struct shift *ret, struct err *e)
{
	static const char *const keys[] = { "name", "from", "to", NULL };

	if (yaml_keys(map, keys, e) != 0 || yaml_str(map, "name", NULL, &ret->name, e) != 0 ||
	    load_minute(map, "from", DAY_MIN - 1, &ret->begin, e) != 0 ||
	    load_minute(map, "to", DAY_MIN, &ret->end, e) != 0)
		return -1;
	if (ret->name[0] == '\0' || ret->name[0] == '-' || strlen(ret->name) > SHIFT_NAME_MAX)
		return yaml_error(yaml_get(map, "name"), e,
		    "a shift's name has 1 to %d bytes and does not begin with -", SHIFT_NAME_MAX);
	if (ret->begin == ret->end)
		return yaml_error(yaml_get(map, "to"), e,
		    "shift %s ends when it begins; a whole day is 00:00 to 24:00", ret->name);
	return 0;
}

int shifts_load(struct shifts *ret, const struct yaml_node *root, struct err *e)
{
	const struct yaml_node *list;

	if (yaml_list(root, "shifts", false, &list, e) != 0)
		return -1;
	if (list == NULL)
		return 0;
	if (yaml_len(list) == 0 || yaml_len(list) > SHIFTS_MAX)
		return yaml_error(list, e, "a station has 1 to %d shifts, or no \"shifts\"",
		    SHIFTS_MAX);
	for (size_t i = 0; i < yaml_len(list); i++) {
		struct shift *s = &ret->list[i];

		if (load_shift(yaml_at(list, i), s, e) != 0)
			return -1;
		for (size_t k = 0; k < i; k++) {
			if (strcmp(ret->list[k].name, s->name) == 0)
				return yaml_error(yaml_at(list, i), e,
				    "there is a shift %s already", s->name);
			if (overlap(&ret->list[k], s))
				return yaml_error(yaml_at(list, i), e,
				    "shift %s overlaps shift %s: units would count in both",
				    s->name, ret->list[k].name);
		}
	}
	ret->count = yaml_len(list);
	return 0;
}

struct shift_span shift_on(const struct shift *s, struct zone_day day)
{
	struct zone_day last = s->end > s->begin ? day : zone_day_add(day, 1);

	return (struct shift_span){ s, zone_ms(day, s->begin), zone_ms(last, s->end) };
}

int shift_named(const struct shifts *shifts, const char *name, const struct shift **ret,
    struct err *e)
{
	char names[200] = "";

	if (shifts->count == 0)
		return err_set(e, ERR_CONFIG, "shift.none",
		    "the configuration has no shifts: add "
		    "shifts: [{ name: early, from: \"06:00\", to: \"14:00\" }]");
	for (size_t i = 0; i < shifts->count; i++) {
		size_t len = strlen(names);

		if (strcmp(shifts->list[i].name, name) == 0) {
			*ret = &shifts->list[i];
			return 0;
		}
		(void)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "",
		    shifts->list[i].name);
	}
	return err_set(e, ERR_OPERATOR, "shift.unknown", "there is no shift \"%s\"; there is %s",
	    name, names);
}

/* Its latest one that has begun. */
static struct shift_span latest(const struct shift *s, int64_t now_ms)
{
	struct zone_day day = zone_day_of(now_ms);
	struct shift_span span = shift_on(s, day);

	return span.from_ms <= now_ms ? span : shift_on(s, zone_day_add(day, -1));
}

int shift_find(const struct shifts *shifts, const char *name, int64_t now_ms,
    struct shift_span *ret, struct err *e)
{
	const struct shift *s;

	if (name == NULL && shifts->count > 0) {
		for (size_t i = 0; i < shifts->count; i++) {
			*ret = latest(&shifts->list[i], now_ms);
			if (now_ms < ret->to_ms)
				return 0;
		}
		return err_set(e, ERR_OPERATOR, "shift.off",
		    "no shift runs now: name one, as in --shift %s", shifts->list[0].name);
	}
	if (shift_named(shifts, name != NULL ? name : "", &s, e) != 0)
		return -1;
	*ret = latest(s, now_ms);
	return 0;
}
