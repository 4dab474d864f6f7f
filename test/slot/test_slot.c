#include "slot.h"

#include <string.h>

#include "testing.h"

enum { DEADLINE = 123456789 };

/* A driver that answers what the test tells it, and remembers what it was asked. */
struct fake {
	struct device device;
	struct identity identity;
	struct buf csr, origin, stored, ders;
	struct proof proof;
	char subject[256];
	uint8_t nonce[32];
	struct key_spec spec;
	enum object object;
	const char *refusal;   /* code of the error that every op answers */
	const char *no_origin; /* code of the error that origin alone answers */
	bool is_digest;
	int closed;
};

static int refuse(struct fake *f, struct err *e)
{
	assert_int_equal(f->device.deadline, DEADLINE);
	if (f->refusal == NULL)
		return 0;
	return err_set(e, ERR_DEVICE, f->refusal, "the device says no");
}

static void fake_close(struct device *d)
{
	((struct fake *)d)->closed++;
}

static int fake_identify(struct device *d, struct identity *ret, struct err *e)
{
	struct fake *f = (struct fake *)d;

	if (refuse(f, e) != 0)
		return -1;
	*ret = f->identity;
	f->identity.evidence = (struct buf){ 0 };
	return 0;
}

static int fake_keygen(struct device *d, const struct key_spec *spec, struct err *e)
{
	((struct fake *)d)->spec = *spec;
	return refuse((struct fake *)d, e);
}

static int fake_request(struct device *d, const struct subject *subject, struct buf *ret_csr,
    struct err *e)
{
	struct fake *f = (struct fake *)d;
	AUTO_STRUCT(buf) text = { 0 };

	if (refuse(f, e) != 0)
		return -1;
	assert_ok(subject_text(subject, &text, e), e);
	(void)snprintf(f->subject, sizeof(f->subject), "%.*s", (int)text.len, (char *)text.data);
	*ret_csr = buf_steal(&f->csr);
	return 0;
}

static int fake_origin(struct device *d, struct buf *ret_ders, struct err *e)
{
	struct fake *f = (struct fake *)d;

	assert_true(f->subject[0] != '\0'); /* it is about the key of that request */
	if (f->no_origin != NULL)
		f->refusal = f->no_origin;
	if (refuse(f, e) != 0)
		return -1;
	*ret_ders = buf_steal(&f->origin);
	return 0;
}

static int fake_install(struct device *d, enum object object, const struct buf *ders, struct err *e)
{
	struct fake *f = (struct fake *)d;

	f->object = object;
	assert_ok(buf_set(&f->ders, ders->data, ders->len, e), e);
	return refuse(f, e);
}

static int fake_readback(struct device *d, enum object object, struct stored *ret, struct err *e)
{
	struct fake *f = (struct fake *)d;

	f->object = object;
	if (refuse(f, e) != 0)
		return -1;
	*ret = (struct stored){ .is_digest = f->is_digest, .bytes = buf_steal(&f->stored) };
	return 0;
}

static int fake_prove(struct device *d, const uint8_t nonce[static 32], struct proof *ret,
    struct err *e)
{
	struct fake *f = (struct fake *)d;

	memcpy(f->nonce, nonce, sizeof(f->nonce));
	if (refuse(f, e) != 0)
		return -1;
	*ret = f->proof;
	f->proof = (struct proof){ 0 };
	return 0;
}

static int fake_seal(struct device *d, struct err *e)
{
	return refuse((struct fake *)d, e);
}

static const struct driver fake_driver = {
	.name = "fake",
	.close = fake_close,
	.identify = fake_identify,
	.keygen = fake_keygen,
	.request = fake_request,
	.install = fake_install,
	.readback = fake_readback,
	.prove = fake_prove,
	.seal = fake_seal,
};

/* The same, of a family whose chips attest their keys. */
static const struct driver attesting_driver = {
	.name = "attesting",
	.close = fake_close,
	.request = fake_request,
	.origin = fake_origin,
};

