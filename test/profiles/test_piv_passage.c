/* The driver, and the CCID framing below it, against the emulated card: a process of its own behind a socket,
 * whose messages are USB transfers. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ccid.h"
#include "clock.h"
#include "family.h"
#include "piv_kit.h"
#include "twin.h"

enum { TRANSFER_MAX = 65536 + 10, LONG_MS = 60000 };

struct bus {
	struct transport base;
	int fd;
	const struct twin_usb *usb;
	uint8_t in[TRANSFER_MAX];
	size_t at, len;
};

static int bus_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct bus *b = (struct bus *)t;
	struct pollfd p = { .fd = b->fd, .events = POLLIN };
	size_t got;

	if (b->at == b->len) {
		ssize_t n;

		if (poll(&p, 1, clock_left_ms(deadline)) <= 0)
			return err_retry(err_set(e, ERR_LINK, "link.timeout", "nothing came"), e);
		n = recv(b->fd, b->in, sizeof(b->in), 0);
		if (n <= 0)
			return err_set(e, ERR_LINK, "link.gone", "unplugged");
		b->at = 0;
		b->len = (size_t)n;
	}
	got = b->len - b->at < len ? b->len - b->at : len;
	memcpy(data, b->in + b->at, got);
	b->at += got;
	*ret_got = got;
	return 0;
}

static int bus_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	(void)deadline; /* the socket's buffer holds a message */
	if (send(((struct bus *)t)->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	return 0;
}

static void bus_flush(struct transport *t)
{
	struct bus *b = (struct bus *)t;

	b->at = b->len = 0;
}

static const struct transport_ops bus_ops = {
	.scheme = "bus",
	.medium = MEDIUM_USB,
	.read = bus_read,
	.write = bus_write,
	.flush = bus_flush,
};

static const uint8_t *bus_descriptor(const struct transport *t, uint8_t type, size_t *ret_len)
{
	const struct bus *b = (const struct bus *)t;

	if (b->usb->descriptor_len < 2 || b->usb->descriptor[1] != type)
		return NULL;
	*ret_len = b->usb->descriptor_len;
	return b->usb->descriptor;
}

static bool bus_has_interrupt(const struct transport *t)
{
	(void)t;
	return false;
}

static int bus_request(struct transport *t, uint8_t request, uint16_t value, int64_t deadline,
    struct err *e)
{
	(void)t;
	(void)request;
	(void)value;
	(void)deadline;
	(void)e;
	return 0; /* the bulk message of the pair is what the card sees */
}

static const struct ccid_port bus_port = {
	.descriptor = bus_descriptor,
	.has_interrupt = bus_has_interrupt,
	.request = bus_request,
};

static int reader_power_on_card(void *context, int64_t deadline, struct err *e)
{
	return ccid_power_on(context, deadline, e);
}

static int reader_transmit_apdu(void *context, const struct buf *apdu, struct buf *ret,
    int64_t deadline, struct err *e)
{
	return ccid_transmit(context, apdu, ret, deadline, e);
}

static const struct piv_reader over_ccid = {
	.power_on = reader_power_on_card,
	.transmit = reader_transmit_apdu,
};

struct world {
	struct bus bus;
	struct ccid ccid;
	struct profile *profile;
	struct device *d;
	const struct driver *driver;
	char *folder;
	pid_t pid;
};

static void serve(const char *variant, const char *fault, const char *folder, int fd)
{
	const struct twin_config config = { .serial = "20000001",
		.model = "UT1",
		.folder = folder,
		.variant = variant,
		.fault = fault,
		.seed = 7,
		.usb = true };
	struct err e = { 0 };

	(void)twin_find("piv")->serve(&config, fd, &e);
	_exit(0);
}

static void plug(struct world *w, const char *variant, const char *fault)
{
	const struct device base = { .driver = driver_find("piv"), .profile = w->profile };
	struct err e = { 0 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		(void)close(fds[0]);
		serve(variant, fault, w->folder, fds[1]);
	}
	(void)close(fds[1]);
	w->bus = (struct bus){ .base = { &bus_ops }, .fd = fds[0], .usb = twin_find("piv")->usb };
	assert_ok(ccid_init(&w->ccid, &bus_port, &w->bus.base, &e), &e);
	assert_ok(piv_device_open(&w->d, &base, &over_ccid, &w->ccid, &e), &e);
	w->driver = w->d->driver;
	w->d->deadline = clock_now_ms() + LONG_MS;
}

static void unplug(struct world *w)
{
	w->driver->close(w->d);
	(void)close(w->bus.fd);
	assert_int_equal(kill(w->pid, SIGKILL), 0);
	assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
}

static void world_open(struct world *w, const char *variant, const char *fault, const char *section,
    const char *algorithm)
{
	char *fleet = testing_folder();

	w->profile = piv_profile(section, algorithm);
	w->folder = fleet;
	plug(w, variant, fault);
}

static void world_close(struct world *w)
{
	unplug(w);
	profile_free(w->profile);
	testing_folder_remove(w->folder);
}

static int keygen(struct world *w, bool replace, struct err *e)
{
	const struct key_spec spec = { w->profile->key_algorithm, replace };

	return w->driver->keygen(w->d, &spec, e);
}

static int request(struct world *w, struct buf *ret, struct err *e)
{
	const struct identity unit = { .model = "UT1", .serial = "20000001" };
	AUTO_STRUCT(subject) subject = { 0 };

	assert_ok(subject_render(&subject, w->profile, &unit, e), e);
	return w->driver->request(w->d, &subject, ret, e);
}

static EVP_PKEY *key_of(const struct buf *csr, bool *ret_good)
{
	AUTO(X509_REQ) *parsed = NULL;
	struct err e = { 0 };
	EVP_PKEY *key;

	assert_ok(x509_parse_request(csr->data, csr->len, &parsed, ERR_DEVICE, &e), &e);
	key = X509_REQ_get_pubkey(parsed);
	*ret_good = X509_REQ_verify(parsed, key) == 1;
	return key;
}

/* Any bytes of that length behave as a certificate does: 0x30 and a length in front. */
static void leaf_of(size_t len, struct buf *ret)
{
	const uint8_t header[] = { 0x30, 0x82, (uint8_t)((len - 4) >> 8), (uint8_t)(len - 4) };

	fake_add(ret, header, sizeof(header));
	for (size_t i = sizeof(header); i < len; i++)
		fake_add(ret, &(uint8_t){ (uint8_t)(i * 5) }, 1);
}

static int install(struct world *w, size_t len, bool *ret_same, struct err *e)
{
	AUTO_STRUCT(buf) leaf = { 0 };
	AUTO_STRUCT(stored) stored = { 0 };

	leaf_of(len, &leaf);
	if (w->driver->install(w->d, OBJECT_LEAF, &leaf, e) != 0 ||
	    w->driver->readback(w->d, OBJECT_LEAF, &stored, e) != 0)
		return -1;
	*ret_same = buf_equal(&stored.bytes, &leaf);
	return 0;
}

static int prove(struct world *w, EVP_PKEY *key, bool *ret_good, struct err *e)
{
	static const uint8_t nonce[32] = { 4, 5, 6 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct err why = { 0 };

	if (w->driver->prove(w->d, nonce, &proof, e) != 0) {
		EVP_MD_CTX_free(ctx);
		return -1;
	}
	assert_ok(family_find("piv")->check_proof(w->profile, &proof, &claims, &why), &why);
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	assert_int_equal(EVP_DigestVerifyInit_ex(ctx, NULL, claims.digest, NULL, NULL, key, NULL),
	    1);
	*ret_good = EVP_DigestVerify(ctx, claims.signature.data, claims.signature.len,
			claims.message.data, claims.message.len) == 1;
	EVP_MD_CTX_free(ctx);
	return 0;
}

/* The chip's evidence is about the key of the CSR, and of this unit. */
static void origin(struct world *w, EVP_PKEY *key, bool attests)
{
	AUTO_STRUCT(buf) ders = { 0 };
	AUTO_STRUCT(origin_claims) claims = { 0 };
	AUTO(X509_STACK) *list = NULL;
	AUTO(EVP_PKEY) *attested = NULL;
	const uint8_t *p;
	struct err e = { 0 };

	assert_ok(w->driver->origin(w->d, &ders, &e), &e);
	if (!attests) {
		assert_int_equal(ders.len, 0);
		return;
	}
	assert_ok(family_find("piv")->check_origin(w->profile, &ders, &claims, &e), &e);
	p = claims.spki.data;
	attested = d2i_PUBKEY(NULL, &p, (long)claims.spki.len);
	assert_int_equal(EVP_PKEY_eq(attested, key), 1);
	assert_ok(x509_parse_list(claims.chain.data, claims.chain.len, &list, ERR_DEVICE, &e), &e);
	assert_int_equal(sk_X509_num(list), 2);
	assert_int_equal(X509_verify(sk_X509_value(list, 0),
			     X509_get0_pubkey(sk_X509_value(list, 1))),
	    1);
	assert_string_equal(claims.serial, "20000001");
}

static const struct {
	const char *variant, *section, *algorithm;
	bool attests;
	const char *serial; /* NULL: the card's GUID */
} passages[] = {
	{ "token", "{ identity: serial, model: UT1, factory_secrets: true, pin_policy: once }",
	    "EC:P-256", true, "20000001" },
	{ "yubico",
	    "{ identity: serial, model: UT1, factory_secrets: true, pin_policy: once, "
	    "touch_policy: "
	    "never }",
	    "EC:P-256", true, "20000001" },
	{ "yubico", "{ identity: serial, model: UT1, factory_secrets: true, slot: 9d }", "RSA:2048",
	    true, "20000001" },
	{ "p384", "{ identity: serial, model: UT1, factory_secrets: true, slot: 9c }", "EC:P-384",
	    true, "20000001" },
	{ "reader", "{ identity: serial, model: UT1, factory_secrets: true, slot: \"82\" }",
	    "RSA:2048", true, "20000001" },
	{ "plain",
	    "{ identity: guid, model: UT1, factory_secrets: true, management_key_algorithm: aes128 "
	    "}",
	    "EC:P-256", false, NULL },
};

static void every_variant_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(passages); i++) {
		AUTO_STRUCT(identity) id = { 0 };
		AUTO_STRUCT(buf) csr = { 0 }, again = { 0 };
		AUTO(EVP_PKEY) *key = NULL;
		struct err e = { 0 };
		struct world w;
		bool good = false;

		world_open(&w, passages[i].variant, NULL, passages[i].section,
		    passages[i].algorithm);
		if (w.driver->identify(w.d, &id, &e) != 0)
			fail_msg("%s: %s", passages[i].variant, e.message);
		if (passages[i].serial != NULL)
			assert_string_equal(id.serial, passages[i].serial);
		else
			assert_int_equal(strlen(id.serial), 32);
		assert_string_equal(id.model, "UT1");
		assert_false(id.key_present);
		if (keygen(&w, false, &e) != 0 || request(&w, &csr, &e) != 0)
			fail_msg("%s: %s", passages[i].variant, e.message);
		key = key_of(&csr, &good);
		assert_true(good);
		origin(&w, key, passages[i].attests);
		for (size_t len = 200; len <= 900; len += 57) {
			assert_ok(install(&w, len, &good, &e), &e);
			assert_true(good);
		}
		assert_ok(prove(&w, key, &good, &e), &e);
		assert_true(good);
		/* plugged again: what was made is there */
		unplug(&w);
		plug(&w, passages[i].variant, NULL);
		assert_ok(w.driver->identify(w.d, &id, &e), &e);
		assert_true(id.key_present);
		assert_ok(keygen(&w, false, &e), &e);
		if (passages[i].attests) {
			assert_ok(request(&w, &again, &e), &e);
			AUTO(EVP_PKEY) *same = key_of(&again, &good);
			assert_true(good && EVP_PKEY_eq(same, key) == 1);
		}
		assert_ok(prove(&w, key, &good, &e), &e);
		assert_true(good);
		world_close(&w);
	}
}

