#include <string.h>

#include "hsm_ckr.h"
#include "hsm_module.h"

enum { OBJECTS_MAX = 512, ID_LEN = 16, RSA_MAX_BYTES = 1024 };

/* Named curves as CKA_EC_PARAMS: the OID's DER (RFC 5480 2.1.1.1). */
static const unsigned char p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
static const unsigned char p384[] = { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 };

/* What kiln makes and what it can name. */
static const struct algorithm {
	const char *name;
	ck_key_type_t type;
	ck_mechanism_type_t keygen;
	const unsigned char *curve;
	size_t curve_len;
	unsigned long rsa_bits;
} algorithms[] = {
	{ "EC:P-256", CKK_EC, CKM_EC_KEY_PAIR_GEN, p256, sizeof(p256), 0 },
	{ "EC:P-384", CKK_EC, CKM_EC_KEY_PAIR_GEN, p384, sizeof(p384), 0 },
	{ "RSA:2048", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 2048 },
	{ "RSA:3072", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 3072 },
	{ "RSA:4096", CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0, 4096 },
};

struct found {
	ck_object_handle_t handles[OBJECTS_MAX];
	unsigned long count;
};

static ck_rv_t collect(struct hsm_raw *r, struct found *f)
{
	ck_rv_t rv;

	f->count = 0;
	do {
		unsigned long got = 0;

		rv = r->call->C_FindObjects(r->session, f->handles + f->count,
		    OBJECTS_MAX - f->count, &got);
		if (rv != CKR_OK || got == 0)
			break;
		f->count += got;
	} while (f->count < OBJECTS_MAX);
	return rv;
}

static int find(struct hsm_raw *r, const struct ck_attribute *template, unsigned long count,
    struct found *f, struct err *e)
{
	ck_rv_t rv = r->call->C_FindObjectsInit(r->session, hsm_input(template), count);

	if (rv == CKR_OK) {
		rv = collect(r, f);
		(void)r->call->C_FindObjectsFinal(r->session); /* the search's own value counts */
	}
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "searching the token");
	if (f->count == OBJECTS_MAX)
		return err_set(e, ERR_HSM, "hsm.operator.token",
		    "the token holds %d keys or more: give kiln a token of its own", OBJECTS_MAX);
	return 0;
}

/* An attribute of at most max bytes; one that the module does not know or give has length 0. */
static int get_bytes(struct hsm_raw *r, ck_object_handle_t object, ck_attribute_type_t type,
    void *ret, size_t max, size_t *ret_len, struct err *e)
{
	struct ck_attribute a = { .type = type, .value = ret, .value_len = max };
	ck_rv_t rv = r->call->C_GetAttributeValue(r->session, object, &a, 1);

	if (rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE)
		a.value_len = 0;
	else if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "reading attribute 0x%lx of a key", type);
	if (a.value_len > max)
		return err_set(e, ERR_HSM, "hsm.fatal",
		    "the module gives a wrong length for attribute 0x%lx", type);
	*ret_len = a.value_len;
	return 0;
}

/* False where the module does not say. */
static int get_bool(struct hsm_raw *r, ck_object_handle_t object, ck_attribute_type_t type,
    bool *ret, struct err *e)
{
	unsigned char value = 0;
	size_t len;

	if (get_bytes(r, object, type, &value, sizeof(value), &len, e) != 0)
		return -1;
	*ret = len == sizeof(value) && value != 0;
	return 0;
}

static int get_key_type(struct hsm_raw *r, ck_object_handle_t object, ck_key_type_t *ret,
    struct err *e)
{
	ck_key_type_t type = 0;
	size_t len;

	if (get_bytes(r, object, CKA_KEY_TYPE, &type, sizeof(type), &len, e) != 0)
		return -1;
	if (len != sizeof(type))
		return err_set(e, ERR_HSM, "hsm.fatal",
		    "the module does not say what type a key has");
	*ret = type;
	return 0;
}

/* Bits of an RSA modulus, 0 where the module does not give it. */
static int get_rsa_bits(struct hsm_raw *r, ck_object_handle_t object, unsigned long *ret,
    struct err *e)
{
	uint8_t modulus[RSA_MAX_BYTES];
	size_t len, zeros = 0;

