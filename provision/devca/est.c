#include "est.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "clock.h"
#include "container.h"
#include "csr.h"
#include "label.h"
#include "leaf.h"
#include "oids.h"
#include "post.h"

OWNED(EXTENDED_KEY_USAGE, EXTENDED_KEY_USAGE_free)

static const char prefix[] = "/.well-known/est/";

enum {
	LABEL_MAX = 40,
	SENDING_FLAWS = ANSWER_CHUNKED | ANSWER_CLOSE | ANSWER_TRUNCATED | ANSWER_DROPPED
};

void est_free(struct est *est)
{
	tally_free(&est->tally);
	if (est->log_fd >= 0)
		(void)close(est->log_fd); /* each line was checked as it was written */
}

void est_answer_free(struct est_answer *a)
{
	buf_free(&a->body);
}

enum est_client est_client_of(X509 *cert)
{
	AUTO(EXTENDED_KEY_USAGE) *usages = NULL;
	char oid[sizeof(OID_CMC_RA) + 8];

	if (cert == NULL)
		return EST_ANONYMOUS;
	usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
		(void)OBJ_obj2txt(oid, sizeof(oid), sk_ASN1_OBJECT_value(usages, i), 1);
		if (strcmp(oid, OID_CMC_RA) == 0)
			return EST_RA;
	}
	return EST_CLIENT;
}

/* A one-line text for people. */
static int say(struct est_answer *ret, int status, const char *text, struct err *e)
{
	ret->status = status;
	ret->content_type = "text/plain";
	return buf_printf(&ret->body, e, "%s\n", text);
}

static int encode(const struct buf *der, unsigned flaws, struct est_answer *ret, struct err *e)
{
	ret->is_base64 = true;
	if ((flaws & ANSWER_ONE_LINE) != 0)
		return container_base64(der, 0, "", &ret->body, e);
	if ((flaws & ANSWER_CRLF) != 0)
		return container_base64(der, 76, "\r\n", &ret->body, e);
	return container_base64(der, 64, "\n", &ret->body, e);
}

/* certs as a certs-only answer in the shape that flaws ask for. */
static int give(const X509_STACK *certs, unsigned flaws, struct est_answer *ret, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	if (container_pkcs7(certs, &der, e) != 0)
		return -1;
	if ((flaws & ANSWER_TRAILING) != 0 && buf_add_str(&der, "behind the end", e) != 0)
		return -1;
	ret->status = 200;
	ret->content_type = "application/pkcs7-mime; smime-type=certs-only";
	return encode(&der, flaws, ret, e);
}

static int add(X509_STACK *list, X509 *cert, struct err *e)
{
	if (X509_add_cert(list, cert, X509_ADD_FLAG_UP_REF) != 1)
		return err_nomem(e);
	return 0;
}

/* What one route needs. */
struct call {
	struct est *est;
	const struct est_request *request;
	const struct label *label;
	const char *operation;
};

static int cacerts(const struct call *c, struct est_answer *ret, struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();

	if (list == NULL)
		return err_nomem(e);
	if (add(list, c->est->ca->issuing.cert, e) != 0 || add(list, c->est->ca->root.cert, e) != 0)
		return -1;
	ret->flaws = c->label->answer & (ANSWER_CHUNKED | ANSWER_CLOSE);
	return give(list, c->label->answer & (ANSWER_CRLF | ANSWER_ONE_LINE), ret, e);
}

/* This CA wants nothing in particular in a request: the empty SEQUENCE. */
static int csrattrs(const struct call *c, struct est_answer *ret, struct err *e)
{
	uint8_t empty[] = { 0x30, 0x00 };
	const struct buf der = { .data = empty, .len = sizeof(empty) };

	ret->status = 200;
	ret->content_type = "application/csrattrs";
	return encode(&der, c->label->answer & (ANSWER_CRLF | ANSWER_ONE_LINE), ret, e);
}

/* One media type, with or without parameters, in any case; servers in the field differ here. */
static bool is_request_type(const char *content_type)
{
	static const char *const types[] = { "application/pkcs10", "application/x-pkcs10",
		"application/octet-stream" };
	size_t len;

	if (content_type == NULL)
		return true;
	len = strcspn(content_type, "; \t");
	for (size_t i = 0; i < COUNT(types); i++)
		if (len == strlen(types[i]) && strncasecmp(content_type, types[i], len) == 0)
			return true;
	return false;
}

