/*
 * What the tests of the PIV twin share: an emulated card in memory, and the host's side of its
 * cryptography, written from the standard.
 */
#ifndef KILN_PIV_TWIN_KIT_H
#define KILN_PIV_TWIN_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "bytes.h"
#include "piv/twin_card.h"
#include "testing.h"
#include "x509.h"

#define KIT_SELECT "00a4040005a000000308"
#define KIT_PIN    "0020008008313233343536ffff"
#define KIT_P256   "0047009a05ac0380011100"

struct kit {
	struct twin_config config;
	struct twin_card card;
	char *fleet, *folder; /* the card's folder is in the fleet's */
	struct buf answer;    /* the newest, with its status word */
};

static inline void kit_boot(struct kit *k)
{
	struct err e = { 0 };

	assert_ok(twin_card_open(&k->card, &k->config, &e), &e);
}

static inline void kit_open_serial(struct kit *k, const char *variant, const char *fault,
    const char *serial)
{
	memset(k, 0, sizeof(*k));
	k->fleet = testing_folder();
	assert_true(asprintf(&k->folder, "%s/%s", k->fleet, serial) > 0);
	assert_int_equal(mkdir(k->folder, 0755), 0);
	k->config = (struct twin_config){ .serial = serial,
		.model = "PIV-A",
		.folder = k->folder,
		.variant = variant,
		.fault = fault,
		.seed = 1 };
	kit_boot(k);
}

static inline void kit_open(struct kit *k, const char *variant, const char *fault)
{
	kit_open_serial(k, variant, fault, "PIV0000042");
}

static inline void kit_shut(struct kit *k)
{
	twin_card_free(&k->card);
	buf_free(&k->answer);
	free(k->folder);
	testing_folder_remove(k->fleet);
}

static inline void kit_reboot(struct kit *k)
{
	twin_card_free(&k->card);
	kit_boot(k);
}

static inline uint16_t kit_status(const struct buf *answer)
{
	assert_true(answer->len >= 2);
	return (uint16_t)(answer->data[answer->len - 2] << 8 | answer->data[answer->len - 1]);
}

/* One APDU; the status word. */
static inline uint16_t kit_send(struct kit *k, const uint8_t *apdu, size_t len)
{
	struct err e = { 0 };

	assert_ok(twin_card_transmit(&k->card, apdu, len, &k->answer, &e), &e);
	return kit_status(&k->answer);
}

static inline uint16_t kit_ask(struct kit *k, const char *hex)
{
	struct buf apdu = { 0 };
	uint16_t sw;

	testing_hex(hex, &apdu);
	sw = kit_send(k, apdu.data, apdu.len);
	buf_free(&apdu);
	return sw;
}

static inline void kit_expect(struct kit *k, const char *hex, uint16_t sw)
{
	uint16_t got = kit_ask(k, hex);

	if (got != sw)
		print_error("%s answered %04x, not %04x\n", hex, got, sw);
	assert_int_equal(got, sw);
}

/* All of an answer, with as many GET RESPONSE as it takes; without the status words. */
static inline uint16_t kit_ask_all(struct kit *k, const char *hex, struct buf *ret)
{
	uint16_t sw = kit_ask(k, hex);
	struct err e = { 0 };

	buf_clear(ret);
	assert_ok(buf_add(ret, k->answer.data, k->answer.len - 2, &e), &e);
	while (sw >> 8 == 0x61) {
		sw = kit_ask(k, "00c0000000");
		assert_ok(buf_add(ret, k->answer.data, k->answer.len - 2, &e), &e);
	}
	return sw;
}

/* A long data field, in as many commands as it takes; the last status word. */
static inline uint16_t kit_send_chain(struct kit *k, const char *head, const struct buf *data)
{
	uint16_t sw = 0;

	for (size_t at = 0; at < data->len; at += 255) {
		size_t part = data->len - at < 255 ? data->len - at : 255;
		struct buf apdu = { 0 };
		struct err e = { 0 };

		testing_hex(head, &apdu);
		apdu.data[0] = at + part < data->len ? 0x10 : 0x00;
		assert_ok(buf_add_u8(&apdu, (uint8_t)part, &e), &e);
		assert_ok(buf_add(&apdu, data->data + at, part, &e), &e);
		sw = kit_send(k, apdu.data, apdu.len);
		buf_free(&apdu);
		if (at + part < data->len)
			assert_int_equal(sw, 0x9000);
	}
	return sw;
}

/* One block with the key 0102..08 0102..; the cipher is OpenSSL's name. */
static inline void kit_cipher(const char *name, bool encrypt, const uint8_t *in, uint8_t *out,
    size_t len)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t key[32];
	int got;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(1 + i % 8);
	assert_non_null(cipher);
	assert_int_equal(EVP_CipherInit_ex2(context, cipher, key, NULL, encrypt, NULL), 1);
	assert_int_equal(EVP_CIPHER_CTX_set_padding(context, 0), 1);
	assert_int_equal(EVP_CipherUpdate(context, out, &got, in, (int)len), 1);
	assert_int_equal(got, len);
	EVP_CIPHER_CTX_free(context);
	EVP_CIPHER_free(cipher);
}

struct kit_cipher {
	uint8_t id;
	const char *name;
	size_t block;
};
static const struct kit_cipher kit_3des = { 0x03, "DES-EDE3-ECB", 8 };

