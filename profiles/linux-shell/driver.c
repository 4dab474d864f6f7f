#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "csr_config.h"
#include "login.h"
#include "proof.h"
#include "transfer.h"
#include "x509.h"

/* Files of one command, in the profile's work folder. */
#define CSR_CONFIG_FILE "csr.cnf"
#define CSR_FILE        "csr"
#define PREIMAGE_FILE   "preimage"
#define SIGNATURE_FILE  "signature"

struct shell {
	struct device device;
	struct shell_options options;
	struct console console;
	bool ready;                   /* a quiet shell waits for a line */
	char model[IDENTITY_MAX + 1]; /* as identify read them */
	char serial[IDENTITY_MAX + 1];
};

static int shell_open(struct device **ret, const struct device *base, struct err *e)
{
	struct shell_options options = { 0 };
	struct shell *s;

	if (shell_options(base->profile, &options, e) != 0)
		return -1;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_nomem(e);
	s->device = *base;
	s->device.resume = (struct buf){ 0 }; /* the family has no resets */
	s->options = options;
	s->console.link = base->link;
	*ret = &s->device;
	return 0;
}

static void shell_close(struct device *d)
{
	struct shell *s = (struct shell *)d;

	console_free(&s->console);
	free(s);
}

/* After a failure nobody knows what the shell does: the next op finds it again. */
static int failed(struct shell *s)
{
	s->ready = false;
	return -1;
}

static int enter(struct shell *s, struct err *e)
{
	if (s->ready)
		return 0;
	if (login_enter(&s->console, &s->options, s->device.secret, s->device.deadline, e) != 0)
		return -1;
	s->ready = true;
	return 0;
}

/* A command of the profile that must succeed. */
static int run(struct shell *s, const char *what, const char *template,
    const struct shell_value *values, struct console_result *ret, struct err *e)
{
	return transfer_run(&s->console, what, template, values, ret, s->device.deadline, e);
}

/* One line of printable text. */
static int check_text(const char *what, const struct buf *out, size_t size, struct err *e)
{
	if (out->len == 0 || out->len >= size)
		return err_set(e, ERR_DEVICE, "shell.identity",
		    "%s has %zu characters; 1 to %zu are accepted", what, out->len, size - 1);
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] < 0x20 || out->data[i] > 0x7e)
			return err_set(e, ERR_DEVICE, "shell.identity",
			    "%s is not one line of printable ASCII", what);
	return 0;
}

/* A serial line has no checksum, so what counts is what two readings agree on. */
static int read_text(struct shell *s, const char *what, const char *command, char *ret, size_t size,
    struct err *e)
{
	static const struct shell_value none[] = { { NULL, NULL } };
	AUTO_STRUCT(console_result) first = { 0 }, second = { 0 };

	if (command == NULL)
		return 0;
	if (run(s, what, command, none, &first, e) != 0 ||
	    run(s, what, command, none, &second, e) != 0)
		return -1;
	if (!buf_equal(&first.out, &second.out))
		return err_retry(err_set(e, ERR_LINK, "shell.corrupt", "%s reads differently twice",
				     what),
		    e);
	if (check_text(what, &first.out, size, e) != 0)
		return -1;
	memcpy(ret, first.out.data, first.out.len);
	ret[first.out.len] = '\0';
	return 0;
}

