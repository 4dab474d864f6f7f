#include "exchange.h"

#include <inttypes.h>

#include "bytes.h"
#include "clock.h"

enum {
	HELLO_MS = 500,
	PLAIN_MS = 3000,   /* ST1 is 100 ms; a slow adapter and a busy host take the rest */
	CRYPTO_MS = 10000, /* CTExponent is often announced as 0 */
	BITS_ON_LINE = 12, /* of a byte, with its share of frames and escapes */

	BUSY_MIN_MS = 50,
	BUSY_MAX_MS = 1000,
	NOT_READY_MIN_MS = 5,

	CHUNK_FIRST_HEAD = 16,
	CHUNK_HEAD = 12,
	CHUNK_ACK_LEN = 6,
};

static const struct name {
	uint8_t code;
	const char *text;
} codes[] = {
	{ SPDM_GET_VERSION, "GET_VERSION" },
	{ SPDM_GET_CAPABILITIES, "GET_CAPABILITIES" },
	{ SPDM_NEGOTIATE_ALGORITHMS, "NEGOTIATE_ALGORITHMS" },
	{ SPDM_GET_DIGESTS, "GET_DIGESTS" },
	{ SPDM_GET_CERTIFICATE, "GET_CERTIFICATE" },
	{ SPDM_CHALLENGE, "CHALLENGE" },
	{ SPDM_GET_MEASUREMENTS, "GET_MEASUREMENTS" },
	{ SPDM_GET_CSR, "GET_CSR" },
	{ SPDM_SET_CERTIFICATE, "SET_CERTIFICATE" },
	{ SPDM_GET_KEY_PAIR_INFO, "GET_KEY_PAIR_INFO" },
	{ SPDM_SET_KEY_PAIR_INFO, "SET_KEY_PAIR_INFO" },
	{ SPDM_VENDOR_DEFINED_REQUEST, "VENDOR_DEFINED" },
	{ SPDM_RESPOND_IF_READY, "RESPOND_IF_READY" },
	{ SPDM_CHUNK_SEND, "CHUNK_SEND" },
	{ SPDM_CHUNK_GET, "CHUNK_GET" },
};

static const struct name refusals[] = {
	{ SPDM_ERROR_INVALID_REQUEST, "InvalidRequest" },
	{ SPDM_ERROR_BUSY, "Busy" },
	{ SPDM_ERROR_UNEXPECTED_REQUEST, "UnexpectedRequest" },
	{ SPDM_ERROR_UNSPECIFIED, "Unspecified" },
	{ SPDM_ERROR_DECRYPT, "DecryptError" },
	{ SPDM_ERROR_UNSUPPORTED_REQUEST, "UnsupportedRequest" },
	{ SPDM_ERROR_REQUEST_IN_FLIGHT, "RequestInFlight" },
	{ SPDM_ERROR_INVALID_RESPONSE_CODE, "InvalidResponseCode" },
	{ SPDM_ERROR_SESSION_LIMIT, "SessionLimitExceeded" },
	{ SPDM_ERROR_SESSION_REQUIRED, "SessionRequired" },
	{ SPDM_ERROR_RESET_REQUIRED, "ResetRequired" },
	{ SPDM_ERROR_RESPONSE_TOO_LARGE, "ResponseTooLarge" },
	{ SPDM_ERROR_REQUEST_TOO_LARGE, "RequestTooLarge" },
	{ SPDM_ERROR_LARGE_RESPONSE, "LargeResponse" },
	{ SPDM_ERROR_MESSAGE_LOST, "MessageLost" },
	{ SPDM_ERROR_INVALID_POLICY, "InvalidPolicy" },
	{ SPDM_ERROR_VERSION_MISMATCH, "VersionMismatch" },
	{ SPDM_ERROR_RESPONSE_NOT_READY, "ResponseNotReady" },
	{ SPDM_ERROR_REQUEST_RESYNCH, "RequestResynch" },
	{ SPDM_ERROR_OPERATION_FAILED, "OperationFailed" },
	{ SPDM_ERROR_NO_PENDING_REQUESTS, "NoPendingRequests" },
	{ SPDM_ERROR_VENDOR_DEFINED, "VendorDefined" },
};

