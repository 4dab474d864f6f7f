/* Who a device says it is. */
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "pki.h"
#include "spdm/check_chain.h"
#include "spdm_rig.h"

#define VENDOR                                                                                     \
	"137e0000"                                                                                 \
	"0400"                                                                                     \
	"04"                                                                                       \
	"d97e0000"
/* IP3-A, IP30000001, manufacturing */
#define MODEL     "01054950332d41"
#define SERIAL    "020a49503330303030303031"
#define LIFECYCLE "050d6d616e75666163747572696e67"
#define IDENTITY_REST                                                                              \
	"7e0000"                                                                                   \
	"0400"                                                                                     \
	"04"                                                                                       \
	"d97e0000"                                                                                 \
	"2400"                                                                                     \
	"0181" MODEL SERIAL LIFECYCLE
#define IDENTITY "13" IDENTITY_REST
/* IP30000002 */
#define OTHER_UNIT                                                                                 \
	VENDOR "2400"                                                                              \
	       "0181" MODEL "020a49503330303030303032" LIFECYCLE
#define KEY_PAIR_NONE                                                                              \
	"137c0000"                                                                                 \
	"0101"                                                                                     \
	"1f00"                                                                                     \
	"0700"                                                                                     \
	"0000"                                                                                     \
	"18000000"                                                                                 \
	"00000000"                                                                                 \
	"0000"                                                                                     \
	"00"
#define KEY_PAIR_THERE                                                                             \
	"137c0000"                                                                                 \
	"0101"                                                                                     \
	"1f00"                                                                                     \
	"0700"                                                                                     \
	"0200"                                                                                     \
	"18000000"                                                                                 \
	"08000000"                                                                                 \
	"0000"                                                                                     \
	"01"

static int identify(struct rig *r, const char *section, const char *existing, struct identity *ret,
    struct err *e)
{
	AUTO_PTR(profile) *p = rig_profile(section, "EC:P-256", existing);
	struct device *d = rig_open(r, p, 2000);
	int rc = d->driver->identify(d, ret, e);

	d->driver->close(d);
	rig_done(r);
	return rc;
}

static void the_vendor_message_tells(void **state)
{
	struct rig r =
	    RIG({ SPDM_VENDOR_DEFINED_REQUEST, VENDOR "6200"
						      "0181"
						      "7f01ff" /* unknown: ignored */
						      "0305332e302e31" LIFECYCLE SERIAL MODEL
						      "0610000102030405060708090a0b0c0d0e0f"
						      "0420"
						      "00000000000000000000000000000000"
						      "00000000000000000000000000000000" },
		{ SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_NONE });
	AUTO_STRUCT(identity) i = { 0 };
	struct err e = { 0 };

	(void)state;
	r.script_len = 2;
	assert_ok(identify(&r, RIG_SECTION, "refuse", &i, &e), &e);
	assert_string_equal(i.model, "IP3-A");
	assert_string_equal(i.serial, "IP30000001");
	assert_string_equal(i.firmware, "3.0.1");
	assert_string_equal(i.lifecycle, "manufacturing");
	assert_string_equal(i.uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
	assert_false(i.key_present);
	assert_int_equal(i.evidence.data[1], SPDM_VENDOR_DEFINED_RESPONSE); /* the digest */
}

static void a_key_that_is_there_is_seen(void **state)
{
	struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, IDENTITY },
	    { SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_THERE });
	struct rig old = RIG({ SPDM_VENDOR_DEFINED_REQUEST, "12" IDENTITY_REST });
	AUTO_STRUCT(identity) i = { 0 };
	AUTO_STRUCT(identity) of_old = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(identify(&r, RIG_SECTION, "refuse", &i, &e), &e);
	assert_true(i.key_present);
	assert_int_equal(i.evidence.len, 0);
	/* 1.2 can not tell: the key is there from the start */
	assert_ok(identify(&old, "{ identity: vendor, vendor_pen: 32473, versions: [\"1.2\"] }",
		      "reuse", &of_old, &e),
	    &e);
	assert_true(of_old.key_present);
}

