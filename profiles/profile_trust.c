#include "profile_read.h"

#include <string.h>

#include "family.h"
#include "file.h"
#include "json.h"
#include "x509.h"

enum { ANCHORS_FILE_MAX = 256 * 1024 };

static const struct {
	const char *key;    /* of `trust` */
	const char *member; /* of the exported JSON */
} places[] = {
	{ "issuer", "issuer" },
	{ "intermediates", "intermediates" },
	{ "device", "anchors" },
	{ "attestation", "attestation" },
};

static struct profile_anchors *anchors_at(struct profile *p, size_t i)
{
	struct profile_anchors *const all[] = { &p->issuer, &p->intermediates, &p->anchors,
		&p->attestation };

	return all[i];
}

static const struct yaml_node *node_at(const struct profile *p, size_t i, const char *key)
{
	const struct yaml_node *trust = yaml_get(yaml_root(p->yaml), "trust");

	return yaml_get(yaml_get(trust, places[i].key), key);
}

static int read_place(struct profile *p, const struct yaml_node *trust, size_t i, struct err *e)
{
	static const char *const keys[] = { "file", "sha256", NULL };
	struct profile_anchors *a = anchors_at(p, i);
	const struct yaml_node *map;
	const char *hex;

	if (yaml_map(trust, places[i].key, i == 0, &map, e) < 0)
		return -1;
	if (map == NULL)
		return 0;
	if (yaml_keys(map, keys, e) < 0 || yaml_str(map, "file", NULL, &a->file, e) < 0 ||
	    yaml_str(map, "sha256", NULL, &hex, e) < 0)
		return -1;
	if (a->file[0] == '\0')
		return profile_error(yaml_get(map, "file"), e, "file is empty");
	if (!hex_decode(hex, a->sha256, sizeof(a->sha256)))
		return profile_error(yaml_get(map, "sha256"), e, "sha256 is 64 hexadecimal digits");
	return 0;
}

int profile_read_trust(struct profile *p, const struct yaml_node *root, struct err *e)
{
	static const char *const keys[] = { "issuer", "intermediates", "device", "attestation",
		NULL };
	const struct yaml_node *map;

	if (yaml_map(root, "trust", true, &map, e) < 0 || yaml_keys(map, keys, e) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(places); i++)
		if (read_place(p, map, i, e) < 0)
			return -1;
	if (p->attestation.file != NULL && family_find(p->driver)->check_origin == NULL)
		return profile_error(yaml_get(map, "attestation"), e,
		    "devices of %s have no evidence of where their key was made", p->driver);
	return 0;
}

static int check_digest(struct profile *p, size_t i, const struct buf *ders, struct err *e)
{
	const struct profile_anchors *a = anchors_at(p, i);
	char have[2 * SHA256_LEN + 1];
	uint8_t digest[SHA256_LEN];

	sha256(ders->data, ders->len, digest);
	if (memcmp(digest, a->sha256, sizeof(digest)) == 0)
		return 0;
	hex_encode(digest, sizeof(digest), have);
	return profile_error(node_at(p, i, "sha256"), e,
	    "the certificates of %s are others; their sha256 is %s", a->file, have);
}

static int add_ders(X509_STACK *certs, struct buf *ret, struct err *e)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (x509_add_der(sk_X509_value(certs, i), ret, e) < 0)
			return -1;
	return 0;
}

static void keep(struct profile_anchors *a, struct buf *ders, X509_STACK **certs)
{
	buf_free(&a->ders);
	x509_stack_free(a->certs);
	a->ders = buf_steal(ders);
	a->certs = steal(certs);
}

int profile_anchors_take(struct profile_anchors *a, struct buf *ders, struct err *e)
{
	AUTO(X509_STACK) *certs = NULL;

	if (ders->len > 0 && x509_parse_list(ders->data, ders->len, &certs, ERR_CONFIG, e) < 0)
		return -1;
	keep(a, ders, &certs);
	return 0;
}

void profile_free_trust(struct profile *p)
{
	for (size_t i = 0; i < COUNT(places); i++) {
		buf_free(&anchors_at(p, i)->ders);
		x509_stack_free(anchors_at(p, i)->certs);
	}
}

