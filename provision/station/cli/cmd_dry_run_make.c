#include "cmd_dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "file.h"
#include "secret.h"
#include "x509.h"

enum { ADMIN_MS = 20000, PIN_DIGITS = 10 };

static const char *const softhsm_modules[] = {
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
};

/* The two tokens: what each is for, and which program administers it. */
static const struct token {
	const char *name, *program, *key, *subject;
	bool ra;
} tokens[] = {
	{ "tls", "kiln-enroller", "kiln-tls", "/O=kiln DRY RUN/OU=NOT FOR PRODUCTION/CN=station RA",
	    true },
	{ "attestation", "kiln-signer", "kiln-attestation",
	    "/O=kiln DRY RUN/OU=NOT FOR PRODUCTION/CN=station attestation", false },
};

static int write_text(const struct dry_run *d, const char *name, mode_t mode, struct buf *text,
    struct err *e)
{
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", d->folder, name);
	return file_write(path, text->data, text->len, mode, e);
}

static int path_in(const struct dry_run *d, const char *name, char ret[static 4096])
{
	return snprintf(ret, 4096, "%s/%s", d->folder, name) < 4096 ? 0 : -1;
}

static const char *find_module(void)
{
	for (size_t i = 0; i < COUNT(softhsm_modules); i++)
		if (access(softhsm_modules[i], R_OK) == 0)
			return softhsm_modules[i];
	return NULL;
}

static int make_softhsm(const struct dry_run *d, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 };
	char path[4096];

	if (find_module() == NULL)
		return err_set(e, ERR_CONFIG, "softhsm",
		    "SoftHSM 2 is not installed: apt-get install softhsm2");
	if (path_in(d, "tokens", path) != 0 || file_mkdir(path, 0700, e) != 0)
		return -1;
	if (buf_printf(&text, e,
		"directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
		path) != 0 ||
	    write_text(d, "softhsm2.conf", 0600, &text, e) != 0 ||
	    path_in(d, "softhsm2.conf", path) != 0)
		return -1;
	return setenv("SOFTHSM2_CONF", path, 1) == 0 ? 0 : err_nomem(e);
}

/* A PIN of digits, kept in a file that only its owner can read, as a real station may do. */
static int make_pin(const struct dry_run *d, const char *name, struct secret *ret, struct err *e)
{
	char digits[PIN_DIGITS + 1];
	AUTO_STRUCT(buf) text = { 0 };
	char file[64];
	int rc;

	if (RAND_bytes((uint8_t *)digits, PIN_DIGITS) != 1)
		return err_openssl(e, ERR_CONFIG, "random", "making a PIN");
	for (size_t i = 0; i < PIN_DIGITS; i++)
		digits[i] = (char)('0' + (uint8_t)digits[i] % 10);
	digits[PIN_DIGITS] = '\0';
	(void)snprintf(file, sizeof(file), "%s.pin", name);
	rc = secret_set(ret, digits, PIN_DIGITS, e);
	if (rc == 0)
		rc = buf_add(&text, digits, PIN_DIGITS, e);
	explicit_bzero(digits, sizeof(digits));
	return rc == 0 ? write_text(d, file, 0600, &text, e) : -1;
}

static json_t *token_request(const char *what, const struct token *t, const struct secret *pin,
    struct err *e)
{
	AUTO(json_t) *r =
	    json_pack("{s:s, s:s, s:s}", "do", what, "module", find_module(), "token", t->name);

	if (r == NULL || secret_to_json(pin, r, "pin", e) != 0)
		return NULL;
	return steal(&r);
}

static int init_token(struct peer *admin, const struct token *t, const struct secret *pin,
    const struct secret *so_pin, struct err *e)
{
	AUTO(json_t) *ok = NULL;
	json_t *r = token_request("init", t, pin, e);

	if (r == NULL || secret_to_json(so_pin, r, "so_pin", e) != 0) {
		json_decref(r);
		return -1;
	}
	return peer_ask(admin, r, ADMIN_MS, &ok, e);
}

