/* What a judge has looked at before its event could be recorded. */
#include <string.h>

#include "dossier.h"

enum { IDS_MAX = 32 };

/*
 * Each row is a judge whose passing the event stands for: the event's name, for a step its step, the member
 * without which the judge was not asked, and the ids of the checks: the codes of its errors.
 */
static const struct judge {
	const char *name, *event, *step, *needs;
	const char *ids[IDS_MAX];
} judges[] = {
	{ "claim", "claim", NULL, NULL,
	    { "claim.passed", "claim.scrapped", "claim.busy", "claim.two-slots", "claim.quota",
		"claim.profile", "claim.model" } },
	{ "csr", "step", "request", "csr",
	    { "csr.der", "csr.key", "csr.pop", "csr.weak", "csr.subject", "csr.san", "csr.serial",
		"csr.extension" } },
	{ "key", "step", "request", "spki", { "key.duplicate", "csr.changed" } },
	{ "origin", "step", "request", "origin_evidence",
	    { "origin.missing", "origin.malformed", "origin.chain", "origin.key", "origin.serial",
		"origin.firmware" } },
	{ "certificate", "step", "enrol", "certificate",
	    { "cert.der", "cert.version", "cert.spki", "cert.subject", "cert.san", "cert.ku",
		"cert.eku", "cert.bc", "cert.critical", "cert.extra", "cert.validity",
		"cert.signature", "cert.serial", "cert.aki", "cert.ski", "cert.policies",
		"cert.aia", "cert.crldp", "cert.mud", "cert.chain", "cert.chain-length",
		"certificate.duplicate", "certificate.key" } },
	{ "readback", "step", "readback", "certificate", { "readback.differs" } },
	{ "proof", "step", "prove", "signature",
	    { "proof.nonce", "proof.certificate", "proof.signature", "prove.nonce" } },
	{ "attestation", "step", "attest", "cms",
	    { "attestation.form", "attestation.signature", "attestation.certificate", "jws.form",
		"jws.header", "jws.payload", "jws.signature", "attest.statement" } },
};

static bool is_of(const struct judge *judge, const json_t *event)
{
	if (strcmp(json_opt_str(event, "event", ""), judge->event) != 0)
		return false;
	if (judge->step != NULL && strcmp(json_opt_str(event, "step", ""), judge->step) != 0)
		return false;
	return judge->needs == NULL || json_object_get(event, judge->needs) != NULL;
}

/* What was found and taken all the same. */
static const json_t *warnings_of(const struct judge *judge, const json_t *event)
{
	if (strcmp(judge->name, "certificate") != 0)
		return NULL;
	return json_object_get(json_object_get(event, "detail"), "lint");
}

static bool is_warned(const json_t *warnings, const char *id)
{
	for (size_t i = 0; i < json_array_size(warnings); i++)
		if (strcmp(json_opt_str(json_array_get(warnings, i), "id", ""), id) == 0)
			return true;
	return false;
}

static json_t *ids_of(const struct judge *judge, const json_t *warnings)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < IDS_MAX && judge->ids[i] != NULL; i++)
		if (!is_warned(warnings, judge->ids[i]) &&
		    json_array_append_new(ids, json_string(judge->ids[i])) != 0) {
			json_decref(ids);
			return NULL;
		}
	return ids;
}

static void drop_earlier(json_t *list, const char *judge)
{
	for (size_t i = json_array_size(list); i > 0; i--)
		if (strcmp(json_opt_str(json_array_get(list, i - 1), "judge", ""), judge) == 0)
			(void)json_array_remove(list, i - 1); /* it is there */
}

int dossier_add_checks(json_t *list, const json_t *event, struct err *e)
{
	for (size_t i = 0; i < COUNT(judges); i++) {
		const struct judge *judge = &judges[i];
		const json_t *warnings = warnings_of(judge, event);

		if (!is_of(judge, event))
			continue;
		drop_earlier(list, judge->name);
		if (json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:o, s:O*}", "judge", judge->name, "step",
			    judge->step != NULL ? judge->step : judge->event, "at",
			    json_opt_str(event, "at", ""), "passed", ids_of(judge, warnings),
			    "warnings", warnings)) != 0)
			return err_nomem(e);
	}
	return 0;
}
