#include "post.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"

void post_free(struct post *p)
{
	sk_X509_pop_free(p->issued, X509_free);
	p->issued = NULL;
}

static const char *answer_word(const struct post *p)
{
	static const struct {
		int status;
		const char *word;
	} words[] = { { 0, "dropped" }, { 202, "pending" }, { 401, "denied" }, { 403, "denied" },
		{ 429, "throttled" }, { 503, "throttled" }, { 400, "rejected" },
		{ 415, "rejected" } };

	if (sk_X509_num(p->issued) > 0)
		return "issued";
	for (size_t i = 0; i < COUNT(words); i++)
		if (words[i].status == p->status)
			return words[i].word;
	return "failed";
}

static int add_certificate(json_t *object, const X509 *cert, struct err *e)
{
	AUTO_STRUCT(buf) serial = { 0 };
	uint8_t digest[SHA256_LEN];
	const char *text;

	if (x509_add_serial(cert, &serial, e) != 0 || x509_digest(cert, digest, e) != 0)
		return -1;
	text = buf_str(&serial, e);
	if (text == NULL || json_set_str(object, "serial", text, e) != 0)
		return -1;
	return json_set_hex(object, "certificate_sha256", digest, sizeof(digest), e);
}

static int add_certificates(json_t *line, const X509_STACK *issued, struct err *e)
{
	AUTO(json_t) *others = json_array();

	if (sk_X509_num(issued) <= 0) {
		if (json_set_new(line, "serial", json_null(), e) != 0)
			return -1;
		return json_set_new(line, "certificate_sha256", json_null(), e);
	}
	if (add_certificate(line, sk_X509_value(issued, 0), e) != 0)
		return -1;
	for (int i = 1; i < sk_X509_num(issued); i++) {
		AUTO(json_t) *other = json_object();

		if (add_certificate(other, sk_X509_value(issued, i), e) != 0)
			return -1;
		if (json_array_append(others, other) != 0)
			return err_nomem(e);
	}
	return json_array_size(others) > 0 ? json_set_new(line, "others", steal(&others), e) : 0;
}

static json_t *text_or_null(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

static int append(const json_t *line, int fd, struct err *e)
{
	char *text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(5));
	struct buf whole = { 0 };
	int rc = 0;

	if (text == NULL)
		return err_nomem(e);
	if (buf_printf(&whole, e, "%s\n", text) != 0)
		rc = -1;
	else if (write(fd, whole.data, whole.len) != (ssize_t)whole.len)
		rc = err_errno(e, ERR_CONFIG, "devca", "writing the log");
	buf_free(&whole);
	free(text);
	return rc;
}

int post_log(const struct post *p, int fd, struct err *e)
{
	AUTO(json_t) *line = NULL;
	char at[CLOCK_TEXT];

	if (fd < 0)
		return 0;
	clock_wall_text(at);
	line = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:s, s:i}", "at", at, "operation",
	    p->operation, "label", p->label, "post_number", (int)p->number, "csr_sha256",
	    text_or_null(p->csr_sha256), "spki_sha256", text_or_null(p->spki_sha256), "answer",
	    answer_word(p), "status", p->status);
	if (line == NULL)
		return err_nomem(e);
	if (json_set_new(line, "service_ms",
		json_real((double)(clock_cpu_us() - p->begun_us) / 1000.0), e) != 0 ||
	    add_certificates(line, p->issued, e) != 0)
		return -1;
	return append(line, fd, e);
}
