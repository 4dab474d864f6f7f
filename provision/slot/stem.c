#include "stem.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failpoint.h"
#include "x509.h"

/* Of a request here, a line in one message. */
enum { REQUEST_MAX = 512 };
enum { HOLE_MAX = 32 * 1024, HOLE_STEP = 16 };

/* What ps(1) and top(1) call the two. */
static void set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name); /* any text will do */
}

/* *ret_channel is -1 where no descriptor came; *ret_len is 0 at end of file. */
static int receive(char *ret, size_t *ret_len, int *ret_channel, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec text = { .iov_base = ret, .iov_len = REQUEST_MAX };
	struct msghdr message = { .msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *head;
	ssize_t n;

	do
		n = recvmsg(SERVE_FD, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != ECONNRESET)
		return err_errno(e, ERR_CONFIG, "line.closed", "recvmsg");
	*ret_len = n > 0 ? (size_t)n : 0;
	*ret_channel = -1;
	head = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
	    head->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_channel, CMSG_DATA(head), sizeof(int));
	return 0;
}

/*
 * fork(2), but the station's child: what it reaps, kills and waits for is its own. libc does not know of the
 * new process, which does no harm where there is one thread: nobody holds a lock of malloc's or stdio's,
 * OpenSSL's generator asks getpid(2) at each use whether it was forked and is then seeded anew by
 * getrandom(2), which the sandbox allows, and the only handlers that pthread_atfork(3) would call are the
 * failpoints'.
 */
static pid_t fork_sibling(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0)
		FAILPOINT_FORKED();
	return pid;
}

static int begin(int channel, pid_t station, struct err *e)
{
	set_name("kiln-slot");
	if (setpgid(0, 0) != 0 || dup2(channel, SERVE_FD) != SERVE_FD ||
	    close_range(SERVE_FD + 1, ~0U, 0) != 0)
		return err_errno(e, ERR_CONFIG, "stem.begin", "beginning a new process");
	if (serve_tie(station, e) != 0)
		return -1;
	FAILPOINT("stem.born");
	return STEM_BORN;
}

static int tell(const json_t *request, pid_t pid, struct err *e)
{
	AUTO(json_t) *ok = json_object();
	struct err why = { 0 };

	if (ok == NULL || json_set_int(ok, "pid", pid, e) != 0)
		return err_nomem(e);
	if (pid > 0)
		return serve_answer(request, steal(&ok), NULL, e);
	(void)err_errno(&why, ERR_CONFIG, "stem.fork", "making a process for a device");
	return serve_answer(request, NULL, &why, e);
}

/* As stem_run; 0: and go on. channel is closed by the caller. */
static int answer(const char *text, size_t len, int channel, pid_t station, struct err *e)
{
	AUTO(json_t) *request = NULL;
	pid_t pid;

	if (json_parse(text, len, &request, ERR_CONFIG, e) != 0)
		return -1;
	if (strcmp(json_opt_str(request, "do", ""), "fork") != 0 || channel < 0)
		return err_set(e, ERR_CONFIG, "stem.request", "a stem is only asked to fork");
	FAILPOINT("stem.ask");
	pid = fork_sibling();
	if (pid == 0)
		return begin(channel, station, e);
	FAILPOINT("stem.made");
	return tell(request, pid, e);
}

/* What is decoded of most devices, a request and the key in it: libcrypto looks for its decoders, groups and
 * digests at first use. Where it fails, each process looks for itself. */
static void decode_a_request(void)
{
	AUTO(EVP_PKEY) *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	AUTO(X509_REQ) *request = X509_REQ_new(), *again = NULL;
	const uint8_t *p;
	uint8_t *der = NULL;
	int len;

	if (key == NULL || request == NULL || X509_REQ_set_pubkey(request, key) != 1 ||
	    X509_REQ_sign(request, key, EVP_sha256()) <= 0 ||
	    (len = i2d_X509_REQ(request, &der)) <= 0)
		return;
	p = der;
	again = d2i_X509_REQ(NULL, &p, len);
	(void)X509_REQ_get0_pubkey(again); /* only looked for */
	OPENSSL_free(der);
}

/*
 * What preparing has freed lies in holes all over the heap, and each page that a new process writes to is
 * copied for it: the holes are used up for good, so that its memory lies together, at the end.
 */
static void fill_holes(void)
{
	const struct mallinfo2 before = mallinfo2();
	const char *end = (const char *)sbrk(0) - before.keepcost;
	size_t filled = 0;

	for (size_t size = HOLE_MAX; size > 0; size -= HOLE_STEP)
		while (filled < before.fordblks) {
			char *hole = malloc(size);

			if (hole == NULL || hole >= end) {
				free(hole);
				break;
			}
			filled += size;
		}
}

int stem_run(struct err *e)
{
	const pid_t station = getppid();

	decode_a_request();
	fill_holes();
	set_name("kiln-slot-stem");
	for (;;) {
		char text[REQUEST_MAX];
		int channel, rc;
		size_t len;

		if (receive(text, &len, &channel, e) != 0)
			return -1;
		if (len == 0)
			return 0;
		rc = answer(text, len, channel, station, e);
		if (channel >= 0)
			(void)close(channel); /* the new process has it; nothing was written */
		if (rc != 0)
			return rc;
	}
}
