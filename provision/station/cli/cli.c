#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"

const struct command commands[] = {
	{ "dry-run", cmd_dry_run,
	    "[--devices N=8] [--slots S=4] [--profile FILE] [--dir DIR] [--keygen-ms MS=200] "
	    "[--seed N]\n"
	    "          [--ca-fault LABEL] [--twin-fault FAULT[:STEP][@K]]... [--twin-variant V] "
	    "[--usb] [--json]\n"
	    "          the whole job against emulated devices and a throw-away CA" },
	{ "batch", cmd_batch,
	    "--config station.yaml [--list units.csv] [--count N] [--json]\n"
	    "          provision what appears in the slots" },
	{ "run", cmd_run,
	    "--config station.yaml [--json]\n"
	    "          the station as a service: provisions what appears in the slots until it is "
	    "told to end" },
	{ "status", cmd_status,
	    "--config station.yaml [--json]\n          of a running station: slots, CA, HSM, "
	    "counts" },
	{ "watch", cmd_watch,
	    "--config station.yaml [--json]\n          what happens at a running station, until it "
	    "ends" },
	{ "stop", cmd_act,
	    "--config station.yaml --reason R\n"
	    "          a running station begins no unit any more; those in flight go on" },
	{ "start", cmd_act, "--config station.yaml\n          ... and begins again" },
	{ "pause", cmd_act,
	    "--config station.yaml [--slot NAME]\n"
	    "          begins nothing, in one slot or in all, until it is resumed" },
	{ "resume", cmd_act,
	    "--config station.yaml [--slot NAME]\n"
	    "          ... and begins again; also opens a slot that its failures have closed" },
	{ "operator", cmd_operator,
	    "add NAME --role operator|engineer [--badge] [--pin] --config station.yaml\n"
	    "          asks for the badge (scan it) and the PIN, or reads a line for each from "
	    "standard input\n"
	    "     kiln operator remove NAME --config F\n"
	    "     kiln operator list | check --config F\n"
	    "          who may work at the station" },
	{ "label", cmd_label,
	    "SERIAL [--reason R] --config station.yaml\n"
	    "          a running station prints the label of a passed unit again\n"
	    "     kiln label preview SERIAL | --example --config station.yaml\n"
	    "          what the printer would get, on standard output" },
	{ "retest", cmd_act,
	    "--config station.yaml --slot NAME [--reason R] | --serial S --reason R\n"
	    "          a unit that did not pass is made again in its slot; or once more than "
	    "rules.retests allows" },
	{ "acknowledge", cmd_act,
	    "--config station.yaml [--slot NAME]\n"
	    "          a failure, or the station's alarm, was seen" },
	{ "release", cmd_act,
	    "--config station.yaml --reason R\n"
	    "          ends a stop of the line by a rule; the rules count anew" },
	{ "scan", cmd_act,
	    "TEXT [--slot S] --config station.yaml\n"
	    "          a unit's label, as if its scanner had sent it" },
	{ "doctor", cmd_doctor,
	    "--config station.yaml\n          could a batch start? what to do if not" },
	{ "slots", cmd_slots,
	    "[--config F] [--json]\n          what is plugged in, and where\n"
	    "     kiln slots learn --config F [--out FILE] [--anew] [--json]\n"
	    "          name the fixture's positions by plugging a device into each" },
	{ "hsm", cmd_hsm,
	    "status | init | keygen | csr | unblock  --config F [--token tls|attestation] ...\n"
	    "          init [--so-pin FILE]\n"
	    "          keygen --alg EC:P-256 [--label L]\n"
	    "          csr --subject /O=.../CN=... [--ra] [--label L] --out F\n"
	    "          unblock (after a wrong PIN was corrected)\n"
	    "          tokens and keys of the station itself; all but status need --token. PINs "
	    "come from where\n"
	    "          station.yaml says; --so-pin is a file, \"credential:NAME\" or (default) a "
	    "prompt" },
	{ "profile", cmd_profile, "check FILE...\n          errors as file:line:col" },
	{ "log", cmd_log, "[SERIAL] (--config F | --records R) [--json]\n          what happened" },
	{ "unit", cmd_unit,
	    "SERIAL (--config F | --records R) [--json]\n"
	    "          all about one unit: steps, checks, certificate, errors, retests, orphans" },
	{ "evidence", cmd_evidence,
	    "SERIAL (--dir OUT | --tar FILE|- | --json) (--config F | --records R)\n"
	    "          CSR, certificate, chain, proof and attestation of a unit as files" },
	{ "verify", cmd_verify,
	    "--config F | --records R --trust PEM...  [--accept-test-ca] [--json]\n"
	    "          event chain, attestations, certificates and promises, offline" },
	{ "orphans", cmd_orphans,
	    "(--config F | --records R) [--revoked ID --by WHO] [--json]\n"
	    "          certificates that exist, or may exist, and are on no device" },
	{ "report", cmd_report,
	    "[--shift [NAME]] [--order ID] [--date DAY] [--from T [--to T]]\n"
	    "          (--config F | --records R) [--html F] [--csv F] [--json] [--by WHO]\n"
	    "          counts, yield, failures, rate and times of a period; without one: of "
	    "today" },
	{ "rework", cmd_rework,
	    "SERIAL --reason R --by WHO --config F\n          allow a second identity for a passed "
	    "unit" },
	{ "scrap", cmd_scrap,
	    "SERIAL --reason R --by WHO --config F\n          take a unit out; queue its "
	    "certificate" },
	{ "records", cmd_records,
	    "upgrade RECORDS\n          copy into the present schema, verify, swap\n"
	    "     kiln records accept-restore --config F --by WHO --reason R\n"
	    "          go on with records that are an old copy, where the newer ones are lost for "
	    "good\n"
	    "     kiln records accept-clock --config F --by WHO --reason R\n"
	    "          the clock is right now; it was wrong when the last unit was made" },
	{ NULL, NULL, NULL },
};

int cli_fail(const struct err *e)
{
	(void)fprintf(stderr, "kiln: %s [%s]\n  what to do: %s\n", e->message, e->code,
	    advice_for(e));
	if (err_is(e, "records.locked"))
		return EXIT_LOCKED;
	if (err_is(e, "nomem"))
		return EXIT_STATION;
	return e->domain == ERR_CONFIG || e->domain == ERR_OPERATOR ? EXIT_INPUT : EXIT_STATION;
}

int cli_json(const json_t *object)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	if (json_canonical(object, &text, &e) != 0 || buf_add_u8(&text, '\n', &e) != 0)
		return cli_fail(&e);
	if (fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0)
		return EXIT_PASSED;
	(void)err_errno(&e, ERR_CONFIG, "file", "writing the answer");
	return cli_fail(&e);
}

int cli_fail_as(bool json, const struct err *e)
{
	AUTO(json_t) *line = json ? json_pack("{s:o}", "err", json_from_err(e)) : NULL;

	if (line != NULL && json_object_set_new(json_object_get(line, "err"), "advice",
				json_string(advice_for(e))) == 0)
		(void)cli_json(line); /* the text says it too */
	return cli_fail(e);
}

int cli_usage(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			(void)fprintf(stderr, "usage: kiln %s %s\n", c->name, c->usage);
	return EXIT_USAGE;
}

/* C0, DEL, and C1 as UTF-8 writes it. */
void cli_print(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		bool is_c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		(void)putchar(*p < 0x20 || *p == 0x7f || is_c1 ? '?' : *p);
		p += is_c1;
	}
}

bool cli_number(const char *text, long min, long max, long *ret)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
		return false;
	*ret = value;
	return true;
}
