/* GET_VERSION, GET_CAPABILITIES, NEGOTIATE_ALGORITHMS (DSP0274 10.2 to 10.4). */
#include <string.h>

#include "bytes.h"
#include "twin_device.h"

enum {
	CAPABILITIES_LEN = 20,
	NEGOTIATE_LEN = 32,
	NEGOTIATE_MAX = 128,
	EXTENDED_MAX = 20,
	TABLE_FIRST = 2, /* DHE */
	TABLE_LAST = 5,  /* KeySchedule */
	OPAQUE_FORMAT_0 = 0x01,
	OPAQUE_FORMAT_1 = 0x02,
};

/* Flags that a requester may set, besides CERT and CHAL. */
#define FLAG_ENCRYPT         0x00000040U
#define FLAG_MAC             0x00000080U
#define FLAG_MUT_AUTH        0x00000100U
#define FLAG_KEY_EX          0x00000200U
#define FLAG_PSK             0x00000c00U
#define FLAG_HEARTBEAT       0x00002000U
#define FLAG_KEY_UPDATE      0x00004000U
#define FLAG_CLEAR_HANDSHAKE 0x00008000U
#define FLAG_PUBLIC_KEY_ID   0x00010000U
#define FLAG_EVENT           0x02000000U

static void disconnect(struct twin_device *d)
{
	struct twin_transcript transcript = d->connection.transcript;

	d->connection = (struct twin_connection){ .version = SPDM_VERSION_10 };
	d->connection.transcript = transcript;
	d->pending.waits = false;
	d->chunks.sends = false;
	d->chunks.receives = false;
	d->anchors_total = 0;
}

/* A GET_VERSION in another version's dress is refused and changes nothing. */
static int refuse_version(struct twin_exchange *x, struct err *e)
{
	static const uint8_t mismatch[] = { SPDM_VERSION_10, SPDM_ERROR,
		SPDM_ERROR_VERSION_MISMATCH, 0 };

	return buf_set(&x->answer, mismatch, sizeof(mismatch), e);
}

int twin_get_version(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	size_t count = strlen((const char *)d->traits->versions);

	if (x->request.data[0] != SPDM_VERSION_10)
		return refuse_version(x, e);
	disconnect(d);
	d->connection.phase = TWIN_VERSION;
	x->request.len = SPDM_HEADER_LEN;
	if (twin_begin(d, x, 0, 0, e) != 0 || buf_add_u8(&x->answer, 0, e) != 0 ||
	    buf_add_u8(&x->answer, (uint8_t)count, e) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		uint16_t entry = (uint16_t)(d->traits->versions[i] << 8);

		if (buf_add_u16le(&x->answer, entry, e) != 0)
			return -1;
	}
	return 0;
}

static bool knows_version(const struct twin_device *d, uint8_t version)
{
	return version != 0 && strchr((const char *)d->traits->versions, version) != NULL;
}

/* DSP0274 10.3: what the requester's flags may not say together. */
static bool flags_agree(uint32_t flags)
{
	bool certified = (flags & (SPDM_CAP_CERT | FLAG_PUBLIC_KEY_ID)) != 0;
	bool session = (flags & (FLAG_KEY_EX | FLAG_PSK)) != 0;
	bool protection = (flags & (FLAG_ENCRYPT | FLAG_MAC)) != 0;

	if ((flags & SPDM_CAP_CERT) != 0 && (flags & FLAG_PUBLIC_KEY_ID) != 0)
		return false;
	if (certified && (flags & (SPDM_CAP_CHAL | FLAG_KEY_EX)) == 0)
		return false;
	if (!certified && (flags & (SPDM_CAP_CHAL | FLAG_MUT_AUTH)) != 0)
		return false;
	if (session != protection)
		return false;
	return session || (flags & (FLAG_CLEAR_HANDSHAKE | FLAG_HEARTBEAT | FLAG_KEY_UPDATE |
				       FLAG_EVENT)) == 0;
}

static bool sizes_agree(uint32_t flags, uint32_t transfer, uint32_t largest)
{
	if (transfer < SPDM_TRANSFER_MIN || largest < transfer)
		return false;
	return (flags & SPDM_CAP_CHUNK) != 0 || largest == transfer;
}

static bool capabilities_agree(const struct twin_exchange *x)
{
	const uint8_t *p = x->request.data;
	uint32_t flags;

	if (x->request.len < CAPABILITIES_LEN || p[5] > 31)
		return false;
	/* the twin has no SupportedAlgorithms block: a requester without chunks may not ask for it */
	flags = get_u32le(p + 8);
	if (p[0] >= SPDM_VERSION_13 && (p[2] & 1) != 0 && (flags & SPDM_CAP_CHUNK) == 0)
		return false;
	return flags_agree(flags) && sizes_agree(flags, get_u32le(p + 12), get_u32le(p + 16));
}

