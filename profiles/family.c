#include "family.h"

void identity_free(struct identity *i)
{
	buf_free(&i->evidence);
}

void proof_free(struct proof *p)
{
	buf_free(&p->preimage);
	buf_free(&p->signature);
}

void proof_claims_free(struct proof_claims *c)
{
	buf_free(&c->message);
	buf_free(&c->signature);
}

void origin_claims_free(struct origin_claims *c)
{
	buf_free(&c->spki);
	buf_free(&c->chain);
}

void stored_free(struct stored *s)
{
	buf_free(&s->bytes);
}
