#include "check_options.h"
#include "check_proof.h"
#include "family.h"

static int check_options(const struct profile *p, struct err *e)
{
	struct spdm_options options;

	return spdm_options_read(p, &options, e);
}

extern const struct family spdm_family; /* the build's table of families declares it too */
const struct family spdm_family = {
	.name = "spdm",
	.keygen = true,
	.seals = true,
	.anchors = true,
	.rooted = true,
	.identity_before_key = true,
	.links = 1u << LINK_SERIAL | 1u << LINK_USB_MCTP,
	.objects = 1U << OBJECT_CHAIN | 1U << OBJECT_ANCHORS,
	.check_options = check_options,
	.check_proof = spdm_check_proof,
};
