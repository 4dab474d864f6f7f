/* kiln log: the events, of one unit or of all. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "source.h"

static const char *const shown_apart[] = { "event", "at", "seq", "hash", "station", NULL };

static bool is_shown_apart(const char *key)
{
	for (size_t i = 0; shown_apart[i] != NULL; i++)
		if (strcmp(key, shown_apart[i]) == 0)
			return true;
	return false;
}

static void print_member(const char *key, const char *text)
{
	(void)putchar(' ');
	cli_print(key);
	(void)putchar('=');
	cli_print(text);
}

/* In quotes, with those inside told apart. */
static void print_quoted(const char *key, const char *text)
{
	print_member(key, "\"");
	while (*text != '\0') {
		size_t len = strcspn(text, "\"\\");
		char part[256];

		if (len == 0) {
			(void)printf("\\%c", *text++);
			continue;
		}
		len = len < sizeof(part) ? len : sizeof(part) - 1;
		while (len > 1 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--; /* a character stays whole */
		(void)snprintf(part, sizeof(part), "%.*s", (int)len, text);
		cli_print(part);
		text += len;
	}
	(void)putchar('"');
}

static void print_error(const char *key, const json_t *error)
{
	print_quoted(key, json_opt_str(error, "message", ""));
	if (json_opt_str(error, "code", NULL) == NULL)
		return;
	(void)printf(" [");
	cli_print(json_opt_str(error, "code", ""));
	(void)putchar(']');
}

static void print_time(const char *key, const json_t *ms)
{
	char text[CLOCK_TEXT];

	clock_text(json_integer_value(ms), text);
	print_member(key, text);
}

static void print_digest(const char *key, const char *digest)
{
	char start[13] = { 0 };

	memcpy(start, digest, sizeof(start) - 1);
	print_member(key, start);
	(void)printf("...");
}

static void print_value(const char *key, const json_t *value)
{
	if (json_is_string(value) && json_string_length(value) == 64)
		print_digest(key, json_string_value(value));
	else if (json_is_string(value) && strpbrk(json_string_value(value), " \"\\") == NULL)
		print_member(key, json_string_value(value));
	else if (json_is_object(value) && json_opt_str(value, "message", NULL) != NULL)
		print_error(key, value);
	else if (json_is_integer(value) && strcmp(key, "retry_at") == 0)
		print_time(key, value);
	else if (json_is_string(value))
		print_quoted(key, json_string_value(value));
	else {
		print_member(key, "");
		(void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	}
}

/* context counts the events. */
static int print_text(const json_t *event, void *context, struct err *e)
{
	long *shown = context;
	const char *kind = json_opt_str(event, "event", "");
	int pad = strlen(kind) < 9 ? 9 - (int)strlen(kind) : 0;
	const char *key;
	json_t *value;

	(void)e;
	(*shown)++;
	cli_print(json_opt_str(event, "at", ""));
	(void)putchar(' ');
	cli_print(json_opt_str(event, "station", ""));
	(void)printf("/%-6lld ", (long long)json_opt_int(event, "seq", 0));
	cli_print(kind);
	(void)printf("%*s", pad, "");
	json_object_foreach((json_t *)(uintptr_t)event, key, value) if (!is_shown_apart(key))
	    print_value(key, value);
	(void)putchar('\n');
	return 0;
}

static int print_json(const json_t *event, void *context, struct err *e)
{
	long *shown = context;

	(void)e;
	(*shown)++;
	(void)json_dumpf(event, stdout, JSON_COMPACT);
	(void)putchar('\n');
	return 0;
}

int cmd_log(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *serial = NULL;
	struct source s = { 0 };
	struct err e = { 0 };
	bool json = false;
	long shown = 0;
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			s.config_path = optarg;
		else if (o == 'r')
			s.records_path = optarg;
		else if (o == 'j')
			json = true;
		else
			return cli_usage(argv[0]);
	}
	if (optind < argc)
		serial = argv[optind++];
	if (optind != argc || (s.config_path == NULL) == (s.records_path == NULL))
		return cli_usage(argv[0]);
	rc = source_open(&s, false, &e);
	if (rc == 0)
		rc = records_events(s.records, serial, 0, json ? print_json : print_text, &shown,
		    &e);
	if (rc == 0 && serial != NULL && shown == 0)
		rc = err_set(&e, ERR_OPERATOR, "unit.unknown", "serial %s is not in these records",
		    serial);
	source_close(&s);
	return rc == 0 ? EXIT_PASSED : cli_fail(&e);
}
