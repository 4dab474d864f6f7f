#include "twin_tools.h"

#include <string.h>

#include "twin_power.h"

static const char *const names[] = {
	[SHELL_TOOL_OPENSSL] = "openssl",
	[SHELL_TOOL_CAT] = "cat",
	[SHELL_TOOL_MV] = "mv",
	[SHELL_TOOL_BASE64] = "base64",
	[SHELL_TOOL_SYNC] = "sync",
	[SHELL_TOOL_PKCS11] = "pkcs11-tool",
	[SHELL_TOOL_CERTTOOL] = "certtool",
};

/*
 * In every script: what follows the options for files, the last argument, what is asked for, and the
 * program itself.
 */
static const char start[] = "#!/bin/sh\n"
			    "before= out=\n"
			    "for last; do\n"
			    "	case $before in\n"
			    "	-out|--outfile|--output-file) out=$last;;\n"
			    "	--input-file) in=$last;;\n"
			    "	--template) template=$last;;\n"
			    "	esac\n"
			    "	before=$last\n"
			    "done\n"
			    "asks() { case \" $all \" in *\" $1 \"*) return 0;; esac; return 1; }\n"
			    "all=$*\n"
			    "real() { PATH=${PATH#*:} command %s \"$@\"; }\n";

static const char other_subject[] = "[ \"$1\" = req ] && set -- \"$@\" -subj '/CN=somebody else'\n";

static const char other_template[] = "sed -i 's/^cn = .*/cn = \"somebody else\"/' \"$template\"\n";

/* The last byte of a DER request is the last of its signature. */
static const char bad_signature[] = "if [ \"$1\" = req ] || asks --generate-request; then\n"
				    "	real \"$@\" || exit\n"
				    "	at=$(($(wc -c <\"$out\") - 1))\n"
				    "	byte=$(tail -c 1 \"$out\" | od -An -tu1)\n"
				    "	printf \"\\\\$(printf %03o $((byte ^ 1)))\" |\n"
				    "	    dd of=\"$out\" bs=1 seek=$at conv=notrunc status=none\n"
				    "	exit\n"
				    "fi\n";

static const char wrong_key[] =
    "if [ \"$1\" = dgst ] && asks -sign; then\n"
    "	real genpkey -algorithm EC -pkeyopt group:P-256 -out keys/other.pem 2>/dev/null\n"
    "	real dgst -sha256 -sign keys/other.pem -out \"$out\" \"$last\"\n"
    "	exit\n"
    "fi\n";

static const char not_the_token[] =
    "if asks --sign; then\n"
    "	openssl genpkey -algorithm EC -pkeyopt group:P-256 -out keys/other.pem 2>/dev/null\n"
    "	openssl pkeyutl -sign -inkey keys/other.pem -in \"$in\" -out \"$out\"\n"
    "	exit\n"
    "fi\n";

/* In the layout that is signed, the nonce follows 14 bytes. */
static const char wrong_nonce[] =
    "if [ \"$1\" = dgst ]; then\n"
    "	head -c 32 /dev/urandom | dd of=\"$last\" bs=1 seek=14 conv=notrunc status=none\n"
    "fi\n";

/* What was written is not what is there later. */
static const char lying_readback[] =
    "case $last in certs/*)\n"
    "	real \"$@\" || exit\n"
    "	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \\\n"
    "	    -keyout keys/other.pem -subj '/CN=somebody else' -out \"$last\" 2>/dev/null\n"
    "	exit;;\n"
    "esac\n";

/* A serial that ends in another digit than identity/serial, as soon as there is a key. */
static const char wrong_serial[] =
    "if [ \"$1\" = identity/serial ] && [ -n \"$(ls keys)\" ]; then\n"
    "	real \"$1\" | tr '0-9A-Z' '1-90B-ZA'\n"
    "	exit\n"
    "fi\n";