static const char *const bad_identities[] = {
	"137e0000"
	"0400"
	"04"
	"d97e00", /* cut off */
	VENDOR "2400"
	       "0181" MODEL SERIAL "050d6d", /* shorter than it says */
	VENDOR "0100"
	       "01", /* no command */
	"137e0000"
	"0300"
	"04"
	"d97e0000"
	"2400"
	"0181" MODEL SERIAL LIFECYCLE,
	"137e0000"
	"0400"
	"04"
	"d87e0000"
	"2400"
	"0181" MODEL SERIAL LIFECYCLE,
	"137e0000"
	"0400"
	"02"
	"d97e"
	"2400"
	"0181" MODEL SERIAL LIFECYCLE,
	VENDOR "2400"
	       "0281" MODEL SERIAL LIFECYCLE, /* layout */
	VENDOR "2400"
	       "0182" MODEL SERIAL LIFECYCLE, /* command */
	VENDOR "2400"
	       "0101" MODEL SERIAL LIFECYCLE,
	VENDOR "0900"
	       "0181" MODEL, /* no serial */
	VENDOR "0e00"
	       "0181" SERIAL, /* no model */
	VENDOR "1c00"
	       "0181" MODEL MODEL SERIAL, /* twice */
	VENDOR "1600"
	       "0181" MODEL SERIAL "05", /* half a TLV */
	VENDOR "1700"
	       "0181" MODEL SERIAL "0501",
	VENDOR "1700"
	       "0181" MODEL SERIAL "0500", /* empty text */
	VENDOR "1800"
	       "0181" MODEL SERIAL "05010a", /* not printable */
	VENDOR "1800"
	       "0181" MODEL SERIAL "050180",
	VENDOR "1800"
	       "0181" MODEL SERIAL "060100", /* UUID of a byte */
	VENDOR "1800"
	       "0181" MODEL SERIAL "040100", /* digest of a byte */
};

static void bad_identities_are_refused(void **state)
{

	(void)state;
	for (size_t i = 0; i < COUNT(bad_identities); i++) {
		struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, bad_identities[i] });
		AUTO_STRUCT(identity) who = { 0 };
		struct err e = { 0 };

		if (identify(&r, RIG_SECTION, "refuse", &who, &e) == 0 ||
		    !err_is(&e, "device.protocol"))
			fail_msg("%s: %s: %s", bad_identities[i], e.code, e.message);
		assert_int_equal(who.serial[0], '\0');
	}
}

static void a_text_has_a_bound(void **state)
{
	char answer[512] = VENDOR "4c00"
				  "0181" MODEL "0241";
	struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, answer });
	AUTO_STRUCT(identity) who = { 0 };
	struct err e = { 0 };

	(void)state;
	for (int i = 0; i < 65; i++)
		(void)strcat(answer, "41");
	assert_err(identify(&r, RIG_SECTION, "refuse", &who, &e), &e, "device.protocol");
}

static void a_device_without_the_message_is_refused(void **state)
{
	struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, "137f07fe" });
	AUTO_STRUCT(identity) who = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(identify(&r, RIG_SECTION, "refuse", &who, &e), &e, "device.refused");
	assert_non_null(strstr(e.message, "GET_IDENTITY"));
}

static void measurements_are_the_evidence(void **state)
{
	static const struct {
		const char *answer;
		size_t len; /* 0: refused */
	} cases[] = {
		{ "13600000"
		  "01"
		  "0a0000"
		  "01010600"
		  "010300aabbcc"
		  "00",
		    19 },
		{ "13600000"
		  "01"
		  "ff0000"
		  "01010600"
		  "010300aabbcc",
		    0 },
		{ "136000", 0 },
		{ "137f0400", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, IDENTITY },
		    { SPDM_GET_MEASUREMENTS, cases[i].answer });
		AUTO_STRUCT(identity) who = { 0 };
		struct err e = { 0 };
		int rc;

		r.capabilities = "13610000000000000e0018000012000000120000";
		rc = identify(&r, RIG_SECTION, "refuse", &who, &e);
		if (cases[i].len != 0)
			assert_ok(rc, &e);
		else
			assert_int_equal(rc, -1);
		assert_int_equal(who.evidence.len, cases[i].len);
	}
}

#define UUID_SECTION "{ identity: uuid, model: IP3-A, vendor_pen: 32473 }"

static void the_uuid_is_asked_for(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "000300"
		  "000102030405060708090a0b0c0d0e0f",
		    NULL },
		{ "000305", "device.unsupported" },
		{ "000300"
		  "0001020304",
		    "device.protocol" },
		{ "000200"
		  "000102030405060708090a0b0c0d0e0f",
		    "device.protocol" },
		{ "00", "device.protocol" },
		{ RIG_SILENT, "link.timeout" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = RIG({ 0x03, cases[i].answer },
		    { SPDM_VENDOR_DEFINED_REQUEST, "137f07fe" }, /* not there, and not needed */
		    { SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_NONE });
		AUTO_STRUCT(identity) who = { 0 };
		struct err e = { 0 };
		int rc;

		if (cases[i].code != NULL)
			r.script_len = 1;
		rc = identify(&r, UUID_SECTION, "refuse", &who, &e);
		if (cases[i].code != NULL) {
			assert_err(rc, &e, cases[i].code);
			continue;
		}
		assert_ok(rc, &e);
		assert_string_equal(who.serial, "00010203-0405-0607-0809-0a0b0c0d0e0f");
		assert_string_equal(who.model, "IP3-A");
	}
}

