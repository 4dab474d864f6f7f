/* One POST as it stands in the log: a JSON object per line, from which a test can count the posts of
 * each CSR and find every certificate that was ever made. */
#ifndef KILN_POST_H
#define KILN_POST_H

#include <stdint.h>

#include "x509.h"

struct post {
	const char *operation; /* "simpleenroll", "simplereenroll" */
	const char *label;     /* "" for none */
	unsigned number;       /* of this CSR at this label, from 1; 0: no CSR was read */
	char csr_sha256[2 * SHA256_LEN + 1];  /* "" while unknown */
	char spki_sha256[2 * SHA256_LEN + 1]; /* the same */
	X509_STACK *issued;                   /* owned; NULL or empty where nothing was made */
	int status;                           /* of the HTTP answer; 0: none was given */
	int64_t begun_us;                     /* clock_cpu_us() */
};

void post_free(struct post *p);
OWNED_STRUCT(post, post_free)

/*
 * Writes one line in one write(2): at, operation, label, post_number, csr_sha256, spki_sha256,
 * answer (issued, pending, denied, throttled, rejected, failed, dropped), status, serial and
 * certificate_sha256 of the first certificate, others [{serial, certificate_sha256}] of further ones,
 * service_ms (processor time: a busy machine's delays are not the CA's). What is unknown is null. fd -1: no log.
 */
must_check int post_log(const struct post *p, int fd, struct err *e);

#endif