/* What goes wrong, at which step, and what the driver calls it. */
static const struct {
	const char *fault, *step,
	    *code;  /* code NULL: a signature that does not verify, or other bytes */
	bool waits; /* for a deadline */
} faults[] = {
	{ "stall:identify", "identify", "link.timeout", true },
	{ "stall:prove", "prove", "link.timeout", true },
	{ "endless:keygen", "keygen", "link.timeout", true },
	{ "endless:prove", "prove", "link.timeout", true },
	{ "mute:prove", "prove", "ccid.mute", false },
	{ "removed:install", "install", "ccid.removed", false },
	{ "pin-blocked", "request", "piv.pin-blocked", false },
	{ "short-attestation", "origin", "origin.der", false },
	{ "bad-csr-signature", "request", NULL, false },
	{ "lying-readback", "install", NULL, false },
	{ "wrong-key", "prove", NULL, false },
	{ "wrong-nonce", "prove", NULL, false },
};

static bool strikes(const char *step, size_t i, struct world *w)
{
	if (strcmp(step, faults[i].step) != 0)
		return false;
	if (faults[i].waits)
		w->d->deadline = clock_now_ms() + 300;
	return true;
}

/* One step of a passage: -1 with the error, or whether it is good. */
static int step(struct world *w, const char *name, EVP_PKEY **key, bool *good, struct err *e)
{
	AUTO_STRUCT(identity) id = { 0 };
	AUTO_STRUCT(buf) out = { 0 };

	*good = true;
	if (strcmp(name, "identify") == 0)
		return w->driver->identify(w->d, &id, e);
	if (strcmp(name, "keygen") == 0)
		return keygen(w, true, e);
	if (strcmp(name, "origin") == 0)
		return w->driver->origin(w->d, &out, e);
	if (strcmp(name, "install") == 0)
		return install(w, 500, good, e);
	if (strcmp(name, "prove") == 0)
		return prove(w, *key, good, e);
	if (request(w, &out, e) != 0)
		return -1;
	EVP_PKEY_free(*key);
	*key = key_of(&out, good);
	return 0;
}

