#include "slot.h"

#include <string.h>

#include "sandbox.h"

/* Two of these as base64, and the rest of an answer, fit into LINE_MAX_LEN. */
enum { BYTES_MAX = 64 * 1024, RESUME_MAX = 64 };

void slot_free(struct slot *s)
{
	if (s->device != NULL)
		s->device->driver->close(s->device);
	transport_close(s->link);
	profile_free(s->profile);
	secret_free(&s->secret);
	buf_free(&s->resume);
	buf_free(&s->filter);
	*s = (struct slot){ 0 };
}

/* What came from the device is text of the size it claims, and nothing that a terminal obeys. */
static int put_text(json_t *ok, const char *key, const char *text, size_t size, struct err *e)
{
	size_t len = strnlen(text, size);

	if (len == size)
		return err_set(e, ERR_DEVICE, "slot.text", "the device's %s has no end", key);
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return err_set(e, ERR_DEVICE, "slot.text",
			    "the device's %s holds the byte 0x%02x; printable ASCII is accepted",
			    key, (unsigned)(uint8_t)text[i]);
	return json_set_str(ok, key, text, e);
}

static int put_bytes(json_t *ok, const char *key, const struct buf *bytes, struct err *e)
{
	if (bytes->len > BYTES_MAX)
		return err_set(e, ERR_DEVICE, "slot.long",
		    "the device's %s has %zu bytes; at most %d are taken", key, bytes->len,
		    BYTES_MAX);
	return json_set_bytes(ok, key, bytes->data, bytes->len, e);
}

/* The device, ready for one op; an op without an end in sight is refused. */
static int begin(struct slot *s, const json_t *request, struct err *e)
{
	int64_t deadline;

	if (s->device == NULL)
		return err_set(e, ERR_CONFIG, "slot.closed", "no device is open in this slot");
	if (json_get_int(request, "deadline", &deadline, ERR_CONFIG, e) != 0)
		return -1;
	s->device->deadline = deadline;
	return 0;
}

/* A device that must be reset is an answer, not an error. */
static int finish(struct slot *s, int rc, json_t *ok, struct err *e)
{
	const struct buf *resume;

	if (rc == 0 || e->domain != ERR_DEVICE || !err_is(e, DRIVER_RESET))
		return rc;
	resume = &s->device->resume;
	if (resume->len > RESUME_MAX)
		return err_set(e, ERR_DEVICE, "slot.long",
		    "a resume token of %zu bytes; at most %d are taken", resume->len, RESUME_MAX);
	return json_set_bytes(ok, "reset", resume->data, resume->len, e);
}

static int get_object(const json_t *request, enum object *ret, struct err *e)
{
	const char *name;

	if (json_get_str(request, "object", &name, ERR_CONFIG, e) != 0)
		return -1;
	if (!object_parse(name, ret))
		return err_set(e, ERR_CONFIG, "slot.object", "unknown object \"%s\"", name);
	return 0;
}

static int parse_profile(struct slot *s, const json_t *request, struct err *e)
{
	const char *name, *text;
	json_t *profile;

	if (json_get_object(request, "profile", &profile, ERR_CONFIG, e) != 0 ||
	    json_get_str(profile, "name", &name, ERR_CONFIG, e) != 0 ||
	    json_get_str(profile, "text", &text, ERR_CONFIG, e) != 0)
		return -1;
	return profile_parse(&s->profile, name, text, strlen(text), e);
}

static int take_secrets(struct slot *s, const json_t *request, struct err *e)
{
	/* The request is this call's own; the secret's text in it is wiped. */
	json_t *own = (json_t *)(uintptr_t)request;

	if (json_object_get(request, "secret") != NULL &&
	    secret_from_json(&s->secret, own, "secret", e) != 0)
		return -1;
	if (json_object_get(request, "resume") == NULL)
		return 0;
	if (json_get_bytes(request, "resume", &s->resume, ERR_CONFIG, e) != 0)
		return -1;
	if (s->resume.len > RESUME_MAX)
		return err_set(e, ERR_CONFIG, "slot.long", "a resume token has more than %d bytes",
		    RESUME_MAX);
	return 0;
}