/* Two ways that disagree are one device too many. */
static void a_second_serial_is_refused(void **state)
{
	struct rig r = RIG({ 0x03, "000300"
				   "000102030405060708090a0b0c0d0e0f" },
	    { SPDM_VENDOR_DEFINED_REQUEST, IDENTITY });
	AUTO_STRUCT(identity) who = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(identify(&r, UUID_SECTION, "refuse", &who, &e), &e, "device.identity");
}

/* A certificate or CSR with the DMTF otherName; value NULL: without. */
static STACK_OF(X509_EXTENSION) * device_info(const char *value)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	char conf[256];

	(void)snprintf(conf, sizeof(conf), "otherName:1.3.6.1.4.1.412.274.1;UTF8:%s", value);
	if (value == NULL)
		(void)strcpy(conf, "DNS:pump.example");
	assert_true(sk_X509_EXTENSION_push(list,
			X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, conf)) > 0);
	return list;
}

static void csr_answer(const char *value, char *ret, size_t size)
{
	AUTO(X509_REQ) *request = X509_REQ_new();
	AUTO(EVP_PKEY) *key = pki_key("P-256");
	STACK_OF(X509_EXTENSION) *list = device_info(value);
	uint8_t *der = NULL;
	int len;

	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	assert_int_equal(X509_REQ_add_extensions(request, list), 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_true(len > 0 && 2 * (size_t)len + 32 < size);
	(void)snprintf(ret, size, "136d0000%02x%02x0000", len & 255, len >> 8);
	hex_encode(der, (size_t)len, ret + strlen(ret));
	OPENSSL_free(der);
}

static const struct {
	const char *value, *model, *serial; /* model NULL: refused */
} device_infos[] = {
	{ "ACME:WIDGET:1234567890", "WIDGET", "1234567890" },
	{ ":A:B", "A", "B" },
	{ NULL, NULL, NULL },
	{ "ACME", NULL, NULL },
	{ "ACME:WIDGET", NULL, NULL },
	{ "ACME:WIDGET:", NULL, NULL },
	{ "ACME::123", NULL, NULL },
	{ "ACME:WIDGET:123:4", NULL, NULL },
	{ "ACME:WIDGET:12\x01"
	  "3",
	    NULL, NULL },
	{ "ACME:WIDGET:"
	  "0123456789012345678901234567890123456789012345678901234567890123456",
	    NULL, NULL },
};

static void check_device_info(size_t i, int rc, const struct identity *who, const struct err *e)
{
	if (device_infos[i].model == NULL) {
		assert_err(rc, e, "device.identity");
		return;
	}
	assert_ok(rc, e);
	assert_string_equal(who->model, device_infos[i].model);
	assert_string_equal(who->serial, device_infos[i].serial);
}

static void a_csr_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(device_infos); i++) {
		char answer[2048];
		struct rig r =
		    RIG({ SPDM_GET_CSR, answer }, { SPDM_VENDOR_DEFINED_REQUEST, "137f07fe" },
			{ SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_THERE });
		AUTO_STRUCT(identity) who = { 0 };
		struct err e = { 0 };
		int rc;

		csr_answer(device_infos[i].value, answer, sizeof(answer));
		if (device_infos[i].model == NULL)
			r.script_len = 1;
		rc = identify(&r, "{ identity: csr, vendor_pen: 32473 }", "reuse", &who, &e);
		check_device_info(i, rc, &who, &e);
	}
}

static void a_csr_that_needs_a_reset_does_not_tell(void **state)
{
	struct rig r = RIG({ SPDM_GET_CSR, "137f0c01" });
	AUTO_STRUCT(identity) who = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(identify(&r, "{ identity: csr, vendor_pen: 32473 }", "reuse", &who, &e), &e,
	    "device.unsupported");
}