static const struct driver no_seal_driver = { .name = "unsealed", .close = fake_close };

struct world {
	struct fake fake;
	struct slot slot;
	json_t *ok;
	struct err e;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	AUTO_STRUCT(buf) text = { 0 };

	assert_non_null(w);
	w->fake.device.driver = &fake_driver;
	w->slot.device = &w->fake.device;
	testing_read(testing_source("profiles/linux-shell/tpm2.yaml"), &text);
	assert_ok(profile_parse(&w->slot.profile, "test", (const char *)text.data, text.len, &w->e),
	    &w->e);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	slot_free(&w->slot);
	buf_free(&w->fake.csr);
	buf_free(&w->fake.origin);
	buf_free(&w->fake.stored);
	buf_free(&w->fake.ders);
	buf_free(&w->fake.device.resume);
	identity_free(&w->fake.identity);
	proof_free(&w->fake.proof);
	json_decref(w->ok);
	free(w);
	return 0;
}

/* One call with a request in text, in single quotes for double ones. */
static int ask(struct world *w, const char *text)
{
	AUTO_STRUCT(buf) request = { 0 };
	AUTO(json_t) *object = NULL;
	const char *name;

	assert_ok(buf_add_str(&request, text, &w->e), &w->e);
	for (size_t i = 0; i < request.len; i++)
		if (request.data[i] == '\'')
			request.data[i] = '"';
	assert_ok(json_parse((const char *)request.data, request.len, &object, ERR_CONFIG, &w->e),
	    &w->e);
	json_decref(w->ok);
	w->ok = json_object();
	w->e = (struct err){ 0 };
	name = json_opt_str(object, "do", "");
	for (size_t i = 0; i < slot_call_count; i++)
		if (strcmp(slot_calls[i].name, name) == 0)
			return slot_calls[i].run(&w->slot, object, w->ok, &w->e);
	fail_msg("no call %s", name);
	return -1;
}

#define IDENTIFY "{'do':'identify','deadline':123456789}"

static void test_no_device_no_op(void **state)
{
	static const char *const names[] = { "identify", "keygen", "request", "install", "readback",
		"prove", "seal" };
	struct world *w = *state;

	w->slot.device = NULL;
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "{'do':'%s','deadline':123456789}", names[i]);
		assert_err(ask(w, text), &w->e, "slot.closed");
	}
}

static void test_an_op_needs_a_deadline(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'identify'}"), &w->e, "json");
	assert_err(ask(w, "{'do':'seal','deadline':'soon'}"), &w->e, "json");
}

static void test_identify_answers_all_it_read(void **state)
{
	struct world *w = *state;

	strcpy(w->fake.identity.model, "IG2-E");
	strcpy(w->fake.identity.serial, "IG20000001");
	w->fake.identity.key_present = true;
	assert_ok(buf_add_str(&w->fake.identity.evidence, "abc", &w->e), &w->e);
	assert_ok(ask(w, IDENTIFY), &w->e);
	assert_string_equal(json_opt_str(w->ok, "model", ""), "IG2-E");
	assert_string_equal(json_opt_str(w->ok, "serial", ""), "IG20000001");
	assert_string_equal(json_opt_str(w->ok, "firmware", "?"), "");
	assert_string_equal(json_opt_str(w->ok, "evidence", "?"), "YWJj");
	assert_true(json_opt_bool(w->ok, "key_present", false));
}

static void test_a_devices_text_is_tame(void **state)
{
	struct world *w = *state;

	strcpy(w->fake.identity.serial, "IG2\033[2J");
	assert_err(ask(w, IDENTIFY), &w->e, "slot.text");
	strcpy(w->fake.identity.serial, "IG2\xc3\xa4");
	assert_err(ask(w, IDENTIFY), &w->e, "slot.text");
	memset(w->fake.identity.serial, 'A', sizeof(w->fake.identity.serial));
	assert_err(ask(w, IDENTIFY), &w->e, "slot.text");
}

