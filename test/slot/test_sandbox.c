#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "clock.h"
#include "line.h"
#include "testing.h"
#include "transport.h"
#include "x509.h"

enum { DONE = 42, BROKEN = 43 };

/* What a child prepares before it enters, for what it tries afterwards. */
struct held {
	int master, slave, socket;
	struct transport *link;
	char *path;
};

/* Runs one attempt in a sandboxed child; returns its wait status. The attempt ends it with DONE. */
static int run(void (*attempt)(struct held *h))
{
	struct held h = { .master = -1, .socket = -1 };
	struct err e = { 0 };
	char name[64];
	int status;
	pid_t pid;

	assert_int_equal(openpty(&h.master, &h.slave, name, NULL, NULL), 0);
	assert_true(asprintf(&h.path, "serial:%s", name) > 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = { 0, 0 };
		struct buf filter = { 0 };

		h.socket = socket(AF_UNIX, SOCK_STREAM, 0);
		if (setrlimit(RLIMIT_CORE, &none) != 0 || h.socket < 0 ||
		    transport_open(&h.link, h.path, &e) != 0 || sandbox_prepare(&filter, &e) != 0 ||
		    sandbox_enter(&filter, &e) != 0)
			_exit(BROKEN);
		attempt(&h);
		_exit(DONE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(close(h.master), 0);
	assert_int_equal(close(h.slave), 0);
	free(h.path);
	return status;
}

static void try_nothing(struct held *h)
{
	(void)h;
}

static void try_open(struct held *h)
{
	(void)h;
	(void)open("/dev/null", O_RDONLY);
}

static void try_old_open(struct held *h)
{
	(void)h;
#ifdef SYS_open
	(void)syscall(SYS_open, "/dev/null", O_RDONLY);
#else
	(void)open("/dev/null", O_RDONLY);
#endif
}

static void try_create(struct held *h)
{
	(void)h;
	(void)open("/tmp/kiln-sandbox-test", O_RDWR | O_CREAT | O_TMPFILE, 0600);
}

static void try_unlink(struct held *h)
{
	(void)h;
	(void)unlink("/nonexistent");
}

static void try_socket(struct held *h)
{
	(void)h;
	(void)socket(AF_INET, SOCK_STREAM, 0);
}

static void try_connect(struct held *h)
{
	const struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/nonexistent" };

	(void)connect(h->socket, (const struct sockaddr *)&a, sizeof(a));
}

static void try_send(struct held *h)
{
	(void)send(h->socket, "x", 1, 0);
}

static void try_exec(struct held *h)
{
	char name[] = "true";
	char *const argv[] = { name, NULL };

	(void)h;
	(void)execve("/bin/true", argv, environ);
}

static void try_fork(struct held *h)
{
	(void)h;
	(void)fork();
}

static void try_kill(struct held *h)
{
	(void)h;
	(void)kill(getpid(), 0);
}

static void try_ptrace(struct held *h)
{
	(void)h;
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void try_code(struct held *h)
{
	(void)h;
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void try_typing(struct held *h)
{
	char c = 'x';

	(void)ioctl(h->slave, TIOCSTI, &c); /* types into somebody's terminal */
}

static void try_baud(struct held *h)
{
	struct termios t;

	(void)tcgetattr(h->slave, &t);
}

static void test_all_else_ends_the_process(void **state)
{
	static const struct {
		const char *name;
		void (*attempt)(struct held *h);
	} rows[] = {
		{ "open", try_open },
		{ "the old open", try_old_open },
		{ "create", try_create },
		{ "unlink", try_unlink },
		{ "socket", try_socket },
		{ "connect", try_connect },
		{ "send", try_send },
		{ "exec", try_exec },
		{ "fork", try_fork },
		{ "kill", try_kill },
		{ "ptrace", try_ptrace },
		{ "memory for code", try_code },
		{ "TIOCSTI", try_typing },
		{ "terminal settings", try_baud },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int status = run(rows[i].attempt);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: wait status %#x, SIGSYS expected", rows[i].name,
			    (unsigned)status);
	}
}

static void require(bool condition)
{
	if (!condition)
		_exit(BROKEN);
}

static void try_device(struct held *h)
{
	struct err e = { 0 };
	char text[8];
	size_t got;

	transport_flush(h->link);
	require(write(h->master, "hello", 5) == 5);
	require(transport_read(h->link, text, sizeof(text), &got, clock_now_ms() + 5000, &e) == 0);
	require(got > 0 && text[0] == 'h');
	require(transport_write(h->link, "x", 1, clock_now_ms() + 5000, &e) == 0);
	require(transport_read(h->link, text, sizeof(text), &got, clock_now_ms() - 1, &e) != 0 ||
		got > 0);
	transport_close(h->link);
}

static void try_memory(struct held *h)
{
	AUTO_STRUCT(buf) b = { 0 };
	struct err e = { 0 };

	(void)h;
	for (size_t len = 64; len <= 8 << 20; len *= 2)
		require(buf_room(&b, len, &e) != NULL);
}

static void try_crypto(struct held *h)
{
	static const uint8_t broken[] = { 0x30, 0x03, 0x02, 0x01, 0x00 };
	static const char *const digests[] = { "SHA256", "SHA384", "SHA512" };
	AUTO(X509) *cert = NULL;
	struct err e = { 0 };
	uint8_t out[64];

	(void)h;
	require(RAND_bytes(out, sizeof(out)) == 1);
	for (size_t i = 0; i < COUNT(digests); i++)
		require(EVP_Q_digest(NULL, digests[i], NULL, "x", 1, out, NULL) == 1);
	require(x509_parse(broken, sizeof(broken), &cert, ERR_DEVICE, &e) != 0);
	errno = EIO;
	require(err_errno(&e, ERR_LINK, "x", "%s", "y") == -1); /* the text of errno */
}

static void try_line(struct held *h)
{
	AUTO(json_t) *object = json_pack("{s:s}", "a", "b");
	struct err e = { 0 };
	int ends[2] = { h->master, h->slave };

	require(object != NULL);
	require(line_write(ends[0], object, INT64_MAX, ERR_CONFIG, &e) == 0);
}

static void test_a_slots_work_goes_on(void **state)
{
	static const struct {
		const char *name;
		void (*attempt)(struct held *h);
	} rows[] = { { "nothing", try_nothing }, { "device", try_device }, { "memory", try_memory },
		{ "crypto", try_crypto }, { "line", try_line } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int status = run(rows[i].attempt);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
			fail_msg("%s: wait status %#x", rows[i].name, (unsigned)status);
	}
}

/* Keys and certificates of every kind that a device may show, parsed for the first time inside. */
static void test_foreign_keys_need_nothing_new(void **state)
{
	static const char *const keys[] = { "EC:P-256", "EC:P-384", "EC:P-521", "RSA", "ED25519" };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		AUTO(EVP_PKEY) *key = strncmp(keys[i], "EC:", 3) == 0
					  ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", keys[i] + 3)
				      : strcmp(keys[i], "RSA") == 0
					  ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
					  : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		AUTO(X509_REQ) *req = X509_REQ_new();
		uint8_t *der = NULL;
		int len, status;
		pid_t pid;

		assert_true(key != NULL && req != NULL);
		assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
		assert_true(X509_REQ_sign(req, key,
				strcmp(keys[i], "ED25519") == 0 ? NULL : EVP_sha256()) > 0);
		len = i2d_X509_REQ(req, &der);
		assert_true(len > 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			AUTO(X509_REQ) *again = NULL;
			struct buf filter = { 0 };
			struct err e = { 0 };

			require(sandbox_prepare(&filter, &e) == 0);
			require(sandbox_enter(&filter, &e) == 0);
			require(x509_parse_request(der, (size_t)len, &again, ERR_DEVICE, &e) == 0);
			require(X509_REQ_verify(again, X509_REQ_get0_pubkey(again)) == 1);
			_exit(DONE);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		OPENSSL_free(der);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != DONE)
			fail_msg("%s: wait status %#x", keys[i], (unsigned)status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_else_ends_the_process),
		cmocka_unit_test(test_a_slots_work_goes_on),
		cmocka_unit_test(test_foreign_keys_need_nothing_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