/* All that takes its time and needs no device. */
static int prepare(struct slot *s, const json_t *request, struct err *e)
{
	if (s->profile != NULL)
		return 0;
	if (parse_profile(s, request, e) != 0)
		return -1;
	return sandbox_prepare(&s->filter, e);
}

static int call_prepare(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;

	(void)ok; /* there is nothing to say */
	if (prepare(s, request, e) == 0)
		return SERVE_LEAVE;
	slot_free(s);
	return -1;
}

static int open_device(struct slot *s, const json_t *request, struct err *e)
{
	const struct driver *driver;
	const char *address;
	struct device base = { 0 };

	if (json_get_str(request, "address", &address, ERR_CONFIG, e) != 0 ||
	    take_secrets(s, request, e) != 0 || prepare(s, request, e) != 0)
		return -1;
	driver = driver_find(s->profile->driver);
	if (driver == NULL)
		return err_set(e, ERR_CONFIG, "slot.driver", "this kiln-slot has no driver \"%s\"",
		    s->profile->driver);
	if (transport_open(&s->link, address, e) != 0)
		return -1;
	base = (struct device){
		.driver = driver,
		.link = s->link,
		.profile = s->profile,
		.secret = &s->secret,
		.resume = s->resume,
	};
	if (driver->open(&s->device, &base, e) != 0)
		return -1;
	return sandbox_enter(&s->filter, e);
}

static int call_open(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;

	(void)ok; /* there is nothing to say */
	if (s->device != NULL)
		return err_set(e, ERR_CONFIG, "slot.open", "a device is open in this slot already");
	if (open_device(s, request, e) == 0)
		return 0;
	slot_free(s);
	return -1;
}

static int put_identity(json_t *ok, const struct identity *i, struct err *e)
{
	if (put_text(ok, "model", i->model, sizeof(i->model), e) != 0 ||
	    put_text(ok, "serial", i->serial, sizeof(i->serial), e) != 0 ||
	    put_text(ok, "firmware", i->firmware, sizeof(i->firmware), e) != 0 ||
	    put_text(ok, "lifecycle", i->lifecycle, sizeof(i->lifecycle), e) != 0 ||
	    put_text(ok, "uuid", i->uuid, sizeof(i->uuid), e) != 0 ||
	    json_set_bool(ok, "key_present", i->key_present, e) != 0)
		return -1;
	return put_bytes(ok, "evidence", &i->evidence, e);
}

static int identify(struct slot *s, json_t *ok, struct err *e)
{
	AUTO_STRUCT(identity) identity = { 0 };

	if (s->device->driver->identify(s->device, &identity, e) != 0)
		return -1;
	return put_identity(ok, &identity, e);
}

static int call_identify(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;

	if (begin(s, request, e) != 0)
		return -1;
	return finish(s, identify(s, ok, e), ok, e);
}

static int call_keygen(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;
	struct key_spec spec;

	if (begin(s, request, e) != 0 ||
	    json_get_str(request, "algorithm", &spec.algorithm, ERR_CONFIG, e) != 0 ||
	    json_get_bool(request, "replace", &spec.replace, ERR_CONFIG, e) != 0)
		return -1;
	return finish(s, s->device->driver->keygen(s->device, &spec, e), ok, e);
}