	if (get_bytes(r, object, CKA_MODULUS, modulus, sizeof(modulus), &len, e) != 0)
		return -1;
	while (zeros < len && modulus[zeros] == 0)
		zeros++;
	*ret = 8 * (len - zeros);
	return 0;
}

static int name_type(struct hsm_raw *r, ck_object_handle_t object, struct hsm_key_audit *a,
    struct err *e)
{
	const char *name = "other";
	uint8_t curve[64];
	size_t curve_len = 0;
	unsigned long bits = 0;
	ck_key_type_t type;

	if (get_key_type(r, object, &type, e) != 0)
		return -1;
	if (type == CKK_EC &&
	    get_bytes(r, object, CKA_EC_PARAMS, curve, sizeof(curve), &curve_len, e) != 0)
		return -1;
	if (type == CKK_RSA && get_rsa_bits(r, object, &bits, e) != 0)
		return -1;
	if (type == CKK_EC_EDWARDS)
		name = "ED25519";
	for (size_t i = 0; i < COUNT(algorithms); i++) {
		const struct algorithm *known = &algorithms[i];

		if (type == known->type && bits == known->rsa_bits &&
		    curve_len == known->curve_len &&
		    (curve_len == 0 || memcmp(curve, known->curve, curve_len) == 0))
			name = known->name;
	}
	(void)strcpy(a->type, name); /* all names fit */
	return 0;
}

static int find_labelled(struct hsm_raw *r, ck_object_class_t class, const char *label,
    struct found *f, struct err *e)
{
	const struct ck_attribute template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_LABEL, hsm_input(label), strlen(label) },
	};

	return find(r, template, COUNT(template), f, e);
}

int hsm_raw_audit(struct hsm_raw *r, const char *label, struct hsm_key_audit *ret, struct err *e)
{
	struct hsm_key_audit a = { .present = true };
	const struct {
		ck_attribute_type_t type;
		bool *value;
	} flags[] = {
		{ CKA_PRIVATE, &a.is_private },
		{ CKA_SENSITIVE, &a.sensitive },
		{ CKA_ALWAYS_SENSITIVE, &a.always_sensitive },
		{ CKA_EXTRACTABLE, &a.extractable },
		{ CKA_NEVER_EXTRACTABLE, &a.never_extractable },
		{ CKA_LOCAL, &a.local },
		{ CKA_SIGN, &a.sign },
	};
	struct found f;

	if (find_labelled(r, CKO_PRIVATE_KEY, label, &f, e) != 0)
		return -1;
	if (f.count > 1)
		return err_set(e, ERR_HSM, "hsm.operator.key",
		    "%lu private keys are labelled \"%s\": rename or remove all but one", f.count,
		    label);
	if (f.count == 0) {
		*ret = (struct hsm_key_audit){ 0 };
		return 0;
	}
	for (size_t i = 0; i < COUNT(flags); i++)
		if (get_bool(r, f.handles[0], flags[i].type, flags[i].value, e) != 0)
			return -1;
	if (get_bytes(r, f.handles[0], CKA_ID, a.id, sizeof(a.id), &a.id_len, e) != 0 ||
	    name_type(r, f.handles[0], &a, e) != 0)
		return err_while(e, "key \"%s\"", label);
	*ret = a;
	return 0;
}

static int refuse_foreign(struct hsm_raw *r, ck_object_handle_t object, struct err *e)
{
	char label[65] = "";
	ck_key_type_t type;
	size_t len;

	if (get_key_type(r, object, &type, e) != 0)
		return -1;
	if (type == CKK_RSA || type == CKK_EC)
		return 0;
	if (get_bytes(r, object, CKA_LABEL, label, sizeof(label) - 1, &len, e) != 0)
		return -1;
	label[len] = '\0';
	return err_set(e, ERR_HSM, "hsm.operator.foreign-key",
	    "the token holds key \"%s\" of type 0x%lx%s, which makes libp11 blind for all its "
	    "keys: "
	    "move it to another token",
	    label, type, type == CKK_EC_EDWARDS ? " (Ed25519)" : "");
}

