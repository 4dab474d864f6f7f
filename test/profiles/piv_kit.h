/* What the tests of the piv family share: profiles, and a card behind a reader of APDUs. */
#ifndef KILN_TEST_PIV_KIT_H
#define KILN_TEST_PIV_KIT_H

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "piv/check_options.h"
#include "piv/device.h"
#include "piv/piv.h"
#include "testing.h"
#include "x509.h"

#define PIV_FN __attribute__((unused)) static

#define PIV_SECTION "{ identity: serial, model: UT1, anchors: 5fff10, factory_secrets: true }"

/* usb-token.yaml (or, without an object for anchors, usb-token-p384.yaml, which installs none) with another
 * section `piv` and algorithm. */
PIV_FN struct profile *piv_try_profile(const char *section, const char *algorithm, struct err *e)
{
	const struct {
		const char *path, *value;
	} changes[] = { { "/piv", section }, { "/key/algorithm", algorithm } };
	AUTO_STRUCT(buf) text = { 0 };
	struct profile *p = NULL;

	testing_read(testing_source(strstr(section, "anchors:") != NULL
					? "profiles/piv/usb-token.yaml"
					: "profiles/piv/usb-token-p384.yaml"),
	    &text);
	for (size_t i = 0; i < COUNT(changes); i++) {
		AUTO_STRUCT(buf) changed = { 0 };

		assert_ok(yaml_replace("test", (const char *)text.data, text.len, changes[i].path,
			      changes[i].value, &changed, e),
		    e);
		buf_free(&text);
		text = buf_steal(&changed);
	}
	return profile_parse(&p, "test", (const char *)text.data, text.len, e) == 0 ? p : NULL;
}

PIV_FN struct profile *piv_profile(const char *section, const char *algorithm)
{
	struct err e = { 0 };
	struct profile *p = piv_try_profile(section, algorithm, &e);

	assert_ok(p != NULL ? 0 : -1, &e);
	return p;
}

enum { FAKE_OBJECTS = 6, FAKE_TRIES = 5 };

/* In place of what the card would say to that command. */
struct fake_says {
	uint8_t ins;
	int p1, p2;         /* -1: any */
	const char *answer; /* hex, with the status word; NULL: unplugged; "link.*": lost */
	int skip;           /* so many times the card answers itself */
};

/* A card with everything in memory. It counts what may not happen twice. */
struct fake {
	EVP_PKEY *key; /* of the one slot it has */
	uint8_t key_algorithm;
	const char *management; /* hex */
	uint8_t management_algorithm;
	const char *pin;
	int tries;
	bool has_metadata, attests, keeps_status;
	const char *label;
	size_t room; /* of one object */
	struct fake_object {
		uint32_t id;
		struct buf content;
	} objects[FAKE_OBJECTS];

	bool pin_ok, managed;
	uint8_t witness[16], pin_policy;
	struct buf chain, rest;
	int power_ons, selects, verifies, management_tries, generates, signatures;
	struct fake_says says[4];
	bool says_once;  /* what it says, it says one time */
	uint8_t last_le; /* what the last F8 asked for */
};

PIV_FN void fake_init(struct fake *f)
{
	*f = (struct fake){ .management = "010203040506070801020304050607080102030405060708",
		.management_algorithm = PIV_3DES,
		.pin = "123456",
		.tries = FAKE_TRIES,
		.has_metadata = true,
		.label = "fake",
		.room = 3000 };
}

PIV_FN void fake_free(struct fake *f)
{
	EVP_PKEY_free(f->key);
	for (size_t i = 0; i < FAKE_OBJECTS; i++)
		buf_free(&f->objects[i].content);
	buf_free(&f->chain);
	buf_free(&f->rest);
}

PIV_FN void fake_add(struct buf *b, const void *data, size_t len)
{
	struct err e = { 0 };

	assert_ok(buf_add(b, data, len, &e), &e);
}

/* A TLV with a tag of one or two bytes. */
PIV_FN void fake_tlv(struct buf *b, unsigned tag, const void *data, size_t len)
{
	const uint8_t header[] = { (uint8_t)(tag >> 8), (uint8_t)tag, 0x82, (uint8_t)(len >> 8),
		(uint8_t)len };

	fake_add(b, tag > 0xff ? header : header + 1, tag > 0xff ? 5 : 4);
	fake_add(b, data, len);
}

