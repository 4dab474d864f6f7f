#include "sandbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <seccomp.h>

#include "buf.h"

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
	SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(sigaltstack),
#endif
};

static int allow(scmp_filter_ctx filter)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < COUNT(calls); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (rc == 0) /* dropping what has arrived from the device and was not read */
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
		    SCMP_A1(SCMP_CMP_EQ, TCFLSH));
	if (rc == 0) /* memory, but none that can hold code */
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return rc;
}

static int load(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc;

	if (filter == NULL)
		return -ENOMEM;
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = allow(filter);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}

/* libcrypto reads its configuration, finds its digests and seeds its generator at first use. */
static int warm_libcrypto(struct err *e)
{
	uint8_t digest[SHA256_LEN];

	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
				    OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_ADD_ALL_CIPHERS,
		NULL) != 1 ||
	    RAND_bytes(digest, sizeof(digest)) != 1)
		return err_openssl(e, ERR_CONFIG, "slot.sandbox", "starting libcrypto");
	sha256(digest, sizeof(digest), digest);
	return 0;
}

int sandbox_enter(struct err *e)
{
	int rc;

	if (warm_libcrypto(e) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, ERR_CONFIG, "slot.sandbox", "giving up new privileges");
	rc = load();
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_errno(e, ERR_CONFIG, "slot.sandbox",
	    "the kernel refuses the seccomp filter; use a kernel with CONFIG_SECCOMP_FILTER");
}
