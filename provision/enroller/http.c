#include "http.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <openssl/err.h>

#include "clock.h"
#include "failpoint.h"
#include "tls_client.h"
#include "url.h"
#include "version.h"

struct http {
	CURL *curl;
	struct buf url;
	struct buf anchors;
	struct tls_client tls;
	struct curl_slist *headers;
	struct secret authorization;
	char why[CURL_ERROR_SIZE];

	/* The running request. */
	struct http_answer *answer;
	const struct buf *body; /* NULL for a GET */
	size_t body_done;
	size_t header_bytes;
	int line_status; /* of the header block being read */
};

int http_init(struct err *e)
{
	static const char *const steering[] = { "SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE",
		"OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "CURL_CA_BUNDLE",
		"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy",
		"NO_PROXY" };

	for (size_t i = 0; i < COUNT(steering); i++)
		if (unsetenv(steering[i]) != 0)
			return err_errno(e, ERR_CONFIG, "est.init", "cleaning the environment");
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return err_set(e, ERR_CONFIG, "est.init", "libcurl does not start");
	return 0;
}

void http_exit(void)
{
	curl_global_cleanup();
}

/*
 * libcurl posts again, silently, when a kept-alive connection dies before the answer came; that
 * would ask the CA for a second certificate. It is stopped three times: no new connection once a
 * POST has begun, no second start of a request, and a body that can not be rewound.
 */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	const struct http *h = context;

	(void)purpose; /* the hook's shape */
	if (h->answer->posts > 0)
		return CURL_SOCKET_BAD;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int before_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
	struct http *h = context;

	(void)peer; /* the hook's shape */
	(void)local;
	(void)peer_port;
	(void)local_port;
	if (h->answer->posts > 0)
		return CURL_PREREQFUNC_ABORT;
	FAILPOINT("http.request");
	h->answer->sent = true;
	h->answer->posts += h->body != NULL;
	return CURL_PREREQFUNC_OK;
}