PIV_FN struct buf *fake_object(struct fake *f, uint32_t id, bool makes)
{
	for (size_t i = 0; i < FAKE_OBJECTS; i++) {
		if (f->objects[i].id == id)
			return &f->objects[i].content;
		if (f->objects[i].id == 0 && makes) {
			f->objects[i].id = id;
			return &f->objects[i].content;
		}
		if (f->objects[i].id == 0)
			break;
	}
	return NULL;
}

PIV_FN uint16_t fake_select(struct fake *f, struct buf *ret)
{
	static const uint8_t aid[] = { 0x4f, 6, 0, 0, 0x10, 0, 1, 0 };
	AUTO_STRUCT(buf) inner = { 0 };

	f->selects++;
	if (!f->keeps_status)
		f->pin_ok = f->managed = false;
	fake_add(&inner, aid, sizeof(aid));
	if (f->label != NULL)
		fake_tlv(&inner, 0x50, f->label, strlen(f->label));
	fake_tlv(ret, 0x61, inner.data, inner.len);
	return 0x9000;
}

PIV_FN uint16_t fake_verify(struct fake *f, const uint8_t *data, size_t len)
{
	uint8_t want[8];

	if (len == 0)
		return f->pin_ok ? 0x9000 : f->tries == 0 ? 0x6983 : (uint16_t)(0x63c0 + f->tries);
	f->verifies++;
	memset(want, 0xff, sizeof(want));
	memcpy(want, f->pin, strlen(f->pin));
	if (f->tries == 0)
		return 0x6983;
	f->pin_ok = len == sizeof(want) && memcmp(data, want, len) == 0;
	f->tries = f->pin_ok ? FAKE_TRIES : f->tries - 1;
	return f->pin_ok ? 0x9000 : (uint16_t)(0x63c0 + f->tries);
}

PIV_FN size_t fake_block(const struct fake *f)
{
	return f->management_algorithm == PIV_3DES ? 8 : 16;
}

PIV_FN void fake_crypt(const struct fake *f, int encrypts, const uint8_t *in, uint8_t *out)
{
	const char *name = f->management_algorithm == PIV_3DES     ? "DES-EDE3-ECB"
			   : f->management_algorithm == PIV_AES128 ? "AES-128-ECB"
			   : f->management_algorithm == PIV_AES192 ? "AES-192-ECB"
								   : "AES-256-ECB";
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t key[32] = { 0 };
	int len;

	assert_true(hex_decode(f->management, key, strlen(f->management) / 2));
	assert_int_equal(EVP_CipherInit_ex(ctx, EVP_get_cipherbyname(name), NULL, key, NULL,
			     encrypts),
	    1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_CipherUpdate(ctx, out, &len, in, (int)fake_block(f)), 1);
	EVP_CIPHER_CTX_free(ctx);
}

PIV_FN uint16_t fake_manage(struct fake *f, uint8_t algorithm, const uint8_t *data, size_t len,
    struct buf *ret)
{
	static const uint8_t ask[] = { 0x7c, 2, 0x80, 0 };
	size_t block = fake_block(f);
	uint8_t head[] = { 0x7c, (uint8_t)(block + 2), 0x80, (uint8_t)block }, out[32];

	if (algorithm != f->management_algorithm)
		return 0x6a86;
	if (len == sizeof(ask) && memcmp(data, ask, len) == 0) {
		for (size_t i = 0; i < block; i++)
			f->witness[i] = (uint8_t)rand();
		fake_crypt(f, 1, f->witness, out);
		fake_add(ret, head, sizeof(head));
		fake_add(ret, out, block);
		return 0x9000;
	}
	f->management_tries++;
	if (len != 6 + 2 * block || data[2] != 0x80 || data[4 + block] != 0x81 ||
	    memcmp(data + 4, f->witness, block) != 0)
		return 0x6a80;
	fake_crypt(f, 1, data + 6 + block, out);
	head[2] = 0x82;
	fake_add(ret, head, sizeof(head));
	fake_add(ret, out, block);
	f->managed = true;
	return 0x9000;
}