static const char *name_of(const struct name *table, size_t count, uint8_t code)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].code == code)
			return table[i].text;
	return "unknown";
}

const char *spdm_code_name(uint8_t code)
{
	return name_of(codes, COUNT(codes), code);
}

static int garbled(struct err *e, uint8_t request, const char *what)
{
	return err_set(e, ERR_DEVICE, "device.protocol", "%s: the device's answer %s",
	    spdm_code_name(request), what);
}

static int64_t answer_ms(const struct spdm_peer *p, enum spdm_cost cost, size_t len)
{
	int64_t bits = ((int64_t)len + SPDM_EXPECTED_LEN) * BITS_ON_LINE;
	int64_t line_ms = p->baud > 0 ? bits * 1000 / p->baud : 0;

	switch (cost) {
	case SPDM_HELLO:
		return HELLO_MS;
	case SPDM_PLAIN:
		return line_ms + PLAIN_MS;
	case SPDM_CRYPTO:
		return line_ms + (p->crypto_ms > CRYPTO_MS ? p->crypto_ms : CRYPTO_MS) +
		       SPDM_ST1_MS;
	}
	return PLAIN_MS;
}

static bool is_error(const struct buf *answer, enum spdm_error code)
{
	return answer->data[1] == SPDM_ERROR && answer->data[2] == code;
}

/* An answer of that code, or ERROR. Before a version is agreed on, ERROR may carry 1.0. */
static int check_answer(const struct buf *answer, uint8_t version, uint8_t request, uint8_t code,
    struct err *e)
{
	if (answer->len < SPDM_HEADER_LEN)
		return garbled(e, request, "is shorter than a header");
	if (answer->data[1] != code && answer->data[1] != SPDM_ERROR)
		return err_set(e, ERR_DEVICE, "device.protocol",
		    "%s: the device answered with message %02X instead of %02X",
		    spdm_code_name(request), answer->data[1], code);
	if (answer->data[0] != version &&
	    (answer->data[1] != SPDM_ERROR || answer->data[0] != SPDM_VERSION_10))
		return garbled(e, request, "has another version than the request");
	return 0;
}

/* One transfer out, one in. request names the whole exchange, code is what must come back. */
static int transfer(struct spdm_peer *p, const struct buf *out, uint8_t request, uint8_t code,
    enum spdm_cost cost, struct buf *ret, struct err *e)
{
	int64_t until = clock_now_ms() + answer_ms(p, cost, out->len);

	if (until > p->deadline)
		until = p->deadline;
	if (mctp_request(&p->mctp, MCTP_TYPE_SPDM, out, ret, until, e) != 0)
		return err_while(e, "%s", spdm_code_name(request));
	return check_answer(ret, out->data[0], request, code, e);
}

/* Chunk seq of message, which begins at its byte at. */
static int make_chunk(const struct spdm_peer *p, const struct buf *message, size_t at, uint16_t seq,
    struct buf *ret, struct err *e)
{
	size_t room = p->transfer_max - (seq == 0 ? CHUNK_FIRST_HEAD : CHUNK_HEAD);
	size_t len = message->len - at < room ? message->len - at : room;
	const uint8_t head[] = { message->data[0], SPDM_CHUNK_SEND,
		at + len == message->len ? SPDM_CHUNK_LAST : 0, p->handle };

	buf_clear(ret);
	if (buf_add(ret, head, sizeof(head), e) != 0 || buf_add_u16le(ret, seq, e) != 0 ||
	    buf_add_u16le(ret, 0, e) != 0 || buf_add_u32le(ret, (uint32_t)len, e) != 0 ||
	    (seq == 0 && buf_add_u32le(ret, (uint32_t)message->len, e) != 0))
		return -1;
	return buf_add(ret, message->data + at, len, e);
}