/* The chain of slot 0: a root and a leaf with that otherName. */
static void certificate_answers(const char *value, const struct spdm_algorithm *a, char *portion,
    size_t size)
{
	struct pki pki = pki_attester("P-256");
	STACK_OF(X509_EXTENSION) *list = device_info(value);
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	struct err e = { 0 };

	assert_int_equal(X509_add_ext(pki.leaf, sk_X509_EXTENSION_value(list, 0), -1), 1);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	assert_true(X509_sign(pki.leaf, pki.ca_key, EVP_sha256()) > 0);
	assert_ok(x509_add_der(pki.leaf, &ders, &e), &e);
	assert_ok(x509_add_der(pki.root, &ders, &e), &e);
	assert_ok(spdm_chain_build(a, &ders, &chain, &e), &e);
	assert_true(chain.len < 1024 && 2 * chain.len + 32 < size);
	(void)snprintf(portion, size, "13020000%02x%02x0000", (unsigned)chain.len & 255,
	    (unsigned)chain.len >> 8);
	hex_encode(chain.data, chain.len, portion + strlen(portion));
	pki_free(&pki);
}

static void a_certificate_tells(void **state)
{
	static const char section[] = "{ identity: certificate, vendor_pen: 32473 }";
	struct spdm_options options;
	AUTO_PTR(profile) *p = rig_profile(section, "EC:P-256", "replace");
	struct err e = { 0 };

	(void)state;
	assert_ok(spdm_options_read(p, &options, &e), &e);
	for (size_t i = 0; i < COUNT(device_infos); i++) {
		char portion[4096];
		struct rig r = RIG({ SPDM_GET_CERTIFICATE, portion },
		    { SPDM_VENDOR_DEFINED_REQUEST, "137f07fe" },
		    { SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_THERE });
		AUTO_STRUCT(identity) who = { 0 };
		int rc;

		certificate_answers(device_infos[i].value, options.algorithm, portion,
		    sizeof(portion));
		if (device_infos[i].model == NULL)
			r.script_len = 1;
		rc = identify(&r, section, "replace", &who, &e);
		check_device_info(i, rc, &who, &e);
	}
}

static void an_empty_slot_does_not_tell(void **state)
{
	struct rig r = RIG({ SPDM_GET_CERTIFICATE, "137f0100" });
	AUTO_STRUCT(identity) who = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_err(identify(&r, "{ identity: certificate, vendor_pen: 32473 }", "replace", &who,
		       &e),
	    &e, "device.empty");
}

/* What it is asked a second time on the same connection: only who it is. */
static void a_unit_is_measured_once(void **state)
{
	static const char measurements[] = "13600000"
					   "01"
					   "0a0000"
					   "01010600"
					   "010300aabbcc"
					   "00";
	AUTO_PTR(profile) *p = rig_profile(RIG_SECTION, "EC:P-256", "refuse");
	struct rig r = RIG({ SPDM_VENDOR_DEFINED_REQUEST, IDENTITY },
	    { SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_NONE }, { SPDM_GET_MEASUREMENTS, measurements },
	    { SPDM_VENDOR_DEFINED_REQUEST, IDENTITY }, { SPDM_VENDOR_DEFINED_REQUEST, OTHER_UNIT },
	    { SPDM_GET_KEY_PAIR_INFO, KEY_PAIR_THERE }, { SPDM_GET_MEASUREMENTS, measurements });
	struct device *d = rig_open(&r, p, 2000);
	AUTO_STRUCT(identity) first = { 0 };
	AUTO_STRUCT(identity) again = { 0 };
	AUTO_STRUCT(identity) other = { 0 };
	struct err e = { 0 };

	(void)state;
	r.capabilities = "13610000000000000e0018300012000000120000";
	assert_ok(d->driver->identify(d, &first, &e), &e);
	assert_ok(d->driver->identify(d, &again, &e), &e);
	assert_int_equal(r.at, 4);
	assert_true(buf_equal(&first.evidence, &again.evidence));
	assert_false(again.key_present);
	assert_ok(d->driver->identify(d, &other, &e), &e);
	assert_true(other.key_present);
	d->driver->close(d);
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vendor_message_tells),
		cmocka_unit_test(a_key_that_is_there_is_seen),
		cmocka_unit_test(bad_identities_are_refused),
		cmocka_unit_test(a_text_has_a_bound),
		cmocka_unit_test(a_device_without_the_message_is_refused),
		cmocka_unit_test(measurements_are_the_evidence),
		cmocka_unit_test(the_uuid_is_asked_for),
		cmocka_unit_test(a_second_serial_is_refused),
		cmocka_unit_test(a_csr_tells),
		cmocka_unit_test(a_csr_that_needs_a_reset_does_not_tell),
		cmocka_unit_test(a_certificate_tells),
		cmocka_unit_test(an_empty_slot_does_not_tell),
		cmocka_unit_test(a_unit_is_measured_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
