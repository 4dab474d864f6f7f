/* Asking for a CSR, and for what is to be in it. */
#include <stdlib.h>
#include <string.h>

#include "pki.h"
#include "spdm/csr.h"
#include "spdm_rig.h"
#include "subject.h"

/* A unit whose CSR is asked for, from slot to slot. */
struct fixture {
	struct profile *profile;
	struct subject subject;
	EVP_PKEY *key;
	char csr[2048]; /* the answer to GET_CSR */
	struct buf csr_der;
};

static void fixture_open(struct fixture *f, const char *section, const char *curve)
{
	static const struct identity who = { .model = "IP3-A", .serial = "IP30000001" };
	char algorithm[16];
	AUTO(X509_REQ) *request = X509_REQ_new();
	struct err e = { 0 };
	uint8_t *room;
	int len;

	(void)snprintf(algorithm, sizeof(algorithm), "EC:%s", curve);
	f->profile = rig_profile(section, algorithm, "reuse");
	assert_ok(subject_render(&f->subject, f->profile, &who, &e), &e);
	f->key = pki_key(curve);
	assert_int_equal(X509_REQ_set_pubkey(request, f->key), 1);
	assert_true(X509_REQ_sign(request, f->key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, NULL);
	room = buf_room(&f->csr_der, (size_t)len, &e);
	assert_int_equal(i2d_X509_REQ(request, &room), len);
	f->csr_der.len = (size_t)len;
	(void)snprintf(f->csr, sizeof(f->csr), "136d0000%02x%02x0000", len & 255, len >> 8);
	hex_encode(f->csr_der.data, (size_t)len, f->csr + 16);
}

static void fixture_close(struct fixture *f)
{
	subject_free(&f->subject);
	buf_free(&f->csr_der);
	EVP_PKEY_free(f->key);
	profile_free(f->profile);
}

/* One try in a slot of its own; resume is what the station keeps. */
static int request(struct fixture *f, struct rig *r, struct buf *resume, struct buf *ret,
    struct err *e)
{
	struct device *d = rig_open(r, f->profile, 2000);
	int rc;

	d->resume = buf_steal(resume);
	rc = d->driver->request(d, &f->subject, ret, e);
	*resume = buf_steal(&d->resume);
	d->driver->close(d);
	return rc;
}

/* The RequesterInfo of a GET_CSR: its subject, key and names are those of the unit. */
static void check_info(const struct fixture *f, const uint8_t *message, size_t len, bool with_san)
{
	const uint8_t *p = message + 8;
	size_t info_len = (size_t)(message[4] | message[5] << 8);
	AUTO(EVP_PKEY) *key = NULL;
	AUTO(X509_REQ) *request = X509_REQ_new();
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };
	uint8_t *name = NULL;
	int name_len;

	assert_int_equal(8 + info_len, len);
	assert_int_equal(message[6] | message[7], 0);
	/* PKCS#10 around it, to read it back */
	assert_true(info_len > 127 && info_len < 1024);
	assert_ok(buf_add(&der,
		      (const uint8_t[]){ 0x30, 0x82, (uint8_t)((info_len + 16) >> 8),
			  (uint8_t)(info_len + 16) },
		      4, &e),
	    &e);
	assert_ok(buf_add(&der, p, info_len, &e), &e);
	static const uint8_t rest[] = { 0x30, 0x0a, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 3,
		2, 0, 0 };
	assert_ok(buf_add(&der, rest, sizeof(rest), &e), &e);
	X509_REQ_free(steal(&request));
	assert_ok(x509_parse_request(der.data, der.len, &request, ERR_DEVICE, &e), &e);
	key = X509_REQ_get_pubkey(request);
	assert_int_equal(EVP_PKEY_eq(key, f->key), 1);
	name_len = i2d_X509_NAME(X509_REQ_get_subject_name(request), &name);
	assert_int_equal(name_len, f->subject.name.len);
	assert_memory_equal(name, f->subject.name.data, f->subject.name.len);
	OPENSSL_free(name);
	assert_true(
	    (memmem(p, info_len, f->subject.san.data, f->subject.san.len) != NULL) == with_san);
}