static int send_chunks(struct spdm_peer *p, const struct buf *request, uint8_t code,
    enum spdm_cost cost, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) chunk = { 0 };
	uint8_t name = request->data[1];
	uint16_t seq = 0;

	p->handle++;
	for (size_t at = 0; at < request->len; seq++) {
		if (make_chunk(p, request, at, seq, &chunk, e) != 0 ||
		    transfer(p, &chunk, name, SPDM_CHUNK_SEND_ACK, cost, ret, e) != 0)
			return -1;
		if (ret->data[1] == SPDM_ERROR)
			return 0;
		if (ret->len < CHUNK_ACK_LEN || ret->data[3] != p->handle ||
		    get_u16le(ret->data + 4) != seq)
			return garbled(e, name, "acknowledges another chunk");
		at += chunk.len - (seq == 0 ? CHUNK_FIRST_HEAD : CHUNK_HEAD);
		if (at < request->len && (ret->data[2] & SPDM_CHUNK_EARLY_ERROR) != 0)
			break;
	}
	buf_drop(ret, CHUNK_ACK_LEN);
	return check_answer(ret, request->data[0], name, code, e);
}

/* What is left of a large message after the chunk in answer was added. */
static int take_chunk(const struct buf *answer, uint8_t request, uint8_t handle, uint16_t seq,
    struct buf *ret, size_t *total, struct err *e)
{
	size_t head = seq == 0 ? CHUNK_FIRST_HEAD : CHUNK_HEAD;
	bool last;
	size_t len;

	if (answer->len < head || answer->data[3] != handle || get_u16le(answer->data + 4) != seq)
		return garbled(e, request, "is another chunk than the one asked for");
	if (seq == 0)
		*total = get_u32le(answer->data + 12);
	len = get_u32le(answer->data + 8);
	last = (answer->data[2] & SPDM_CHUNK_LAST) != 0;
	if (*total > SPDM_MESSAGE_MAX || len == 0 || len > answer->len - head ||
	    len > *total - ret->len || (!last && len < SPDM_TRANSFER_MIN - head) ||
	    last != (ret->len + len == *total))
		return garbled(e, request, "has chunks of wrong sizes");
	return buf_add(ret, answer->data + head, len, e);
}

/* answer is ERROR LargeResponse; the message itself takes its place. */
static int get_chunks(struct spdm_peer *p, uint8_t request, uint8_t code, enum spdm_cost cost,
    struct buf *answer, struct err *e)
{
	AUTO_STRUCT(buf) whole = { 0 };
	AUTO_STRUCT(buf) get = { 0 };
	size_t total = 0;
	uint8_t version = answer->data[0];
	uint8_t handle;

	if (!p->chunks || answer->len <= SPDM_HEADER_LEN)
		return garbled(e, request,
		    "is LargeResponse without a handle or without CHUNK_CAP");
	handle = answer->data[SPDM_HEADER_LEN];
	for (uint16_t seq = 0; seq == 0 || whole.len < total; seq++) {
		const uint8_t head[] = { version, SPDM_CHUNK_GET, 0, handle, (uint8_t)seq,
			(uint8_t)(seq >> 8) };

		if (buf_set(&get, head, sizeof(head), e) != 0 ||
		    transfer(p, &get, request, SPDM_CHUNK_RESPONSE, cost, answer, e) != 0)
			return -1;
		if (answer->data[1] == SPDM_ERROR)
			return 0;
		if (take_chunk(answer, request, handle, seq, &whole, &total, e) != 0)
			return -1;
	}
	buf_free(answer);
	*answer = buf_steal(&whole);
	return check_answer(answer, version, request, code, e);
}

