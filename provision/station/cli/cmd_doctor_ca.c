#include "cmd_doctor.h"

#include "oids.h"
#include "profile.h"
#include "x509.h"

OWNED(ASN1_OBJECT, ASN1_OBJECT_free)

static bool is_in(const X509 *cert, const struct buf *ders)
{
	AUTO(X509_STACK) *list = NULL;
	struct err ignored = { 0 }; /* the profile's anchors parsed when it was loaded */

	if (ders->len == 0 ||
	    x509_parse_list(ders->data, ders->len, &list, ERR_CONFIG, &ignored) != 0)
		return false;
	for (int i = 0; i < sk_X509_num(list); i++)
		if (X509_cmp(cert, sk_X509_value(list, i)) == 0)
			return true;
	return false;
}

int doctor_judge_issuer(const struct config *c, const json_t *certificates, struct err *e)
{
	AUTO_PTR(profile) *p = NULL;
	bool known = false;

	if (profile_load(&p, c->profile, e) != 0)
		return -1;
	for (size_t i = 0; i < json_array_size(certificates); i++) {
		const json_t *text = json_array_get(certificates, i);
		AUTO(ASN1_OBJECT) *marker = OBJ_txt2obj(OID_KILN_NOT_FOR_PRODUCTION, 1);
		AUTO_STRUCT(buf) der = { 0 };
		AUTO(X509) *cert = NULL;

		if (base64_decode(json_string_value(text), json_string_length(text), &der, ERR_CA,
			e) != 0 ||
		    x509_parse(der.data, der.len, &cert, ERR_CA, e) != 0)
			return -1;
		if (X509_get_ext_by_OBJ(cert, marker, -1) >= 0 && !c->ca_test)
			return err_set(e, ERR_CONFIG, "cert.test-ca",
			    "this is a throw-away CA, and accept_test_ca is not set: no unit would "
			    "pass");
		known |= is_in(cert, &p->issuer.ders) || is_in(cert, &p->intermediates.ders);
	}
	if (!known)
		return err_set(e, ERR_CONFIG, "cert.chain",
		    "none of the CA's certificates is in trust.issuer or trust.intermediates of "
		    "the profile");
	return 0;
}