/* Why this client may not post this, or 0. */
static int check_client(const struct est_request *r, const char **ret_text)
{
	*ret_text = "a client certificate is required to enrol";
	if (r->client == EST_ANONYMOUS)
		return 403;
	*ret_text = "the client certificate has no id-kp-cmcRA: it is not an RA's";
	if (r->client != EST_RA)
		return 403;
	*ret_text = "the content type is not application/pkcs10";
	return is_request_type(r->content_type) ? 0 : 415;
}

static int read_request(const struct call *c, struct post *post, X509_REQ **ret, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(X509_REQ) *request = NULL;
	uint8_t digest[SHA256_LEN];
	EVP_PKEY *key;

	if (csr_decode(c->request->body, c->request->len, &der, e) != 0 ||
	    x509_parse_request(der.data, der.len, &request, ERR_DEVICE, e) != 0)
		return -1;
	sha256_hex(der.data, der.len, post->csr_sha256);
	key = X509_REQ_get0_pubkey(request);
	if (key == NULL)
		return err_openssl(e, ERR_DEVICE, "csr.key",
		    "the request's public key is not usable");
	if (x509_spki_digest(key, digest, e) != 0)
		return -1;
	hex_encode(digest, sizeof(digest), post->spki_sha256);
	if (tally_count(&c->est->tally, c->label->name, &der, &post->number, e) != 0)
		return -1;
	*ret = steal(&request);
	return 0;
}

static int issue(const struct call *c, const struct label *label, X509_REQ *request,
    struct post *post, struct err *e)
{
	int count = (label->answer & ANSWER_TWO_LEAVES) != 0 ? 2 : 1;

	post->issued = sk_X509_new_null();
	if (post->issued == NULL)
		return err_nomem(e);
	for (int i = 0; i < count; i++) {
		AUTO(X509) *leaf = NULL;

		if (leaf_issue(c->est->ca, request, label->leaf, &leaf, e) != 0 ||
		    add(post->issued, leaf, e) != 0)
			return -1;
	}
	return 0;
}

static int give_page(unsigned flaws, struct est_answer *ret, struct err *e)
{
	enum { HUGE = 1 << 20 };

	ret->status = 200;
	ret->content_type = "text/html";
	if (buf_add_str(&ret->body, "<html><body><h1>Please log in</h1>\n", e) != 0)
		return -1;
	while ((flaws & ANSWER_HUGE) != 0 && ret->body.len < HUGE)
		if (buf_add_str(&ret->body, "<p>This proxy has much to say.</p>\n", e) != 0)
			return -1;
	return buf_add_str(&ret->body, "</body></html>\n", e);
}

/* The answer that brings what was issued. */
static int give_issued(const struct call *c, const struct label *label, const X509_STACK *issued,
    struct est_answer *ret, struct err *e)
{
	AUTO(X509_STACK) *list = sk_X509_new_null();
	bool chain = (label->answer & ANSWER_CHAIN) != 0;

	if (list == NULL)
		return err_nomem(e);
	if ((label->answer & ANSWER_HTML) != 0)
		return give_page(label->answer, ret, e);
	if ((label->answer & ANSWER_PEM) != 0) {
		ret->status = 200;
		ret->content_type = "application/x-pem-file";
		return x509_add_pem(sk_X509_value(issued, 0), &ret->body, e);
	}
	if (chain && add(list, c->est->ca->issuing.cert, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(issued); i++)
		if ((label->answer & ANSWER_NO_CERTIFICATE) == 0 &&
		    add(list, sk_X509_value(issued, i), e) != 0)
			return -1;
	if (chain && add(list, c->est->ca->root.cert, e) != 0)
		return -1;
	return give(list, label->answer, ret, e);
}

static int give_status(const struct label *label, struct est_answer *ret, struct err *e)
{
	ret->retry_after_s = label->retry_after_s;
	ret->flaws |= label->answer & ANSWER_RETRY_DATE;
	if (label->status == 302)
		ret->location = "/.well-known/est/simpleenroll";
	return say(ret, label->status, label->text, e);
}

static int fulfil(const struct call *c, const struct label *label, X509_REQ *request,
    struct post *post, struct est_answer *ret, struct err *e)
{
	bool good = label->status == 0 && (label->answer & ANSWER_DROPPED) == 0;