static int refuse_rewind(void *context, curl_off_t offset, int origin)
{
	const struct http *h = context;

	(void)offset; /* the hook's shape */
	(void)origin;
	/* At the start of a request libcurl may still want to rewind the one before. */
	return h->body_done == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t give_body(char *room, size_t size, size_t count, void *context)
{
	struct http *h = context;
	size_t left = h->body->len - h->body_done;
	size_t len = size * count < left ? size * count : left;

	FAILPOINT("http.body");
	memcpy(room, h->body->data + h->body_done, len);
	h->body_done += len;
	return len;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct http *h = context;
	size_t len = size * count;

	if (len > HTTP_BODY_MAX - h->answer->body.len) {
		(void)err_set(&h->answer->why, ERR_CA, "est.too-long",
		    "the CA's answer has more than %d bytes", HTTP_BODY_MAX);
		return 0;
	}
	return buf_add(&h->answer->body, data, len, &h->answer->why) == 0 ? len : 0;
}

/* "HTTP/1.1 200 OK" opens a block, an empty line ends it; blocks of 1xx come before the final
 * one. */
static size_t take_header(char *data, size_t size, size_t count, void *context)
{
	struct http *h = context;
	size_t len = size * count;
	int status;

	if (h->header_bytes == 0)
		FAILPOINT("http.answer");
	h->tls.settled = true;
	h->header_bytes += len;
	if (h->header_bytes > HTTP_HEADER_MAX) {
		(void)err_set(&h->answer->why, ERR_CA, "est.too-long",
		    "the header of the CA's answer has more than %d bytes", HTTP_HEADER_MAX);
		return 0;
	}
	if (len >= 12 && memcmp(data, "HTTP/1.", 7) == 0) {
		char line[13];

		memcpy(line, data, 12);
		line[12] = '\0';
		h->line_status = sscanf(line + 8, "%3d", &status) == 1 ? status : 0;
	}
	if (h->line_status >= 200 && (data[0] == '\r' || data[0] == '\n')) {
		h->answer->answered = true;
		h->answer->status = h->line_status;
	}
	return len;
}

static CURLcode set_up_tls(CURL *curl, void *tls, void *context)
{
	struct http *h = context;

	(void)curl; /* the hook's shape */
	return tls_client_attach(&h->tls, tls) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static int add_header(struct curl_slist **list, const char *header, struct err *e)
{
	struct curl_slist *longer = curl_slist_append(*list, header);

	if (longer == NULL)
		return err_nomem(e);
	*list = longer;
	return 0;
}

static void free_headers(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at != NULL; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(list);
}

static int add_authorization(struct http *h, const struct secret *value, struct err *e)
{
	AUTO_STRUCT(buf) header = { 0 };
	const char *text = secret_reveal(value);
	const char *line;

	if (secret_len(value) == 0)
		return err_set(e, ERR_CONFIG, "est.credential", "the CA's credential is empty");
	for (const char *p = text; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return err_set(e, ERR_CONFIG, "est.credential",
			    "the CA's credential holds a character that a header can not carry");
	if (secret_set(&h->authorization, text, strlen(text), e) != 0 ||
	    buf_add_str(&header, "Authorization: ", e) != 0 || buf_add_str(&header, text, e) != 0)
		return -1;
	line = buf_str(&header, e);
	return line != NULL ? add_header(&h->headers, line, e) : -1;
}

/* What no request changes: promises of http.h. */
static const struct {
	CURLoption option;
	long value;
} settings[] = {
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	/* Each connection checks the CA and proves our key anew. */
	{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
	{ CURLOPT_MAXCONNECTS, 1 },
	{ CURLOPT_NOSIGNAL, 1 },
};

static bool set_settings(struct http *h)
{
	struct curl_blob anchors = { h->anchors.data, h->anchors.len, CURL_BLOB_NOCOPY };
	CURL *c = h->curl;

	for (size_t i = 0; i < COUNT(settings); i++)
		if ((curl_easy_setopt)(c, settings[i].option, settings[i].value) != CURLE_OK)
			return false;
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &anchors) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->why) == CURLE_OK;
}

static bool set_hooks(struct http *h)
{
	CURL *c = h->curl;

	return curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, set_up_tls) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_request) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PREREQDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, refuse_rewind) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_SEEKDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HEADERDATA, h) == CURLE_OK;
}

static int copy_config(struct http *h, const struct http_config *config, struct err *e)
{
	AUTO(X509_STACK) *anchors = NULL;
	size_t len = strlen(config->url);

	if (url_check(config->url, e) != 0)
		return -1;
	if (x509_parse_pem("the CA's trust anchors", config->anchors, &anchors, ERR_CONFIG, e) != 0)
		return -1;
	if ((config->certificate != NULL) == (config->authorization != NULL))
		return err_set(e, ERR_CONFIG, "est.credential",
		    "the CA needs either a client certificate or an HTTP credential, and never "
		    "both");
	while (len > 0 && config->url[len - 1] == '/')
		len--;
	if (buf_add(&h->url, config->url, len, e) != 0 ||
	    buf_add(&h->anchors, config->anchors->data, config->anchors->len, e) != 0)
		return -1;
	if (config->certificate == NULL)
		return 0;
	return tls_client_set(&h->tls, config->certificate, config->chain, config->key, e);
}

static int add_headers(struct http *h, const struct http_config *config, struct err *e)
{
	AUTO_STRUCT(buf) agent = { 0 };
	const char *line;

	if (buf_printf(&agent, e, "User-Agent: kiln/%s", kiln_version()) != 0)
		return -1;
	line = buf_str(&agent, e);
	if (line == NULL || add_header(&h->headers, line, e) != 0 ||
	    add_header(&h->headers, "Expect:", e) != 0)
		return -1;
	return config->authorization != NULL ? add_authorization(h, config->authorization, e) : 0;
}