PIV_FN void fake_public(const struct fake *f, struct buf *ret)
{
	if (EVP_PKEY_is_a(f->key, "RSA")) {
		BIGNUM *n = NULL;
		uint8_t bytes[512];

		assert_int_equal(EVP_PKEY_get_bn_param(f->key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
		fake_tlv(ret, 0x81, bytes, (size_t)BN_bn2bin(n, bytes));
		fake_tlv(ret, 0x82, "\1\0\1", 3);
		BN_free(n);
	} else {
		uint8_t point[200];
		size_t len;

		assert_int_equal(EVP_PKEY_get_octet_string_param(f->key,
				     OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point, sizeof(point),
				     &len),
		    1);
		fake_tlv(ret, 0x86, point, len);
	}
}

PIV_FN uint16_t fake_generate(struct fake *f, const uint8_t *data, size_t len, struct buf *ret)
{
	AUTO_STRUCT(buf) inner = { 0 };

	if (!f->managed)
		return 0x6982;
	if (len < 5 || data[0] != 0xac || data[2] != 0x80)
		return 0x6a80;
	f->generates++;
	EVP_PKEY_free(f->key);
	f->key_algorithm = data[4];
	f->pin_policy = len > 7 ? data[7] : 0;
	f->key = data[4] == 0x11   ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
		 : data[4] == 0x14 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384")
		 : data[4] == 0x07 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
				   : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072);
	fake_public(f, &inner);
	fake_tlv(ret, 0x7f49, inner.data, inner.len);
	return 0x9000;
}

PIV_FN uint16_t fake_sign(struct fake *f, uint8_t slot, const uint8_t *data, size_t len,
    struct buf *ret)
{
	EVP_PKEY_CTX *ctx;
	AUTO_STRUCT(buf) inner = { 0 };
	uint8_t signature[600];
	size_t signature_len = sizeof(signature), in, at = 0;

	if (!f->pin_ok && slot != 0x9e)
		return 0x6982;
	if (f->key == NULL)
		return 0x6a80;
	in = EVP_PKEY_is_a(f->key, "RSA")       ? (size_t)EVP_PKEY_get_size(f->key)
	     : EVP_PKEY_get_bits(f->key) == 256 ? 32
						: 48;
	assert_true(len > in + 4);
	at = len - in;
	assert_true(data[0] == 0x7c);
	ctx = EVP_PKEY_CTX_new(f->key, NULL);
	assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
	if (EVP_PKEY_is_a(f->key, "RSA"))
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
	assert_int_equal(EVP_PKEY_sign(ctx, signature, &signature_len, data + at, in), 1);
	EVP_PKEY_CTX_free(ctx);
	f->signatures++;
	fake_tlv(&inner, 0x82, signature, signature_len);
	fake_tlv(ret, 0x7c, inner.data, inner.len);
	return 0x9000;
}

PIV_FN uint16_t fake_get(struct fake *f, const uint8_t *data, size_t len, struct buf *ret)
{
	const struct buf *content;

	assert_true(len == 5 && data[0] == 0x5c && data[1] == 3);
	content = fake_object(f, (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4], false);
	if (content == NULL)
		return 0x6a82;
	fake_tlv(ret, 0x53, content->data, content->len);
	return 0x9000;
}

PIV_FN uint16_t fake_put(struct fake *f, const uint8_t *data, size_t len)
{
	struct buf *content;
	size_t header;
	struct err e = { 0 };

	assert_true(len > 7 && data[0] == 0x5c && data[1] == 3 && data[5] == 0x53);
	if (!f->managed)
		return 0x6982;
	header = data[6] < 0x80 ? 7 : 7u + (data[6] & 0x7f);
	if (len - header > f->room)
		return 0x6a84;
	content = fake_object(f, (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4], true);
	assert_non_null(content);
	assert_ok(buf_set(content, data + header, len - header, &e), &e);
	return 0x9000;
}

PIV_FN uint16_t fake_metadata(struct fake *f, uint8_t slot, struct buf *ret)
{
	AUTO_STRUCT(buf) public = { 0 };
	uint8_t is_default = 1;

	if (!f->has_metadata)
		return 0x6d00;
	if (slot == 0x9b || slot == 0x80) {
		fake_tlv(ret, 1, slot == 0x9b ? (const void *)&f->management_algorithm : "\xff", 1);
		fake_tlv(ret, 5, &is_default, 1);
		return 0x9000;
	}
	if (f->key == NULL)
		return 0x6a88;
	fake_tlv(ret, 1, &f->key_algorithm, 1);
	fake_public(f, &public);
	fake_tlv(ret, 4, public.data, public.len);
	return 0x9000;
}

PIV_FN uint16_t fake_command(struct fake *f, const uint8_t *h, const uint8_t *data, size_t len,
    struct buf *ret)
{
	static const uint8_t serial[] = { 0x01, 0x31, 0x2d, 0x01 };

	switch (h[1]) {
	case PIV_INS_SELECT:
		return fake_select(f, ret);
	case PIV_INS_VERIFY:
		return fake_verify(f, data, len);
	case PIV_INS_AUTHENTICATE:
		return h[3] == 0x9b ? fake_manage(f, h[2], data, len, ret)
				    : fake_sign(f, h[3], data, len, ret);
	case PIV_INS_GENERATE:
		return fake_generate(f, data, len, ret);
	case PIV_INS_GET_DATA:
		return fake_get(f, data, len, ret);
	case PIV_INS_PUT_DATA:
		return fake_put(f, data, len);
	case YUBICO_INS_METADATA:
		return fake_metadata(f, h[3], ret);
	case YUBICO_INS_SERIAL:
		fake_add(ret, serial, sizeof(serial));
		return 0x9000;
	case YUBICO_INS_VERSION:
		fake_add(ret, "\5\4\3", 3);
		return 0x9000;
	default:
		return 0x6d00;
	}
}

PIV_FN struct fake_says *fake_says(struct fake *f, const uint8_t *h)
{
	for (size_t i = 0; i < COUNT(f->says); i++) {
		struct fake_says *s = &f->says[i];

		if (s->ins == 0 || s->ins != h[1] || (s->p1 >= 0 && s->p1 != h[2]) ||
		    (s->p2 >= 0 && s->p2 != h[3]))
			continue;
		if (s->skip-- > 0 || (f->says_once && s->skip < -1))
			continue;
		return s;
	}
	return NULL;
}

PIV_FN void fake_status(struct buf *ret, uint16_t status)
{
	const uint8_t bytes[] = { (uint8_t)(status >> 8), (uint8_t)status };

	fake_add(ret, bytes, sizeof(bytes));
}

/* At most 256 bytes at once; the rest waits for GET RESPONSE. */
PIV_FN void fake_give(struct fake *f, struct buf *ret, uint16_t status)
{
	size_t len = f->rest.len < 256 ? f->rest.len : 256;

	fake_add(ret, f->rest.data, len);
	buf_drop(&f->rest, len);
	fake_status(ret,
	    f->rest.len == 0 ? status : (uint16_t)(0x6100 + (f->rest.len < 256 ? f->rest.len : 0)));
}

PIV_FN int fake_transmit(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	struct fake *f = context;
	const uint8_t *h = apdu->data;
	size_t len = apdu->len > 5 ? apdu->data[4] : 0;
	struct fake_says *says = fake_says(f, h);
	uint16_t status;

	(void)deadline; /* nobody waits here */
	assert_true(apdu->len >= 4 && apdu->len <= 261);
	assert_true(apdu->len <= 5 || apdu->len == 5 + len || apdu->len == 6 + len);
	if (h[1] == YUBICO_INS_SERIAL)
		f->last_le = apdu->data[4];
	buf_clear(ret);
	if (says != NULL && says->answer == NULL)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	if (says != NULL && strncmp(says->answer, "link.", 5) == 0)
		return err_retry(err_set(e, ERR_LINK, says->answer, "lost"), e);
	if (says != NULL) {
		buf_clear(&f->chain);
		testing_hex(says->answer, ret);
		return 0;
	}
	if (h[1] == PIV_INS_GET_RESPONSE) {
		fake_give(f, ret, 0x9000);
		return 0;
	}
	fake_add(&f->chain, h + 5, len);
	if (h[0] == 0x10) {
		fake_status(ret, 0x9000);
		return 0;
	}
	assert_int_equal(h[0], 0);
	buf_clear(&f->rest);
	status = fake_command(f, h, f->chain.data, f->chain.len, &f->rest);
	buf_clear(&f->chain);
	fake_give(f, ret, status);
	return 0;
}

PIV_FN int fake_power_on(void *context, int64_t deadline, struct err *e)
{
	struct fake *f = context;

	(void)deadline;
	(void)e;
	f->power_ons++;
	f->pin_ok = f->managed = false;
	return 0;
}

static const struct piv_reader fake_reader __attribute__((unused)) = {
	.power_on = fake_power_on,
	.transmit = fake_transmit,
};

/* The driver over the card. secret: NULL for none. */
PIV_FN struct device *fake_open(struct fake *f, const struct profile *p,
    const struct secret *secret)
{
	static const struct secret none;
	const struct device base = { .driver = driver_find("piv"),
		.profile = p,
		.secret = secret != NULL ? secret : &none,
		.deadline = INT64_MAX };
	struct device *d = NULL;
	struct err e = { 0 };

	assert_ok(piv_device_open(&d, &base, &fake_reader, f, &e), &e);
	return d;
}

#endif
