/* The emulated card's crypto engine: OpenSSL, behind the identifiers of NIST SP 800-78-5 table 5. */
#ifndef KILN_TWIN_ENGINE_H
#define KILN_TWIN_ENGINE_H

#include <stdbool.h>

#include "buf.h"
#include "x509.h"

enum {
	TWIN_3DES = 0x03,
	TWIN_RSA3072 = 0x05,
	TWIN_RSA2048 = 0x07,
	TWIN_AES128 = 0x08,
	TWIN_AES192 = 0x0a,
	TWIN_AES256 = 0x0c,
	TWIN_P256 = 0x11,
	TWIN_P384 = 0x14,
	TWIN_BLOCK_MAX = 16,
	TWIN_CIPHER_KEY_MAX = 32,
};

struct twin_algorithm {
	uint8_t id;
	const char *group; /* OpenSSL's; NULL: RSA */
	size_t len;        /* of the field, of the modulus */
};
/* Of key pairs; NULL: there is no such identifier. */
const struct twin_algorithm *twin_algorithm_of(uint8_t id);

must_check int twin_engine_make(uint8_t algorithm, EVP_PKEY **ret, struct err *e);
/* The private key for the flash file, and back. */
must_check int twin_engine_store(EVP_PKEY *key, struct buf *ret, struct err *e);
must_check int twin_engine_restore(const struct buf *stored, EVP_PKEY **ret, struct err *e);
/* Appends 86 point, or 81 modulus 82 exponent (SP 800-73-4 part 2, table 11). */
must_check int twin_engine_public(EVP_PKEY *key, struct buf *ret, struct err *e);
/*
 * The private key on the bytes as they come: ECDSA-Sig-Value over a digest, RSA without padding.
 * Appended. It fails where the key can not take them.
 */
must_check int twin_engine_sign(EVP_PKEY *key, const uint8_t *data, size_t len, struct buf *ret,
    struct err *e);
/* Appends the x coordinate of ECDH with a point. It fails where that is none. */
must_check int twin_engine_agree(EVP_PKEY *key, const uint8_t *point, size_t len, struct buf *ret,
    struct err *e);

/* Of management keys: length of a key and of a block; 0: there is no such identifier. */
size_t twin_cipher_key_len(uint8_t algorithm);
size_t twin_cipher_block_len(uint8_t algorithm);
/* One block. */
must_check int twin_cipher(uint8_t algorithm, const uint8_t *key, bool encrypt, const uint8_t *in,
    uint8_t *out, struct err *e);
must_check int twin_engine_random(uint8_t *ret, size_t len, struct err *e);

#endif
