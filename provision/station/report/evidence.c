#include "evidence.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "tar.h"
#include "x509.h"

enum form { FORM_BYTES, FORM_CERTIFICATES, FORM_REST_OF_CHAIN, FORM_ORIGIN };

/* Members of a job that are digests of blobs, and what they are written as. */
static const struct {
	const char *member, *name;
	enum form form;
} kinds[EVIDENCE_FILES_MAX] = {
	{ "csr", "csr.der", FORM_BYTES },
	{ "certificate", "cert.pem", FORM_CERTIFICATES },
	{ "chain", "chain.pem", FORM_REST_OF_CHAIN },
	{ "preimage", "proof-preimage.bin", FORM_BYTES },
	{ "signature", "proof-signature.bin", FORM_BYTES },
	{ "statement", "statement.json", FORM_BYTES },
	{ "cms", "attestation.p7s", FORM_BYTES },
	{ "jws", "attestation.jws", FORM_BYTES },
	{ "origin", "origin.pem", FORM_ORIGIN },
};

void evidence_free(struct evidence *v)
{
	for (size_t i = 0; i < v->count; i++)
		buf_free(&v->files[i].bytes);
	v->count = 0;
}

/* A job has no proof and no origin among its own members: they are its events'. The last of each step counts. */
static int take(const json_t *event, void *context, struct err *e)
{
	static const struct {
		const char *step, *member;
	} wanted[] = { { "prove", "preimage" }, { "prove", "signature" }, { "request", "origin" } };
	json_t *job = context;
	const char *step = json_opt_str(event, "step", "");

	if (json_opt_int(event, "job", -1) != json_opt_int(job, "job", 0))
		return 0;
	for (size_t i = 0; i < COUNT(wanted); i++) {
		if (strcmp(step, wanted[i].step) != 0)
			continue;
		(void)json_object_del(job, wanted[i].member); /* there may be none yet */
		if (json_set_str(job, wanted[i].member, json_opt_str(event, wanted[i].member, NULL),
			e) != 0)
			return -1;
	}
	return 0;
}

/* DERs one behind the other as PEM, from the first-th on. */
static int to_pem(const struct buf *ders, int first, struct buf *ret, struct err *e)
{
	AUTO(X509_STACK) *list = NULL;

	if (x509_parse_list(ders->data, ders->len, &list, ERR_RECORDS, e) != 0)
		return -1;
	for (int i = first; i < sk_X509_num(list); i++)
		if (x509_add_pem(sk_X509_value(list, i), ret, e) != 0)
			return -1;
	return 0;
}

/* Evidence that nobody asked for was never judged: it may be no certificates at all. */
static int add_origin(struct evidence *v, struct buf *bytes, struct err *e)
{
	AUTO(X509_STACK) *list = NULL;
	struct err why = { 0 };

	if (x509_parse_list(bytes->data, bytes->len, &list, ERR_RECORDS, &why) == 0)
		return to_pem(bytes, 0, &v->files[v->count].bytes, e);
	v->files[v->count].name = "origin.bin";
	v->files[v->count].bytes = buf_steal(bytes);
	return 0;
}

/* It counts before it is filled: what is half there is freed. */
static int add(struct evidence *v, size_t kind, struct buf *bytes, struct err *e)
{
	struct buf *ret = &v->files[v->count].bytes;
	int rc = 0;

	v->files[v->count].name = kinds[kind].name;
	switch (kinds[kind].form) {
	case FORM_BYTES:
		*ret = buf_steal(bytes);
		break;
	case FORM_CERTIFICATES:
		rc = to_pem(bytes, 0, ret, e);
		break;
	case FORM_REST_OF_CHAIN:
		rc = to_pem(bytes, 1, ret, e);
		break;
	case FORM_ORIGIN:
		rc = add_origin(v, bytes, e);
		break;
	}
	v->count++;
	return rc;
}

int evidence_collect(struct evidence *ret, struct records *r, const char *serial, struct err *e)
{
	AUTO(json_t) *job = NULL;

	if (records_unit(r, serial, &job, e) != 0)
		return -1;
	if (job == NULL)
		return err_set(e, ERR_OPERATOR, "unit.unknown",
		    "serial %s has no job in these records", serial);
	if (records_events(r, serial, 0, take, job, e) != 0)
		return -1;
	ret->at_s =
	    clock_parse(json_opt_str(job, "ended_at", json_opt_str(job, "opened_at", ""))) / 1000;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const char *digest = json_opt_str(job, kinds[i].member, NULL);
		AUTO_STRUCT(buf) bytes = { 0 };

		if (digest == NULL)
			continue;
		if (records_blob(r, digest, &bytes, e) != 0 || add(ret, i, &bytes, e) != 0)
			return -1;
	}
	return 0;
}

void evidence_name(const char *serial, char ret[static EVIDENCE_NAME_MAX + 1])
{
	static const char safe[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = 0;

	for (; serial[len] != '\0' && len < EVIDENCE_NAME_MAX; len++)
		ret[len] = strchr(safe, serial[len]) != NULL ? serial[len] : '_';
	if (ret[0] == '.' || ret[0] == '-' || len == 0)
		ret[0] = '_';
	ret[len > 0 ? len : 1] = '\0';
}

int evidence_tar(const struct evidence *v, const char *serial, struct buf *ret, struct err *e)
{
	char folder[EVIDENCE_NAME_MAX + 1], path[TAR_PATH_MAX + 1];

	evidence_name(serial, folder);
	for (size_t i = 0; i < v->count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, v->files[i].name);
		if (tar_add(ret, path, &v->files[i].bytes, v->at_s, e) != 0)
			return -1;
	}
	return tar_end(ret, e);
}
