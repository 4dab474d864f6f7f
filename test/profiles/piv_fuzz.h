/* A profile of the piv family for fuzz targets. */
#ifndef KILN_TEST_PIV_FUZZ_H
#define KILN_TEST_PIV_FUZZ_H

#include <stdlib.h>
#include <string.h>

#include "profile.h"

#define PIV_FUZZ_SHA "0000000000000000000000000000000000000000000000000000000000000000"

static const struct profile *piv_fuzz_profile(void)
{
	static const char text[] = "product: token\n"
				   "version: \"1\"\n"
				   "driver: piv\n"
				   "link: { usb: ccid }\n"
				   "piv: { identity: serial, model: T, anchors: 5fff10, "
				   "pin_policy: once, factory_secrets: "
				   "true }\n"
				   "identity:\n"
				   "  model: { pattern: T, example: T }\n"
				   "  serial: { pattern: \"[0-9]+\", example: \"1\" }\n"
				   "key: { algorithm: EC:P-256 }\n"
				   "subject: [{ type: CN, value: \"{serial}\" }]\n"
				   "certificate:\n"
				   "  key_usage: [digitalSignature]\n"
				   "  extended_key_usage: [clientAuth]\n"
				   "  signatures: [ecdsa-with-SHA256]\n"
				   "  validity: { min_days: 1, max_days: 2 }\n"
				   "trust:\n"
				   "  issuer: { file: r, sha256: \"" PIV_FUZZ_SHA "\" }\n"
				   "  device: { file: r, sha256: \"" PIV_FUZZ_SHA "\" }\n"
				   "install: [leaf, anchors]\n";
	static struct profile *p; /* for the process */
	struct err e = { 0 };

	if (p == NULL && profile_parse(&p, "fuzz", text, strlen(text), &e) != 0)
		abort();
	return p;
}

#endif
