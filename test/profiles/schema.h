/* The part of JSON Schema 2020-12 that profile.schema.json uses. A keyword it does not know fails. */
#ifndef KILN_TEST_SCHEMA_H
#define KILN_TEST_SCHEMA_H

#include <regex.h>
#include <string.h>

#include "testing.h"

#define SCHEMA_FN __attribute__((unused)) static

SCHEMA_FN bool schema_accepts(const json_t *root, const json_t *schema, const json_t *value);

SCHEMA_FN bool schema_type(const char *type, const json_t *v)
{
	if (strcmp(type, "object") == 0)
		return json_is_object(v);
	if (strcmp(type, "array") == 0)
		return json_is_array(v);
	if (strcmp(type, "string") == 0)
		return json_is_string(v);
	if (strcmp(type, "integer") == 0)
		return json_is_integer(v);
	assert_string_equal(type, "boolean");
	return json_is_boolean(v);
}

SCHEMA_FN bool schema_matches(const char *pattern, const char *text)
{
	regex_t compiled;
	bool matches;

	assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB), 0);
	matches = regexec(&compiled, text, 0, NULL, 0) == 0;
	regfree(&compiled);
	return matches;
}

SCHEMA_FN bool schema_is_unique(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		for (size_t k = 0; k < i; k++)
			if (json_equal(json_array_get(list, i), json_array_get(list, k)))
				return false;
	return true;
}

SCHEMA_FN size_t schema_count(const json_t *root, const json_t *schemas, const json_t *v)
{
	const json_t *schema;
	size_t i, count = 0;

	json_array_foreach(schemas, i, schema) count += schema_accepts(root, schema, v);
	return count;
}

SCHEMA_FN bool schema_contains(const json_t *list, const json_t *v)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) if (json_equal(item, v)) return true;
	return false;
}

SCHEMA_FN bool schema_object(const json_t *root, const json_t *schema, const json_t *v)
{
	const json_t *properties = json_object_get(schema, "properties"), *member, *required;
	const char *key;
	size_t i;

	if (!json_is_object(v))
		return true;
	json_array_foreach(json_object_get(schema, "required"), i,
	    required) if (json_object_get(v, json_string_value(required)) == NULL) return false;
	void *at = json_object_iter((json_t *)(uintptr_t)v);

	for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)v, at)) {
		key = json_object_iter_key(at);
		member = json_object_get(properties, key);
		if (member == NULL &&
		    json_is_false(json_object_get(schema, "additionalProperties")))
			return false;
		if (member != NULL && !schema_accepts(root, member, json_object_iter_value(at)))
			return false;
	}
	return true;
}

SCHEMA_FN bool schema_items(const json_t *root, const json_t *schema, const json_t *v)
{
	const json_t *item;
	size_t i;

	if (json_is_array(v))
		json_array_foreach(v, i,
		    item) if (!schema_accepts(root, schema, item)) return false;
	return true;
}

SCHEMA_FN bool schema_number(const char *keyword, int64_t bound, const json_t *v)
{
	size_t length = json_is_string(v) ? strlen(json_string_value(v)) : 0;

	if (strcmp(keyword, "minimum") == 0)
		return !json_is_integer(v) || json_integer_value(v) >= bound;
	if (strcmp(keyword, "maximum") == 0)
		return !json_is_integer(v) || json_integer_value(v) <= bound;
	if (strcmp(keyword, "minLength") == 0)
		return !json_is_string(v) || length >= (size_t)bound;
	if (strcmp(keyword, "maxLength") == 0)
		return !json_is_string(v) || length <= (size_t)bound;
	if (strcmp(keyword, "minItems") == 0)
		return !json_is_array(v) || json_array_size(v) >= (size_t)bound;
	if (strcmp(keyword, "maxItems") == 0)
		return !json_is_array(v) || json_array_size(v) <= (size_t)bound;
	if (strcmp(keyword, "minProperties") == 0)
		return !json_is_object(v) || json_object_size(v) >= (size_t)bound;
	if (strcmp(keyword, "maxProperties") == 0)
		return !json_is_object(v) || json_object_size(v) <= (size_t)bound;
	fail_msg("the schema uses %s", keyword);
	return false;
}

SCHEMA_FN const json_t *schema_ref(const json_t *root, const char *ref)
{
	const json_t *target;

	assert_int_equal(strncmp(ref, "#/$defs/", 8), 0);
	target = json_object_get(json_object_get(root, "$defs"), ref + 8);
	assert_non_null(target);
	return target;
}

SCHEMA_FN bool schema_keyword(const json_t *root, const json_t *schema, const char *keyword,
    const json_t *argument, const json_t *v)
{
	static const char *const silent[] = { "$schema", "$defs", "title", "description", "default",
		"additionalProperties", "required", "then" };

	for (size_t i = 0; i < COUNT(silent); i++)
		if (strcmp(keyword, silent[i]) == 0)
			return true;
	if (json_is_integer(argument))
		return schema_number(keyword, json_integer_value(argument), v);
	if (strcmp(keyword, "type") == 0)
		return schema_type(json_string_value(argument), v);
	if (strcmp(keyword, "$ref") == 0)
		return schema_accepts(root, schema_ref(root, json_string_value(argument)), v);
	if (strcmp(keyword, "properties") == 0)
		return true; /* schema_object */
	if (strcmp(keyword, "items") == 0)
		return schema_items(root, argument, v);
	if (strcmp(keyword, "enum") == 0)
		return schema_contains(argument, v);
	if (strcmp(keyword, "const") == 0)
		return json_equal(argument, v);
	if (strcmp(keyword, "pattern") == 0)
		return !json_is_string(v) ||
		       schema_matches(json_string_value(argument), json_string_value(v));
	if (strcmp(keyword, "uniqueItems") == 0)
		return !json_is_array(v) || schema_is_unique(v);
	if (strcmp(keyword, "anyOf") == 0)
		return schema_count(root, argument, v) > 0;
	if (strcmp(keyword, "oneOf") == 0)
		return schema_count(root, argument, v) == 1;
	if (strcmp(keyword, "allOf") == 0)
		return schema_count(root, argument, v) == json_array_size(argument);
	if (strcmp(keyword, "if") == 0)
		return !schema_accepts(root, argument, v) ||
		       schema_accepts(root, json_object_get(schema, "then"), v);
	fail_msg("the schema uses %s", keyword);
	return false;
}

SCHEMA_FN bool schema_accepts(const json_t *root, const json_t *schema, const json_t *value)
{
	void *at = json_object_iter((json_t *)(uintptr_t)schema);

	if (json_is_boolean(schema))
		return json_is_true(schema);
	for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)schema, at))
		if (!schema_keyword(root, schema, json_object_iter_key(at),
			json_object_iter_value(at), value))
			return false;
	return schema_object(root, schema, value);
}

#endif