static void test_bytes_are_bounded(void **state)
{
	static const uint8_t many[64 * 1024 + 1];
	struct world *w = *state;

	assert_ok(buf_set(&w->fake.stored, many, sizeof(many), &w->e), &w->e);
	assert_err(ask(w, "{'do':'readback','deadline':123456789,'object':'leaf'}"), &w->e,
	    "slot.long");
	assert_ok(buf_set(&w->fake.stored, many, sizeof(many) - 1, &w->e), &w->e);
	assert_ok(ask(w, "{'do':'readback','deadline':123456789,'object':'chain'}"), &w->e);
	assert_int_equal(w->fake.object, OBJECT_CHAIN);
	assert_false(json_opt_bool(w->ok, "is_digest", true));
}

static void test_the_longest_answer_fits_a_line(void **state)
{
	static const uint8_t many[64 * 1024];
	AUTO_STRUCT(buf) line = { 0 };
	struct world *w = *state;

	assert_ok(buf_set(&w->fake.proof.preimage, many, sizeof(many), &w->e), &w->e);
	assert_ok(buf_set(&w->fake.proof.signature, many, sizeof(many), &w->e), &w->e);
	assert_ok(ask(w, "{'do':'prove','deadline':123456789,"
			 "'nonce':'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='}"),
	    &w->e);
	assert_ok(json_canonical(w->ok, &line, &w->e), &w->e);
	assert_true(line.len < LINE_MAX_LEN - 100);
	assert_int_equal(w->fake.nonce[31], 31);
}

static void test_a_reset_is_an_answer(void **state)
{
	struct world *w = *state;

	w->fake.refusal = DRIVER_RESET;
	assert_ok(ask(w, IDENTIFY), &w->e);
	assert_string_equal(json_opt_str(w->ok, "reset", "?"), "");
	assert_ok(buf_add_str(&w->fake.device.resume, "tag", &w->e), &w->e);
	assert_ok(ask(w, "{'do':'seal','deadline':123456789}"), &w->e);
	assert_string_equal(json_opt_str(w->ok, "reset", "?"), "dGFn");
	for (int i = 0; i < 8; i++)
		assert_ok(buf_add_str(&w->fake.device.resume, "0123456789", &w->e), &w->e);
	assert_err(ask(w, IDENTIFY), &w->e, "slot.long");
}

static void test_a_refusal_stays_an_error(void **state)
{
	struct world *w = *state;

	w->fake.refusal = "shell.command";
	assert_err(ask(w, IDENTIFY), &w->e, "shell.command");
	assert_null(json_object_get(w->ok, "reset"));
}

static void test_keygen_says_what(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'keygen','deadline':123456789,'replace':true}"), &w->e, "json");
	assert_err(ask(w, "{'do':'keygen','deadline':123456789,'algorithm':'EC:P-256'}"), &w->e,
	    "json");
	assert_ok(ask(w,
		      "{'do':'keygen','deadline':123456789,'algorithm':'EC:P-256','replace':true}"),
	    &w->e);
	assert_true(w->fake.spec.replace);
}

static void test_request_renders_the_subject(void **state)
{
	struct world *w = *state;

	assert_ok(buf_add_str(&w->fake.csr, "csr", &w->e), &w->e);
	assert_ok(ask(w, "{'do':'request','deadline':123456789,'identity':{'model':'IG2-E',"
			 "'serial':'IG20000007','firmware':'2.1','uuid':''}}"),
	    &w->e);
	assert_string_equal(json_opt_str(w->ok, "csr", ""), "Y3Ny");
	assert_string_equal(w->fake.subject,
	    "/O=Example Medical/CN=IG2-E IG20000007/serialNumber=IG20000007");
}

#define REQUEST                                                                                    \
	"{'do':'request','deadline':123456789,'identity':{'model':'IG2-E',"                        \
	"'serial':'IG20000007','firmware':'2.1','uuid':''}}"

