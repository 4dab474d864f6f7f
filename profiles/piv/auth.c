#include "auth.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "own.h"
#include "piv.h"
#include "tlv.h"

OWNED(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
OWNED(EVP_CIPHER, EVP_CIPHER_free)

static const struct cipher {
	uint8_t id;
	const char *title; /* for people */
	const char *name;  /* OpenSSL's */
	size_t key_len, block_len;
} ciphers[] = {
	{ PIV_3DES, "3DES", "DES-EDE3-ECB", 24, 8 },
	{ PIV_AES128, "AES-128", "AES-128-ECB", 16, 16 },
	{ PIV_AES192, "AES-192", "AES-192-ECB", 24, 16 },
	{ PIV_AES256, "AES-256", "AES-256-ECB", 32, 16 },
};

static const struct cipher *cipher_of(uint8_t id)
{
	for (size_t i = 0; i < COUNT(ciphers); i++)
		if (ciphers[i].id == id)
			return &ciphers[i];
	return NULL;
}

/* One block. */
static int crypt_block(const struct cipher *cipher, const uint8_t *key, bool encrypts,
    const uint8_t *in, uint8_t ret[static PIV_BLOCK_MAX], struct err *e)
{
	AUTO(EVP_CIPHER_CTX) *ctx = EVP_CIPHER_CTX_new();
	AUTO(EVP_CIPHER) *type = EVP_CIPHER_fetch(NULL, cipher->name, NULL);
	uint8_t out[2 * PIV_BLOCK_MAX];
	int len = 0;

	if (ctx == NULL || type == NULL ||
	    EVP_CipherInit_ex2(ctx, type, key, NULL, encrypts, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    EVP_CipherUpdate(ctx, out, &len, in, (int)cipher->block_len) != 1 ||
	    len != (int)cipher->block_len)
		return err_openssl(e, ERR_CONFIG, "piv.secret", "OpenSSL has no %s that works",
		    cipher->name);
	memcpy(ret, out, cipher->block_len);
	explicit_bzero(out, sizeof(out));
	return 0;
}

/* GET METADATA of the management key; 0 where the card has none to give. */
static int ask_algorithm(struct piv_card *c, uint8_t *ret, struct err *e)
{
	const struct piv_command command = { .ins = YUBICO_INS_METADATA,
		.p2 = PIV_KEY_MANAGEMENT,
		.asks = true };
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv algorithm;
	uint16_t status;

	if (piv_command(c, &command, &answer, &status, e) != 0)
		return err_while(e, "asking for the management key's algorithm");
	*ret = 0;
	if (status == PIV_SW_OK &&
	    tlv_find(answer.data, answer.len, YUBICO_TAG_ALGORITHM, &algorithm) &&
	    algorithm.len == 1)
		*ret = algorithm.value[0];
	return 0;
}

int piv_management_algorithm(struct piv_card *c, uint8_t configured, struct piv_credential *key,
    uint8_t *ret, struct err *e)
{
	uint8_t id = configured;
	const struct cipher *cipher;

	if (id == 0 && ask_algorithm(c, &id, e) != 0)
		return -1;
	/* Before cards could say it, 24 bytes were 3DES. */
	for (size_t i = 0; id == 0 && i < COUNT(ciphers); i++)
		if (ciphers[i].key_len == key->key_len)
			id = ciphers[i].id;
	cipher = cipher_of(id);
	if (cipher == NULL)
		return err_set(e, ERR_DEVICE, "piv.management-key",
		    "the card's management key is of algorithm 0x%02x, which kiln does not know",
		    id);
	if (key->factory)
		key->key_len = cipher->key_len;
	if (cipher->key_len != key->key_len)
		return err_set(e, ERR_CONFIG, "piv.secret",
		    "the management key has %zu bytes; the card's is %s with %zu", key->key_len,
		    cipher->title, cipher->key_len);
	*ret = id;
	return 0;
}

/* The one element of that tag and length in a dynamic authentication template. */
static bool find_block(const struct buf *answer, unsigned tag, size_t len, struct tlv *ret)
{
	struct tlv dynamic;

	return tlv_is(answer->data, answer->len, PIV_TAG_DYNAMIC, &dynamic) &&
	       tlv_is(dynamic.value, dynamic.len, tag, ret) && ret->len == len;
}

static int ask_witness(struct piv_card *c, const struct cipher *cipher,
    uint8_t ret[static PIV_BLOCK_MAX], struct err *e)
{
	static const char what[] = "asking for the management key's witness";
	static const uint8_t ask[] = { PIV_TAG_DYNAMIC, 2, PIV_TAG_WITNESS, 0 };
	const struct piv_command command = { PIV_INS_AUTHENTICATE, cipher->id, PIV_KEY_MANAGEMENT,
		ask, sizeof(ask), true };
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv witness;

	if (piv_call(c, what, &command, &answer, e) != 0)
		return -1;
	if (!find_block(&answer, PIV_TAG_WITNESS, cipher->block_len, &witness))
		return piv_nonsense(e, what);
	memcpy(ret, witness.value, witness.len);
	return 0;
}

static int answer_witness(struct piv_card *c, const struct cipher *cipher, const uint8_t *witness,
    const uint8_t *challenge, struct buf *ret, uint16_t *ret_status, struct err *e)
{
	AUTO_STRUCT(buf) inner = { 0 }, data = { 0 };

	if (tlv_add(&inner, PIV_TAG_WITNESS, witness, cipher->block_len, e) != 0 ||
	    tlv_add(&inner, PIV_TAG_CHALLENGE, challenge, cipher->block_len, e) != 0 ||
	    tlv_add(&data, PIV_TAG_DYNAMIC, inner.data, inner.len, e) != 0)
		return -1;

	const struct piv_command command = { PIV_INS_AUTHENTICATE, cipher->id, PIV_KEY_MANAGEMENT,
		data.data, data.len, true };

	return piv_command(c, &command, ret, ret_status, e);
}

int piv_manage(struct piv_card *c, uint8_t algorithm, const struct piv_credential *key,
    const uint8_t challenge[static PIV_BLOCK_MAX], struct err *e)
{
	const struct cipher *cipher = cipher_of(algorithm);
	uint8_t witness[PIV_BLOCK_MAX], plain[PIV_BLOCK_MAX], want[PIV_BLOCK_MAX];
	AUTO_STRUCT(buf) answer = { 0 };
	struct tlv response;
	uint16_t status;

	if (cipher == NULL || cipher->key_len != key->key_len)
		return err_set(e, ERR_CONFIG, "piv.secret", "no management key has that length");
	if (ask_witness(c, cipher, witness, e) != 0 ||
	    crypt_block(cipher, key->key, false, witness, plain, e) != 0 ||
	    crypt_block(cipher, key->key, true, challenge, want, e) != 0 ||
	    answer_witness(c, cipher, plain, challenge, &answer, &status, e) != 0)
		return -1;
	if (status != PIV_SW_OK)
		return err_set(e, ERR_DEVICE, "piv.management-key",
		    "the card refuses the management key (%04X); it is not tried again", status);
	if (!find_block(&answer, PIV_TAG_RESPONSE, cipher->block_len, &response) ||
	    CRYPTO_memcmp(response.value, want, cipher->block_len) != 0)
		return err_set(e, ERR_DEVICE, "piv.management-card",
		    "the card takes the management key and does not know it: not a card of ours");
	return 0;
}

static int blocked(struct err *e)
{
	return err_set(e, ERR_DEVICE, "piv.pin-blocked",
	    "the card's PIN is blocked; its PUK or a reset of the application opens it");
}

int piv_pin_tries(struct piv_card *c, int *ret, struct err *e)
{
	const struct piv_command command = { .ins = PIV_INS_VERIFY, .p2 = PIV_KEY_PIN };
	AUTO_STRUCT(buf) answer = { 0 };
	uint16_t status;

	if (piv_command(c, &command, &answer, &status, e) != 0)
		return err_while(e, "asking for the PIN's tries");
	if (status == PIV_SW_OK)
		*ret = -1;
	else if (status == PIV_SW_BLOCKED)
		*ret = 0;
	else if ((status & 0xfff0) == PIV_SW_TRIES)
		*ret = status & 0x0f;
	else
		return err_set(e, ERR_DEVICE, "piv.pin-counter",
		    "the card does not say how many tries its PIN has left (%04X); none is made",
		    status);
	return 0;
}

/* The one place where a try is spent. */
static int spend_try(struct piv_card *c, const struct piv_credential *pin, struct err *e)
{
	const struct piv_command command = { PIV_INS_VERIFY, 0, PIV_KEY_PIN, pin->pin,
		sizeof(pin->pin), false };
	AUTO_STRUCT(buf) answer = { 0 };
	uint16_t status;

	if (piv_command(c, &command, &answer, &status, e) != 0) {
		e->retry = false; /* nobody knows whether the try was spent */
		return err_while(e, "verifying the PIN");
	}
	if (status == PIV_SW_OK)
		return 0;
	if (status == PIV_SW_BLOCKED || status == PIV_SW_TRIES)
		return blocked(e);
	if ((status & 0xfff0) == PIV_SW_TRIES)
		return err_set(e, ERR_DEVICE, "piv.pin",
		    "the card refuses the PIN; %d tries are left, and none is made", status & 0x0f);
	return err_set(e, ERR_DEVICE, "piv.pin", "the card refuses the PIN (%04X)", status);
}

int piv_verify(struct piv_card *c, const struct piv_credential *pin, bool *accepted, struct err *e)
{
	int tries;

	if (piv_pin_tries(c, &tries, e) != 0)
		return -1;
	if (tries == -1 && !*accepted)
		return 0; /* a card that asks for none */
	if (tries == 0)
		return blocked(e);
	if (tries == 1)
		return err_set(e, ERR_DEVICE, "piv.pin-last-try",
		    "the card's PIN has one try left, which kiln does not use; verify it by hand");
	if (spend_try(c, pin, e) != 0)
		return -1;
	*accepted = true;
	return 0;
}
