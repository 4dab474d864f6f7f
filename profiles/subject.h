/* A profile's subject and alternative names for one unit, rendered from its identity. */
#ifndef KILN_SUBJECT_H
#define KILN_SUBJECT_H

#include "profile.h"

struct subject_rdn {
	const char *type; /* the profile's */
	enum string_type string;
	char *value;
};

struct subject_san {
	enum san_kind kind;
	const char *hw_type;
	char *value;
};

/* { 0 } is empty. Strings of the profile are borrowed: the profile outlives the subject. */
struct subject {
	struct subject_rdn rdns[PROFILE_RDNS_MAX];
	size_t rdn_count;
	struct subject_san sans[PROFILE_SANS_MAX];
	size_t san_count;
	bool san_critical;
	struct buf
	    name;       /* DER Name (RFC 5280 4.1.2.4), RDNs and string types as the profile says */
	struct buf san; /* DER GeneralNames (4.2.1.6); empty where there are none */
};

/* Errors: CONFIG "subject" (a value that its string type can not hold, an empty or unknown field). */
must_check int subject_render(struct subject *ret, const struct profile *p,
    const struct identity *i, struct err *e);
void subject_free(struct subject *s);
OWNED_STRUCT(subject, subject_free)

/* "/CN=.../O=..." with OpenSSL's escapes, as `openssl req -subj` takes it. Appended as text. */
must_check int subject_text(const struct subject *s, struct buf *ret, struct err *e);

/* HardwareModuleName (RFC 4108 5) as DER: SEQUENCE { hwType, hwSerialNum OCTET STRING }. */
must_check int subject_hardware_module(const char *hw_type, const char *serial, struct buf *ret,
    struct err *e);

#endif