static void test_request_brings_evidence_where_there_is_some(void **state)
{
	struct world *w = *state;

	assert_ok(ask(w, REQUEST), &w->e);
	assert_null(json_object_get(w->ok, "origin"));
	w->fake.device.driver = &attesting_driver;
	assert_ok(ask(w, REQUEST), &w->e);
	assert_null(json_object_get(w->ok, "origin"));
	assert_ok(buf_add_str(&w->fake.origin, "abc", &w->e), &w->e);
	assert_ok(buf_add_str(&w->fake.csr, "csr", &w->e), &w->e);
	assert_ok(ask(w, REQUEST), &w->e);
	assert_string_equal(json_opt_str(w->ok, "origin", ""), "YWJj");
	assert_string_equal(json_opt_str(w->ok, "csr", ""), "Y3Ny");
}

static void test_evidence_is_bounded(void **state)
{
	static const uint8_t many[64 * 1024 + 1];
	AUTO_STRUCT(buf) line = { 0 };
	struct world *w = *state;

	w->fake.device.driver = &attesting_driver;
	assert_ok(buf_set(&w->fake.csr, "csr", 3, &w->e), &w->e);
	assert_ok(buf_set(&w->fake.origin, many, sizeof(many), &w->e), &w->e);
	assert_ok(ask(w, REQUEST), &w->e); /* nobody asked for it */
	assert_null(json_object_get(w->ok, "origin"));
	assert_string_equal(json_opt_str(w->ok, "csr", ""), "Y3Ny");
	w->slot.profile->attestation.file = "roots.pem";
	assert_ok(buf_set(&w->fake.origin, many, sizeof(many), &w->e), &w->e);
	assert_err(ask(w, REQUEST), &w->e, "slot.long");
	w->slot.profile->attestation.file = NULL;
	assert_ok(buf_set(&w->fake.origin, many, sizeof(many) - 1, &w->e), &w->e);
	assert_ok(buf_set(&w->fake.csr, many, sizeof(many) - 1, &w->e), &w->e);
	assert_ok(ask(w, REQUEST), &w->e);
	assert_ok(json_canonical(w->ok, &line, &w->e), &w->e);
	assert_true(line.len < LINE_MAX_LEN - 100);
}

/* Cards that attest badly are as good as those that do not attest, where nobody asks. */
static void test_evidence_fails_whom_it_is_asked_of(void **state)
{
	struct world *w = *state;

	w->fake.device.driver = &attesting_driver;
	w->fake.no_origin = "fake.attest";
	assert_ok(ask(w, REQUEST), &w->e);
	assert_null(json_object_get(w->ok, "origin"));
	assert_non_null(json_object_get(w->ok, "csr"));
	w->fake.refusal = NULL;
	w->slot.profile->attestation.file = "roots.pem";
	assert_err(ask(w, REQUEST), &w->e, "fake.attest");
}

static void test_evidence_may_need_a_reset(void **state)
{
	struct world *w = *state;

	w->fake.device.driver = &attesting_driver;
	w->fake.no_origin = DRIVER_RESET;
	assert_ok(ask(w, REQUEST), &w->e);
	assert_string_equal(json_opt_str(w->ok, "reset", "?"), "");
}

static void test_request_bounds_the_identity(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'request','deadline':123456789}"), &w->e, "json");
	assert_err(ask(w, "{'do':'request','deadline':123456789,'identity':{'model':'M'}}"), &w->e,
	    "json");
	assert_err(ask(w, "{'do':'request','deadline':123456789,'identity':{'model':'"
			  "00000000001111111111222222222233333333334444444444555555555566666"
			  "','serial':'S','firmware':'','uuid':''}}"),
	    &w->e, "slot.long");
	assert_err(ask(w, "{'do':'request','deadline':123456789,"
			  "'identity':{'model':'M','serial':'','firmware':'','uuid':''}}"),
	    &w->e, "subject");
}