static int make_key(struct peer *admin, const struct token *t, const struct secret *pin,
    struct err *e)
{
	AUTO(json_t) *ok = NULL;
	json_t *r = token_request("keygen", t, pin, e);

	if (r == NULL || json_set_str(r, "key", t->key, e) != 0 ||
	    json_set_str(r, "algorithm", "EC:P-256", e) != 0) {
		json_decref(r);
		return -1;
	}
	return peer_ask(admin, r, ADMIN_MS, &ok, e);
}

static int make_csr(const struct dry_run *d, struct peer *admin, const struct token *t,
    const struct secret *pin, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(json_t) *ok = NULL;
	json_t *r = token_request("csr", t, pin, e);
	char file[64];

	if (r == NULL || json_set_str(r, "key", t->key, e) != 0 ||
	    json_set_str(r, "subject", t->subject, e) != 0 ||
	    json_set_bool(r, "ra", t->ra, e) != 0 ||
	    json_set_bool(r, "attestation", !t->ra, e) != 0) {
		json_decref(r);
		return -1;
	}
	if (peer_ask(admin, r, ADMIN_MS, &ok, e) != 0 ||
	    json_get_bytes(ok, "csr", &der, ERR_HSM, e) != 0)
		return -1;
	(void)snprintf(file, sizeof(file), "%s.csr", t->name);
	return write_text(d, file, 0644, &der, e);
}

static int make_token(const struct dry_run *d, const struct token *t, struct err *e)
{
	static const char *const arguments[] = { "--admin", NULL };
	AUTO_STRUCT(secret) pin = { 0 };
	AUTO_STRUCT(secret) so_pin = { 0 };
	AUTO_STRUCT(peer) admin = { 0 };
	char so_name[64];

	(void)snprintf(so_name, sizeof(so_name), "%s.so", t->name);
	if (make_pin(d, t->name, &pin, e) != 0 || make_pin(d, so_name, &so_pin, e) != 0 ||
	    peer_start(&admin, t->program, arguments, e) != 0)
		return -1;
	if (init_token(&admin, t, &pin, &so_pin, e) != 0 || make_key(&admin, t, &pin, e) != 0 ||
	    make_csr(d, &admin, t, &pin, e) != 0)
		return err_while(e, "making the %s token", t->name);
	return 0;
}

/* Arguments that say how long devices' certificates live, so that the profile's rules can be met. */
static size_t add_validity(const struct profile *p, const char **arguments, char days[static 16])
{
	if (p->no_expiry) {
		arguments[0] = "--no-expiry";
		return 1;
	}
	if (p->min_days <= 1)
		return 0;
	(void)snprintf(days, 16, "%lld", (long long)(p->min_days + p->max_days) / 2);
	arguments[0] = "--leaf-days";
	arguments[1] = days;
	return 2;
}

/* "critical,digitalSignature,..." of a profile's list; "" where it is empty. */
static int join(bool critical, const char *const *names, struct buf *ret, struct err *e)
{
	if (critical && names[0] != NULL && buf_add_str(ret, "critical", e) != 0)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++)
		if (buf_printf(ret, e, "%s%s", ret->len > 0 ? "," : "", names[i]) != 0)
			return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}

/* What a real CA's certificate profile would say of the product. */
static size_t add_usages(const char **arguments, const struct buf *key_usage,
    const struct buf *ext_key_usage)
{
	size_t n = 0;

	if (key_usage->len > 0) {
		arguments[n++] = "--key-usage";
		arguments[n++] = (const char *)key_usage->data;
	}
	if (ext_key_usage->len > 0) {
		arguments[n++] = "--ext-key-usage";
		arguments[n++] = (const char *)ext_key_usage->data;
	}
	return n;
}