static int say_capabilities(const struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	uint32_t flags = twin_flags(d);

	if (twin_begin(d, x, 0, 0, e) != 0 || buf_add_u8(&x->answer, 0, e) != 0 ||
	    buf_add_u8(&x->answer, TWIN_CT_EXPONENT, e) != 0 ||
	    buf_add_u16le(&x->answer, 0, e) != 0 || buf_add_u32le(&x->answer, flags, e) != 0 ||
	    buf_add_u32le(&x->answer, d->traits->transfer, e) != 0)
		return -1;
	return buf_add_u32le(&x->answer, d->traits->largest, e);
}

int twin_get_capabilities(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_connection *c = &d->connection;
	const uint8_t *p = x->request.data;

	if (c->phase != TWIN_VERSION)
		return twin_refuse(d, x, SPDM_ERROR_UNEXPECTED_REQUEST, 0, e);
	if (!knows_version(d, p[0]))
		return twin_refuse(d, x, SPDM_ERROR_VERSION_MISMATCH, 0, e);
	c->version = p[0]; /* of errors too, from here on */
	if (!capabilities_agree(x))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	c->peer_chunks = (get_u32le(p + 8) & SPDM_CAP_CHUNK) != 0;
	c->peer_transfer = get_u32le(p + 12);
	c->peer_largest = get_u32le(p + 16);
	c->phase = TWIN_CAPABILITIES;
	x->request.len = CAPABILITIES_LEN;
	return say_capabilities(d, x, e);
}

/* Walks one table; 0 where it is no table. *extended counts the external algorithms. */
static size_t table_len(const uint8_t *p, size_t len, int *last_type, size_t *extended)
{
	size_t count;

	if (len < 4 || p[0] <= *last_type || p[0] < TABLE_FIRST || p[0] > TABLE_LAST)
		return 0;
	if (p[1] >> 4 != 2 || get_u16le(p + 2) == 0)
		return 0;
	*last_type = p[0];
	count = p[1] & 0x0f;
	*extended += count;
	return len >= 4 + 4 * count ? 4 + 4 * count : 0;
}

/* Lists and tables fill the message to its Length, and that is not more than came. */
static bool structure_is_whole(const struct twin_exchange *x)
{
	const uint8_t *p = x->request.data;
	size_t length, at, extended;
	int last_type = 0;

	if (x->request.len < NEGOTIATE_LEN)
		return false;
	length = get_u16le(p + 4);
	extended = (size_t)p[28] + p[29];
	at = NEGOTIATE_LEN + 4 * extended;
	if (length > x->request.len || length > NEGOTIATE_MAX || at > length)
		return false;
	for (int i = 0; i < p[2]; i++) {
		size_t n = table_len(p + at, length - at, &last_type, &extended);

		if (n == 0)
			return false;
		at += n;
	}
	return at == length && extended <= EXTENDED_MAX;
}

/* The strongest of those both have. */
static uint32_t strongest(uint32_t offered, uint32_t ours)
{
	uint32_t common = offered & ours;

	return common == 0 ? 0 : 1U << (31 - __builtin_clz(common));
}

static int say_algorithms(const struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	const struct twin_connection *c = &d->connection;
	uint8_t body[NEGOTIATE_LEN] = { 0 };
	uint8_t others = x->request.data[7] & (OPAQUE_FORMAT_0 | OPAQUE_FORMAT_1);

	/* offsets from the end of the header */
	put_u16le(body, SPDM_HEADER_LEN + sizeof(body));
	body[2] = c->measures ? SPDM_MEASUREMENT_SPEC_DMTF : 0;
	body[3] = c->opaque ? OPAQUE_FORMAT_1 : others;
	put_u32le(body + 4, c->measures ? c->hash->measurement : 0);
	put_u32le(body + 8, c->curve->base_asym);
	put_u32le(body + 12, c->hash->base);
	if (twin_begin(d, x, 0, 0, e) != 0)
		return -1;
	return buf_add(&x->answer, body, sizeof(body), e);
}

int twin_negotiate_algorithms(struct twin_device *d, struct twin_exchange *x, struct err *e)
{
	struct twin_connection *c = &d->connection;
	const uint8_t *p = x->request.data;
	bool multi_key;

	if (!structure_is_whole(x))
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	multi_key = twin_is_13(d) && (p[7] & SPDM_OTHER_PARAM_MULTI_KEY) != 0;
	if (multi_key && (twin_flags(d) & SPDM_CAP_MULTI_KEY) == 0)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	c->curve = twin_curve_of_base(strongest(get_u32le(p + 8), d->traits->asym));
	c->hash = twin_hash_of_base(strongest(get_u32le(p + 12), d->traits->hash));
	if (c->curve == NULL || c->hash == NULL)
		return twin_refuse(d, x, SPDM_ERROR_INVALID_REQUEST, 0, e);
	c->multi_key = multi_key;
	c->measures = (p[6] & SPDM_MEASUREMENT_SPEC_DMTF) != 0;
	c->opaque = (p[7] & OPAQUE_FORMAT_1) != 0;
	c->phase = TWIN_NEGOTIATED;
	x->request.len = get_u16le(p + 4);
	return say_algorithms(d, x, e);
}
