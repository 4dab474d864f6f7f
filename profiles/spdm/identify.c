#include "identify.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "bytes.h"
#include "certificate.h"
#include "check_chain.h"
#include "clock.h"
#include "csr.h"
#include "key_pair.h"
#include "oids.h"
#include "vendor.h"
#include "x509.h"

OWNED(GENERAL_NAMES, GENERAL_NAMES_free)

static inline void extensions_free(STACK_OF(X509_EXTENSION) * s)
{
	sk_X509_EXTENSION_pop_free(s, X509_EXTENSION_free);
}
typedef STACK_OF(X509_EXTENSION) EXTENSIONS;
OWNED(EXTENSIONS, extensions_free)

enum {
	CONTROL_REQUEST = 0x80,
	CONTROL_GET_UUID = 0x03,
	CONTROL_HEAD = 3, /* instance, command, completion code */
	CONTROL_MS = 3000,
	MEASUREMENTS_HEAD = 8,
};

static bool is_device_info(const GENERAL_NAME *name)
{
	char oid[sizeof(OID_SPDM_DEVICE_INFO) + 1];

	return name->type == GEN_OTHERNAME &&
	       OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1) ==
		   (int)strlen(OID_SPDM_DEVICE_INFO) &&
	       strcmp(oid, OID_SPDM_DEVICE_INFO) == 0 &&
	       name->d.otherName->value->type == V_ASN1_UTF8STRING;
}

static bool copy_text(const char *from, size_t len, char ret[static IDENTITY_MAX + 1])
{
	if (len == 0 || len > IDENTITY_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (from[i] < 0x20 || from[i] > 0x7e)
			return false;
	memcpy(ret, from, len);
	ret[len] = '\0';
	return true;
}

/* manufacturer:product:serial */
static bool split_device_info(const char *text, size_t len, struct identity *ret)
{
	const char *end = text + len;
	const char *product = memchr(text, ':', len);
	const char *serial =
	    product != NULL ? memchr(product + 1, ':', (size_t)(end - product - 1)) : NULL;

	return serial != NULL && memchr(serial + 1, ':', (size_t)(end - serial - 1)) == NULL &&
	       copy_text(product + 1, (size_t)(serial - product - 1), ret->model) &&
	       copy_text(serial + 1, (size_t)(end - serial - 1), ret->serial);
}

static int take_device_info(const GENERAL_NAMES *names, const char *where, struct identity *ret,
    struct err *e)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *text;

		if (!is_device_info(name))
			continue;
		text = name->d.otherName->value->value.utf8string;
		if (!split_device_info((const char *)ASN1_STRING_get0_data(text),
			(size_t)ASN1_STRING_length(text), ret))
			return err_set(e, ERR_DEVICE, "device.identity",
			    "the otherName in the device's %s is not manufacturer:product:serial",
			    where);
		return 0;
	}
	return err_set(e, ERR_DEVICE, "device.identity",
	    "the device's %s has no otherName " OID_SPDM_DEVICE_INFO
	    " that tells model and serial; choose another way of identity",
	    where);
}

static int by_certificate(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO(X509) *leaf = NULL;
	AUTO(GENERAL_NAMES) *names = NULL;

	if (spdm_get_chain(c, &chain, e) != 0 ||
	    spdm_chain_read(c->options->algorithm, &chain, "device.chain", &ders, e) != 0 ||
	    x509_parse(ders.data, spdm_chain_leaf_len(&ders), &leaf, ERR_DEVICE, e) != 0)
		return -1;
	names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	return take_device_info(names, "certificate", ret, e);
}

static int by_csr(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	static const struct buf nothing = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *csr = NULL;
	AUTO(EXTENSIONS) *extensions = NULL;
	AUTO(GENERAL_NAMES) *names = NULL;

	if (spdm_get_csr(c, &nothing, 0, &der, e) != 0)
		return c->peer.error_code == SPDM_ERROR_RESET_REQUIRED
			   ? err_set(e, ERR_DEVICE, "device.unsupported",
				 "the device must be reset for every CSR; choose another way of "
				 "identity")
			   : -1;
	if (x509_parse_request(der.data, der.len, &csr, ERR_DEVICE, e) != 0)
		return -1;
	extensions = X509_REQ_get_extensions(csr);
	if (extensions != NULL)
		names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);
	return take_device_info(names, "CSR", ret, e);
}

/* MCTP control message Get Endpoint UUID (DSP0236). */
static int by_uuid(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	static const uint8_t message[] = { CONTROL_REQUEST, CONTROL_GET_UUID };
	int64_t until = clock_now_ms() + CONTROL_MS;
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	if (buf_set(&request, message, sizeof(message), e) != 0)
		return -1;
	if (until > c->peer.deadline)
		until = c->peer.deadline;
	if (mctp_request(&c->peer.mctp, MCTP_TYPE_CONTROL, &request, &answer, until, e) != 0)
		return err_while(e, "Get Endpoint UUID");
	if (answer.len < CONTROL_HEAD || answer.data[1] != CONTROL_GET_UUID)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "the device answered Get Endpoint UUID with something else");
	if (answer.data[2] != 0)
		return err_set(e, ERR_DEVICE, "device.unsupported",
		    "the device has no endpoint UUID (completion code %02X); choose another way of "
		    "identity",
		    answer.data[2]);
	if (answer.len < CONTROL_HEAD + VENDOR_UUID_LEN)
		return err_set(e, ERR_DEVICE, "device.protocol", "the endpoint UUID is cut off");
	spdm_uuid_text(answer.data + CONTROL_HEAD, ret->uuid);
	(void)snprintf(ret->serial, sizeof(ret->serial), "%s", ret->uuid);       /* fits */
	(void)snprintf(ret->model, sizeof(ret->model), "%s", c->options->model); /* checked */
	return 0;
}

