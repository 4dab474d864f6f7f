#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "own.h"

static const struct {
	const char *name;
	const char *advice;
	enum err_scope scope;
} domains[] = {
	[ERR_NONE] = { "none", "nothing to do", SCOPE_UNIT },
	[ERR_LINK] = { "link", "reseat the cable and try this unit again", SCOPE_UNIT },
	[ERR_DEVICE] = { "device", "put this unit into the red bin", SCOPE_UNIT },
	[ERR_CA] = { "ca", "call the CA desk; units wait and are not harmed", SCOPE_STATION },
	[ERR_CERT] = { "cert",
	    "stop the line and call the CA desk: the CA did not issue what was asked", SCOPE_UNIT },
	[ERR_HSM] = { "hsm", "call the engineer: the HSM does not work", SCOPE_STATION },
	[ERR_RECORDS] = { "records", "call the engineer: the records can not be read or written",
	    SCOPE_STATION },
	[ERR_CONFIG] = { "config", "call the engineer: the configuration is wrong", SCOPE_STATION },
	[ERR_OPERATOR] = { "operator", "read the message and act on it", SCOPE_UNIT },
};

static const char *const scopes[] = {
	[SCOPE_UNIT] = "unit",
	[SCOPE_SLOT] = "slot",
	[SCOPE_STATION] = "station",
};

static void make_printable(char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';
}

int err_vset(struct err *e, enum err_domain domain, const char *code, const char *fmt, va_list ap)
{
	e->domain = domain;
	e->scope = domains[domain].scope;
	e->retry = false;
	(void)snprintf(e->code, sizeof(e->code), "%s", code); /* codes are short */
	make_printable(e->code);                              /* and may come from a peer's line */
	(void)vsnprintf(e->message, sizeof(e->message), fmt, ap); /* cut, not refused */
	make_printable(e->message);
	return -1;
}

int err_set(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(e, domain, code, fmt, ap);
	va_end(ap);
	return -1;
}

static int append(struct err *e, const char *text)
{
	size_t len = strlen(e->message);

	(void)snprintf(e->message + len, sizeof(e->message) - len, ": %s", text);
	make_printable(e->message);
	return -1;
}

int err_errno(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(e, domain, code, fmt, ap);
	va_end(ap);
	return append(e, strerror(saved));
}

int err_openssl(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
{
	unsigned long last = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(last);
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(e, domain, code, fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return reason != NULL ? append(e, reason) : -1;
}

int err_nomem(struct err *e)
{
	return err_scope(err_set(e, ERR_CONFIG, "nomem", "out of memory"), e, SCOPE_STATION);
}

int err_while(struct err *e, const char *fmt, ...)
{
	char context[200];
	char message[sizeof(e->message)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(message, e->message, sizeof(message));
	(void)snprintf(e->message, sizeof(e->message), "%s: %s", context,
	    message); /* cut at the end */
	make_printable(e->message);
	return -1;
}

int err_retry(int rc, struct err *e)
{
	e->retry = true;
	return rc;
}

int err_scope(int rc, struct err *e, enum err_scope scope)
{
	e->scope = scope;
	return rc;
}

bool err_is(const struct err *e, const char *code)
{
	return strcmp(e->code, code) == 0;
}

const char *err_domain_name(enum err_domain domain)
{
	return domains[domain].name;
}

const char *err_scope_name(enum err_scope scope)
{
	return scopes[scope];
}

const char *err_advice(enum err_domain domain)
{
	return domains[domain].advice;
}

bool err_domain_parse(const char *name, enum err_domain *ret)
{
	for (size_t i = 0; i < COUNT(domains); i++) {
		if (strcmp(name, domains[i].name) == 0) {
			*ret = (enum err_domain)i;
			return true;
		}
	}
	return false;
}

bool err_scope_parse(const char *name, enum err_scope *ret)
{
	for (size_t i = 0; i < COUNT(scopes); i++) {
		if (strcmp(name, scopes[i]) == 0) {
			*ret = (enum err_scope)i;
			return true;
		}
	}
	return false;
}
