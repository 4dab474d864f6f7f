/* A card's word for its key, from the card to the verdict: driver, check and judge over the emulated card. */
#include "profiles/piv_twin_kit.h"

#include "judge_csr.h"
#include "judge_origin.h"
#include "piv/device.h"
#include "piv/twin_issue.h"

/* A card that the driver talks to without a reader between. */
struct desk {
	struct kit kit;
	struct profile *profile;
	struct device *device;
	struct identity unit;
	struct buf csr, evidence;
	struct csr_facts facts;
};

static int power_on(void *context, int64_t deadline, struct err *e)
{
	struct kit *k = context;

	(void)deadline;
	(void)e;
	twin_card_reset(&k->card);
	return 0;
}

static int transmit(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	struct kit *k = context;

	(void)deadline;
	return twin_card_transmit(&k->card, apdu->data, apdu->len, ret, e);
}

static const struct piv_reader reader = { power_on, transmit };

static void read_roots(struct desk *d)
{
	AUTO(X509_STACK) *list = NULL;
	AUTO_STRUCT(buf) pem = { 0 };
	char path[300];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/" TWIN_ROOT_FILE, d->kit.fleet);
	testing_read(path, &pem);
	assert_ok(x509_parse_pem("root", &pem, &list, ERR_CONFIG, &e), &e);
	buf_clear(&d->profile->attestation.ders);
	assert_ok(x509_add_der(sk_X509_value(list, 0), &d->profile->attestation.ders, &e), &e);
}

static void desk_open(struct desk *d, const char *variant, const char *fault, const char *serial)
{
	AUTO_STRUCT(buf) text = { 0 };
	struct device base = { 0 };
	struct err e = { 0 };

	memset(d, 0, sizeof(*d));
	kit_open_serial(&d->kit, variant, fault, serial);
	testing_read(testing_source("profiles/piv/usb-token-attested.yaml"), &text);
	assert_ok(profile_parse(&d->profile, "test", (char *)text.data, text.len, &e), &e);
	read_roots(d);
	base = (struct device){ .driver = driver_find("piv"), .profile = d->profile };
	assert_ok(piv_device_open(&d->device, &base, &reader, &d->kit, &e), &e);
	d->device->deadline = INT64_MAX;
}

static void desk_close(struct desk *d)
{
	d->device->driver->close(d->device);
	csr_facts_free(&d->facts);
	identity_free(&d->unit);
	buf_free(&d->csr);
	buf_free(&d->evidence);
	profile_free(d->profile);
	kit_shut(&d->kit);
}

static int make(struct desk *d, struct err *e)
{
	const struct driver *driver = d->device->driver;
	const struct key_spec spec = { "EC:P-256", true };
	AUTO_STRUCT(subject) subject = { 0 };

	csr_facts_free(&d->facts);
	d->facts = (struct csr_facts){ 0 };
	assert_ok(driver->identify(d->device, &d->unit, e), e);
	assert_ok(driver->keygen(d->device, &spec, e), e);
	assert_ok(subject_render(&subject, d->profile, &d->unit, e), e);
	assert_ok(driver->request(d->device, &subject, &d->csr, e), e);
	assert_ok(judge_csr(d->profile, &d->unit, &d->csr, &d->facts, e), e);
	return driver->origin(d->device, &d->evidence, e);
}

static int judge(const struct desk *d, const struct buf *evidence, struct err *e)
{
	AUTO_STRUCT(origin_claims) claims = { 0 };

	if (judge_origin(d->profile, &d->unit, evidence, d->facts.key, 1795372200, &claims, e) != 0)
		return -1;
	assert_string_equal(claims.scheme, "piv-attestation");
	return 0;
}

static void test_a_card_s_word_is_good(void **state)
{
	static const char *const variants[] = { "token", "yubico", "reader" };

	(void)state;
	for (size_t i = 0; i < COUNT(variants); i++) {
		struct err e = { 0 };
		struct desk d;

		desk_open(&d, variants[i], NULL, "20000001");
		assert_ok(make(&d, &e), &e);
		assert_string_equal(d.unit.serial, "20000001");
		assert_ok(judge(&d, &d.evidence, &e), &e);
		d.unit.firmware[0] = '9';
		assert_err(judge(&d, &d.evidence, &e), &e, "origin.firmware");
		desk_close(&d);
	}
}

