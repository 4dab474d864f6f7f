/*
 * The driver against the family's twin, each in its own process, on real pseudo terminals: a unit's
 * whole way, with every variant of the twin, and what the twin's faults look like.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "pki.h"
#include "spdm_rig.h"
#include "subject.h"
#include "twin.h"

OWNED(EVP_MD_CTX, EVP_MD_CTX_free)

static const uint8_t nonce[32] = "a nonce of the station, 32 bytes";

/* A unit in its slot. */
struct unit {
	struct profile *profile;
	struct twin_config config;
	char *folder;
	pid_t pid;
	struct transport *link;
	struct device *device;
	struct buf resume; /* kept by the station between two slots */
	int resets;
	struct twin_account *account; /* or NULL */
	bool hold;                    /* the line stays where the device ends: master */
	int master;
};

static void serve(struct unit *u, int master)
{
	struct err e = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(twin_find("spdm")->serve(&u->config, master, &e) == 0 ? 0 : 1);
}

static void plug(struct unit *u)
{
	const struct driver *driver = driver_find("spdm");
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char path[64];
	char address[96];
	struct err e = { 0 };

	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, path, sizeof(path)), 0);
	(void)snprintf(address, sizeof(address), "serial:%s?baud=921600", path);
	assert_ok(transport_open(&u->link, address, &e), &e);
	u->pid = fork();
	if (u->pid == 0)
		serve(u, master);
	if (u->hold)
		u->master = master;
	else
		(void)close(master);
	const struct device base = { .driver = driver, .link = u->link, .profile = u->profile };
	assert_ok(driver->open(&u->device, &base, &e), &e);
	u->device->resume = buf_steal(&u->resume);
}

static void unplug(struct unit *u)
{
	if (u->device == NULL)
		return;
	u->resume = buf_steal(&u->device->resume);
	u->device->driver->close(u->device);
	u->device = NULL;
	transport_close(steal(&u->link));
	(void)kill(u->pid, SIGKILL);
	assert_int_equal(waitpid(u->pid, NULL, 0), u->pid);
	if (u->hold)
		(void)close(u->master);
}

static void unit_open(struct unit *u, const char *section, const char *algorithm,
    const char *existing, const char *variant, const char *fault)
{
	u->folder = testing_folder();
	u->profile = rig_profile(section, algorithm, existing);
	u->config = (struct twin_config){ .serial = "IP30000042",
		.model = "IP3-A",
		.folder = u->folder,
		.variant = variant,
		.fault = fault,
		.keygen_ms = 20,
		.account = u->account,
		.seed = 1 };
	plug(u);
}

static void unit_close(struct unit *u)
{
	unplug(u);
	buf_free(&u->resume);
	profile_free(u->profile);
	testing_folder_remove(u->folder);
}

static struct device *in(struct unit *u, int64_t ms)
{
	u->device->deadline = clock_now_ms() + ms;
	return u->device;
}

static void identify(struct unit *u, struct identity *ret)
{
	struct err e = { 0 };

	identity_free(ret);
	*ret = (struct identity){ 0 };
	assert_ok(u->device->driver->identify(in(u, 5000), ret, &e), &e);
	assert_string_equal(ret->serial, "IP30000042");
	assert_string_equal(ret->model, "IP3-A");
}