static void subject_and_names_are_asked_for(void **state)
{
	struct fixture f = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	struct rig r = RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, f.csr });
	assert_ok(request(&f, &r, &resume, &csr, &e), &e);
	assert_true(buf_equal(&csr, &f.csr_der));
	assert_memory_equal(r.requests.data, "\x13\xed\0\0\0\0\0\0", 8);
	assert_memory_equal(r.requests.data + 8, "\x13\xed\0\0", 4);
	check_info(&f, r.requests.data + 8, r.requests.len - 8, true);
	rig_done(&r);
	fixture_close(&f);
}

static void less_is_asked_for_where_it_is_refused(void **state)
{
	struct fixture f = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	struct rig subject =
	    RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, "137f0100" }, { SPDM_GET_CSR, f.csr });
	assert_ok(request(&f, &subject, &resume, &csr, &e), &e);
	size_t full = 8U + subject.requests.data[12] + (size_t)subject.requests.data[13] * 256;
	check_info(&f, subject.requests.data + 8 + full, subject.requests.len - 8 - full, false);
	rig_done(&subject);

	struct rig plain = RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, "137f0100" },
	    { SPDM_GET_CSR, "137f0100" });
	assert_ok(request(&f, &plain, &resume, &csr, &e), &e);
	assert_true(buf_equal(&csr, &f.csr_der));
	rig_done(&plain);

	struct rig other = RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, "137f0400" });
	assert_err(request(&f, &other, &resume, &csr, &e), &e, "device.refused");
	rig_done(&other);
	fixture_close(&f);
}

#define RESET_ANSWER "137e0000040004d97e000002000185"

static void resets_are_survived(void **state)
{
	struct fixture f = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) asked = { 0 };
	struct err e = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	struct rig first =
	    RIG({ SPDM_GET_CSR, "137f0c03" }, { SPDM_VENDOR_DEFINED_REQUEST, RESET_ANSWER });
	first.capabilities = RIG_CAPABILITIES_RESET;
	assert_err(request(&f, &first, &resume, &csr, &e), &e, DRIVER_RESET);
	assert_int_equal(first.requests.data[3], 0x80); /* Overwrite: old tags are freed */
	rig_done(&first);

	struct rig second = RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, "137f0c05" },
	    { SPDM_VENDOR_DEFINED_REQUEST, RIG_GONE }); /* its answer may be lost */
	second.capabilities = RIG_CAPABILITIES_RESET;
	assert_err(request(&f, &second, &resume, &csr, &e), &e, DRIVER_RESET);
	assert_int_equal(second.requests.data[3], 3 << 3); /* the tag, and nothing else */
	assert_true(resume.len <= 64);
	assert_ok(buf_set(&asked, second.requests.data + 8, second.requests.len - 8 - 15, &e), &e);
	rig_done(&second);

	struct rig third = RIG({ SPDM_GET_CSR, f.csr });
	third.capabilities = RIG_CAPABILITIES_RESET;
	assert_ok(request(&f, &third, &resume, &csr, &e), &e);
	assert_true(buf_equal(&csr, &f.csr_der));
	assert_int_equal(resume.len, 0);
	asked.data[3] = 5 << 3;
	assert_true(buf_equal(&third.requests, &asked)); /* the same, with the tag */
	rig_done(&third);
	fixture_close(&f);
}

/* 1.2: no tag; the identical request after the reset. */
static void resets_of_1_2_repeat_the_request(void **state)
{
	struct fixture f = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	(void)state;
	fixture_open(&f,
	    "{ identity: vendor, vendor_pen: 32473, versions: [\"1.2\"], reset: manual }", "P-384");
	f.csr[1] = '2';
	struct rig first = RIG({ SPDM_GET_CSR, "127f0c00" });
	first.capabilities = RIG_CAPABILITIES_RESET;
	assert_err(request(&f, &first, &resume, &csr, &e), &e, DRIVER_RESET);
	assert_non_null(strstr(e.message, "switch it off"));
	rig_done(&first);
	struct rig second = RIG({ SPDM_GET_CSR, f.csr }, { SPDM_GET_CSR, "127f0c00" });
	second.capabilities = RIG_CAPABILITIES_RESET;
	assert_err(request(&f, &second, &resume, &csr, &e), &e, DRIVER_RESET);
	assert_int_equal(resume.len, 2 + 1 + 48);
	rig_done(&second);
	struct rig third = RIG({ SPDM_GET_CSR, f.csr });
	third.capabilities = RIG_CAPABILITIES_RESET;
	assert_ok(request(&f, &third, &resume, &csr, &e), &e);
	assert_int_equal(third.requests.data[3], 0);
	check_info(&f, third.requests.data, third.requests.len, true);
	rig_done(&third);
	fixture_close(&f);
}