static int disagree(struct err *e, const char *what, const char *a, const char *b)
{
	return err_set(e, ERR_DEVICE, "device.identity", "the device has two %ss: %s and %s", what,
	    a, b);
}

/* Firmware, lifecycle and UUID, and with identity: vendor model and serial. */
static int ask_vendor(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	AUTO_STRUCT(spdm_vendor_identity) said = { 0 };
	bool required = c->options->identity == SPDM_BY_VENDOR;

	if (spdm_vendor_identify(c, &said, e) != 0)
		return !required && c->peer.error_code == SPDM_ERROR_UNSUPPORTED_REQUEST ? 0 : -1;
	if (!required && strcmp(said.serial, ret->serial) != 0)
		return disagree(e, "serial number", ret->serial, said.serial);
	if (!required && strcmp(said.model, ret->model) != 0)
		return disagree(e, "model", ret->model, said.model);
	if (ret->uuid[0] != '\0' && said.uuid[0] != '\0' && strcmp(said.uuid, ret->uuid) != 0)
		return disagree(e, "UUID", ret->uuid, said.uuid);
	(void)snprintf(ret->model, sizeof(ret->model), "%s", said.model); /* all of one size */
	(void)snprintf(ret->serial, sizeof(ret->serial), "%s", said.serial);
	(void)snprintf(ret->firmware, sizeof(ret->firmware), "%s", said.firmware);
	(void)snprintf(ret->lifecycle, sizeof(ret->lifecycle), "%s", said.lifecycle);
	if (said.uuid[0] != '\0')
		(void)snprintf(ret->uuid, sizeof(ret->uuid), "%s", said.uuid);
	if (said.has_digest)
		ret->evidence = buf_steal(&said.message);
	return 0;
}

static int ask_own_way(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	switch (c->options->identity) {
	case SPDM_BY_VENDOR:
		return 0; /* below, with the rest of it */
	case SPDM_BY_UUID:
		return by_uuid(c, ret, e);
	case SPDM_BY_CERTIFICATE:
		return by_certificate(c, ret, e);
	case SPDM_BY_CSR:
		return by_csr(c, ret, e);
	}
	return -1;
}

/* All measurements, not signed: there may be no key yet. The whole message is the evidence. The device
 * forgets what was read of its chain. */
static int measure(struct spdm_connection *c, struct buf *ret, struct err *e)
{
	static const uint8_t context[SPDM_CONTEXT_LEN] = { 0 };
	const uint8_t head[] = { c->peer.version, SPDM_GET_MEASUREMENTS, 0, SPDM_MEASUREMENTS_ALL };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	spdm_forget_chain(c);
	if (buf_set(&request, head, sizeof(head), e) != 0 ||
	    (c->peer.version >= SPDM_VERSION_13 &&
		buf_add(&request, context, sizeof(context), e) != 0) ||
	    spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0)
		return -1;
	if (answer.len < MEASUREMENTS_HEAD ||
	    answer.len - MEASUREMENTS_HEAD < get_u24le(answer.data + 5))
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "MEASUREMENTS is shorter than it says");
	buf_free(ret);
	*ret = buf_steal(&answer);
	return 0;
}

static bool is_seen(const struct spdm_connection *c, const struct identity *i)
{
	const struct identity *seen = &c->seen;

	return strcmp(i->serial, seen->serial) == 0 && strcmp(i->model, seen->model) == 0 &&
	       strcmp(i->firmware, seen->firmware) == 0 && strcmp(i->uuid, seen->uuid) == 0;
}

static int remember(struct spdm_connection *c, const struct identity *i, struct err *e)
{
	struct buf evidence = buf_steal(&c->seen.evidence);

	c->seen = *i;
	c->seen.evidence = evidence;
	return buf_set(&c->seen.evidence, i->evidence.data, i->evidence.len, e);
}

/* Its measurements and its key pair a unit tells once in a connection; who it is, as often as it is asked. */
int spdm_identify(struct spdm_connection *c, struct identity *ret, struct err *e)
{
	AUTO_STRUCT(identity) i = { 0 };
	bool seen;

	if (ask_own_way(c, &i, e) != 0)
		return -1;
	if (c->options->has_vendor && ask_vendor(c, &i, e) != 0)
		return -1;
	seen = is_seen(c, &i);
	c->pair.known = c->pair.known && seen;
	if (spdm_key_present(c, &i.key_present, e) != 0)
		return -1;
	if (c->measurements &&
	    (seen ? buf_set(&i.evidence, c->seen.evidence.data, c->seen.evidence.len, e)
		  : measure(c, &i.evidence, e)) != 0)
		return -1;
	if (remember(c, &i, e) != 0)
		return -1;
	*ret = i;
	i = (struct identity){ 0 };
	return 0;
}