static int start_ca(struct dry_run *d, struct err *e)
{
	char folder[4096], ra[8300], attestation[8300], log[4096], days[16];
	AUTO_STRUCT(buf) ku = { 0 };
	AUTO_STRUCT(buf) eku = { 0 };
	size_t n = 8;
	const char *arguments[20] = { "--dir", folder, "--sign-ra", ra, "--sign-attestation",
		attestation, "--log", log };

	if (path_in(d, "ca", folder) != 0 || path_in(d, "ca/posts.ndjson", log) != 0)
		return err_nomem(e);
	(void)snprintf(ra, sizeof(ra), "%s/tls.csr:%s/tls.pem", d->folder, d->folder);
	(void)snprintf(attestation, sizeof(attestation), "%s/attestation.csr:%s/attestation.pem",
	    d->folder, d->folder);
	if (join(d->profile->key_usage_critical, d->profile->key_usage, &ku, e) != 0 ||
	    join(false, d->profile->extended_key_usage, &eku, e) != 0)
		return -1;
	n += add_validity(d->profile, arguments + n, days);
	(void)add_usages(arguments + n, &ku, &eku);
	if (file_mkdir(folder, 0755, e) != 0)
		return -1;
	return peer_start(&d->ca, "kiln-devca", arguments, e);
}

static int start_twins(struct dry_run *d, struct err *e)
{
	char folder[4096], devices[24], slots[24], keygen[24], seed[24];
	const char *arguments[64] = { "--family", d->profile->driver, "--dir", folder, "--devices",
		devices, "--slots", slots, "--keygen-ms", keygen, "--seed", seed, "--model",
		d->profile->model_example, "--serial", d->profile->serial_example };
	size_t n = 16;

	if (path_in(d, "devices", folder) != 0)
		return err_nomem(e);
	(void)snprintf(devices, sizeof(devices), "%ld", d->devices);
	(void)snprintf(slots, sizeof(slots), "%ld", d->slots);
	(void)snprintf(keygen, sizeof(keygen), "%ld", d->keygen_ms);
	(void)snprintf(seed, sizeof(seed), "%ld", d->seed);
	if (d->twin_variant != NULL) {
		arguments[n++] = "--variant";
		arguments[n++] = d->twin_variant;
	}
	for (size_t i = 0; i < d->twin_fault_count; i++) {
		arguments[n++] = "--fault";
		arguments[n++] = d->twin_faults[i];
	}
	if (d->usb) {
		arguments[n++] = "--skin";
		arguments[n++] = "usbip";
	}
	if (file_mkdir(folder, 0755, e) != 0)
		return -1;
	if (peer_start(&d->twins, "kiln-twin", arguments, e) == 0)
		return 0;
	if (d->usb && err_is(e, "child.died"))
		return err_set(e, ERR_CONFIG, "dry-run.usb",
		    "devices can not be plugged into this machine's USB; kiln-twin has said why");
	return -1;
}

/* "{ file: F, sha256: H }" of a PEM file that the CA wrote. */
static int describe_anchor(const struct dry_run *d, const char *file, struct buf *ret,
    struct err *e)
{
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO(X509_STACK) *list = NULL;
	char path[4096], digest[2 * SHA256_LEN + 1];

	if (path_in(d, file, path) != 0 || file_read(path, 64 * 1024, &pem, e) != 0 ||
	    x509_parse_pem(path, &pem, &list, ERR_CONFIG, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(list); i++)
		if (x509_add_der(sk_X509_value(list, i), &ders, e) != 0)
			return -1;
	sha256_hex(ders.data, ders.len, digest);
	return buf_printf(ret, e, "{ file: %s, sha256: %s }", file, digest);
}

static int replace_anchor(const struct dry_run *d, const char *where, const char *file,
    struct buf *text, struct err *e)
{
	AUTO_STRUCT(buf) value = { 0 };
	struct buf changed = { 0 };

