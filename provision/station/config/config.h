/* station.yaml, read once into a const struct. Strict: an unknown key is an error with its place. */
#ifndef KILN_CONFIG_H
#define KILN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "config_rules.h"
#include "scan_config.h"
#include "secret.h"
#include "shift.h"
#include "yaml.h"

enum {
	CONFIG_SLOTS_MAX = 128,
	CONFIG_PLACES_MAX = 3,
	CONFIG_NAME_MAX = 64,
	CONFIG_TILES_MAX = 32, /* rows, columns */
	CONFIG_PROCESSES_MAX = 64
};

/* A key in a token of the HSM module, with the certificate that goes with it. */
struct config_token {
	const char *token; /* label; NULL: not configured */
	const char *key;   /* label */
	char *certificate; /* path: PEM, leaf then chain */
	char *pin;         /* path of a file, "credential:NAME" or "prompt" */
	char *guard;       /* path: remembers a failed login (hsm_login) */
};

/* A position of the fixture: where a device appears. */
struct config_slot {
	const struct yaml_node *at;            /* for errors */
	const char *name;                      /* "1": what the fixture's label says */
	const char *address;                   /* "serial:/dev/..."; NULL: it has places */
	const char *places[CONFIG_PLACES_MAX]; /* of USB (usb_tree.h): aliases of one connector */
	size_t place_count;
	int row, column; /* of its tile on the console's page, from 1; 0: where there is room */
};

struct config {
	struct yaml *yaml; /* owns the strings that are not of char * */
	char *path;

	const char *station; /* id: names the event chain */
	const char *site, *line;

	char *records; /* path of the database */
	char *profile; /* path */
	char *state;   /* folder for what the station's programs keep: signer position, guards */

	const char *ca_url;
	char *ca_anchors; /* path: PEM, what TLS to the CA is trusted by */
	bool ca_test;     /* accept_test_ca: certificates of a throw-away CA pass the lint */
	int64_t ca_processes;
	const char *credential_kind; /* "basic", "header" or NULL: then tls is used */
	char *credential_file;
	int64_t retry_min_s, retry_max_s, retry_default_s;
	int64_t retry_patience_s; /* how long units wait through an outage of the CA or the HSM */

	char *module; /* PKCS#11 module's path */
	struct config_token tls, attestation;
	char *attestation_anchors; /* path: PEM, what attestations are verified by */

	struct config_slot slots[CONFIG_SLOTS_MAX];
	size_t slot_count;
	char *slots_file; /* path: where the slots are, if not in station.yaml itself; else NULL */
	struct yaml *slots_yaml;
	int64_t
	    fixture_columns; /* of tiles on the console's page; 0: by the screen and their number */

	char *control_socket; /* path: where a running station is asked */
	unsigned control_mode;
	const char *control_group; /* whose members may ask; NULL: nobody's */

	const char *order; /* id, or NULL: unbounded */
	int64_t quantity;

	char *operators_file;    /* path: who may work here; NULL: whoever may ask the station */
	bool operators_required; /* nothing begins while nobody is signed on */
	int64_t operators_idle_s;
	char *label_template; /* path: ZPL (label.h); NULL: no labels */
	char *label_printer;  /* printer_address.h; a file's path is absolute */

	struct shifts shifts; /* what kiln report --shift means */
	struct config_rules rules;
	struct scan_config scan;
};

/*
 * Relative paths are relative to the file's folder. hsm.environment is put into this process's
 * environment, which the HSM programs inherit. Errors: CONFIG, "file:line:col: ...".
 */
must_check int config_load(struct config **ret, const char *path, struct err *e);
/*
 * Its slots alone: of station.yaml nothing else is looked at. A file of slots that it names may not be
 * there yet: then there are none. Errors: CONFIG.
 */
must_check int config_load_slots(struct config **ret, const char *path, struct err *e);
/* A file of slots by itself. Errors: CONFIG. */
must_check int config_load_slots_file(struct config **ret, const char *path, struct err *e);
void config_free(struct config *c);
OWNED_PTR(config, config_free)

/* Reads the PIN from where it is said to be: a file, a credential, or a prompt that names the token. */
must_check int config_pin(const struct config_token *t, struct secret *ret, struct err *e);

#endif