static int get_text(const json_t *object, const char *key, char *ret, size_t size, struct err *e)
{
	const char *text;

	if (json_get_str(object, key, &text, ERR_CONFIG, e) != 0)
		return -1;
	if (strlen(text) >= size)
		return err_set(e, ERR_CONFIG, "slot.long", "the %s has more than %zu characters",
		    key, size - 1);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int get_identity(const json_t *request, struct identity *ret, struct err *e)
{
	json_t *from;

	if (json_get_object(request, "identity", &from, ERR_CONFIG, e) != 0 ||
	    get_text(from, "model", ret->model, sizeof(ret->model), e) != 0 ||
	    get_text(from, "serial", ret->serial, sizeof(ret->serial), e) != 0 ||
	    get_text(from, "firmware", ret->firmware, sizeof(ret->firmware), e) != 0)
		return -1;
	return get_text(from, "uuid", ret->uuid, sizeof(ret->uuid), e);
}

/* Nobody asked for it, and the device may go on without. */
static bool is_spare(const struct slot *s, const struct err *e)
{
	return s->profile->attestation.file == NULL && e->domain == ERR_DEVICE &&
	       !err_is(e, DRIVER_RESET);
}

/* What the chip itself says of the key; not every family, nor every device of one, has that. */
static int put_origin(struct slot *s, json_t *ok, struct err *e)
{
	const struct driver *driver = s->device->driver;
	AUTO_STRUCT(buf) ders = { 0 };

	if (driver->origin == NULL)
		return 0;
	if (driver->origin(s->device, &ders, e) != 0 ||
	    (ders.len > 0 && put_bytes(ok, "origin", &ders, e) != 0))
		return is_spare(s, e) ? 0 : -1;
	return 0;
}

static int request_csr(struct slot *s, const struct subject *subject, json_t *ok, struct err *e)
{
	AUTO_STRUCT(buf) csr = { 0 };

	if (s->device->driver->request(s->device, subject, &csr, e) != 0 ||
	    put_bytes(ok, "csr", &csr, e) != 0)
		return -1;
	return put_origin(s, ok, e);
}

static int call_request(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(identity) identity = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	struct slot *s = context;

	if (begin(s, request, e) != 0 || get_identity(request, &identity, e) != 0 ||
	    subject_render(&subject, s->profile, &identity, e) != 0)
		return -1;
	return finish(s, request_csr(s, &subject, ok, e), ok, e);
}

static int call_install(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(buf) ders = { 0 };
	struct slot *s = context;
	enum object object;

	if (begin(s, request, e) != 0 || get_object(request, &object, e) != 0 ||
	    json_get_bytes(request, "ders", &ders, ERR_CONFIG, e) != 0)
		return -1;
	return finish(s, s->device->driver->install(s->device, object, &ders, e), ok, e);
}

static int readback(struct slot *s, enum object object, json_t *ok, struct err *e)
{
	AUTO_STRUCT(stored) stored = { 0 };

	if (s->device->driver->readback(s->device, object, &stored, e) != 0 ||
	    json_set_bool(ok, "is_digest", stored.is_digest, e) != 0)
		return -1;
	return put_bytes(ok, "bytes", &stored.bytes, e);
}

static int call_readback(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;
	enum object object;

	if (begin(s, request, e) != 0 || get_object(request, &object, e) != 0)
		return -1;
	return finish(s, readback(s, object, ok, e), ok, e);
}

static int prove(struct slot *s, const uint8_t nonce[static 32], json_t *ok, struct err *e)
{
	AUTO_STRUCT(proof) proof = { 0 };

	if (s->device->driver->prove(s->device, nonce, &proof, e) != 0 ||
	    put_text(ok, "scheme", proof.scheme, sizeof(proof.scheme), e) != 0 ||
	    put_bytes(ok, "preimage", &proof.preimage, e) != 0)
		return -1;
	return put_bytes(ok, "signature", &proof.signature, e);
}

static int call_prove(void *context, const json_t *request, json_t *ok, struct err *e)
{
	AUTO_STRUCT(buf) nonce = { 0 };
	struct slot *s = context;

	if (begin(s, request, e) != 0 ||
	    json_get_bytes(request, "nonce", &nonce, ERR_CONFIG, e) != 0)
		return -1;
	if (nonce.len != 32)
		return err_set(e, ERR_CONFIG, "slot.nonce", "a nonce has 32 bytes, not %zu",
		    nonce.len);
	return finish(s, prove(s, nonce.data, ok, e), ok, e);
}

static int call_seal(void *context, const json_t *request, json_t *ok, struct err *e)
{
	struct slot *s = context;

	if (begin(s, request, e) != 0)
		return -1;
	if (s->device->driver->seal == NULL)
		return err_set(e, ERR_CONFIG, "slot.seal", "the family %s has nothing to seal",
		    s->device->driver->name);
	return finish(s, s->device->driver->seal(s->device, e), ok, e);
}

const struct serve_call slot_calls[] = {
	{ "open", call_open },
	{ "identify", call_identify },
	{ "keygen", call_keygen },
	{ "request", call_request },
	{ "install", call_install },
	{ "readback", call_readback },
	{ "prove", call_prove },
	{ "seal", call_seal },
	{ "prepare", call_prepare },
};
const size_t slot_call_count = COUNT(slot_calls);
