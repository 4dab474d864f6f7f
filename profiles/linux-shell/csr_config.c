#include "csr_config.h"

#include <string.h>

#include "oids.h"

/* A value as config(5) reads it back: quotes, comments, variables and escapes stand for themselves. */
static int add_value(const char *value, struct buf *ret, struct err *e)
{
	size_t len = strlen(value);

	if (len == 0 || value[0] == ' ' || value[len - 1] == ' ')
		return err_set(e, ERR_CONFIG, "subject",
		    "\"%s\": openssl's configuration takes no blanks at a value's ends", value);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] < 0x20)
			return err_set(e, ERR_CONFIG, "subject", "\"%s\" holds a control character",
			    value);
		if (strchr("\\\"'`#$", value[i]) != NULL && buf_add_u8(ret, '\\', e) != 0)
			return -1;
		if (buf_add(ret, &value[i], 1, e) != 0)
			return -1;
	}
	return buf_add_u8(ret, '\n', e);
}

static int add_rdns(const struct subject *s, struct buf *ret, struct err *e)
{
	/* The number and its dot are not part of the attribute's name: they allow it twice. */
	for (size_t i = 0; i < s->rdn_count; i++)
		if (buf_printf(ret, e, "%zu.%s = ", i, s->rdns[i].type) != 0 ||
		    add_value(s->rdns[i].value, ret, e) != 0)
			return -1;
	return 0;
}

static int add_name(const struct subject_san *san, size_t i, struct buf *ret, struct err *e)
{
	switch (san->kind) {
	case SAN_HARDWARE_MODULE:
		return buf_printf(ret, e,
		    "otherName.%zu = " OID_HARDWARE_MODULE_NAME ";SEQUENCE:hw%zu\n", i, i);
	case SAN_URI:
		return buf_printf(ret, e, "URI.%zu = ", i) != 0 ? -1
								: add_value(san->value, ret, e);
	case SAN_DNS:
		return buf_printf(ret, e, "DNS.%zu = ", i) != 0 ? -1
								: add_value(san->value, ret, e);
	}
	return err_set(e, ERR_CONFIG, "subject", "an alternative name of an unknown kind");
}

/* HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING } */
static int add_module(const struct subject_san *san, size_t i, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, "[hw%zu]\ntype = OID:%s\nserial = FORMAT:HEX,OCTETSTRING:", i,
		san->hw_type) != 0)
		return -1;
	for (const char *c = san->value; *c != '\0'; c++)
		if (buf_printf(ret, e, "%02x", (unsigned)(uint8_t)*c) != 0)
			return -1;
	return buf_add_u8(ret, '\n', e);
}

static int add_sans(const struct subject *s, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, "[ext]\nsubjectAltName = %s@san\n[san]\n",
		s->san_critical ? "critical," : "") != 0)
		return -1;
	for (size_t i = 0; i < s->san_count; i++)
		if (add_name(&s->sans[i], i, ret, e) != 0)
			return -1;
	for (size_t i = 0; i < s->san_count; i++)
		if (s->sans[i].kind == SAN_HARDWARE_MODULE &&
		    add_module(&s->sans[i], i, ret, e) != 0)
			return -1;
	return 0;
}

int csr_config_write(const struct subject *s, const char *string_mask, struct buf *ret,
    struct err *e)
{
	if (buf_printf(ret, e,
		"[req]\nprompt = no\nutf8 = yes\nstring_mask = %s\ndistinguished_name = "
		"dn\n%s[dn]\n",
		string_mask, s->san_count > 0 ? "req_extensions = ext\n" : "") != 0 ||
	    add_rdns(s, ret, e) != 0)
		return -1;
	return s->san_count > 0 ? add_sans(s, ret, e) : 0;
}
