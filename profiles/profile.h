/*
 * A profile: what a product's identity is. Written by hand as strict YAML, read once into this const
 * struct; its digest is in every record and statement. profiles/profile.schema.json describes the
 * same for editors.
 */
#ifndef KILN_PROFILE_H
#define KILN_PROFILE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "x509.h"
#include "yaml.h"

enum {
	PROFILE_TEXT_MAX = 64 * 1024,
	PROFILE_RDNS_MAX = 12,
	PROFILE_SANS_MAX = 8,
	PROFILE_LIST_MAX = 12,
	IDENTITY_MAX = 64,
};

/* What a device says of itself before anything is made. Texts are printable ASCII; "" is "not said". */
struct identity {
	char model[IDENTITY_MAX + 1];
	char serial[IDENTITY_MAX + 1];
	char firmware[IDENTITY_MAX + 1];  /* version text */
	char lifecycle[IDENTITY_MAX + 1]; /* the family's word: "manufacturing", "sealed" */
	char uuid[37];                    /* 8-4-4-4-12 hex, where the family has one */
	bool key_present;                 /* there is a device key already */
	struct buf evidence; /* the family's raw firmware evidence (measurements), or empty */
};
void identity_free(struct identity *i);
OWNED_STRUCT(identity, identity_free)

/* How a product is reached: a serial port, or an interface of its own on USB. */
enum profile_link { LINK_SERIAL, LINK_USB_MCTP, LINK_USB_CCID, LINK_COUNT };
enum existing_key { EXISTING_REFUSE, EXISTING_REUSE, EXISTING_REPLACE };
enum string_type { STRING_UTF8, STRING_PRINTABLE, STRING_IA5 };
enum san_kind { SAN_HARDWARE_MODULE, SAN_URI, SAN_DNS };
enum presence { PRESENCE_OPTIONAL, PRESENCE_REQUIRED, PRESENCE_FORBIDDEN };

/* What is written into a device, in the order of the profile's `install` list. */
enum object {
	OBJECT_LEAF,    /* the certificate alone: one DER */
	OBJECT_CHAIN,   /* leaf, intermediates, root: DERs one behind the other */
	OBJECT_ANCHORS, /* what the device shall trust: DERs one behind the other */
	OBJECT_COUNT,
};
const char *object_name(enum object o); /* "leaf", "chain", "anchors" */
must_check bool object_parse(const char *name, enum object *ret);

/* One relative distinguished name (always a single attribute) or alternative name. value is a
 * template: {model} {serial} {firmware} {uuid} are replaced, {{ is a brace. */
struct profile_rdn {
	const char *type; /* short or dotted name OpenSSL knows: "CN", "serialNumber", "O" */
	enum string_type string;
	const char *value;
};
struct profile_san {
	enum san_kind kind;
	const char *value;
	const char *hw_type; /* SAN_HARDWARE_MODULE: hwType OID (RFC 4108 5), else NULL */
};

/* A POSIX extended regular expression, matched whole; compiled once for all units. */
struct profile_pattern {
	const char *text; /* as written; NULL: absent, anything matches */
	regex_t compiled;
};

/* A file of PEM certificates whose bytes (as DERs one behind the other) have this digest. */
struct profile_anchors {
	const char *file; /* as written; relative to the profile's folder */
	uint8_t sha256[SHA256_LEN];
	struct buf ders;   /* filled by profile_load / profile_import_anchors */
	X509_STACK *certs; /* the same, parsed once for all units; NULL: none */
};
/* Puts other certificates in place of those; takes ders, which may be empty. Errors: CONFIG "x509". */
must_check int profile_anchors_take(struct profile_anchors *a, struct buf *ders, struct err *e);

enum step_id {
	STEP_IDENTIFY,
	STEP_CLAIM,
	STEP_KEYGEN,
	STEP_REQUEST,
	STEP_ENROL,
	STEP_INSTALL,
	STEP_READBACK,
	STEP_PROVE,
	STEP_SEAL,
	STEP_ATTEST,
	STEP_FINISH,
	STEP_COUNT,
};
const char *step_name(enum step_id step);
must_check bool step_parse(const char *name, enum step_id *ret);