static int load_place(struct profile *p, size_t i, struct err *e)
{
	struct profile_anchors *a = anchors_at(p, i);
	AUTO_STRUCT(buf) path = { 0 };
	AUTO_STRUCT(buf) pem = { 0 };
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO(X509_STACK) *certs = NULL;
	struct err why = { 0 };
	const char *full;

	if (a->file == NULL)
		return 0;
	if (file_beside(p->name, a->file, &path, e) < 0)
		return -1;
	full = buf_str(&path, e);
	if (full == NULL)
		return -1;
	if (file_read(full, ANCHORS_FILE_MAX, &pem, &why) < 0 ||
	    x509_parse_pem(a->file, &pem, &certs, ERR_CONFIG, &why) < 0)
		return err_is(&why, "nomem")
			   ? err_nomem(e)
			   : profile_error(node_at(p, i, "file"), e, "%s", why.message);
	if (add_ders(certs, &ders, e) < 0 || check_digest(p, i, &ders, e) < 0)
		return -1;
	keep(a, &ders, &certs);
	return 0;
}

/* By its signature; and byte by byte by its names, by which a driver knows it (x509_cut_is_self_issued). */
static int is_root(X509 *cert, bool *ret, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	if (x509_add_der(cert, &der, e) < 0)
		return -1;
	*ret = x509_is_self_signed(cert) && x509_cut_is_self_issued(der.data, der.len);
	return 0;
}

static int check_roots(const struct profile *p, struct err *e)
{
	const struct profile_anchors *a = &p->issuer;
	bool is = true;

	for (int i = 0; family_find(p->driver)->rooted && i < sk_X509_num(a->certs); i++) {
		if (is_root(sk_X509_value(a->certs, i), &is, e) < 0)
			return -1;
		if (!is)
			return profile_error(node_at(p, 0, "file"), e,
			    "certificate %d of %s is no root, signed by itself: devices of %s "
			    "store their root's hash; others go into `intermediates`",
			    i + 1, a->file, p->driver);
	}
	return 0;
}

int profile_load(struct profile **ret, const char *path, struct err *e)
{
	AUTO_PTR(profile) *p = NULL;
	AUTO_STRUCT(buf) text = { 0 };

	if (file_read(path, PROFILE_TEXT_MAX, &text, e) < 0 ||
	    profile_parse(&p, path, (const char *)text.data, text.len, e) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(places); i++)
		if (load_place(p, i, e) < 0)
			return -1;
	if (check_roots(p, e) < 0)
		return -1;
	*ret = steal(&p);
	return 0;
}

int profile_export_anchors(const struct profile *p, struct buf *ret, struct err *e)
{
	const struct profile_anchors *const all[] = { &p->issuer, &p->intermediates, &p->anchors,
		&p->attestation };
	AUTO(json_t) *object = json_object();

	if (object == NULL)
		return err_nomem(e);
	for (size_t i = 0; i < COUNT(places); i++)
		if (all[i]->file != NULL && json_set_bytes(object, places[i].member,
						all[i]->ders.data, all[i]->ders.len, e) < 0)
			return -1;
	return json_canonical(object, ret, e);
}

static int import_place(struct profile *p, size_t i, const json_t *object, struct err *e)
{
	struct profile_anchors *a = anchors_at(p, i);
	AUTO(X509_STACK) *certs = NULL;
	AUTO_STRUCT(buf) ders = { 0 };

	if (a->file == NULL)
		return 0;
	if (json_get_bytes(object, places[i].member, &ders, ERR_RECORDS, e) < 0 ||
	    x509_parse_list(ders.data, ders.len, &certs, ERR_RECORDS, e) < 0 ||
	    check_digest(p, i, &ders, e) < 0)
		return -1;
	keep(a, &ders, &certs);
	return 0;
}

int profile_import_anchors(struct profile *p, const char *text, size_t len, struct err *e)
{
	AUTO(json_t) *object = NULL;

	if (json_parse(text, len, &object, ERR_RECORDS, e) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(places); i++)
		if (import_place(p, i, object, e) < 0)
			return -1;
	return 0;
}
