#include "credential.h"

#include <string.h>

void piv_credential_free(struct piv_credential *c)
{
	explicit_bzero(c, sizeof(*c));
}

static int wrong(struct err *e, const char *why)
{
	return err_set(e, ERR_CONFIG, "piv.secret",
	    "the profile's secret: %s; write management-key=HEX pin=123456 in one line", why);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int take_key(const char *text, size_t len, struct piv_credential *c, struct err *e)
{
	if (c->key_len > 0)
		return wrong(e, "management-key is there twice");
	if (len != 32 && len != 48 && len != 64)
		return wrong(e, "the management key does not have 16, 24 or 32 bytes");
	for (size_t i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return wrong(e, "the management key is not hexadecimal");
		c->key[i / 2] = (uint8_t)(high << 4 | low);
	}
	c->key_len = len / 2;
	return 0;
}

static int take_pin(const char *text, size_t len, struct piv_credential *c, struct err *e)
{
	if (c->has_pin)
		return wrong(e, "pin is there twice");
	if (len < PIV_PIN_MIN || len > PIV_PIN_LEN)
		return wrong(e, "the PIN does not have 6 to 8 characters");
	for (size_t i = 0; i < len; i++)
		if (text[i] <= 0x20 || text[i] > 0x7e)
			return wrong(e, "the PIN is not printable ASCII");
	memset(c->pin, 0xff, sizeof(c->pin));
	memcpy(c->pin, text, len);
	c->has_pin = true;
	return 0;
}

static int take_word(const char *word, size_t len, struct piv_credential *c, struct err *e)
{
	static const struct {
		const char *name;
		int (*take)(const char *, size_t, struct piv_credential *, struct err *);
	} words[] = { { "management-key=", take_key }, { "pin=", take_pin } };

	for (size_t i = 0; i < COUNT(words); i++) {
		size_t name = strlen(words[i].name);

		if (len >= name && memcmp(word, words[i].name, name) == 0)
			return words[i].take(word + name, len - name, c, e);
	}
	return wrong(e, "a word of it is neither management-key= nor pin=");
}

int piv_credential_read(const struct secret *s, struct piv_credential *ret, struct err *e)
{
	AUTO_STRUCT(piv_credential) c = { 0 };
	const char *text = secret_reveal(s);

	for (;;) {
		size_t len = strcspn(text, " ");

		if (take_word(text, len, &c, e) != 0)
			return -1;
		text += len;
		if (*text == '\0')
			break;
		text++;
	}
	if (c.key_len == 0)
		return wrong(e, "there is no management key");
	*ret = c;
	return 0;
}

void piv_credential_factory(struct piv_credential *ret)
{
	*ret = (struct piv_credential){ .key_len = 24,
		.factory = true,
		.pin = { '1', '2', '3', '4', '5', '6', 0xff, 0xff },
		.has_pin = true };
	for (size_t i = 0; i < sizeof(ret->key); i++)
		ret->key[i] = (uint8_t)(i % 8 + 1);
}
