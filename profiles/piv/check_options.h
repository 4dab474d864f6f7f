/* What a profile asks of the piv family, read once: its `piv` section and its key algorithm. */
#ifndef KILN_PIV_OPTIONS_H
#define KILN_PIV_OPTIONS_H

#include "profile.h"

/* One algorithm of keys in slots. */
struct piv_algorithm {
	const char *name;   /* the profile's: "EC:P-256" */
	const char *group;  /* OpenSSL's; NULL: RSA */
	uint8_t id;         /* on the card (SP 800-78-5 table 6-2) */
	size_t bits;        /* of the modulus or the field */
	const char *digest; /* OpenSSL's: "SHA256" */
	size_t digest_len;
};

enum piv_identity {
	PIV_BY_SERIAL, /* Yubico's serial number, in decimal */
	PIV_BY_GUID,   /* of the card holder unique identifier, 32 hexadecimal digits */
};

struct piv_options {
	const struct piv_algorithm *algorithm;
	enum piv_identity identity;
	const char *model;                /* NULL: the application's label, as SELECT brings it */
	uint8_t slot;                     /* 0x9a */
	uint32_t object;                  /* where that slot's certificate is: 0x5fc105 */
	uint32_t anchors;                 /* object of the trust anchors; 0: none */
	uint8_t management_algorithm;     /* of the management key; 0: the card says it */
	uint8_t pin_policy, touch_policy; /* as Yubico numbers them; 0: the card's own */
	bool factory_secrets;             /* management key and PIN are what the card came with */
};

/* Errors: CONFIG "yaml" with the place, as profile_parse. The profile outlives ret. */
must_check int piv_options_read(const struct profile *p, struct piv_options *ret, struct err *e);

#endif
