/* kiln unit: what the records hold of one unit, on one screen. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "dossier.h"
#include "source.h"

/* A text of the records, after its name; nothing where it is absent. */
static void say(const char *name, const json_t *object, const char *member)
{
	const char *text = json_opt_str(object, member, "");

	if (text[0] == '\0')
		return;
	(void)printf("  %-12s ", name);
	cli_print(text);
	(void)putchar('\n');
}

static void say_error(const json_t *error)
{
	if (error == NULL)
		return;
	(void)printf("  %-12s ", "why");
	cli_print(json_opt_str(error, "message", ""));
	(void)printf(" [");
	cli_print(json_opt_str(error, "code", ""));
	(void)printf("]\n");
	say("what to do", error, "advice");
}

static void print_steps(const json_t *job)
{
	const json_t *steps = json_object_get(job, "steps");
	const json_t *spent = json_object_get(job, "spent");

	for (size_t i = 0; i < json_array_size(steps); i++) {
		const json_t *s = json_array_get(steps, i);

		(void)printf("    %-10s %-8s %8lld ms\n", json_opt_str(s, "step", ""),
		    json_opt_str(s, "who", ""), (long long)json_opt_int(s, "ms", 0));
	}
	if (json_object_get(job, "whole_ms") != NULL)
		(void)printf("    %-10s %-8s %8lld ms (device %lld, CA %lld, HSM %lld, station "
			     "%lld)\n",
		    "whole", "", (long long)json_opt_int(job, "whole_ms", 0),
		    (long long)json_opt_int(spent, "device", 0),
		    (long long)json_opt_int(spent, "ca", 0),
		    (long long)json_opt_int(spent, "hsm", 0),
		    (long long)json_opt_int(spent, "station", 0));
}

static void print_checks(const json_t *job)
{
	const json_t *checks = json_object_get(job, "checks");

	for (size_t i = 0; i < json_array_size(checks); i++) {
		const json_t *check = json_array_get(checks, i);
		const json_t *passed = json_object_get(check, "passed");
		const json_t *warnings = json_object_get(check, "warnings");

		(void)printf("  %-12s %s:", i == 0 ? "checked" : "",
		    json_opt_str(check, "judge", ""));
		for (size_t k = 0; k < json_array_size(passed); k++)
			(void)printf(" %s", json_string_value(json_array_get(passed, k)));
		for (size_t k = 0; k < json_array_size(warnings); k++) {
			(void)printf("; warning: ");
			cli_print(json_opt_str(json_array_get(warnings, k), "message", ""));
		}
		(void)putchar('\n');
	}
}

static void print_certificate(const json_t *c)
{
	const json_t *sans = json_object_get(c, "sans");

	if (c == NULL)
		return;
	say("subject", c, "subject");
	say("issuer", c, "issuer");
	say("number", c, "number");
	say("fingerprint", c, "sha256");
	say("key", c, "key");
	say("spki", c, "spki");
	(void)printf("  %-12s %s to %s\n", "valid", json_opt_str(c, "not_before", ""),
	    json_opt_str(c, "not_after", ""));
	for (size_t i = 0; i < json_array_size(sans); i++) {
		(void)printf("  %-12s ", i == 0 ? "names" : "");
		cli_print(json_string_value(json_array_get(sans, i)));
		(void)putchar('\n');
	}
	if (json_opt_bool(c, "test_ca", false))
		(void)printf("  %-12s a throw-away CA made it: not for production\n", "");
}

static void print_job(const json_t *job)
{
	(void)printf("\njob %lld: %s%s%s\n", (long long)json_opt_int(job, "job", 0),
	    json_opt_str(job, "status", ""),
	    json_opt_bool(job, "retest", false) ? ", a retest" : "",
	    json_opt_bool(job, "rework", false) ? ", a rework" : "");
	say("station", job, "station");
	say("slot", job, "slot");
	say("operator", job, "operator");
	say("order", job, "order");
	say("product", job, "product");
	say("version", job, "version");
	say("opened", job, "opened_at");
	say("ended", job, "ended_at");
	say_error(json_object_get(job, "error"));
	print_steps(job);
	print_checks(job);
	print_certificate(json_object_get(job, "certificate"));
}

static void print_text(const json_t *dossier)
{
	const json_t *jobs = json_object_get(dossier, "jobs");
	const json_t *away = json_object_get(dossier, "turned_away");
	const json_t *orphans = json_object_get(dossier, "orphans");
	const json_t *decisions = json_object_get(dossier, "decisions");

	cli_print(json_opt_str(dossier, "serial", ""));
	(void)printf(": %s\n", json_opt_str(dossier, "status", ""));
	for (size_t i = 0; i < json_array_size(jobs); i++)
		print_job(json_array_get(jobs, i));
	for (size_t i = 0; i < json_array_size(away); i++) {
		(void)printf("\nturned away\n");
		say("at", json_array_get(away, i), "at");
		say("slot", json_array_get(away, i), "slot");
		say_error(json_object_get(json_array_get(away, i), "error"));
	}
	for (size_t i = 0; i < json_array_size(orphans); i++) {
		(void)printf("\norphan\n");
		say("id", json_array_get(orphans, i), "id");
		say("revocation", json_array_get(orphans, i), "revocation");
		say("reason", json_array_get(orphans, i), "reason");
	}
	for (size_t i = 0; i < json_array_size(decisions); i++) {
		(void)printf("\n%s\n", json_opt_str(json_array_get(decisions, i), "what", ""));
		say("at", json_array_get(decisions, i), "at");
		say("by", json_array_get(decisions, i), "by");
		say("reason", json_array_get(decisions, i), "reason");
	}
	if (json_opt_int(dossier, "left_out", 0) > 0)
		(void)printf("\nolder entries are left out: kiln log has them all\n");
}

int cmd_unit(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "records", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	AUTO(json_t) *dossier = NULL;
	struct source s = { 0 };
	struct err e = { 0 };
	bool json = false;
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
	if (optind + 1 != argc || (s.config_path == NULL) == (s.records_path == NULL))
		return cli_usage(argv[0]);
	rc = source_open(&s, false, &e) == 0 ? dossier_make(s.records, argv[optind], &dossier, &e)
					     : -1;
	source_close(&s);
	if (rc == 0 && json)
		return cli_json(dossier);
	if (rc == 0)
		print_text(dossier);
	return rc == 0 ? EXIT_PASSED : cli_fail_as(json, &e);
}
