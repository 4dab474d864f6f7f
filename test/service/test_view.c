#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "testing.h"

struct world {
	struct config config;
	struct view *view;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e = { 0 };

	assert_non_null(w);
	w->config.station = w->config.site = w->config.line = "";
	w->config.slots[0].name = "1";
	w->config.slots[1].name = "2";
	w->config.slot_count = 2;
	assert_ok(view_new(&w->view, &w->config, &e), &e);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	view_free(w->view);
	free(w);
	return 0;
}

/* Takes event over. */
static void take(struct world *w, json_t *event)
{
	assert_non_null(event);
	view_take(w->view, event);
	json_decref(event);
}

static void say(struct world *w, const char *what)
{
	take(w, json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:s}", "event", "station", "what", what,
		    "time", "now", "rule", "2 units in a row failed", "units", "B", "A", "code",
		    "x.y"));
}

static void end(struct world *w, const char *outcome, bool first, bool waited)
{
	take(w,
	    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "event", "unit", "slot", "1", "serial",
		"A", "outcome", outcome, "code", "x.y", "first", first, "waited", waited));
}

/* A member of the snapshot ("line.rule") as its JSON text. */
static void assert_shown(const struct world *w, const char *path, const char *expected)
{
	AUTO(json_t) *snapshot = view_snapshot(w->view);
	const json_t *at = snapshot;
	char parts[64], *part, *rest = NULL, *text;

	assert_non_null(snapshot);
	(void)strncpy(parts, path, sizeof(parts) - 1);
	parts[sizeof(parts) - 1] = '\0';
	for (part = strtok_r(parts, ".", &rest); part != NULL; part = strtok_r(NULL, ".", &rest))
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(part))
				       : json_object_get(at, part);
	assert_non_null(at);
	text = json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	assert_string_equal(text, expected);
	free(text);
}

static json_t *seen(const char *what)
{
	json_t *names = json_pack("[s]", what);

	assert_non_null(names);
	return names;
}

static void test_an_alarm_is_loud_until_it_is_seen(void **state)
{
	struct world *w = *state;
	AUTO(json_t) *line = seen("line-stopped");
	AUTO(json_t) *ca = seen("ca-down");

	assert_shown(w, "alarm", "null");
	say(w, "line-stopped");
	assert_shown(w, "alarm", "{\"seen\":null,\"what\":[\"line-stopped\"]}");
	view_set_seen(w->view, line, "mei", "noon");
	assert_shown(w, "alarm.seen", "{\"at\":\"noon\",\"by\":\"mei\"}");
	say(w, "ca-down"); /* another one: loud again */
	assert_shown(w, "alarm", "{\"seen\":null,\"what\":[\"ca-down\",\"line-stopped\"]}");
	view_set_seen(w->view, ca, "eve", "one");
	assert_shown(w, "alarm.seen", "{\"at\":\"one\",\"by\":\"eve\"}");
	say(w, "ca-down"); /* a try of it failed: the same outage */
	assert_shown(w, "alarm.seen", "{\"at\":\"one\",\"by\":\"eve\"}");
	say(w, "ca-up");
	assert_shown(w, "alarm.what", "[\"line-stopped\"]");
	say(w, "ca-down");
	assert_shown(w, "alarm.seen", "null");
	say(w, "line-released");
	say(w, "ca-up");
	assert_shown(w, "alarm", "null");
	view_set_seen(w->view, ca, "eve", "two"); /* what is over can not be seen in advance */
	say(w, "ca-down");
	assert_shown(w, "alarm.seen", "null");
}

static void test_a_stopped_line(void **state)
{
	struct world *w = *state;

	assert_shown(w, "line", "null");
	say(w, "line-stopped");
	assert_shown(w, "line",
	    "{\"at\":\"now\",\"rule\":\"2 units in a row failed\",\"units\":[\"B\",\"A\"]}");
	assert_shown(w, "state", "\"starting\""); /* the state does not say it */
	say(w, "line-released");
	assert_shown(w, "line", "null");
}

static void test_the_disk(void **state)
{
	struct world *w = *state;

	view_set_free(w->view, 5);
	assert_shown(w, "health.disk", "{\"free_bytes\":5,\"state\":\"up\"}");
	say(w, "disk-low");
	assert_shown(w, "health.disk.state", "\"low\"");
	assert_shown(w, "health.disk.code", "\"x.y\"");
	assert_shown(w, "alarm", "null"); /* there is time */
	say(w, "disk-down");
	assert_shown(w, "alarm.what", "[\"disk-down\"]");
	say(w, "disk-up");
	assert_shown(w, "health.disk.state", "\"up\"");
}

static void test_first_passes(void **state)
{
	struct world *w = *state;

	assert_shown(w, "rates.first_pass_ppm", "null");
	end(w, "passed", true, false);
	assert_shown(w, "rates.first_pass_ppm", "1000000");
	end(w, "failed", true, false);
	assert_shown(w, "rates.first_pass_ppm", "500000");
	end(w, "passed", false, false); /* its second job */
	end(w, "parked", true, false);  /* not ended */
	end(w, "refused", true, false);
	assert_shown(w, "rates.first_pass_ppm", "500000");
	end(w, "passed", true, true);
	end(w, "passed", true, false);
	assert_shown(w, "rates.first_pass_ppm", "500000");
}

static void test_what_is_to_be_acknowledged_stays(void **state)
{
	struct world *w = *state;

	assert_shown(w, "slots.0.ack", "false");
	end(w, "failed", true, false);
	view_set_ack(w->view, "1", true);
	take(w, json_pack("{s:s, s:s}", "event", "left", "slot", "1"));
	take(w, json_pack("{s:s, s:s}", "event", "held", "slot", "1"));
	assert_shown(w, "slots.0.state", "\"held\"");
	assert_shown(w, "slots.0.ack", "true");
	assert_shown(w, "slots.0.code", "\"x.y\"");
	assert_shown(w, "slots.1.ack", "false");
	view_set_ack(w->view, "1", false);
	take(w, json_pack("{s:s, s:s}", "event", "arrived", "slot", "1"));
	assert_shown(w, "slots.0.ack", "false");
	assert_shown(w, "slots.0.serial", "\"\"");
	take(w, json_pack("{s:s, s:s, s:s}", "event", "held", "slot", "2", "why", "line"));
	assert_shown(w, "slots.1.state", "\"held\"");
	assert_shown(w, "slots.1.held", "\"line\"");
}

#define view_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		view_test(test_an_alarm_is_loud_until_it_is_seen),
		view_test(test_a_stopped_line),
		view_test(test_the_disk),
		view_test(test_first_passes),
		view_test(test_what_is_to_be_acknowledged_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