/* After DRIVER_RESET: the device restarts by itself, or a hand switches it off and on. */
static void restart(struct unit *u, bool by_itself)
{
	AUTO_STRUCT(identity) i = { 0 };
	int status = 0;

	u->resets++;
	assert_true(u->resets < 8);
	if (by_itself) {
		assert_int_equal(waitpid(u->pid, &status, 0), u->pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		u->pid = fork(); /* something for unplug to end */
		if (u->pid == 0)
			for (;;)
				pause();
	}
	unplug(u);
	plug(u);
	identify(u, &i);
}

static int request_once(struct unit *u, const struct subject *subject, struct buf *ret,
    struct err *e)
{
	return u->device->driver->request(in(u, 5000), subject, ret, e);
}

static void request(struct unit *u, bool by_itself, const struct subject *subject, struct buf *ret)
{
	struct err e = { 0 };

	while (request_once(u, subject, ret, &e) != 0) {
		if (!err_is(&e, DRIVER_RESET))
			assert_ok(-1, &e);
		restart(u, by_itself);
	}
}

static void install(struct unit *u, bool by_itself, enum object object, const struct buf *ders)
{
	struct err e = { 0 };

	while (u->device->driver->install(in(u, 5000), object, ders, &e) != 0) {
		if (!err_is(&e, DRIVER_RESET))
			assert_ok(-1, &e);
		restart(u, by_itself);
	}
}

/* A CA that issues what the CSR's key and subject ask for. */
static void issue(struct pki *ca, const struct buf *csr, struct buf *ret_chain, X509 **ret_leaf)
{
	AUTO(X509_REQ) *request = NULL;
	AUTO(EVP_PKEY) *key = NULL;
	struct err e = { 0 };

	assert_ok(x509_parse_request(csr->data, csr->len, &request, ERR_DEVICE, &e), &e);
	key = X509_REQ_get_pubkey(request);
	assert_int_equal(X509_REQ_verify(request, key), 1);
	*ret_leaf = pki_cert(&(struct pki_spec){ .name = "unit",
	    .key = key,
	    .issuer = ca->ca,
	    .issuer_key = ca->ca_key,
	    .constraints = "critical,CA:FALSE",
	    .usage = "critical,digitalSignature" });
	assert_ok(x509_add_der(*ret_leaf, ret_chain, &e), &e);
	assert_ok(x509_add_der(ca->ca, ret_chain, &e), &e);
	assert_ok(x509_add_der(ca->root, ret_chain, &e), &e);
}

static int verify(const struct proof_claims *c, X509 *leaf)
{
	AUTO(EVP_MD_CTX) *context = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, c->digest, NULL, NULL,
			     X509_get0_pubkey(leaf), NULL),
	    1);
	return EVP_DigestVerify(context, c->signature.data, c->signature.len, c->message.data,
	    c->message.len);
}

/* What the station does with a proof. */
static int prove(struct unit *u, int64_t ms, X509 *leaf, struct err *e)
{
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	uint8_t digest[SHA256_LEN];

	if (u->device->driver->prove(in(u, ms), nonce, &proof, e) != 0 ||
	    family_find("spdm")->check_proof(u->profile, &proof, &claims, e) != 0)
		return -1;
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	assert_ok(x509_digest(leaf, digest, e), e);
	assert_memory_equal(claims.leaf_sha256, digest, sizeof(digest));
	if (verify(&claims, leaf) != 1)
		return err_set(e, ERR_DEVICE, "test.signature", "the signature does not verify");
	return 0;
}

static void render(struct unit *u, struct subject *ret)
{
	AUTO_STRUCT(identity) i = { 0 };
	struct err e = { 0 };

	identify(u, &i);
	assert_ok(subject_render(ret, u->profile, &i, &e), &e);
}

static void check_readback(struct unit *u, const struct buf *chain, const struct buf *anchors)
{
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO_STRUCT(stored) digest = { 0 };
	uint8_t sha[SHA256_LEN];
	struct err e = { 0 };

	assert_ok(u->device->driver->readback(in(u, 5000), OBJECT_CHAIN, &stored, &e), &e);
	assert_false(stored.is_digest);
	assert_true(buf_equal(&stored.bytes, chain));
	assert_ok(u->device->driver->readback(in(u, 5000), OBJECT_ANCHORS, &digest, &e), &e);
	assert_true(digest.is_digest);
	sha256(anchors->data, anchors->len, sha);
	assert_memory_equal(digest.bytes.data, sha, sizeof(sha));
}

