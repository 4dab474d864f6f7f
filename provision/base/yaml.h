/*
 * Strict YAML: what people write by hand (station.yaml, profiles). A subset of YAML 1.2 read with
 * libfyaml: one document of maps, lists and scalars. Duplicate keys, a second document, anchors,
 * aliases, tags, NUL and bad UTF-8 are errors; the getters refuse what is unknown. Every error is
 * of domain CONFIG, code "yaml", and begins with "name:line:col: ".
 */
#ifndef KILN_YAML_H
#define KILN_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "own.h"

struct yaml;
struct yaml_node; /* borrowed from its struct yaml */

/* name is what errors call the text (a path). The text is copied. */
must_check int yaml_parse(struct yaml **ret, const char *name, const char *text, size_t len,
    struct err *e);
void yaml_free(struct yaml *y);
OWNED_PTR(yaml, yaml_free)

/*
 * The text with the node at path ("/trust/issuer/file") replaced by value (YAML text of one node);
 * the path's parents exist. Comments may be lost. Appended to ret.
 */
must_check int yaml_replace(const char *name, const char *text, size_t len, const char *path,
    const char *value, struct buf *ret, struct err *e);

/* The root, always a map. */
const struct yaml_node *yaml_root(const struct yaml *y);

/* "name:line:col: <fmt>" with the position of the node. Returns -1. */
int yaml_error(const struct yaml_node *n, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The node is a map with no other keys than these (NULL at the end); the error lists them. */
must_check int yaml_keys(const struct yaml_node *map, const char *const keys[], struct err *e);

/* The member, or NULL where the map has none. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* The member, which must be a map / a list / (if required) there. *ret is NULL where it is absent. */
must_check int yaml_map(const struct yaml_node *map, const char *key, bool required,
    const struct yaml_node **ret, struct err *e);
must_check int yaml_list(const struct yaml_node *map, const char *key, bool required,
    const struct yaml_node **ret, struct err *e);

/* Elements of a list; position of a node. */
bool yaml_is_list(const struct yaml_node *n);
bool yaml_is_map(const struct yaml_node *n);
size_t yaml_len(const struct yaml_node *list);
const struct yaml_node *yaml_at(const struct yaml_node *list, size_t i);
int yaml_line(const struct yaml_node *n);

/* Keys of a map by position, for maps whose keys are data. Borrowed. */
const char *yaml_key_at(const struct yaml_node *map, size_t i);
const struct yaml_node *yaml_value_at(const struct yaml_node *map, size_t i);

/* Scalars of a node. Borrowed. A quoted scalar is never a number or a bool. */
must_check int yaml_text(const struct yaml_node *n, const char **ret, struct err *e);
must_check int yaml_number(const struct yaml_node *n, int64_t min, int64_t max, int64_t *ret,
    struct err *e);

/* Scalars of a map. fallback NULL makes a string required; the int and bool keep *ret as it is
 * where the key is absent and not required. */
must_check int yaml_str(const struct yaml_node *map, const char *key, const char *fallback,
    const char **ret, struct err *e);
must_check int yaml_int(const struct yaml_node *map, const char *key, bool required, int64_t min,
    int64_t max, int64_t *ret, struct err *e);
must_check int yaml_bool(const struct yaml_node *map, const char *key, bool required, bool *ret,
    struct err *e);
/* One of names (NULL at the end); *ret is its index. The error lists the accepted values. */
must_check int yaml_enum(const struct yaml_node *map, const char *key, bool required,
    const char *const names[], int *ret, struct err *e);

#endif
