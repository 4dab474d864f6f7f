/*
 * jansson with kiln's habits: bytes are base64, a missing or mistyped member is a clear error that
 * names it, and what is parsed is bounded in size and depth.
 */
#ifndef KILN_JSON_H
#define KILN_JSON_H

#include <jansson.h>

#include "buf.h"
#include "err.h"
#include "own.h"

OWNED(json_t, json_decref)

enum { JSON_DEPTH_MAX = 16 };

/*
 * One JSON object from text. Duplicate members, NUL, invalid UTF-8, trailing text, another type and
 * more than JSON_DEPTH_MAX levels are errors (code "json", domain as given).
 */
must_check int json_parse(const char *text, size_t len, json_t **ret, enum err_domain domain,
    struct err *e);

/* Getters: the member exists and has the type, else an error of code "json". Borrowed from object. */
must_check int json_get_str(const json_t *object, const char *key, const char **ret,
    enum err_domain domain, struct err *e);
must_check int json_get_int(const json_t *object, const char *key, int64_t *ret,
    enum err_domain domain, struct err *e);
must_check int json_get_bool(const json_t *object, const char *key, bool *ret,
    enum err_domain domain, struct err *e);
must_check int json_get_object(const json_t *object, const char *key, json_t **ret,
    enum err_domain domain, struct err *e);
/* Base64 text into ret, whose old content is replaced. */
must_check int json_get_bytes(const json_t *object, const char *key, struct buf *ret,
    enum err_domain domain, struct err *e);
/* Optional members: the value, or fallback where the member is absent or of another type. */
const char *json_opt_str(const json_t *object, const char *key, const char *fallback);
int64_t json_opt_int(const json_t *object, const char *key, int64_t fallback);
bool json_opt_bool(const json_t *object, const char *key, bool fallback);

/* Setters. A NULL string is left out. */
must_check int json_set_str(json_t *object, const char *key, const char *value, struct err *e);
must_check int json_set_int(json_t *object, const char *key, int64_t value, struct err *e);
must_check int json_set_bool(json_t *object, const char *key, bool value, struct err *e);
must_check int json_set_bytes(json_t *object, const char *key, const uint8_t *data, size_t len,
    struct err *e);
must_check int json_set_hex(json_t *object, const char *key, const uint8_t *data, size_t len,
    struct err *e);
/* Takes over value (also on failure), which may be NULL after a failed constructor. */
must_check int json_set_new(json_t *object, const char *key, json_t *value, struct err *e);

/* The canonical form: no blanks, members sorted, UTF-8 as is. For what kiln writes (ASCII keys,
 * printable strings, integers) that is RFC 8785. Appended to ret. */
must_check int json_canonical(const json_t *value, struct buf *ret, struct err *e);

/* An error as {"domain","scope","code","message","retry"} and back. */
must_check json_t *json_from_err(const struct err *source);
/* Fills ret; an object that is no error is itself one. Returns -1 always, as err_set does. */
int json_to_err(const json_t *object, struct err *ret);

#endif
