/* A hostile device's CSR: refused or accepted, never a crash. */
#include "judge_csr.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct profile *profile; /* read once for all inputs */
	const struct identity unit = { .model = "TP-A", .serial = "SN0001" };
	AUTO_STRUCT(csr_facts) facts = { 0 };
	AUTO_STRUCT(buf) der = { 0 };
	struct err e = { 0 };

	if (profile == NULL)
		profile = fuzz_profile();
	if (buf_add(&der, data, size, &e) == 0)
		(void)(judge_csr(profile, &unit, &der, &facts, &e) == 0);
	return 0;
}
