#include "connection.h"

#include "bytes.h"
#include "clock.h"

enum {
	VERSION_HEAD = 6,
	CAPABILITIES_LEN = 20,
	ALGORITHMS_LEN = 36,
	CT_EXPONENT_MAX = 31,
	OPAQUE_FORMAT_1 = 0x02,
};
/* What 1.2 knows; a 1.2 device shall not set more, and what it sets means nothing. */
#define FLAGS_12 0x003fffffU

void spdm_connection_init(struct spdm_connection *c, const struct spdm_options *options,
    struct transport *link, int64_t baud)
{
	*c = (struct spdm_connection){ .peer.baud = baud, .options = options };
	mctp_init(&c->peer.mctp, link);
}

void spdm_connection_free(struct spdm_connection *c)
{
	mctp_free(&c->peer.mctp);
	buf_free(&c->transcript);
	identity_free(&c->seen);
}

void spdm_forget_chain(struct spdm_connection *c)
{
	c->transcript.len = c->agreed_len;
	c->has_chain = false;
}

int spdm_remember(struct spdm_connection *c, const struct buf *request, const struct buf *answer,
    size_t len, struct err *e)
{
	c->has_read = c->agreed_len > 0;
	if (buf_add(&c->transcript, request->data, request->len, e) != 0)
		return -1;
	return buf_add(&c->transcript, answer->data, len, e);
}

int spdm_require(const struct spdm_connection *c, uint32_t flags, const char *names, struct err *e)
{
	if ((c->flags & flags) == flags)
		return 0;
	return err_set(e, ERR_DEVICE, "device.unsupported",
	    "the device does not offer what the profile needs: %s (its capabilities are %08X)",
	    names, c->flags);
}

static void forget(struct spdm_connection *c)
{
	c->flags = 0;
	c->multi_key = c->measurements = false;
	c->peer.version = SPDM_VERSION_10;
	c->peer.transfer_max = c->peer.message_max = SPDM_TRANSFER_MIN;
	c->peer.chunks = false;
	c->peer.crypto_ms = 0;
	buf_clear(&c->transcript);
	c->agreed_len = 0;
	c->has_read = c->has_chain = false;
	c->pair = (struct spdm_key_pair){ 0 };
	identity_free(&c->seen);
	c->seen = (struct identity){ 0 };
}

/* The highest version that both sides accept, from the le16 entries of VERSION. */
static uint8_t choose_version(const struct spdm_options *o, const uint8_t *entries, size_t count)
{
	uint8_t best = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t version = entries[2 * i + 1];

		if (spdm_options_accept(o, version) && version > best)
			best = version;
	}
	return best;
}

static int get_version(struct spdm_connection *c, struct err *e)
{
	static const uint8_t message[] = { SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0 };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };
	size_t len;

	if (buf_set(&request, message, sizeof(message), e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_HELLO, &answer, e) != 0)
		return -1;
	if (answer.len < VERSION_HEAD ||
	    answer.len < VERSION_HEAD + 2 * (size_t)answer.data[VERSION_HEAD - 1])
		return err_set(e, ERR_DEVICE, "device.protocol", "VERSION is shorter than it says");
	len = VERSION_HEAD + 2 * (size_t)answer.data[VERSION_HEAD - 1];
	c->peer.version =
	    choose_version(c->options, answer.data + VERSION_HEAD, answer.data[VERSION_HEAD - 1]);
	if (c->peer.version == 0)
		return err_set(e, ERR_DEVICE, "device.version",
		    "the device speaks no SPDM version that the profile accepts (%s%s%s)",
		    c->options->v12 ? "1.2" : "", c->options->v12 && c->options->v13 ? ", " : "",
		    c->options->v13 ? "1.3" : "");
	return spdm_remember(c, &request, &answer, len, e);
}

static int take_capabilities(struct spdm_connection *c, const struct buf *answer, struct err *e)
{
	const uint8_t *m = answer->data;

	if (answer->len < CAPABILITIES_LEN)
		return err_set(e, ERR_DEVICE, "device.protocol", "CAPABILITIES is too short");
	if (c->peer.version >= SPDM_VERSION_13 && (m[2] & 1) != 0)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "CAPABILITIES has an algorithms block that was not asked for");
	c->flags = get_u32le(m + 8);
	if (c->peer.version < SPDM_VERSION_13)
		c->flags &= FLAGS_12;
	c->peer.transfer_max = get_u32le(m + 12);
	c->peer.message_max = get_u32le(m + 16);
	c->peer.chunks = (c->flags & SPDM_CAP_CHUNK) != 0;
	if (m[5] > CT_EXPONENT_MAX || c->peer.transfer_max < SPDM_TRANSFER_MIN ||
	    c->peer.message_max < c->peer.transfer_max ||
	    (c->flags & SPDM_CAP_MULTI_KEY) == SPDM_CAP_MULTI_KEY ||
	    (c->flags & SPDM_CAP_MEAS) == SPDM_CAP_MEAS)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "CAPABILITIES contradicts itself (CTExponent %u, DataTransferSize %zu, "
		    "MaxSPDMmsgSize %zu, flags %08X)",
		    m[5], c->peer.transfer_max, c->peer.message_max, c->flags);
	c->peer.crypto_ms = (INT64_C(1) << m[5]) / 1000;
	return 0;
}