static void check_subject(const struct buf *csr, const struct subject *subject)
{
	AUTO(X509_REQ) *request = NULL;
	struct err e = { 0 };
	uint8_t *der = NULL;
	int len;

	assert_ok(x509_parse_request(csr->data, csr->len, &request, ERR_DEVICE, &e), &e);
	len = i2d_X509_NAME(X509_REQ_get_subject_name(request), &der);
	assert_int_equal(len, subject->name.len);
	assert_memory_equal(der, subject->name.data, subject->name.len);
	OPENSSL_free(der);
	/* the alternative names are in it as they are, behind what the device says of itself */
	assert_true(subject->san.len > 2 && subject->san.data[1] < 0x80);
	assert_non_null(memmem(csr->data, csr->len, subject->san.data + 2, subject->san.len - 2));
}

struct way {
	const char *variant, *section, *algorithm, *existing;
	int resets;
	bool by_itself;
};

static void provision(const struct way *way)
{
	const struct key_spec spec = { way->algorithm, strcmp(way->existing, "replace") == 0 };
	struct unit u = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(identity) sealed = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(buf) anchors = { 0 };
	AUTO(X509) *leaf = NULL;
	struct pki ca = pki_attester("P-256");
	struct err e = { 0 };

	unit_open(&u, way->section, way->algorithm, way->existing, way->variant, NULL);
	render(&u, &subject);
	assert_ok(u.device->driver->keygen(in(&u, 5000), &spec, &e), &e);
	request(&u, way->by_itself, &subject, &csr);
	check_subject(&csr, &subject);
	issue(&ca, &csr, &chain, &leaf);
	assert_ok(x509_add_der(ca.root, &anchors, &e), &e);
	install(&u, way->by_itself, OBJECT_CHAIN, &chain);
	install(&u, way->by_itself, OBJECT_ANCHORS, &anchors);
	check_readback(&u, &chain, &anchors);
	assert_ok(prove(&u, 5000, leaf, &e), &e);
	assert_ok(u.device->driver->seal(in(&u, 5000), &e), &e);
	identify(&u, &sealed);
	assert_string_equal(sealed.lifecycle, VENDOR_LIFECYCLE_SEALED);
	assert_true(sealed.key_present);
	assert_ok(prove(&u, 5000, leaf, &e), &e);
	assert_err(u.device->driver->install(in(&u, 5000), OBJECT_CHAIN, &chain, &e), &e,
	    "device.refused");
	assert_non_null(strstr(e.message, "UnexpectedRequest"));
	assert_int_equal(u.resets, way->resets);
	unit_close(&u);
	pki_free(&ca);
}

