/*
 * What went wrong, in one value. A function that can fail returns 0 or -1 and fills the struct err
 * that is its last parameter. The domain tells the operator whom to call, the scope what stops.
 */
#ifndef KILN_ERR_H
#define KILN_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_domain {
	ERR_NONE,
	ERR_LINK,     /* reseat the cable */
	ERR_DEVICE,   /* red bin */
	ERR_CA,       /* call the CA desk */
	ERR_CERT,     /* stop the line: the CA issued something else */
	ERR_HSM,      /* call the engineer */
	ERR_RECORDS,  /* call the engineer */
	ERR_CONFIG,   /* call the engineer */
	ERR_OPERATOR, /* look at the screen */
};

enum err_scope {
	SCOPE_UNIT,    /* this unit fails */
	SCOPE_SLOT,    /* this position of the fixture is unusable */
	SCOPE_STATION, /* not the unit's fault: it is parked and never counted as a FAIL */
};

/* A zeroed struct is "no error". It owns nothing. */
struct err {
	enum err_domain domain;
	enum err_scope scope;
	bool retry;        /* the very same call may succeed; only the step table retries */
	char code[40];     /* stable name of the refusal: "csr.pop", "link.gone" */
	char message[480]; /* one lower-case line for people, printable, no secret */
};

/*
 * Fills e and returns -1. The scope is the domain's usual one: link, device, cert and operator
 * errors concern the unit, the others the station. code is a literal of at most 39 characters.
 * Bytes that are not printable ASCII are rendered as '?': a message may quote a device.
 */
int err_set(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int err_vset(struct err *e, enum err_domain domain, const char *code, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

/* As err_set with the text of errno appended. */
int err_errno(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* As err_set with the newest OpenSSL error appended, where there is one; empties OpenSSL's queue. */
int err_openssl(struct err *e, enum err_domain domain, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

int err_nomem(struct err *e);

/* Puts "<fmt>: " before the message, once, where the context is known. Returns -1. */
int err_while(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Both return -1, to be used as: return err_retry(err_set(...), e). */
int err_retry(int rc, struct err *e);
int err_scope(int rc, struct err *e, enum err_scope scope);

bool err_is(const struct err *e, const char *code);
const char *err_domain_name(enum err_domain domain);
const char *err_scope_name(enum err_scope scope);
/* What the operator does now, by domain: one imperative sentence. The station knows more by code. */
const char *err_advice(enum err_domain domain);

/* The reverse of the names; false where the name is unknown (the value is then untouched). */
bool err_domain_parse(const char *name, enum err_domain *ret);
bool err_scope_parse(const char *name, enum err_scope *ret);

#endif
