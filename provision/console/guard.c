#include "guard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

enum { SESSION_LEN = 16, SESSION_TEXT = 2 * SESSION_LEN };

int guard_init(struct guard *g, uint16_t port, struct err *e)
{
	*g = (struct guard){ 0 };
	(void)snprintf(g->host, sizeof(g->host), "127.0.0.1:%u", port);
	(void)snprintf(g->origin, sizeof(g->origin), "http://%s", g->host);
	(void)snprintf(g->cookie, sizeof(g->cookie), "kiln_%u", port);
	if (RAND_bytes(g->key, sizeof(g->key)) != 1)
		return err_openssl(e, ERR_CONFIG, "random", "making the sessions' key");
	return 0;
}

static bool is(const char *header, const char *value)
{
	return header != NULL && strcmp(header, value) == 0;
}

int guard_check(const struct guard *g, const struct guard_head *h, struct err *e)
{
	if (!is(h->host, g->host))
		return err_set(e, ERR_OPERATOR, "console.host",
		    "this console is at http://%s/ and has no other name", g->host);
	if (h->site != NULL && !is(h->site, "same-origin") && !is(h->site, "none"))
		return err_set(e, ERR_OPERATOR, "console.site",
		    "another page may not ask this console");
	return 0;
}

/* The value of the session's cookie among a Cookie header's, SESSION_TEXT hex digits; else NULL. */
static const char *find_session(const struct guard *g, const char *cookie)
{
	size_t name = strlen(g->cookie);

	while (cookie != NULL) {
		cookie += strspn(cookie, " ");
		if (strncmp(cookie, g->cookie, name) == 0 && cookie[name] == '=') {
			const char *value = cookie + name + 1;
			size_t len = strspn(value, "0123456789abcdef");

			if (len == SESSION_TEXT && (value[len] == '\0' || value[len] == ';'))
				return value;
		}
		cookie = strchr(cookie, ';');
		if (cookie != NULL)
			cookie++;
	}
	return NULL;
}

static int make_token(const struct guard *g, const char *session, char ret[static GUARD_TOKEN],
    struct err *e)
{
	uint8_t mac[SHA256_LEN];

	if (HMAC(EVP_sha256(), g->key, sizeof(g->key), (const uint8_t *)session, SESSION_TEXT, mac,
		NULL) == NULL)
		return err_openssl(e, ERR_CONFIG, "random", "making a session's token");
	hex_encode(mac, sizeof(mac), ret);
	return 0;
}

static int check_token(const struct guard *g, const struct guard_head *h, struct err *e)
{
	const char *session = find_session(g, h->cookie);
	char token[GUARD_TOKEN];

	if (session != NULL && make_token(g, session, token, e) != 0)
		return -1;
	if (session == NULL || h->token == NULL || strlen(h->token) != sizeof(token) - 1 ||
	    CRYPTO_memcmp(h->token, token, sizeof(token) - 1) != 0)
		return err_set(e, ERR_OPERATOR, "console.token",
		    "X-Kiln-Token is not the one of this session: load the page again");
	return 0;
}

static int check_origin(const struct guard *g, const struct guard_head *h, struct err *e)
{
	if (h->origin != NULL ? is(h->origin, g->origin) : is(h->site, "same-origin"))
		return 0;
	return err_set(e, ERR_OPERATOR, "console.origin",
	    "only the page of this console may do that");
}

int guard_check_page(const struct guard *g, const struct guard_head *h, struct err *e)
{
	if (guard_check(g, h, e) != 0 || check_origin(g, h, e) != 0)
		return -1;
	return check_token(g, h, e);
}

int guard_check_deed(const struct guard *g, const struct guard_head *h, struct err *e)
{
	if (guard_check(g, h, e) != 0 || check_origin(g, h, e) != 0)
		return -1;
	if (h->type == NULL || strcasecmp(h->type, "application/json") != 0)
		return err_set(e, ERR_OPERATOR, "console.type",
		    "the Content-Type is application/json");
	return check_token(g, h, e);
}

int guard_session(const struct guard *g, const char *cookie, char ret_token[static GUARD_TOKEN],
    char ret_cookie[static GUARD_COOKIE], struct err *e)
{
	const char *known = find_session(g, cookie);
	char session[SESSION_TEXT + 1];
	uint8_t fresh[SESSION_LEN];

	if (known == NULL && RAND_bytes(fresh, sizeof(fresh)) != 1)
		return err_openssl(e, ERR_CONFIG, "random", "making a session");
	if (known == NULL)
		hex_encode(fresh, sizeof(fresh), session);
	else
		(void)snprintf(session, sizeof(session), "%.*s", SESSION_TEXT, known);
	(void)snprintf(ret_cookie, GUARD_COOKIE, "%s=%s; Path=/; HttpOnly; SameSite=Strict",
	    g->cookie, session);
	return make_token(g, session, ret_token, e);
}