static void every_variant_is_provisioned(void **state)
{
	static const struct way ways[] = {
		{ "1.3", RIG_SECTION, "EC:P-256", "refuse", 0, false },
		{ "1.3", RIG_SECTION, "EC:P-256", "replace", 0, false },
		{ "1.2", RIG_SECTION, "EC:P-256", "reuse", 0, false },
		{ "p384", RIG_SECTION, "EC:P-384", "refuse", 0, false },
		{ "1.3-chunk", RIG_SECTION, "EC:P-256", "refuse", 0, false },
		/* two CSRs and a chain */
		{ "1.3-reset", RIG_SECTION, "EC:P-256", "refuse", 3, true },
		{ "1.3-reset", "{ identity: vendor, vendor_pen: 32473, reset: manual }", "EC:P-256",
		    "refuse", 3, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		print_message("%s, existing %s, %s\n", ways[i].variant, ways[i].existing,
		    ways[i].section);
		provision(&ways[i]);
	}
}

static void the_first_look_finds_no_key(void **state)
{
	struct unit u = { 0 };
	AUTO_STRUCT(identity) i = { 0 };
	const struct key_spec spec = { "EC:P-256", false };
	struct err e = { 0 };

	(void)state;
	unit_open(&u, RIG_SECTION, "EC:P-256", "refuse", "1.3", NULL);
	identify(&u, &i);
	assert_false(i.key_present);
	assert_string_equal(i.lifecycle, VENDOR_LIFECYCLE_MANUFACTURING);
	assert_true(i.firmware[0] != '\0');
	assert_true(i.evidence.len > 8);
	assert_int_equal(i.evidence.data[1], SPDM_MEASUREMENTS);
	assert_ok(u.device->driver->keygen(in(&u, 5000), &spec, &e), &e);
	identify(&u, &i);
	assert_true(i.key_present);
	unit_close(&u);
}

/* Without replace a key stays, with it there is another one. */
static void keys_are_kept_or_replaced(void **state)
{
	struct unit u = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	EVP_PKEY *keys[3] = { NULL };
	struct err e = { 0 };

	(void)state;
	unit_open(&u, RIG_SECTION, "EC:P-256", "replace", "1.3", NULL);
	render(&u, &subject);
	for (size_t i = 0; i < COUNT(keys); i++) {
		const struct key_spec spec = { "EC:P-256", i == 2 };
		AUTO(X509_REQ) *parsed = NULL;

		assert_ok(u.device->driver->keygen(in(&u, 5000), &spec, &e), &e);
		request(&u, false, &subject, &csr);
		assert_ok(x509_parse_request(csr.data, csr.len, &parsed, ERR_DEVICE, &e), &e);
		keys[i] = X509_REQ_get_pubkey(parsed);
	}
	assert_int_equal(EVP_PKEY_eq(keys[0], keys[1]), 1);
	assert_int_not_equal(EVP_PKEY_eq(keys[0], keys[2]), 1);
	for (size_t i = 0; i < COUNT(keys); i++)
		EVP_PKEY_free(steal(&keys[i]));
	unit_close(&u);
}

struct fault {
	const char *name;
	enum step_id step;
	const char *code; /* NULL: it works all the same */
};

/* The unit's way up to the step, which is the first that may fail. */
static int walk_to(struct unit *u, struct pki *ca, const struct fault *f, struct err *e)
{
	const struct key_spec spec = { "EC:P-256", false };
	AUTO_STRUCT(identity) who = { 0 };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) chain = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	AUTO(X509) *leaf = NULL;
	int rc = u->device->driver->identify(in(u, 5000), &who, e);

	if (f->step == STEP_IDENTIFY)
		return rc;
	assert_ok(rc, e);
	rc = u->device->driver->keygen(in(u, 5000), &spec, e);
	if (f->step == STEP_KEYGEN)
		return rc;
	assert_ok(rc, e);
	assert_ok(subject_render(&subject, u->profile, &who, e), e);
	request(u, false, &subject, &csr);
	issue(ca, &csr, &chain, &leaf);
	install(u, false, OBJECT_CHAIN, &chain);
	rc = u->device->driver->readback(in(u, 5000), OBJECT_CHAIN, &stored, e);
	if (f->step == STEP_READBACK)
		return rc;
	assert_ok(rc, e);
	return prove(u, strncmp(f->name, "stall", 5) == 0 ? 300 : 5000, leaf, e);
}

/* What one step says when the device does this. */
static void faults_are_seen(void **state)
{
	static const struct fault faults[] = {
		{ "garbage", STEP_IDENTIFY, NULL },
		{ "drop:identify", STEP_IDENTIFY, NULL },    /* of the setup: it begins anew */
		{ "corrupt:identify", STEP_IDENTIFY, NULL }, /* the same */
		{ "busy:keygen", STEP_KEYGEN, NULL },
		{ "refuse:keygen", STEP_KEYGEN, "device.refused" },
		{ "reset:keygen", STEP_KEYGEN, "link.gone" },
		{ "short-portions", STEP_READBACK, NULL },
		{ "stall:prove", STEP_PROVE, "link.timeout" },
		{ "wrong-key", STEP_PROVE, "test.signature" },
	};
	struct pki ca = pki_attester("P-256");

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct unit u = { 0 };
		struct err e = { 0 };
		int rc;

		print_message("%s\n", faults[i].name);
		unit_open(&u, RIG_SECTION, "EC:P-256", "refuse", "1.3", faults[i].name);
		rc = walk_to(&u, &ca, &faults[i], &e);
		if (faults[i].code == NULL)
			assert_ok(rc, &e);
		else
			assert_err(rc, &e, faults[i].code);
		unit_close(&u);
	}
	pki_free(&ca);
}