int http_open(struct http **ret, const struct http_config *config, struct err *e)
{
	AUTO_PTR(http) *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_nomem(e);
	if (copy_config(h, config, e) != 0 || add_headers(h, config, e) != 0)
		return -1;
	h->curl = curl_easy_init();
	if (h->curl == NULL || !set_settings(h) || !set_hooks(h))
		return err_set(e, ERR_CONFIG, "est.init",
		    "libcurl does not offer what the CA link needs");
	*ret = steal(&h);
	return 0;
}

void http_close(struct http *h)
{
	if (h == NULL)
		return;
	if (h->curl != NULL)
		curl_easy_cleanup(h->curl); /* the connection and its use of the key end here */
	free_headers(h->headers);
	secret_free(&h->authorization);
	tls_client_free(&h->tls);
	buf_free(&h->url);
	buf_free(&h->anchors);
	free(h);
}

/*
 * True unless the kept-alive connection has something to say between two requests: that is its end.
 * To libcurl a TLS close_notify looks like life, and a request sent after it would be lost.
 */
static bool connection_is_quiet(CURL *c)
{
	struct pollfd p = { .events = POLLIN | POLLRDHUP };

	if (curl_easy_getinfo(c, CURLINFO_ACTIVESOCKET, &p.fd) != CURLE_OK ||
	    p.fd == CURL_SOCKET_BAD)
		return true;
	return poll(&p, 1, 0) == 0;
}

static int set_request(struct http *h, const char *path, struct curl_slist *headers,
    int64_t deadline, struct err *e)
{
	AUTO_STRUCT(buf) url = { 0 };
	CURL *c = h->curl;
	long left = clock_left_ms(deadline); /* 0 would be for ever */
	const char *text;
	bool bad = false;

	if (buf_add(&url, h->url.data, h->url.len, e) != 0 || buf_add_str(&url, path, e) != 0)
		return -1;
	text = buf_str(&url, e);
	if (text == NULL)
		return -1;
	if (h->body == NULL) {
		bad |= curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) != CURLE_OK;
	} else {
		curl_off_t len = (curl_off_t)h->body->len;

		bad |= curl_easy_setopt(c, CURLOPT_POST, 1L) != CURLE_OK;
		bad |= curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, len) != CURLE_OK;
	}
	bad |= curl_easy_setopt(c, CURLOPT_URL, text) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, left > 0 ? left : 1L) != CURLE_OK;
	bad |= curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, connection_is_quiet(c) ? 0L : 1L) !=
	       CURLE_OK;
	return bad ? err_nomem(e) : 0;
}

/* Where no earlier hook said why. */
static void explain(struct http *h, CURLcode rc)
{
	static const struct {
		CURLcode rc;
		const char *code;
		const char *text;
	} known[] = {
		{ CURLE_COULDNT_RESOLVE_HOST, "est.name", "the CA's name is not known" },
		{ CURLE_COULDNT_CONNECT, "est.connect", "the CA can not be reached" },
		{ CURLE_OPERATION_TIMEDOUT, "est.timeout", "the CA did not answer in time" },
		{ CURLE_PEER_FAILED_VERIFICATION, "est.server-certificate",
		    "the server is not the CA that we trust" },
		{ CURLE_SSL_CERTPROBLEM, "est.client-key",
		    "the station's TLS key can not be used" },
		{ CURLE_SSL_CONNECT_ERROR, "est.tls", "no TLS with the CA" },
		{ CURLE_PARTIAL_FILE, "est.cut", "the CA's answer was cut off" },
	};
	const char *why = h->why[0] != '\0' ? h->why : curl_easy_strerror(rc);
	struct err *e = &h->answer->why;
	long verified = X509_V_OK;

	if (h->answer->refused) {
		(void)err_set(e, ERR_CA, "est.client-certificate",
		    "the CA's TLS refused the station's certificate: %s", why);
		return;
	}
	if (h->answer->sent && rc == CURLE_COULDNT_CONNECT) {
		(void)err_set(e, ERR_CA, "est.lost",
		    "the CA closed the connection without an answer");
		return;
	}
	for (size_t i = 0; i < COUNT(known); i++) {
		if (rc != known[i].rc)
			continue;
		(void)err_set(e, ERR_CA, known[i].code, "%s: %s", known[i].text, why);
		if (curl_easy_getinfo(h->curl, CURLINFO_SSL_VERIFYRESULT, &verified) == CURLE_OK)
			tls_client_add_clock(verified, e);
		return;
	}
	(void)err_set(e, ERR_CA, "est.lost", "the connection to the CA was lost: %s", why);
}