	ret->delay_ms = label->delay_ms;
	ret->flaws = label->answer & SENDING_FLAWS;
	if ((good || (label->answer & ANSWER_AFTER_ISSUE) != 0) &&
	    issue(c, label, request, post, e) != 0)
		return -1;
	if (good)
		return give_issued(c, label, post->issued, ret, e);
	return label->status != 0 ? give_status(label, ret, e) : 0;
}

/* The sender's fault becomes a 400, ours an error. */
static int blame(struct est_answer *ret, struct err *e)
{
	struct err why = *e;

	if (why.domain != ERR_DEVICE)
		return -1;
	buf_clear(&ret->body);
	ret->is_base64 = false;
	ret->flaws = 0;
	ret->delay_ms = 0;
	return say(ret, 400, why.message, e);
}

static int enrol(const struct call *c, struct est_answer *ret, struct err *e)
{
	AUTO_STRUCT(post)
	post = {
		.operation = c->operation,
		.label = c->label->name,
		.begun_us = clock_cpu_us(),
	};
	AUTO(X509_REQ) *request = NULL;
	struct err second = { 0 }; /* a failing log does not hide the first error */
	const char *text;
	int refused = check_client(c->request, &text);
	int rc;

	if (refused != 0)
		rc = say(ret, refused, text, e);
	else if (read_request(c, &post, &request, e) != 0)
		rc = blame(ret, e);
	else if (fulfil(c, label_for_post(c->label, post.number), request, &post, ret, e) != 0)
		rc = blame(ret, e);
	else
		rc = 0;
	post.status = rc == 0 ? ret->status : 500;
	if (post_log(&post, c->est->log_fd, rc == 0 ? e : &second) != 0)
		return -1;
	return rc;
}

static const struct route {
	const char *name;
	const char *method;
	int (*run)(const struct call *c, struct est_answer *ret, struct err *e);
} routes[] = {
	{ "cacerts", "GET", cacerts },
	{ "csrattrs", "GET", csrattrs },
	{ "simpleenroll", "POST", enrol },
	{ "simplereenroll", "POST", enrol },
};

static const struct route *route_find(const char *name)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (strcmp(routes[i].name, name) == 0)
			return &routes[i];
	return NULL;
}

/* NULL: no such label. */
static const struct label *label_named(const char *text, size_t len)
{
	char name[LABEL_MAX] = "";

	if (len == 0 || len >= sizeof(name))
		return NULL;
	memcpy(name, text, len);
	return label_find(name);
}

/*
 * "/.well-known/est/[LABEL/]OPERATION", or "/LABEL/.well-known/est/OPERATION" for clients that take
 * what they are given as the folder above the well-known one (strongSwan). NULL label: no such path.
 */
static void split(const char *path, const struct label **ret_label, const char **ret_operation)
{
	const char *prefix_at = strstr(path, prefix);
	const char *inside, *slash;

	*ret_label = NULL;
	*ret_operation = "";
	if (prefix_at == NULL)
		return;
	inside = prefix_at + strlen(prefix);
	slash = strchr(inside, '/');
	*ret_operation = slash != NULL ? slash + 1 : inside;
	if (slash != NULL && prefix_at == path)
		*ret_label = label_named(inside, (size_t)(slash - inside));
	else if (slash == NULL && prefix_at == path)
		*ret_label = label_find("");
	else if (slash == NULL && path[0] == '/')
		*ret_label = label_named(path + 1, (size_t)(prefix_at - path - 1));
}

int est_handle(struct est *est, const struct est_request *request, struct est_answer *ret,
    struct err *e)
{
	struct call c = { .est = est, .request = request };
	const struct route *route;

	split(request->path, &c.label, &c.operation);
	if (c.label == NULL)
		return say(ret, 404, "no such path or label: kiln-devca --labels lists the labels",
		    e);
	route = route_find(c.operation);
	if (route == NULL)
		return say(ret, 404, "no such EST operation here", e);
	if (strcmp(request->method, route->method) != 0)
		return say(ret, 405, "the other method, please", e);
	return route->run(&c, ret, e);
}