static void the_uuid_is_a_serial(void **state)
{
	struct unit u = { 0 };
	AUTO_STRUCT(identity) i = { 0 };
	struct err e = { 0 };

	(void)state;
	unit_open(&u, "{ identity: uuid, model: IP3-A, vendor_pen: 1, reset: manual }", "EC:P-256",
	    "refuse", "1.3", NULL);
	assert_ok(u.device->driver->identify(in(&u, 5000), &i, &e), &e);
	assert_string_equal(i.model, "IP3-A");
	assert_int_equal(strlen(i.serial), 36);
	assert_string_equal(i.serial, i.uuid);
	unit_close(&u);
}

static void an_unplugged_device_is_gone(void **state)
{
	struct unit u = { 0 };
	AUTO_STRUCT(identity) i = { 0 };
	struct err e = { 0 };

	(void)state;
	unit_open(&u, RIG_SECTION, "EC:P-256", "refuse", "1.3", NULL);
	(void)kill(u.pid, SIGKILL);
	assert_err(u.device->driver->identify(in(&u, 5000), &i, &e), &e, "link.gone");
	unit_close(&u);
}

static void lose_state(struct unit *u)
{
	(void)kill(u->pid, SIGKILL);
	assert_int_equal(waitpid(u->pid, NULL, 0), u->pid);
	u->pid = fork();
	if (u->pid == 0)
		serve(u, u->master);
}

/* Steps go on with the connection of the one before, and with a new one where the device forgot it. */
static void a_device_may_forget_its_connection(void **state)
{
	const struct key_spec spec = { "EC:P-256", false };
	struct unit u = { .hold = true };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(buf) csr = { 0 };
	AUTO_STRUCT(buf) again = { 0 };
	struct err e = { 0 };

	(void)state;
	unit_open(&u, RIG_SECTION, "EC:P-256", "refuse", "1.3", NULL);
	render(&u, &subject);
	assert_ok(u.device->driver->keygen(in(&u, 5000), &spec, &e), &e);
	assert_ok(request_once(&u, &subject, &csr, &e), &e);
	lose_state(&u);
	assert_ok(request_once(&u, &subject, &again, &e), &e);
	check_subject(&again, &subject);
	lose_state(&u);
	assert_ok(request_once(&u, &subject, &again, &e), &e);
	unit_close(&u);
}

/* What a step sends: fewer bytes than GET_VERSION, GET_CAPABILITIES and NEGOTIATE_ALGORITHMS have. */
static void the_connection_is_kept(void **state)
{
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };
	struct twin_account *account =
	    mmap(NULL, sizeof(*account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct unit u = { 0 };
	struct err e = { 0 };
	int64_t before;

	(void)state;
	assert_true(account != MAP_FAILED);
	u.account = account;
	unit_open(&u, RIG_SECTION, "EC:P-256", "refuse", "1.3", NULL);
	render(&u, &subject);
	before = account->in;
	/* nothing is stored: the answer to one request says so, well */
	assert_err(u.device->driver->readback(in(&u, 5000), OBJECT_ANCHORS, &stored, &e), &e,
	    "device.empty");
	assert_true(account->in - before < 60);
	before = account->in;
	/* that step failed: the next one begins anew */
	assert_err(u.device->driver->readback(in(&u, 5000), OBJECT_ANCHORS, &stored, &e), &e,
	    "device.empty");
	assert_true(account->in - before > 60);
	unit_close(&u);
	(void)munmap(account, sizeof(*account));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_look_finds_no_key),
		cmocka_unit_test(every_variant_is_provisioned),
		cmocka_unit_test(keys_are_kept_or_replaced),
		cmocka_unit_test(the_uuid_is_a_serial),
		cmocka_unit_test(an_unplugged_device_is_gone),
		cmocka_unit_test(faults_are_seen),
		cmocka_unit_test(a_device_may_forget_its_connection),
		cmocka_unit_test(the_connection_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