static void a_reset_that_is_refused_is_an_error(void **state)
{
	struct fixture f = { 0 };
	AUTO_STRUCT(buf) resume = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	struct err e = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	struct rig r =
	    RIG({ SPDM_GET_CSR, "137f0c03" }, { SPDM_VENDOR_DEFINED_REQUEST, "137f07fe" });
	assert_err(request(&f, &r, &resume, &csr, &e), &e, "device.refused");
	assert_int_equal(resume.len, 0);
	rig_done(&r);
	fixture_close(&f);
}

static void foreign_tokens_are_refused(void **state)
{
	static const struct {
		const char *token, *code;
	} cases[] = {
		{ "00", "device.resume" },
		{ "0400", "device.resume" },
		{ "ff00", "device.resume" },
		{ "0101", "device.key" },
		{ "0101ff", "device.key" },
		{ "01010200000000000000000000000000000000000000000000000000000000000000ffff",
		    "device.key" },
		{ "010105ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		    "device.key" },
	};
	struct fixture f = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r = { .base = { &rig_ops }, .capabilities = RIG_CAPABILITIES };
		AUTO_STRUCT(buf) resume = { 0 };
		AUTO_STRUCT(buf) csr = { 0 };
		struct err e = { 0 };

		testing_hex(cases[i].token, &resume);
		assert_err(request(&f, &r, &resume, &csr, &e), &e, cases[i].code);
		rig_done(&r);
	}
	fixture_close(&f);
}

static void bad_csrs_are_refused(void **state)
{
	static const struct {
		const char *answer, *code;
	} cases[] = {
		{ "136d0000", "device.protocol" },
		{ "136d000000000000", "device.protocol" },
		{ "136d0000ff0000003000", "device.protocol" },
		{ "136d0000020000003000", "x509" },
	};
	struct fixture f = { 0 };
	struct fixture other = { 0 };

	(void)state;
	fixture_open(&f, RIG_SECTION, "P-256");
	fixture_open(&other, RIG_SECTION, "P-384");
	for (size_t i = 0; i <= COUNT(cases); i++) {
		/* the last: a key of another curve */
		struct rig r =
		    RIG({ SPDM_GET_CSR, i < COUNT(cases) ? cases[i].answer : other.csr });
		AUTO_STRUCT(buf) resume = { 0 };
		AUTO_STRUCT(buf) csr = { 0 };
		struct err e = { 0 };

		assert_err(request(&f, &r, &resume, &csr, &e), &e,
		    i < COUNT(cases) ? cases[i].code : "device.key");
		rig_done(&r);
	}
	fixture_close(&f);
	fixture_close(&other);
}

static void points_are_compressed_and_back(void **state)
{
	static const char *const curves[] = { "P-256", "P-384" };

	(void)state;
	for (int n = 0; n < 8; n++) { /* both signs of y */
		struct fixture f = { 0 };
		struct spdm_options o;
		AUTO_STRUCT(buf) point = { 0 };
		AUTO_STRUCT(buf) key = { 0 };
		AUTO_STRUCT(buf) back = { 0 };
		AUTO_STRUCT(buf) want = { 0 };
		struct err e = { 0 };

		fixture_open(&f, RIG_SECTION, curves[n % 2]);
		assert_ok(spdm_options_read(f.profile, &o, &e), &e);
		assert_ok(spdm_key_of(o.algorithm, &f.csr_der, &key, &e), &e);
		assert_ok(spdm_key_compress(o.algorithm, &key, &point, &e), &e);
		assert_ok(spdm_key_expand(o.algorithm, point.data, point.len, &back, &e), &e);
		assert_ok(x509_add_spki(f.key, &want, &e), &e);
		assert_true(buf_equal(&key, &want));
		assert_true(buf_equal(&back, &want));
		fixture_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subject_and_names_are_asked_for),
		cmocka_unit_test(less_is_asked_for_where_it_is_refused),
		cmocka_unit_test(resets_are_survived),
		cmocka_unit_test(resets_of_1_2_repeat_the_request),
		cmocka_unit_test(a_reset_that_is_refused_is_an_error),
		cmocka_unit_test(foreign_tokens_are_refused),
		cmocka_unit_test(bad_csrs_are_refused),
		cmocka_unit_test(points_are_compressed_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