static void test_install_passes_the_bytes_on(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'install','deadline':123456789,'object':'key','ders':'YQ=='}"),
	    &w->e, "slot.object");
	assert_err(ask(w, "{'do':'install','deadline':123456789,'object':'leaf','ders':'*'}"),
	    &w->e, "base64");
	assert_ok(ask(w, "{'do':'install','deadline':123456789,'object':'anchors','ders':'YWI='}"),
	    &w->e);
	assert_int_equal(w->fake.object, OBJECT_ANCHORS);
	assert_memory_equal(w->fake.ders.data, "ab", 2);
}

static void test_a_nonce_has_its_length(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'prove','deadline':123456789,'nonce':'YWJj'}"), &w->e,
	    "slot.nonce");
}

static void test_not_every_family_seals(void **state)
{
	struct world *w = *state;

	w->fake.device.driver = &no_seal_driver;
	assert_err(ask(w, "{'do':'seal','deadline':123456789}"), &w->e, "slot.seal");
}

static void test_one_device_for_each_slot(void **state)
{
	struct world *w = *state;

	assert_err(ask(w, "{'do':'open','address':'serial:/dev/null'}"), &w->e, "slot.open");
	assert_int_equal(w->fake.closed, 0);
}

static void test_closing_ends_the_driver(void **state)
{
	struct world *w = *state;

	slot_free(&w->slot);
	assert_int_equal(w->fake.closed, 1);
}

/* open with the profile of the test, another driver's name in it, and these members. */
static int try_open(struct world *w, const char *driver, const char *address, const char *secret,
    const char *resume)
{
	AUTO_STRUCT(buf) text = { 0 }, changed = { 0 };
	AUTO(json_t) *request = NULL;

	testing_read(testing_source("profiles/linux-shell/openssl.yaml"), &text);
	assert_ok(yaml_replace("test", (const char *)text.data, text.len, "/driver", driver,
		      &changed, &w->e),
	    &w->e);
	request = json_pack("{s:s, s:s, s:{s:s, s:s%}}", "do", "open", "address", address,
	    "profile", "name", "test", "text", (const char *)changed.data, changed.len);
	assert_non_null(request);
	if (secret != NULL)
		assert_ok(json_set_str(request, "secret", secret, &w->e), &w->e);
	if (resume != NULL)
		assert_ok(json_set_str(request, "resume", resume, &w->e), &w->e);
	w->slot.device = NULL;
	w->e = (struct err){ 0 };
	return slot_calls[0].run(&w->slot, request, w->ok, &w->e);
}

static void test_open_refuses(void **state)
{
	struct world *w = *state;

	assert_string_equal(slot_calls[0].name, "open");
	profile_free(steal(&w->slot.profile));
	assert_err(try_open(w, "linux-shell", "tcp:1.2.3.4", NULL, NULL), &w->e, "link.address");
	assert_err(try_open(w, "linux-shell", "serial:/nonexistent", NULL, NULL), &w->e,
	    "link.absent");
	assert_err(try_open(w, "linux-shell", "serial:/dev/null", NULL, NULL), &w->e,
	    "link.address");
	assert_err(try_open(w, "linux-shell", "serial:/dev/null", "no base64", NULL), &w->e,
	    "base64");
	assert_err(
	    try_open(w, "linux-shell", "serial:/dev/null", NULL,
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		"AAAAAAAAAAAA"),
	    &w->e, "slot.long");
	assert_int_equal(try_open(w, "unknown", "serial:/dev/null", NULL, NULL), -1);
	assert_null(w->slot.profile);
	assert_null(w->slot.secret.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_device_no_op, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_op_needs_a_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_identify_answers_all_it_read, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_a_devices_text_is_tame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bytes_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_longest_answer_fits_a_line, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_a_reset_is_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_refusal_stays_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_keygen_says_what, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_request_renders_the_subject, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_request_brings_evidence_where_there_is_some,
		    set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_evidence_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_evidence_fails_whom_it_is_asked_of, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_evidence_may_need_a_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_request_bounds_the_identity, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_install_passes_the_bytes_on, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(test_a_nonce_has_its_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_every_family_seals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_device_for_each_slot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closing_ends_the_driver, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open_refuses, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