static void copy_header(CURL *c, const char *name, char ret[static HTTP_VALUE_MAX])
{
	struct curl_header *header;

	if (curl_easy_header(c, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		(void)snprintf(ret, HTTP_VALUE_MAX, "%s", header->value); /* cut, see http.h */
}

/* Two lengths: the end of the answer is anybody's guess, which libcurl does not report. */
static bool lengths_disagree(CURL *c)
{
	struct curl_header *first, *other;

	if (curl_easy_header(c, "Content-Length", 0, CURLH_HEADER, -1, &first) != CURLHE_OK)
		return false;
	for (size_t i = 1; i < first->amount; i++) {
		char value[HTTP_VALUE_MAX];

		(void)snprintf(value, sizeof(value), "%s", first->value);
		if (curl_easy_header(c, "Content-Length", i, CURLH_HEADER, -1, &other) !=
			CURLHE_OK ||
		    strcmp(value, other->value) != 0)
			return true;
	}
	return false;
}

static void collect(struct http *h, CURLcode rc)
{
	struct http_answer *a = h->answer;

	if (a->answered) {
		copy_header(h->curl, "Content-Type", a->content_type);
		copy_header(h->curl, "Retry-After", a->retry_after);
		copy_header(h->curl, "WWW-Authenticate", a->challenge);
		copy_header(h->curl, "Date", a->date);
	}
	http_answer_hide(a, &h->authorization); /* it must not get into a message */
	a->refused = rc != CURLE_OK && tls_client_was_refused(&h->tls);
	a->complete = rc == CURLE_OK && a->answered && !lengths_disagree(h->curl);
	if (rc != CURLE_OK && a->why.code[0] == '\0')
		explain(h, rc);
	else if (!a->complete && a->why.code[0] == '\0')
		(void)err_set(&a->why, ERR_CA, "est.cut",
		    "the CA's answer contradicts itself about its length");
}

/* libcurl reads headers only while it performs. */
static int ask(struct http *h, const char *path, struct curl_slist *headers, int64_t deadline,
    struct http_answer *ret, struct err *e)
{
	int64_t start = clock_now_ms();

	http_answer_free(ret);
	if (start >= deadline) {
		(void)err_set(&ret->why, ERR_CA, "est.timeout", "no time was left to ask the CA");
		return 0;
	}
	if (set_request(h, path, headers, deadline, e) != 0)
		return -1;
	h->answer = ret;
	h->body_done = 0;
	h->header_bytes = 0;
	h->line_status = 0;
	h->tls.alert = 0;
	h->why[0] = '\0';
	ERR_clear_error();
	collect(h, curl_easy_perform(h->curl));
	FAILPOINT("http.answered");
	ERR_clear_error();
	ret->took_ms = clock_now_ms() - start;
	h->answer = NULL;
	h->body = NULL;
	return 0;
}

int http_get(struct http *h, const char *path, int64_t deadline, struct http_answer *ret,
    struct err *e)
{
	h->body = NULL;
	return ask(h, path, h->headers, deadline, ret, e);
}

int http_post(struct http *h, const char *path, const char *content_type, const struct buf *body,
    int64_t deadline, struct http_answer *ret, struct err *e)
{
	char line[HTTP_VALUE_MAX];
	struct curl_slist type = { .data = line, .next = h->headers };

	if (snprintf(line, sizeof(line), "Content-Type: %s", content_type) >= (int)sizeof(line))
		return err_set(e, ERR_CONFIG, "est.init", "the content type is too long");
	h->body = body;
	return ask(h, path, &type, deadline, ret, e);
}

struct http_peer http_peer(const struct http *h)
{
	return (struct http_peer){ .tls = h->tls.version, .certificate = h->tls.peer };
}