struct profile {
	struct yaml *yaml; /* owns every string below */
	char *name;        /* path it was read from, for messages */
	struct buf text;
	uint8_t digest[SHA256_LEN]; /* SHA-256 of text; the text names its anchors by digest */

	const char *product;
	const char *version;
	const char *driver; /* a family's name */
	enum profile_link link;
	int64_t baud; /* LINK_SERIAL: default, overridden by the slot's address; else 0 */
	int64_t
	    tty_interface; /* LINK_SERIAL: of several ports behind one USB device; -1: it has one */
	const struct yaml_node *options; /* the map under the family's name, or NULL */
	const char *secret_file; /* password, PIN or management key for the device, or NULL */

	const char
	    *model_example; /* match their patterns; the serial ends in digits that count up */
	const char *serial_example;
	struct profile_pattern model_pattern, serial_pattern;
	struct profile_pattern firmware_pattern;  /* may be absent */
	struct profile_pattern lifecycle_pattern; /* may be absent; what identify must see
		before anything is made */

	const char *key_algorithm; /* "EC:P-256", "EC:P-384", "RSA:3072", "ED25519" */
	enum existing_key existing_key;

	struct profile_rdn rdns[PROFILE_RDNS_MAX]; /* in order; none: empty subject */
	size_t rdn_count;
	struct profile_san sans[PROFILE_SANS_MAX];
	size_t san_count;
	bool san_critical;

	/* Certificate rules (the lint). Lists end with NULL. */
	const char *key_usage[PROFILE_LIST_MAX]; /* OpenSSL names: digitalSignature */
	bool key_usage_critical;
	const char
	    *extended_key_usage[PROFILE_LIST_MAX];      /* OpenSSL short names or OIDs; exact set */
	const char *policies[PROFILE_LIST_MAX];         /* OIDs; exact set */
	const char *signatures[PROFILE_LIST_MAX];       /* allowed: "ecdsa-with-SHA256" */
	const char *extra_extensions[PROFILE_LIST_MAX]; /* OIDs allowed beyond those named here */
	int64_t min_days, max_days;                     /* notAfter - notBefore */
	bool no_expiry;       /* 99991231235959Z is the one accepted notAfter (RFC 5280 4.1.2.5) */
	bool outlives_issuer; /* notAfter may be later than the issuer's */
	int64_t clock_skew_s; /* how far notBefore may lie in the future */
	enum presence basic_constraints, subject_key_id, authority_key_id;
	enum presence aia, crl_distribution_points, mud_url;
	int64_t min_serial_bits; /* length of the serial number */
	int64_t max_chain;       /* certificates from leaf to anchor, both counted */

	struct profile_anchors issuer;        /* where issued chains must end */
	struct profile_anchors intermediates; /* file NULL: the CA's answer must bring them */
	struct profile_anchors anchors;       /* what the device shall trust; file NULL: none */
	struct profile_anchors
	    attestation; /* where evidence of a key's origin must end; file NULL: none is asked for */

	enum object install[OBJECT_COUNT];
	size_t install_count;
	bool seal;
	int64_t deadline_ms[STEP_COUNT]; /* per step, defaults filled in */
};

/*
 * Reads text into *ret: all rules of the loader except the files it names. Errors: CONFIG "yaml",
 * "profile", each beginning with name:line:col.
 */
must_check int profile_parse(struct profile **ret, const char *name, const char *text, size_t len,
    struct err *e);
/* profile_parse on a file, and the anchor files beside it with their digests compared. */
must_check int profile_load(struct profile **ret, const char *path, struct err *e);
/* All anchors of a profile as one JSON text for the records, and back (digests compared): what the profile
 * names must be in it. */
must_check int profile_export_anchors(const struct profile *p, struct buf *ret, struct err *e);
must_check int profile_import_anchors(struct profile *p, const char *text, size_t len,
    struct err *e);
void profile_free(struct profile *p);
OWNED_PTR(profile, profile_free)

/* A unit that is expected (on a list) can be of this profile; model may be "". CONFIG "list". */
must_check int profile_expects(const struct profile *p, const char *serial, const char *model,
    struct err *e);

/* The identity fits the patterns and leaves no template empty; else DEVICE "identity.model",
 * "identity.serial", "identity.firmware", "identity.lifecycle", "identity.template". */
must_check int profile_match(const struct profile *p, const struct identity *i, struct err *e);

#endif
