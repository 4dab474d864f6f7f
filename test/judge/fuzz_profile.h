/* The profile that the fuzz targets of the judges use. */
#ifndef KILN_TEST_FUZZ_PROFILE_H
#define KILN_TEST_FUZZ_PROFILE_H

#include <stdlib.h>
#include <string.h>

#include "profile.h"

static struct profile *fuzz_profile(void)
{
	static const char text[] =
	    "{product: fuzz, version: '1', driver: spdm,"
	    " spdm: {identity: vendor, vendor_pen: 32473, reset: manual},"
	    " identity: {model: {pattern: '.*', example: TP-A},"
	    "            serial: {pattern: 'SN[0-9]{4}', example: SN0001}},"
	    " key: {algorithm: 'EC:P-256', existing: reuse},"
	    " subject: [{type: CN, value: '{serial}'},"
	    "           {type: serialNumber, value: '{serial}', string: printable},"
	    "           {type: O, value: Example Medical}],"
	    " san: {names: [{hardware_module: {type: 1.3.6.1.4.1.32473.1, serial: '{serial}'}},"
	    "               {uri: 'urn:uuid:6f0e5c0a-7b1d-4f4e-9f0a-0d6c3c1b2a11'}]},"
	    " certificate: {key_usage: [digitalSignature], extended_key_usage: [clientAuth],"
	    "   signatures: [ecdsa-with-SHA256], validity: {min_days: 1825, max_days: 3660}},"
	    " trust: {issuer: {file: x, sha256: "
	    "'0000000000000000000000000000000000000000000000000000000000000000'}},"
	    " install: [chain]}";
	struct profile *p = NULL;
	struct err e = { 0 };

	if (profile_parse(&p, "fuzz", text, strlen(text), &e) < 0)
		abort();
	return p;
}

#endif
