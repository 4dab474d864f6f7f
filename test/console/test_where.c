#include "where.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "testing.h"

static void finds(const char *text, const char *wanted)
{
	char *folder = testing_folder();
	AUTO_STRUCT(buf) path = { 0 };
	char config[300], expected[400];
	struct err e = { 0 };

	(void)snprintf(config, sizeof(config), "%s/station.yaml", folder);
	assert_ok(file_write(config, text, strlen(text), 0644, &e), &e);
	assert_ok(where_socket(config, &path, &e), &e);
	(void)snprintf(expected, sizeof(expected), "%s%s%s", wanted[0] == '/' ? "" : folder,
	    wanted[0] == '/' ? "" : "/", wanted);
	assert_string_equal((const char *)path.data, expected);
	testing_folder_remove(folder);
}

/* As the station does (config.c). */
static void where_a_station_listens(void **state)
{
	(void)state;
	finds("records: x\n", "state/control.sock");
	finds("state: /var/lib/kiln/state\n", "/var/lib/kiln/state/control.sock");
	finds("state: other\ncontrol: { mode: \"0660\" }\n", "other/control.sock");
	finds("state: s\ncontrol: { socket: /run/kiln/c.sock }\n", "/run/kiln/c.sock");
	finds("control: { socket: c.sock }\n", "c.sock");
}

static void no_station(void **state)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(where_socket("/nowhere/station.yaml", &path, &e), &e, "file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_a_station_listens),
		cmocka_unit_test(no_station),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