static void faults_are_told_apart(void **state)
{
	static const char *const steps[] = { "identify", "keygen", "request", "origin", "install",
		"prove" };

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		EVP_PKEY *key = NULL;
		struct world w;
		bool struck = false;

		world_open(&w, "token", faults[i].fault, passages[0].section, "EC:P-256");
		for (size_t s = 0; s < COUNT(steps) && !struck; s++) {
			struct err e = { 0 };
			bool good;
			int rc;

			struck = strikes(steps[s], i, &w);
			rc = step(&w, steps[s], &key, &good, &e);
			if (!struck && (rc != 0 || !good))
				fail_msg("%s at %s: %s", faults[i].fault, steps[s], e.message);
			if (!struck)
				continue;
			if (faults[i].code != NULL && (rc == 0 || !err_is(&e, faults[i].code)))
				fail_msg("%s: %s: %s", faults[i].fault, e.code, e.message);
			if (faults[i].code == NULL && (rc != 0 || good))
				fail_msg("%s: %s", faults[i].fault, e.message);
		}
		assert_true(struck);
		EVP_PKEY_free(key);
		world_close(&w);
	}
}

/* A command that has no end is aborted, and the card goes on. */
static void after_a_deadline_the_card_works(void **state)
{
	AUTO_STRUCT(identity) id = { 0 };
	struct err e = { 0 };
	struct world w;

	(void)state;
	world_open(&w, "token", "endless:keygen", passages[0].section, "EC:P-256");
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	w.d->deadline = clock_now_ms() + 300;
	assert_err(keygen(&w, true, &e), &e, "link.timeout");
	assert_true(w.ccid.powered); /* the abort was taken */
	w.d->deadline = clock_now_ms() + LONG_MS;
	assert_ok(w.driver->identify(w.d, &id, &e), &e);
	assert_string_equal(id.serial, "20000001");
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variant_passes),
		cmocka_unit_test(faults_are_told_apart),
		cmocka_unit_test(after_a_deadline_the_card_works),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