int hsm_raw_no_foreign_key(struct hsm_raw *r, struct err *e)
{
	static const ck_object_class_t classes[] = { CKO_PRIVATE_KEY, CKO_PUBLIC_KEY };

	for (size_t c = 0; c < COUNT(classes); c++) {
		const struct ck_attribute template[] = {
			{ CKA_CLASS, hsm_input(&classes[c]), sizeof(classes[c]) },
		};
		struct found f;

		if (find(r, template, COUNT(template), &f, e) != 0)
			return -1;
		for (unsigned long i = 0; i < f.count; i++)
			if (refuse_foreign(r, f.handles[i], e) != 0)
				return -1;
	}
	return 0;
}

static const struct algorithm *algorithm_find(const char *name)
{
	for (size_t i = 0; i < COUNT(algorithms); i++)
		if (strcmp(algorithms[i].name, name) == 0)
			return &algorithms[i];
	return NULL;
}

static ck_rv_t generate(struct hsm_raw *r, ck_session_handle_t session, const char *label,
    const uint8_t id[static ID_LEN], const struct algorithm *a)
{
	static const unsigned char yes = 1, no = 0, exponent[] = { 1, 0, 1 };
	struct ck_mechanism mechanism = { .mechanism = a->keygen };
	ck_object_handle_t public_handle, private_handle;
	/* The last two are for RSA; with a curve the first of them gives way to it. */
	struct ck_attribute public_template[] = {
		{ CKA_TOKEN, hsm_input(&yes), 1 },
		{ CKA_PRIVATE, hsm_input(&no), 1 },
		{ CKA_LABEL, hsm_input(label), strlen(label) },
		{ CKA_ID, hsm_input(id), ID_LEN },
		{ CKA_MODULUS_BITS, hsm_input(&a->rsa_bits), sizeof(a->rsa_bits) },
		{ CKA_PUBLIC_EXPONENT, hsm_input(exponent), sizeof(exponent) },
	};
	struct ck_attribute private_template[] = {
		{ CKA_TOKEN, hsm_input(&yes), 1 },
		{ CKA_PRIVATE, hsm_input(&yes), 1 },
		{ CKA_SENSITIVE, hsm_input(&yes), 1 },
		{ CKA_EXTRACTABLE, hsm_input(&no), 1 },
		{ CKA_SIGN, hsm_input(&yes), 1 },
		{ CKA_DECRYPT, hsm_input(&no), 1 },
		{ CKA_UNWRAP, hsm_input(&no), 1 },
		{ CKA_DERIVE, hsm_input(&no), 1 },
		{ CKA_LABEL, hsm_input(label), strlen(label) },
		{ CKA_ID, hsm_input(id), ID_LEN },
	};
	unsigned long public_count = COUNT(public_template);

	if (a->curve != NULL)
		public_template[--public_count - 1] =
		    (struct ck_attribute){ CKA_EC_PARAMS, hsm_input(a->curve), a->curve_len };
	return r->call->C_GenerateKeyPair(session, &mechanism, public_template, public_count,
	    private_template, COUNT(private_template), &public_handle, &private_handle);
}

int hsm_raw_keygen(struct hsm_raw *r, unsigned long slot, const char *label, const char *algorithm,
    struct err *e)
{
	const struct algorithm *a = algorithm_find(algorithm);
	ck_session_handle_t session;
	uint8_t id[ID_LEN];
	ck_rv_t rv;

	if (a == NULL)
		return err_set(e, ERR_CONFIG, "hsm.algorithm",
		    "\"%s\" is no key algorithm; use EC:P-256, EC:P-384, RSA:2048, RSA:3072 or "
		    "RSA:4096",
		    algorithm);
	if (hsm_raw_random(r, id, sizeof(id), e) != 0)
		return -1;
	rv =
	    r->call->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "opening a session that may write");
	rv = generate(r, session, label, id, a);
	(void)r->call->C_CloseSession(session); /* the key is made or not */
	if (rv != CKR_OK)
		return hsm_ckr_error(e, rv, "making key \"%s\" (%s)", label, algorithm);
	return 0;
}