/* Mutual: the witness comes back in clear; the answer to our own challenge is checked. wrong: a bit is. */
static inline uint16_t kit_authenticate_with(struct kit *k, const struct kit_cipher *c, bool wrong)
{
	uint8_t apdu[64] = { 0x00, 0x87, c->id, 0x9b, 4, 0x7c, 2, 0x80, 0 };
	uint8_t n = (uint8_t)c->block, ours[16], want[16];
	uint16_t sw;

	assert_int_equal(kit_send(k, apdu, 9), 0x9000);
	assert_int_equal(k->answer.len, 6 + n);
	memset(ours, 0x5a, sizeof(ours));
	apdu[4] = (uint8_t)(2 * n + 6);
	apdu[6] = (uint8_t)(2 * n + 4);
	apdu[8] = n;
	kit_cipher(c->name, false, k->answer.data + 4, apdu + 9, n);
	apdu[9] ^= wrong;
	apdu[9 + n] = 0x81;
	apdu[10 + n] = n;
	memcpy(apdu + 11 + n, ours, n);
	sw = kit_send(k, apdu, 11U + 2U * n);
	if (sw != 0x9000)
		return sw;
	kit_cipher(c->name, true, ours, want, n);
	assert_int_equal(k->answer.len, 6 + n);
	assert_int_equal(k->answer.data[2], 0x82);
	assert_memory_equal(k->answer.data + 4, want, n);
	return sw;
}

static inline void kit_authenticate(struct kit *k)
{
	assert_int_equal(kit_authenticate_with(k, &kit_3des, false), 0x9000);
}

/* Selected, management key shown, a P-256 key in 9A; *ret_point: 04 X Y. */
static inline void kit_make_key(struct kit *k, struct buf *ret_point)
{
	struct err e = { 0 };

	kit_expect(k, KIT_SELECT, 0x9000);
	kit_authenticate(k);
	kit_expect(k, KIT_P256, 0x9000);
	assert_int_equal(k->answer.len, 5 + 65 + 2);
	assert_memory_equal(k->answer.data, "\x7f\x49\x43\x86\x41\x04", 6);
	assert_ok(buf_set(ret_point, k->answer.data + 5, 65, &e), &e);
}

/* The object of a certificate in 9A: its bytes are any, the card does not read them. */
static inline void kit_put_certificate(struct kit *k, size_t len)
{
	struct buf data = { 0 };
	struct err e = { 0 };
	uint8_t *room;

	testing_hex("5c035fc10553820000", &data);
	data.data[7] = (uint8_t)(len >> 8);
	data.data[8] = (uint8_t)len;
	room = buf_room(&data, len, &e);
	assert_non_null(room);
	for (size_t i = 0; i < len; i++)
		room[i] = (uint8_t)(i * 7 + 1);
	data.len += len;
	assert_int_equal(kit_send_chain(k, "00db3fff", &data), 0x9000);
	buf_free(&data);
}

/* The public key of a point on P-256. */
static inline EVP_PKEY *kit_public(const struct buf *point)
{
	static const uint8_t head[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
		0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03,
		0x42, 0x00 };
	struct buf spki = { 0 };
	struct err e = { 0 };
	const uint8_t *p;
	EVP_PKEY *key;

	assert_ok(buf_add(&spki, head, sizeof(head), &e), &e);
	assert_ok(buf_add(&spki, point->data, point->len, &e), &e);
	p = spki.data;
	key = d2i_PUBKEY(NULL, &p, (long)spki.len);
	assert_non_null(key);
	buf_free(&spki);
	return key;
}

/* Of 32 times the byte, by the key in 9A; the answer is a signature of the point's key over it. */
static inline bool kit_signs(struct kit *k, uint8_t byte, const struct buf *point)
{
	uint8_t apdu[5 + 38 + 1] = { 0x00, 0x87, 0x11, 0x9a, 38, 0x7c, 36, 0x82, 0, 0x81, 32 };
	EVP_PKEY *key = kit_public(point);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	bool good;

	memset(apdu + 11, byte, 32);
	assert_int_equal(kit_send(k, apdu, sizeof(apdu)), 0x9000);
	assert_int_equal(k->answer.data[0], 0x7c);
	assert_int_equal(k->answer.data[1], k->answer.len - 4);
	assert_int_equal(k->answer.data[2], 0x82);
	assert_int_equal(k->answer.data[3], k->answer.len - 6);
	assert_int_equal(EVP_PKEY_verify_init(context), 1);
	good = EVP_PKEY_verify(context, k->answer.data + 4, k->answer.len - 6, apdu + 11, 32) == 1;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

/* The certificate in an object 53 { 70 .. }. */
static inline X509 *kit_certificate(const struct buf *object)
{
	size_t at = object->data[1] < 0x80 ? 2 : object->data[1] == 0x81 ? 3 : 4;
	size_t head = object->data[at + 1] < 0x80 ? 2 : object->data[at + 1] == 0x81 ? 3 : 4;
	size_t len = object->data[at + 1];
	struct err e = { 0 };
	X509 *cert = NULL;

	assert_int_equal(object->data[0], 0x53);
	assert_int_equal(object->data[at], 0x70);
	if (len == 0x81)
		len = object->data[at + 2];
	else if (len == 0x82)
		len = (size_t)object->data[at + 2] << 8 | object->data[at + 3];
	assert_ok(x509_parse(object->data + at + head, len, &cert, ERR_DEVICE, &e), &e);
	return cert;
}

/* A command of CCID (6.1): header, data; its length. */
static inline size_t kit_ccid(uint8_t *out, uint8_t type, uint8_t slot, uint8_t sequence,
    const char *hex)
{
	struct buf data = { 0 };
	size_t len;

	testing_hex(hex, &data);
	len = data.len;
	memset(out, 0, 10);
	out[0] = type;
	put_u32le(out + 1, (uint32_t)len);
	out[5] = slot;
	out[6] = sequence;
	memcpy(out + 10, data.data, len);
	buf_free(&data);
	return 10 + len;
}

#endif