static int get_capabilities(struct spdm_connection *c, struct err *e)
{
	const uint8_t head[] = { c->peer.version, SPDM_GET_CAPABILITIES, 0, 0, 0, 0, 0, 0 };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	if (buf_set(&request, head, sizeof(head), e) != 0 ||
	    buf_add_u32le(&request, SPDM_CAP_CHUNK, e) != 0 ||
	    buf_add_u32le(&request, SPDM_MESSAGE_MAX, e) != 0 ||
	    buf_add_u32le(&request, SPDM_MESSAGE_MAX, e) != 0 ||
	    spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0 ||
	    take_capabilities(c, &answer, e) != 0)
		return -1;
	return spdm_remember(c, &request, &answer, CAPABILITIES_LEN, e);
}

static int take_algorithms(struct spdm_connection *c, const struct buf *answer, struct err *e)
{
	const struct spdm_algorithm *a = c->options->algorithm;
	const uint8_t *m = answer->data;

	if (answer->len < ALGORITHMS_LEN || get_u16le(m + 4) != ALGORITHMS_LEN || m[2] != 0)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "ALGORITHMS has a wrong length, or tables that nobody asked for");
	if (get_u32le(m + 12) != a->asym || get_u32le(m + 16) != a->hash)
		return err_set(e, ERR_DEVICE, "device.algorithm",
		    "the device chose algorithms %X, hash %X where the profile has %s",
		    get_u32le(m + 12), get_u32le(m + 16), a->name);
	c->measurements =
	    (c->flags & SPDM_CAP_MEAS) != 0 && (m[6] & SPDM_MEASUREMENT_SPEC_DMTF) != 0;
	return 0;
}

static int negotiate_algorithms(struct spdm_connection *c, struct err *e)
{
	static const uint8_t zeros[16] = { 0 };
	const struct spdm_algorithm *a = c->options->algorithm;
	const uint8_t head[] = { c->peer.version, SPDM_NEGOTIATE_ALGORITHMS, 0, 0, 32, 0,
		SPDM_MEASUREMENT_SPEC_DMTF,
		(uint8_t)(OPAQUE_FORMAT_1 | (c->multi_key ? SPDM_OTHER_PARAM_MULTI_KEY : 0)) };
	AUTO_STRUCT(buf) request = { 0 };
	AUTO_STRUCT(buf) answer = { 0 };

	if (buf_set(&request, head, sizeof(head), e) != 0 ||
	    buf_add_u32le(&request, a->asym, e) != 0 || buf_add_u32le(&request, a->hash, e) != 0 ||
	    buf_add(&request, zeros, sizeof(zeros), e) != 0)
		return -1;
	if (spdm_exchange(&c->peer, &request, SPDM_PLAIN, &answer, e) != 0)
		return c->peer.error_code == SPDM_ERROR_INVALID_REQUEST
			   ? err_while(e, "offering %s", a->name)
			   : -1;
	if (take_algorithms(c, &answer, e) != 0)
		return -1;
	if (spdm_remember(c, &request, &answer, ALGORITHMS_LEN, e) != 0)
		return -1;
	c->agreed_len = c->transcript.len;
	return 0;
}

static int try_connect(struct spdm_connection *c, struct err *e)
{
	forget(c);
	if (get_version(c, e) != 0 || get_capabilities(c, e) != 0)
		return -1;
	c->multi_key = (c->flags & SPDM_CAP_MULTI_KEY) != 0;
	return negotiate_algorithms(c, e);
}

int spdm_connect(struct spdm_connection *c, struct err *e)
{
	/* A lost answer of these three can not be asked for again: only GET_VERSION starts anew. */
	while (try_connect(c, e) != 0)
		if (!err_is(e, "link.timeout") || clock_left_ms(c->peer.deadline) == 0)
			return -1;
	return 0;
}
