#include "sandbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/usbdevice_fs.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <seccomp.h>

#include "json.h"

/* All that a slot may still do, whatever the arguments. */
static const int calls[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(restart_syscall), /* a wait that a stop signal interrupted */
	SCMP_SYS(close),
	SCMP_SYS(clock_gettime), /* where the vDSO has no clock */
	SCMP_SYS(getrandom),
	SCMP_SYS(getpid), /* OpenSSL's generator asks whether it was forked */
	SCMP_SYS(futex),  /* OpenSSL's locks; never contended in one thread */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), /* the address sanitizer, before what does not return */
	SCMP_SYS(exit_group),
};

/*
 * ioctl(2): on a serial line, dropping what has arrived and was not read; on USB, what libusb does for
 * transfers on an interface that it has (seen with strace). Nothing that claims, resets, or chooses a
 * configuration or a setting. libusb's own wake-up is a write(2) to its event descriptor.
 */
static const scmp_datum_t requests[] = {
	TCFLSH,
	USBDEVFS_SUBMITURB,
	USBDEVFS_REAPURBNDELAY,
	USBDEVFS_DISCARDURB,
	USBDEVFS_CLEAR_HALT,
	USBDEVFS_RELEASEINTERFACE,
};
/* mmap(2): memory, but none that can hold code. */
static const struct scmp_arg_cmp no_code = { .arg = 2,
	.op = SCMP_CMP_MASKED_EQ,
	.datum_a = PROT_EXEC };

static int allow(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT(calls); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (size_t i = 0; rc == 0 && i < COUNT(requests); i++) {
		const struct scmp_arg_cmp is = { .arg = 1,
			.op = SCMP_CMP_EQ,
			.datum_a = requests[i] };

		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, &is);
	}
	if (rc == 0)
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &no_code);
	return rc;
}

#ifdef KILN_FAILPOINTS
/*
 * In a development build only, and only where the devices are mocked: umockdev stands before libc and
 * carries each ioctl over a socket that it connected when the device was opened. It sends, receives,
 * holds signals back while it does, and yields by a sleep of no length (seen with strace).
 */
static int allow_mock(scmp_filter_ctx filter)
{
	static const int mock_calls[] = { SCMP_SYS(recvfrom), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep) };
	/* to whom the socket is connected, and to nobody else */
	static const struct scmp_arg_cmp no_address = { .arg = 4, .op = SCMP_CMP_EQ };
	int rc;

	if (getenv("UMOCKDEV_DIR") == NULL)
		return 0;
	rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, &no_address);
	for (size_t i = 0; rc == 0 && i < COUNT(mock_calls); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, mock_calls[i], 0);
	return rc;
}
#else
static int allow_mock(scmp_filter_ctx filter)
{
	(void)filter; /* nothing is mocked in a build that is used */
	return 0;
}
#endif

/* The rules as the kernel's program, in the file fd. */
static int write_filter(int fd)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = allow(filter);
	if (rc == 0)
		rc = allow_mock(filter);
	if (rc == 0)
		rc = seccomp_export_bpf(filter, fd);
	seccomp_release(filter);
	return rc;
}

static int read_filter(int fd, struct buf *ret, struct err *e)
{
	off_t len = lseek(fd, 0, SEEK_END);
	uint8_t *room;

	if (len <= 0 || len % (off_t)sizeof(struct sock_filter) != 0)
		return err_set(e, ERR_CONFIG, "slot.sandbox", "the seccomp filter was not written");
	room = buf_room(ret, (size_t)len, e);
	if (room == NULL)
		return -1;
	if (pread(fd, room, (size_t)len, 0) != len)
		return err_errno(e, ERR_CONFIG, "slot.sandbox", "reading the seccomp filter");
	ret->len += (size_t)len;
	return 0;
}

static int build(struct buf *ret_filter, struct err *e)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "slot.sandbox", "room for the seccomp filter");
	rc = write_filter(fd);
	if (rc == 0) {
		rc = read_filter(fd, ret_filter, e);
	} else {
		errno = -rc;
		rc = err_errno(e, ERR_CONFIG, "slot.sandbox", "building the seccomp filter");
	}
	(void)close(fd); /* only memory */
	return rc;
}

/* What opens files at first use: libcrypto's configuration and generator, jansson's hash seed. */
static int warm_up(struct err *e)
{
	uint8_t digest[SHA256_LEN];

	json_object_seed(0);
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				    OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_ADD_ALL_CIPHERS,
		NULL) != 1 ||
	    RAND_bytes(digest, sizeof(digest)) != 1)
		return err_openssl(e, ERR_CONFIG, "slot.sandbox", "starting libcrypto");
	sha256(digest, sizeof(digest), digest);
	return 0;
}

int sandbox_prepare(struct buf *ret_filter, struct err *e)
{
	if (warm_up(e) != 0)
		return -1;
	return build(ret_filter, e);
}

int sandbox_enter(const struct buf *filter, struct err *e)
{
	const struct sock_fprog program = {
		.len = (unsigned short)(filter->len / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(void *)filter->data,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, ERR_CONFIG, "slot.sandbox", "giving up new privileges");
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
		return 0;
	return err_errno(e, ERR_CONFIG, "slot.sandbox",
	    "the kernel refuses the seccomp filter; use a kernel with CONFIG_SECCOMP_FILTER");
}
