/* The piv driver over the card of piv_kit.h. */
#ifndef KILN_TEST_PIV_WORLD_H
#define KILN_TEST_PIV_WORLD_H

#include "driver.h"
#include "piv_kit.h"

/* A card, a profile, the driver over both. */
struct world {
	struct fake card;
	struct profile *profile;
	struct device *d;
	const struct driver *driver;
};

PIV_FN void world_open(struct world *w, const char *section, const char *algorithm)
{
	fake_init(&w->card);
	w->profile = piv_profile(section, algorithm);
	w->d = fake_open(&w->card, w->profile, NULL);
	w->driver = w->d->driver;
}

PIV_FN void world_close(struct world *w)
{
	w->driver->close(w->d);
	profile_free(w->profile);
	fake_free(&w->card);
}

PIV_FN void make_key(struct world *w)
{
	const struct key_spec spec = { w->profile->key_algorithm, true };
	struct err e = { 0 };

	assert_ok(w->driver->keygen(w->d, &spec, &e), &e);
}

PIV_FN int request(struct world *w, struct buf *ret, struct err *e)
{
	const struct identity unit = { .model = "UT1", .serial = "20000001" };
	AUTO_STRUCT(subject) subject = { 0 };

	assert_ok(subject_render(&subject, w->profile, &unit, e), e);
	return w->driver->request(w->d, &subject, ret, e);
}

PIV_FN void store(struct world *w, const char *file, uint32_t object)
{
	AUTO_STRUCT(buf) der = { 0 };
	struct buf *content = fake_object(&w->card, object, true);

	testing_read(testing_vector(file), &der);
	fake_tlv(content, 0x70, der.data, der.len);
	fake_tlv(content, 0x71, "", 1);
	fake_tlv(content, 0xfe, NULL, 0);
}

#endif