/* request as one transfer or in chunks; a large answer is fetched. */
static int ask(struct spdm_peer *p, const struct buf *request, uint8_t code, enum spdm_cost cost,
    struct buf *ret, struct err *e)
{
	uint8_t name = request->data[1];
	int rc;

	if (request->len > p->transfer_max && (!p->chunks || request->len > p->message_max))
		return err_set(e, ERR_DEVICE, "device.unsupported",
		    "%s of %zu bytes is more than the device takes (%zu bytes%s)",
		    spdm_code_name(name), request->len,
		    p->chunks ? p->message_max : p->transfer_max,
		    p->chunks ? "" : ", no CHUNK_CAP");
	if (request->len > p->transfer_max)
		rc = send_chunks(p, request, code, cost, ret, e);
	else
		rc = transfer(p, request, name, code, cost, ret, e);
	if (rc == 0 && is_error(ret, SPDM_ERROR_LARGE_RESPONSE))
		rc = get_chunks(p, name, code, cost, ret, e);
	return rc;
}

static int pause_for(struct spdm_peer *p, int64_t ms, uint8_t request, struct err *e)
{
	if (ms >= clock_left_ms(p->deadline))
		return err_retry(
		    err_set(e, ERR_DEVICE, "device.busy",
			"%s: the device is busy for longer than this step may take (wants %" PRId64
			" ms more)",
			spdm_code_name(request), ms),
		    e);
	return mctp_idle(&p->mctp, clock_now_ms() + ms, e);
}

/* Waits as long as ResponseNotReady says; ret becomes the RESPOND_IF_READY for it. */
static int prepare_respond(struct spdm_peer *p, const struct buf *answer, uint8_t request,
    struct buf *ret, struct err *e)
{
	int64_t ms;

	if (answer->len < SPDM_HEADER_LEN + 4 || answer->data[5] != request || answer->data[4] > 31)
		return garbled(e, request, "is a ResponseNotReady for something else");
	ms = (INT64_C(1) << answer->data[4]) / 1000;
	if (pause_for(p, ms < NOT_READY_MIN_MS ? NOT_READY_MIN_MS : ms, request, e) != 0)
		return -1;
	const uint8_t respond[] = { p->version, SPDM_RESPOND_IF_READY, request, answer->data[6] };

	return buf_set(ret, respond, sizeof(respond), e);
}

static int refused(struct spdm_peer *p, const struct buf *answer, uint8_t request, struct err *e)
{
	p->error_code = answer->data[2];
	p->error_data = answer->data[3];
	(void)err_set(e, ERR_DEVICE, "device.refused",
	    "%s: the device refused: %s (%02X, data %02X)", spdm_code_name(request),
	    name_of(refusals, COUNT(refusals), p->error_code), p->error_code, p->error_data);
	e->retry = p->error_code == SPDM_ERROR_REQUEST_RESYNCH;
	return -1;
}

int spdm_exchange(struct spdm_peer *p, const struct buf *request, enum spdm_cost cost,
    struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) respond = { 0 };
	const struct buf *next = request;
	uint8_t name = request->data[1];
	int64_t busy_ms = BUSY_MIN_MS;

	p->error_code = p->error_data = 0;
	for (;;) {
		p->asked++;
		if (ask(p, next, name & 0x7f, cost, ret, e) != 0)
			return -1;
		if (ret->data[1] != SPDM_ERROR)
			return 0;
		if (is_error(ret, SPDM_ERROR_BUSY)) {
			if (pause_for(p, busy_ms, name, e) != 0)
				return -1;
			busy_ms = busy_ms * 2 < BUSY_MAX_MS ? busy_ms * 2 : BUSY_MAX_MS;
			/* Busy to RESPOND_IF_READY: that one again; the work goes on. */
		} else if (is_error(ret, SPDM_ERROR_RESPONSE_NOT_READY)) {
			if (prepare_respond(p, ret, name, &respond, e) != 0)
				return -1;
			next = &respond;
		} else {
			return refused(p, ret, name, e);
		}
	}
}