static int read_key_present(struct shell *s, bool *ret, struct err *e)
{
	static const struct shell_value none[] = { { NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };
	AUTO_STRUCT(buf) command = { 0 };
	const char *text;

	if (shell_expand(s->options.key_present, none, &command, e) != 0)
		return -1;
	text = buf_str(&command, e);
	if (text == NULL || console_run(&s->console, text, &result, s->device.deadline, e) != 0)
		return -1;
	if (result.status > 1)
		return err_set(e, ERR_DEVICE, "shell.command",
		    "key_present: \"%.80s\" ended with status %d (0: a key, 1: none): %s", text,
		    result.status, result.complaint);
	*ret = result.status == 0;
	return 0;
}

static int know_unit(struct shell *s, struct err *e)
{
	if (read_text(s, "the model", s->options.model, s->model, sizeof(s->model), e) != 0)
		return -1;
	return read_text(s, "the serial", s->options.serial, s->serial, sizeof(s->serial), e);
}

static int identify(struct shell *s, struct identity *ret, struct err *e)
{
	const struct shell_options *o = &s->options;
	struct identity i = { 0 };

	if (know_unit(s, e) != 0 ||
	    read_text(s, "the firmware", o->firmware, i.firmware, sizeof(i.firmware), e) != 0 ||
	    read_text(s, "the lifecycle", o->lifecycle, i.lifecycle, sizeof(i.lifecycle), e) != 0 ||
	    read_text(s, "the uuid", o->uuid, i.uuid, sizeof(i.uuid), e) != 0 ||
	    read_key_present(s, &i.key_present, e) != 0)
		return -1;
	memcpy(i.model, s->model, sizeof(i.model));
	memcpy(i.serial, s->serial, sizeof(i.serial));
	*ret = i;
	return 0;
}

static int shell_identify(struct device *d, struct identity *ret, struct err *e)
{
	struct shell *s = (struct shell *)d;

	return enter(s, e) == 0 && identify(s, ret, e) == 0 ? 0 : failed(s);
}

static int keygen(struct shell *s, const struct key_spec *spec, struct err *e)
{
	const struct shell_value values[] = { { "model", s->model }, { "serial", s->serial },
		{ NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };
	bool present;

	if (strcmp(spec->algorithm, s->device.profile->key_algorithm) != 0)
		return err_set(e, ERR_CONFIG, "shell.keygen",
		    "the profile's command makes %s keys, not %s", s->device.profile->key_algorithm,
		    spec->algorithm);
	if (know_unit(s, e) != 0 || read_key_present(s, &present, e) != 0)
		return -1;
	if (present && !spec->replace)
		return 0;
	if (s->options.keygen == NULL)
		return err_set(e, ERR_DEVICE, "shell.keygen",
		    "the device has no key and the profile has no command to make one");
	if (run(s, "keygen", s->options.keygen, values, &result, e) != 0 ||
	    read_key_present(s, &present, e) != 0)
		return -1;
	if (!present)
		return err_set(e, ERR_DEVICE, "shell.keygen",
		    "keygen ended well and there is no key");
	return 0;
}

static int shell_keygen(struct device *d, const struct key_spec *spec, struct err *e)
{
	struct shell *s = (struct shell *)d;

	return enter(s, e) == 0 && keygen(s, spec, e) == 0 ? 0 : failed(s);
}

/* The path of a file in the work folder. */
static const char *work_path(const struct shell *s, const char *file, struct buf *ret,
    struct err *e)
{
	if (buf_printf(ret, e, "%s/%s", s->options.work, file) != 0)
		return NULL;
	return buf_str(ret, e);
}

/* What an earlier command left must not pass for this one's. */
static int forget(struct shell *s, const char *path, struct err *e)
{
	const struct shell_value values[] = { { "path", path }, { NULL, NULL } };
	AUTO_STRUCT(console_result) result = { 0 };

	return run(s, "clearing the work folder", "rm -f {path}", values, &result, e);
}

static int write_config(struct shell *s, const struct subject *subject, const char *path,
    struct err *e)
{
	AUTO_STRUCT(buf) config = { 0 };

	if (csr_config_write(subject, s->options.string_mask, &config, e) != 0)
		return -1;
	return transfer_put(&s->console, path, &config, s->device.deadline, e);
}

/* PEM, where the command wrote that, becomes DER. */
static int take_request(struct buf *file, struct buf *ret, struct err *e)
{
	static const char dashes[] = "-----BEGIN";
	AUTO(BIO) *bio = NULL;
	char *name = NULL, *header = NULL;
	uint8_t *der = NULL;
	long len = 0;
	int rc;

	if (file->len < strlen(dashes) || memcmp(file->data, dashes, strlen(dashes)) != 0) {
		*ret = buf_steal(file);
		return 0;
	}
	bio = BIO_new_mem_buf(file->data, (int)file->len);
	if (bio == NULL || PEM_read_bio(bio, &name, &header, &der, &len) != 1)
		return err_openssl(e, ERR_DEVICE, "shell.pem", "reading the request");
	rc = buf_set(ret, der, (size_t)len, e);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(der);
	return rc;
}

static int request(struct shell *s, const struct subject *subject, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) config = { 0 }, csr = { 0 }, text = { 0 }, file = { 0 };
	AUTO_STRUCT(console_result) result = { 0 };
	const char *config_path = work_path(s, CSR_CONFIG_FILE, &config, e);
	const char *csr_path = config_path != NULL ? work_path(s, CSR_FILE, &csr, e) : NULL;
	struct shell_value values[] = { { "model", s->model }, { "serial", s->serial },
		{ "csr_config", config_path }, { "csr", csr_path }, { "subject", NULL },
		{ NULL, NULL } };

	if (csr_path == NULL || subject_text(subject, &text, e) != 0)
		return -1;
	values[4].value = buf_str(&text, e);
	if (values[4].value == NULL || know_unit(s, e) != 0 || forget(s, csr_path, e) != 0 ||
	    write_config(s, subject, config_path, e) != 0 ||
	    run(s, "request", s->options.request, values, &result, e) != 0 ||
	    transfer_get(&s->console, csr_path, &file, s->device.deadline, e) != 0)
		return -1;
	return take_request(&file, ret, e);
}

static int shell_request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	struct shell *s = (struct shell *)d;

	return enter(s, e) == 0 && request(s, subject, ret_csr, e) == 0 ? 0 : failed(s);
}

static int file_of(struct shell *s, enum object object, const char **ret, struct err *e)
{
	*ret = s->options.files[object];
	if (*ret == NULL)
		return err_set(e, ERR_CONFIG, "shell.object",
		    "the profile names no file for the %s", object_name(object));
	return 0;
}

