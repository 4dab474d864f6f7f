/* The names in a subjectAltName (RFC 5280 4.2.1.6), read strictly and without OpenSSL, which knows
 * neither HardwareModuleName nor the DMTF's device information. */
#ifndef KILN_SAN_H
#define KILN_SAN_H

#include "der.h"

enum { SAN_NAMES_MAX = 16, SAN_TEXT_MAX = 120 };

struct san_names {
	struct der names[SAN_NAMES_MAX]; /* each one GeneralName with its tag. Borrowed */
	size_t count;
};

/* GeneralNames as DER. False where it is malformed, empty, or has too many names. */
bool san_parse(const uint8_t *der, size_t len, struct san_names *ret);
bool san_has(const struct san_names *names, const struct der *name);

/* hwType and hwSerialNum of a HardwareModuleName (RFC 4108 5); false for any other name. type is the
 * identifier's content octets. */
bool san_hardware_module(const struct der *name, struct der *ret_type, struct der *ret_serial);
/* The text of the DMTF otherName "manufacturer:product:serial" (DSP0274). */
bool san_device_info(const struct der *name, struct der *ret_text);
/* The serial is what follows the last colon of that text. */
bool san_device_info_names(const struct der *text, const char *serial);

/* The name for people: "uri urn:...", "hardwareModuleName serial SN0001", "otherName". */
void san_text(const struct der *name, char ret[static SAN_TEXT_MAX]);

#endif