static void test_a_card_that_does_not_attest(void **state)
{
	struct err e = { 0 };
	struct desk d;

	(void)state;
	desk_open(&d, "token", NULL, "20000001");
	assert_ok(make(&d, &e), &e);
	buf_clear(&d.evidence);
	assert_err(judge(&d, &d.evidence, &e), &e, "origin.missing");
	desk_close(&d);
}

static void test_a_card_with_a_foreign_attester(void **state)
{
	struct err e = { 0 };
	struct desk d;

	(void)state;
	desk_open(&d, "yubico", "foreign-attestation", "20000001");
	assert_ok(make(&d, &e), &e);
	assert_err(judge(&d, &d.evidence, &e), &e, "origin.chain");
	desk_close(&d);
}

static void test_a_card_that_sends_too_little(void **state)
{
	struct err e = { 0 };
	struct desk d;

	(void)state;
	desk_open(&d, "yubico", "short-attestation", "20000001");
	assert_int_equal(make(&d, &e), -1);
	assert_string_equal(e.code, "origin.der");
	desk_close(&d);
}

/* What was true of a key that is gone, and of another card. */
static void test_old_and_foreign_words(void **state)
{
	AUTO_STRUCT(buf) old = { 0 };
	struct err e = { 0 };
	struct desk d, other;

	(void)state;
	desk_open(&d, "yubico", NULL, "20000001");
	assert_ok(make(&d, &e), &e);
	old = buf_steal(&d.evidence);
	assert_ok(make(&d, &e), &e);
	assert_ok(judge(&d, &d.evidence, &e), &e);
	assert_err(judge(&d, &old, &e), &e, "origin.key");
	desk_open(&other, "yubico", NULL, "20000002");
	assert_ok(make(&other, &e), &e);
	assert_err(judge(&d, &other.evidence, &e), &e, "origin.chain");
	assert_ok(buf_set(&d.profile->attestation.ders, other.profile->attestation.ders.data,
		      other.profile->attestation.ders.len, &e),
	    &e);
	assert_err(judge(&d, &other.evidence, &e), &e, "origin.key");
	d.facts.key = (EVP_PKEY_free(d.facts.key), steal(&other.facts.key));
	assert_err(judge(&d, &other.evidence, &e), &e, "origin.serial");
	desk_close(&other);
	desk_close(&d);
}

/* The card's own attested key signs a certificate for a key outside. */
static void test_the_card_s_key_attests_nothing(void **state)
{
	AUTO(EVP_PKEY) *outside = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	AUTO_STRUCT(buf) forged = { 0 };
	AUTO(X509_STACK) *list = NULL;
	AUTO(X509) *cert = NULL;
	struct err e = { 0 };
	struct desk d;

	(void)state;
	desk_open(&d, "yubico", NULL, "20000001");
	assert_ok(make(&d, &e), &e);
	assert_ok(x509_parse_list(d.evidence.data, d.evidence.len, &list, ERR_DEVICE, &e), &e);
	/* All that a host can have of it: the card signs what it is given. */
	cert = X509_dup(sk_X509_value(list, 0));
	assert_int_equal(X509_set_pubkey(cert, outside), 1);
	assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(sk_X509_value(list, 0))),
	    1);
	X509_NAME_ENTRY_free(X509_NAME_delete_entry(X509_get_subject_name(cert), 0));
	assert_true(
	    X509_sign(cert, twin_store_key(&d.kit.card.store, 0x9a)->key, EVP_sha256()) > 0);
	assert_ok(x509_add_der(cert, &forged, &e), &e);
	assert_ok(buf_add(&forged, d.evidence.data, d.evidence.len, &e), &e);
	EVP_PKEY_free(d.facts.key);
	d.facts.key = steal(&outside);
	assert_err(judge(&d, &forged, &e), &e, "origin.chain");
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_card_s_word_is_good),
		cmocka_unit_test(test_a_card_that_does_not_attest),
		cmocka_unit_test(test_a_card_with_a_foreign_attester),
		cmocka_unit_test(test_a_card_that_sends_too_little),
		cmocka_unit_test(test_old_and_foreign_words),
		cmocka_unit_test(test_the_card_s_key_attests_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
