#include "sign.h"

#include <openssl/cms.h>

#include "hsm.h"
#include "jws.h"
#include "oids.h"

OWNED(CMS_ContentInfo, CMS_ContentInfo_free)
OWNED(ASN1_OBJECT, ASN1_OBJECT_free)
OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

static int add_der(CMS_ContentInfo *cms, struct buf *ret, struct err *e)
{
	int len = i2d_CMS_ContentInfo(cms, NULL);
	uint8_t *room = len > 0 ? buf_room(ret, (size_t)len, e) : NULL;

	if (room == NULL || i2d_CMS_ContentInfo(cms, &room) != len)
		return err_nomem(e);
	ret->len += (size_t)len;
	return 0;
}

int sign_cms(EVP_PKEY *key, X509 *leaf, X509_STACK *chain, const struct buf *statement,
    struct buf *ret, struct err *e)
{
	static const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
	AUTO(ASN1_OBJECT) *type = OBJ_txt2obj(OID_KILN_STATEMENT, 1);
	AUTO(CMS_ContentInfo) *cms = CMS_sign(NULL, NULL, chain, NULL, flags);
	AUTO(BIO) *content = BIO_new_mem_buf(statement->data, (int)statement->len);

	if (type == NULL || cms == NULL || content == NULL || CMS_set1_eContentType(cms, type) != 1)
		return err_nomem(e);
	if (CMS_add1_signer(cms, leaf, key, EVP_get_digestbyname(hsm_key_digest(key)),
		flags | CMS_CADES) == NULL ||
	    CMS_final(cms, content, NULL, CMS_BINARY) != 1)
		return hsm_openssl_error(e, "signing a statement");
	return add_der(cms, ret, e);
}

static int sign_bytes(EVP_PKEY *key, const char *digest, const struct buf *bytes, struct buf *ret,
    struct err *e)
{
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();
	size_t len = (size_t)EVP_PKEY_get_size(key);
	uint8_t *room = buf_room(ret, len, e);

	if (context == NULL || room == NULL)
		return err_nomem(e);
	if (EVP_DigestSignInit(context, NULL, EVP_get_digestbyname(digest), NULL, key) != 1 ||
	    EVP_DigestSign(context, room, &len, bytes->data, bytes->len) != 1)
		return hsm_openssl_error(e, "signing a statement as JWS");
	ret->len += len;
	return 0;
}

int sign_jws(EVP_PKEY *key, X509 *leaf, const struct buf *statement, struct buf *ret, struct err *e)
{
	AUTO_STRUCT(buf) signature = { 0 };

	if (jws_begin(key, leaf, statement, ret, e) != 0 ||
	    sign_bytes(key, jws_digest(key), ret, &signature, e) != 0 ||
	    jws_end(key, &signature, ret, e) != 0)
		return -1;
	return buf_str(ret, e) != NULL ? 0 : -1;
}
