#include "http_answer.h"

#include <string.h>

void http_answer_free(struct http_answer *a)
{
	buf_free(&a->body);
	*a = (struct http_answer){ 0 };
}

void http_answer_hide(struct http_answer *a, const struct secret *secret)
{
	const char *text = secret_reveal(secret);
	size_t len = secret_len(secret);
	uint8_t *at = a->body.data;

	if (len == 0 || at == NULL)
		return;
	while ((at = memmem(at, a->body.len - (size_t)(at - a->body.data), text, len)) != NULL) {
		memset(at, '*', len);
		at += len; /* it may be of asterisks alone */
	}
}