static const struct {
	enum shell_fault fault;
	enum step_id step;
	enum shell_tool tool;
	const char *script;
} flaws[] = {
	{ SHELL_FAULT_OTHER_CSR_SUBJECT, STEP_REQUEST, SHELL_TOOL_OPENSSL, other_subject },
	{ SHELL_FAULT_OTHER_CSR_SUBJECT, STEP_REQUEST, SHELL_TOOL_CERTTOOL, other_template },
	{ SHELL_FAULT_BAD_CSR_SIGNATURE, STEP_REQUEST, SHELL_TOOL_OPENSSL, bad_signature },
	{ SHELL_FAULT_BAD_CSR_SIGNATURE, STEP_REQUEST, SHELL_TOOL_CERTTOOL, bad_signature },
	{ SHELL_FAULT_WRONG_KEY, STEP_PROVE, SHELL_TOOL_OPENSSL, wrong_key },
	{ SHELL_FAULT_WRONG_KEY, STEP_PROVE, SHELL_TOOL_PKCS11, not_the_token },
	{ SHELL_FAULT_WRONG_NONCE, STEP_PROVE, SHELL_TOOL_OPENSSL, wrong_nonce },
	{ SHELL_FAULT_LYING_READBACK, STEP_READBACK, SHELL_TOOL_MV, lying_readback },
	{ SHELL_FAULT_WRONG_SERIAL, STEP_IDENTIFY, SHELL_TOOL_CAT, wrong_serial },
	{ SHELL_FAULT_REFUSE, STEP_IDENTIFY, SHELL_TOOL_CAT,
	    "echo 'cat: input/output error' >&2; exit 1\n" },
	{ SHELL_FAULT_REFUSE, STEP_KEYGEN, SHELL_TOOL_OPENSSL,
	    "[ \"$1\" = genpkey ] && { echo 'tpm: the hierarchy is disabled' >&2; exit 1; }\n" },
	{ SHELL_FAULT_REFUSE, STEP_KEYGEN, SHELL_TOOL_PKCS11,
	    "asks --keypairgen && { echo 'error: CKR_DEVICE_ERROR' >&2; exit 1; }\n" },
	{ SHELL_FAULT_REFUSE, STEP_REQUEST, SHELL_TOOL_CERTTOOL,
	    "echo 'certtool: PKCS #11 error in device' >&2; exit 1\n" },
	{ SHELL_FAULT_REFUSE, STEP_REQUEST, SHELL_TOOL_OPENSSL,
	    "[ \"$1\" = req ] && { echo 'tpm: the key is locked' >&2; exit 1; }\n" },
	{ SHELL_FAULT_REFUSE, STEP_INSTALL, SHELL_TOOL_MV,
	    "case $last in certs/*) echo 'mv: read-only file system' >&2; exit 1;; esac\n" },
	{ SHELL_FAULT_REFUSE, STEP_READBACK, SHELL_TOOL_BASE64,
	    "case $last in certs/*) echo 'base64: input/output error' >&2; exit 1;; esac\n" },
	{ SHELL_FAULT_REFUSE, STEP_PROVE, SHELL_TOOL_OPENSSL,
	    "[ \"$1\" = dgst ] && { echo 'tpm: the key is locked' >&2; exit 1; }\n" },
};

const char *shell_tool_name(enum shell_tool tool)
{
	return names[tool];
}

int shell_tool_write(enum shell_tool tool, const struct twin_config *config,
    const struct shell_plan *plan, struct buf *ret, struct err *e)
{
	if (buf_printf(ret, e, start, names[tool]) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(flaws); i++)
		if (flaws[i].tool == tool && flaws[i].fault == plan->fault &&
		    flaws[i].step == plan->step && buf_add_str(ret, flaws[i].script, e) != 0)
			return -1;
	if ((tool == SHELL_TOOL_OPENSSL || tool == SHELL_TOOL_PKCS11) &&
	    buf_printf(ret, e,
		"{ [ \"$1\" = genpkey ] || asks --keypairgen; } && sleep %lld.%03lld\n",
		(long long)(config->keygen_ms / 1000), (long long)(config->keygen_ms % 1000)) != 0)
		return -1;
	if (shell_power_write(tool, plan, ret, e) != 0)
		return -1;
	return buf_add_str(ret, "real \"$@\"\n", e);
}