static int add_pem(const struct buf *ders, struct buf *ret, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;

	if (x509_parse_list(ders->data, ders->len, &certs, ERR_CONFIG, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (x509_add_pem(sk_X509_value(certs, i), ret, e) != 0)
			return -1;
	return 0;
}

static int shell_install(struct device *d, enum object object, const struct buf *ders,
    struct err *e)
{
	struct shell *s = (struct shell *)d;
	AUTO_STRUCT(buf) pem = { 0 };
	const char *path;

	if (file_of(s, object, &path, e) != 0 || add_pem(ders, &pem, e) != 0)
		return -1;
	return enter(s, e) == 0 && transfer_replace(&s->console, path, &pem, d->deadline, e) == 0
		   ? 0
		   : failed(s);
}

/* Certificates and nothing else: a file that holds more is not what was written. */
static int read_certificates(struct shell *s, const char *path, X509_STACK **ret, struct err *e)
{
	AUTO_STRUCT(buf) file = { 0 }, again = { 0 };
	AUTO(X509_STACK) *certs = NULL;

	if (transfer_get(&s->console, path, &file, s->device.deadline, e) != 0 ||
	    x509_parse_pem(path, &file, &certs, ERR_DEVICE, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (x509_add_pem(sk_X509_value(certs, i), &again, e) != 0)
			return -1;
	if (!buf_equal(&file, &again))
		return err_set(e, ERR_DEVICE, "shell.pem",
		    "%s on the device holds more than certificates", path);
	*ret = steal(&certs);
	return 0;
}

static int readback(struct shell *s, const char *path, struct stored *ret, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;
	AUTO_STRUCT(buf) ders = { 0 };

	if (read_certificates(s, path, &certs, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (x509_add_der(sk_X509_value(certs, i), &ders, e) != 0)
			return -1;
	*ret = (struct stored){ .bytes = buf_steal(&ders) };
	return 0;
}

static int shell_readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	struct shell *s = (struct shell *)d;
	const char *path;

	if (file_of(s, object, &path, e) != 0)
		return -1;
	return enter(s, e) == 0 && readback(s, path, ret, e) == 0 ? 0 : failed(s);
}

/* See proof.h. The certificate is the one that the device has now. */
static int make_preimage(struct shell *s, const uint8_t nonce[static 32], struct buf *ret,
    struct err *e)
{
	const char *leaf = s->options.files[OBJECT_LEAF];
	AUTO(X509_STACK) *certs = NULL;
	uint8_t digest[SHA256_LEN];

	if (leaf == NULL)
		leaf = s->options.files[OBJECT_CHAIN];
	if (read_certificates(s, leaf, &certs, e) != 0 ||
	    x509_digest(sk_X509_value(certs, 0), digest, e) != 0 ||
	    buf_set(ret, SHELL_PROOF_SCHEME, SHELL_PROOF_PREFIX_LEN, e) != 0 ||
	    buf_add(ret, nonce, SHELL_PROOF_NONCE_LEN, e) != 0)
		return -1;
	return buf_add(ret, digest, sizeof(digest), e);
}

static int prove(struct shell *s, const uint8_t nonce[static 32], struct proof *ret, struct err *e)
{
	AUTO_STRUCT(buf) in = { 0 }, out = { 0 };
	AUTO_STRUCT(proof) proof = { .scheme = SHELL_PROOF_SCHEME };
	AUTO_STRUCT(console_result) result = { 0 };
	const char *in_path = work_path(s, PREIMAGE_FILE, &in, e);
	const char *out_path = in_path != NULL ? work_path(s, SIGNATURE_FILE, &out, e) : NULL;
	const struct shell_value values[] = { { "preimage", in_path }, { "signature", out_path },
		{ NULL, NULL } };

	if (out_path == NULL || make_preimage(s, nonce, &proof.preimage, e) != 0 ||
	    forget(s, out_path, e) != 0 ||
	    transfer_put(&s->console, in_path, &proof.preimage, s->device.deadline, e) != 0 ||
	    run(s, "prove", s->options.prove, values, &result, e) != 0 ||
	    transfer_get(&s->console, out_path, &proof.signature, s->device.deadline, e) != 0)
		return -1;
	*ret = proof;
	proof = (struct proof){ 0 };
	return 0;
}

static int shell_prove(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	struct shell *s = (struct shell *)d;

	return enter(s, e) == 0 && prove(s, nonce, ret, e) == 0 ? 0 : failed(s);
}

static int shell_seal(struct device *d, struct err *e)
{
	static const struct shell_value none[] = { { NULL, NULL } };
	struct shell *s = (struct shell *)d;
	AUTO_STRUCT(console_result) result = { 0 };

	if (s->options.seal == NULL)
		return err_set(e, ERR_CONFIG, "shell.seal", "the profile has no command to seal");
	return enter(s, e) == 0 && run(s, "seal", s->options.seal, none, &result, e) == 0
		   ? 0
		   : failed(s);
}

const struct driver linux_shell_driver = {
	.name = "linux-shell",
	.open = shell_open,
	.close = shell_close,
	.identify = shell_identify,
	.keygen = shell_keygen,
	.request = shell_request,
	.install = shell_install,
	.readback = shell_readback,
	.prove = shell_prove,
	.seal = shell_seal,
};
