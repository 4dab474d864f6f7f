#include "profile_read.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "subject.h"

enum { PATTERN_MAX = 200 };

/* Error "pattern" for one that is none. */
static int compile(const char *text, struct profile_pattern *ret, struct err *e)
{
	char whole[PATTERN_MAX + 8], why[100];
	int rc;

	(void)snprintf(whole, sizeof(whole), "^(%s)$", text); /* its length was checked */
	rc = regcomp(&ret->compiled, whole, REG_EXTENDED | REG_NOSUB);
	if (rc == 0) {
		ret->text = text;
		return 0;
	}
	(void)regerror(rc, &ret->compiled, why, sizeof(why));
	return rc == REG_ESPACE ? err_nomem(e) : err_set(e, ERR_CONFIG, "pattern", "%s", why);
}

/* regexec(3) of glibc calls it no match when memory runs out; re_search says -2. */
static int matches(const struct profile_pattern *p, const char *text, bool *ret, struct err *e)
{
	regex_t *compiled = (regex_t *)(uintptr_t)&p->compiled; /* its state is behind a lock */
	regoff_t at = re_search(compiled, text, (regoff_t)strnlen(text, INT_MAX), 0, 0, NULL);

	if (at < -1)
		return err_nomem(e);
	*ret = at == 0;
	return 0;
}

static int read_pattern(const struct yaml_node *map, const char *key, struct profile_pattern *ret,
    struct err *e)
{
	const struct yaml_node *n;
	struct err why = { 0 };
	const char *text;

	if (yaml_str(map, key, NULL, &text, e) < 0)
		return -1;
	n = yaml_get(map, key);
	if (text[0] == '\0' || strlen(text) > PATTERN_MAX)
		return profile_error(n, e, "a pattern has 1 to %d characters", PATTERN_MAX);
	if (compile(text, ret, &why) == 0)
		return 0;
	if (err_is(&why, "pattern"))
		return profile_error(n, e, "not a POSIX extended regular expression: %s",
		    why.message);
	*e = why;
	return -1;
}

static int read_optional(const struct yaml_node *identity, const char *key,
    struct profile_pattern *ret, struct err *e)
{
	static const char *const keys[] = { "pattern", NULL };
	const struct yaml_node *map;

	if (yaml_map(identity, key, false, &map, e) < 0)
		return -1;
	if (map == NULL)
		return 0;
	return yaml_keys(map, keys, e) < 0 ? -1 : read_pattern(map, "pattern", ret, e);
}

static bool is_printable(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

static int read_required(const struct yaml_node *identity, const char *key,
    struct profile_pattern *ret_pattern, const char **ret_example, struct err *e)
{
	static const char *const keys[] = { "pattern", "example", NULL };
	const struct yaml_node *map;
	bool fits;

	if (yaml_map(identity, key, true, &map, e) < 0 || yaml_keys(map, keys, e) < 0 ||
	    read_pattern(map, "pattern", ret_pattern, e) < 0 ||
	    yaml_str(map, "example", NULL, ret_example, e) < 0)
		return -1;
	if ((*ret_example)[0] == '\0' || strlen(*ret_example) > IDENTITY_MAX ||
	    !is_printable(*ret_example))
		return profile_error(yaml_get(map, "example"), e,
		    "an example has 1 to %d printable ASCII characters", IDENTITY_MAX);
	if (matches(ret_pattern, *ret_example, &fits, e) < 0)
		return -1;
	if (!fits)
		return profile_error(yaml_get(map, "example"), e,
		    "the example \"%s\" does not match the pattern %s", *ret_example,
		    ret_pattern->text);
	return 0;
}

int profile_read_identity(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "model", "serial", "firmware", "lifecycle", NULL };
	const struct yaml_node *map;
	char last;

	if (yaml_map(root, "identity", true, &map, e) < 0 || yaml_keys(map, keys, e) < 0 ||
	    read_required(map, "model", &p->model_pattern, &p->model_example, e) < 0 ||
	    read_required(map, "serial", &p->serial_pattern, &p->serial_example, e) < 0 ||
	    read_optional(map, "firmware", &p->firmware_pattern, e) < 0 ||
	    read_optional(map, "lifecycle", &p->lifecycle_pattern, e) < 0)
		return -1;
	last = p->serial_example[strlen(p->serial_example) - 1];
	if (last < '0' || last > '9')
		return profile_error(yaml_get(yaml_get(map, "serial"), "example"), e,
		    "the example of a serial ends in digits that count up");
	return 0;
}

void profile_free_identity(struct profile *p)
{
	struct profile_pattern *const patterns[] = { &p->model_pattern, &p->serial_pattern,
		&p->firmware_pattern, &p->lifecycle_pattern };

	for (size_t i = 0; i < COUNT(patterns); i++)
		if (patterns[i]->text != NULL)
			regfree(&patterns[i]->compiled);
}

int profile_expects(const struct profile *p, const char *serial, const char *model, struct err *e)
{
	bool fits;

	if (matches(&p->serial_pattern, serial, &fits, e) < 0)
		return -1;
	if (!fits)
		return err_set(e, ERR_CONFIG, "list", "serial %s does not match %s of profile %s",
		    serial, p->serial_pattern.text, p->product);
	if (model[0] != '\0' && matches(&p->model_pattern, model, &fits, e) < 0)
		return -1;
	if (!fits)
		return err_set(e, ERR_CONFIG, "list",
		    "serial %s: model %s does not match %s of profile %s", serial, model,
		    p->model_pattern.text, p->product);
	return 0;
}

int profile_match(const struct profile *p, const struct identity *i, struct err *e)
{
	const struct {
		const char *what, *code;
		const struct profile_pattern *pattern;
		const char *value;
	} fields[] = {
		{ "model", "identity.model", &p->model_pattern, i->model },
		{ "serial", "identity.serial", &p->serial_pattern, i->serial },
		{ "firmware", "identity.firmware", &p->firmware_pattern, i->firmware },
		{ "lifecycle", "identity.lifecycle", &p->lifecycle_pattern, i->lifecycle },
	};
	AUTO_STRUCT(subject) subject = { 0 };
	struct err why = { 0 };
	bool fits;

	for (size_t k = 0; k < COUNT(fields); k++) {
		if (fields[k].pattern->text == NULL)
			continue;
		if (matches(fields[k].pattern, fields[k].value, &fits, e) < 0)
			return -1;
		if (!fits)
			return err_set(e, ERR_DEVICE, fields[k].code,
			    "the device's %s \"%s\" does not match %s of profile %s",
			    fields[k].what, fields[k].value, fields[k].pattern->text, p->product);
	}
	if (i->serial[0] == '\0')
		return err_set(e, ERR_DEVICE, "identity.serial", "the device has no serial");
	if (subject_render(&subject, p, i, &why) == 0)
		return 0;
	if (!err_is(&why, "nomem"))
		return err_set(e, ERR_DEVICE, "identity.template",
		    "the device's identity does not fill the certificate's names: %s", why.message);
	*e = why;
	return -1;
}