	if (describe_anchor(d, file, &value, e) != 0 ||
	    yaml_replace(d->profile_path, (const char *)text->data, text->len, where,
		buf_str(&value, e), &changed, e) != 0) {
		buf_free(&changed);
		return -1;
	}
	buf_free(text);
	*text = changed;
	return 0;
}

/* The profile itself, trusting the throw-away CA, and the emulated chips' maker (profiles/twin.h). */
static int make_profile(const struct dry_run *d, struct err *e)
{
	const struct profile *p = d->profile;
	AUTO_STRUCT(buf) text = { 0 };

	if (buf_add(&text, p->text.data, p->text.len, e) != 0 ||
	    replace_anchor(d, "/trust/issuer", "ca/root.pem", &text, e) != 0)
		return -1;
	if (p->intermediates.file != NULL &&
	    replace_anchor(d, "/trust/intermediates", "ca/issuing.pem", &text, e) != 0)
		return -1;
	if (p->anchors.file != NULL &&
	    replace_anchor(d, "/trust/device", "ca/root.pem", &text, e) != 0)
		return -1;
	if (p->attestation.file != NULL &&
	    replace_anchor(d, "/trust/attestation", "devices/device/attestation-root.pem", &text,
		e) != 0)
		return -1;
	return write_text(d, "profile.yaml", 0644, &text, e);
}

static int add_slots(const struct dry_run *d, struct buf *y, struct err *e)
{
	const json_t *list = json_object_get(d->twins.greeting, d->usb ? "places" : "ports");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		int rc =
		    d->usb ? buf_printf(y, e, "  - { name: \"%zu\", place: \"%s\" }\n", i + 1, text)
			   : buf_printf(y, e,
				 "  - { name: \"%zu\", address: \"serial:%s?baud=%lld\" }\n", i + 1,
				 text, (long long)d->profile->baud);

		if (rc != 0)
			return -1;
	}
	return json_array_size(list) > 0
		   ? 0
		   : err_set(e, ERR_CONFIG, "child.greeting", "kiln-twin offers no port");
}

static int make_station(struct dry_run *d, struct err *e)
{
	const char *url = json_opt_str(d->ca.greeting, "url", "");
	AUTO_STRUCT(buf) y = { 0 };

	if (buf_printf(&y, e,
		"# DRY RUN - NOT FOR PRODUCTION\n"
		"station: { id: dry-run, line: DRY RUN }\n"
		"records: records.db\n"
		"profile: profile.yaml\n"
		"ca:\n"
		"  url: %s%s%s\n"
		"  anchors: ca/tls-anchor.pem\n"
		"  accept_test_ca: true\n"
		"  retry: { min_s: 1, max_s: 1, default_s: 1, patience_s: 1 }\n"
		"hsm:\n"
		"  module: %s\n"
		"  environment: { SOFTHSM2_CONF: \"%s/softhsm2.conf\" }\n"
		"  tls: { token: tls, key: kiln-tls, certificate: tls.pem, pin: tls.pin }\n"
		"  attestation: { token: attestation, key: kiln-attestation, certificate: "
		"attestation.pem,\n"
		"    pin: attestation.pin, anchors: ca/root.pem }\n"
		"slots:\n",
		url, d->ca_fault != NULL ? "/" : "", d->ca_fault != NULL ? d->ca_fault : "",
		find_module(), d->folder) != 0 ||
	    add_slots(d, &y, e) != 0 || write_text(d, "station.yaml", 0644, &y, e) != 0)
		return -1;
	if (buf_printf(&d->config, e, "%s/station.yaml", d->folder) != 0)
		return -1;
	return buf_str(&d->config, e) != NULL ? 0 : -1;
}

static int check_link(const struct dry_run *d, struct err *e)
{
	bool serial = d->profile->link == LINK_SERIAL;

	if (serial == !d->usb)
		return 0;
	return err_set(e, ERR_CONFIG, "dry-run.link",
	    serial ? "the devices of %s are on serial ports: run it without --usb"
		   : "the devices of %s are on USB: add --usb",
	    d->profile_path);
}

int dry_run_make(struct dry_run *d, struct err *e)
{
	if (profile_load(&d->profile, d->profile_path, e) != 0 || check_link(d, e) != 0 ||
	    make_softhsm(d, e) != 0 || start_twins(d, e) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(tokens); i++)
		if (make_token(d, &tokens[i], e) != 0)
			return -1;
	if (start_ca(d, e) != 0 || make_profile(d, e) != 0)
		return -1;
	return make_station(d, e);
}

void dry_run_free(struct dry_run *d)
{
	peer_stop(&d->twins);
	peer_stop(&d->ca);
	buf_free(&d->config);
	if (d->profile != NULL)
		profile_free(d->profile);
}
