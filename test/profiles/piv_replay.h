/* A card that plays a recorded transcript, and what must follow from it. */
#ifndef KILN_TEST_PIV_REPLAY_H
#define KILN_TEST_PIV_REPLAY_H

#include "piv_kit.h"

/* A card that knows one step of a transcript. */
struct replay {
	json_t *file;
	const json_t *apdus;
	size_t at;
};

PIV_FN void replay_open(struct replay *r, const char *name)
{
	const char *path = testing_vector(name);

	if (path == NULL)
		testing_skip("the PIV vectors");
	*r = (struct replay){ .file = testing_json(path) };
}

PIV_FN const json_t *step_at(const struct replay *r, size_t i)
{
	return json_array_get(json_object_get(r->file, "steps"), i);
}

PIV_FN const char *step_name_of(const json_t *step)
{
	return json_string_value(json_object_get(step, "step"));
}

PIV_FN void begin(struct replay *r, const char *name)
{
	for (size_t i = 0; step_at(r, i) != NULL; i++) {
		if (strcmp(step_name_of(step_at(r, i)), name) != 0)
			continue;
		r->apdus = json_object_get(step_at(r, i), "apdus");
		r->at = 0;
		return;
	}
	fail_msg("no step %s", name);
}

PIV_FN const char *member(const struct replay *r, size_t i, const char *key)
{
	return json_string_value(json_object_get(json_array_get(r->apdus, i), key));
}

PIV_FN int replay_power_on(void *context, int64_t deadline, struct err *e)
{
	(void)context;
	(void)deadline;
	(void)e;
	return 0;
}

/* The commands are those of the transcript; how much GET RESPONSE asks for is the host's own affair. */
PIV_FN int replay_transmit(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	struct replay *r = context;
	AUTO_STRUCT(buf) want = { 0 };

	(void)deadline;
	(void)e;
	assert_true(r->at < json_array_size(r->apdus));
	testing_hex(member(r, r->at, "c"), &want);
	if (want.data[1] == PIV_INS_GET_RESPONSE)
		want.data[want.len - 1] = apdu->data[apdu->len - 1];
	assert_int_equal(apdu->len, want.len);
	assert_memory_equal(apdu->data, want.data, want.len);
	testing_hex(member(r, r->at++, "r"), ret);
	return 0;
}

static const struct piv_reader replay_reader __attribute__((unused)) = {
	.power_on = replay_power_on,
	.transmit = replay_transmit,
};

PIV_FN struct piv_card replay_card(struct replay *r)
{
	return (struct piv_card){ .reader = &replay_reader, .context = r, .deadline = INT64_MAX };
}

PIV_FN void replay_ends(const struct replay *r)
{
	assert_int_equal(r->at, json_array_size(r->apdus));
}

static json_t *conclusions; /* what must follow */

PIV_FN const json_t *conclusion(const char *group, const char *name)
{
	const json_t *value = json_object_get(json_object_get(conclusions, group), name);

	assert_non_null(value);
	return value;
}

PIV_FN void file_of(const char *group, const char *name, struct buf *ret)
{
	char path[100];

	(void)snprintf(path, sizeof(path), "piv/%s", json_string_value(conclusion(group, name)));
	testing_read(testing_vector(path), ret);
}

PIV_FN int open_conclusions(void **state)
{
	const char *path = testing_vector("piv/conclusions.json");

	(void)state;
	if (path != NULL)
		conclusions = testing_json(path);
	return 0;
}

PIV_FN int close_conclusions(void **state)
{
	(void)state;
	json_decref(conclusions);
	return 0;
}

static const struct {
	const char *group, *generate, *sign, *put, *get, *algorithm;
} slots[] = {
	{ "p256", "generate-p256", "sign-p256", "put-certificate-p256", "get-certificate-p256",
	    "EC:P-256" },
	{ "p384", "generate-p384", "sign-p384-first", "put-certificate-p384",
	    "get-certificate-p384", "EC:P-384" },
	{ "rsa2048", "generate-rsa2048", "sign-rsa2048", "put-certificate-rsa2048",
	    "get-certificate-rsa2048", "RSA:2048" },
};

/* The options of a profile for that slot. */
PIV_FN struct profile *options_of(size_t i, struct piv_options *ret)
{
	struct profile *p;
	char section[200];
	struct err e = { 0 };

	(void)snprintf(section, sizeof(section),
	    "{ identity: serial, factory_secrets: true, slot: \"%s\" }",
	    json_string_value(conclusion(slots[i].group, "slot")));
	p = piv_profile(section, slots[i].algorithm);
	assert_ok(piv_options_read(p, ret, &e), &e);
	return p;
}

#endif
