/*
 * What happens to the emulated card once: the driver notices, and a station that tries the step again, on the
 * card plugged anew, comes to the end.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "driver.h"
#include "family.h"
#include "piv/twin_ccid.h"
#include "piv_kit.h"
#include "twin.h"

enum { PATIENCE_MS = 60000, HURRY_MS = 700 };

/* --- the wire: one message of the socket is one transfer --- */

struct wire {
	struct transport transport;
	int fd;
	struct buf rest; /* of a transfer that was read in part */
};

static struct wire *wire_of(struct transport *t)
{
	return (struct wire *)t;
}

static int wire_read(struct transport *t, void *data, size_t len, size_t *ret_got, int64_t deadline,
    struct err *e)
{
	struct wire *w = wire_of(t);
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	uint8_t *room;
	ssize_t n;

	if (w->rest.len == 0) {
		if (poll(&p, 1, clock_left_ms(deadline)) == 0)
			return err_retry(err_set(e, ERR_LINK, "link.timeout", "nothing came"), e);
		room = buf_room(&w->rest, TWIN_CCID_MESSAGE_MAX, e);
		n = recv(w->fd, room, TWIN_CCID_MESSAGE_MAX, 0);
		if (n <= 0)
			return err_set(e, ERR_LINK, "link.gone", "unplugged");
		w->rest.len = (size_t)n;
	}
	*ret_got = len < w->rest.len ? len : w->rest.len;
	memcpy(data, w->rest.data, *ret_got);
	buf_drop(&w->rest, *ret_got);
	return 0;
}

static int wire_write(struct transport *t, const void *data, size_t len, int64_t deadline,
    struct err *e)
{
	(void)deadline;
	if (send(wire_of(t)->fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_set(e, ERR_LINK, "link.gone", "unplugged");
	return 0;
}

static void wire_flush(struct transport *t)
{
	uint8_t scrap[TWIN_CCID_MESSAGE_MAX];

	buf_clear(&wire_of(t)->rest);
	while (recv(wire_of(t)->fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0)
		continue;
}

static const struct transport_ops wire_ops = { .scheme = "wire",
	.medium = MEDIUM_USB,
	.read = wire_read,
	.write = wire_write,
	.flush = wire_flush };

static const uint8_t *wire_descriptor(const struct transport *t, uint8_t type, size_t *ret_len)
{
	(void)t;
	assert_int_equal(type, 0x21);
	*ret_len = sizeof(twin_ccid_descriptor);
	return twin_ccid_descriptor;
}

static bool wire_has_interrupt(const struct transport *t)
{
	(void)t;
	return false;
}

static int wire_interrupt(struct transport *t, void *data, size_t len, size_t *ret_got,
    int64_t deadline, struct err *e)
{
	(void)t;
	(void)data;
	(void)len;
	(void)ret_got;
	(void)deadline;
	return err_set(e, ERR_LINK, "link.timeout", "there is no interrupt endpoint");
}

static int wire_request(struct transport *t, uint8_t request, uint16_t value, int64_t deadline,
    struct err *e)
{
	(void)t;
	(void)request;
	(void)value;
	(void)deadline;
	(void)e;
	return 0;
}

static const struct ccid_port wire_port = {
	.descriptor = wire_descriptor,
	.has_interrupt = wire_has_interrupt,
	.interrupt = wire_interrupt,
	.request = wire_request,
};

static int power_on(void *context, int64_t deadline, struct err *e)
{
	return ccid_power_on(context, deadline, e);
}

static int transmit(void *context, const struct buf *apdu, struct buf *ret, int64_t deadline,
    struct err *e)
{
	return ccid_transmit(context, apdu, ret, deadline, e);
}

static const struct piv_reader reader = { .power_on = power_on, .transmit = transmit };

/* --- a unit: card, reader, driver --- */

struct unit {
	char *fleet, *folder;
	struct twin_config config;
	struct profile *profile;
	int twin_fd;
	pthread_t thread;
	struct wire wire;
	struct ccid ccid;
	struct device *device;
	const struct driver *driver;
};

static void *serve(void *context)
{
	struct unit *u = context;
	struct err e = { 0 };

	(void)twin_find("piv")->serve(&u->config, u->twin_fd, &e); /* ends when it is unplugged */
	(void)close(u->twin_fd);
	return NULL;
}

static void plug(struct unit *u)
{
	static const struct secret none;
	struct device base = { .driver = driver_find("piv"),
		.profile = u->profile,
		.secret = &none };
	struct err e = { 0 };
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	u->twin_fd = ends[1];
	assert_int_equal(pthread_create(&u->thread, NULL, serve, u), 0);
	u->wire = (struct wire){ .transport = { &wire_ops }, .fd = ends[0] };
	u->ccid = (struct ccid){ 0 };
	assert_ok(ccid_init(&u->ccid, &wire_port, &u->wire.transport, &e), &e);
	assert_ok(piv_device_open(&u->device, &base, &reader, &u->ccid, &e), &e);
	u->driver = base.driver;
}

static void unplug(struct unit *u)
{
	u->driver->close(u->device);
	(void)close(u->wire.fd);
	buf_free(&u->wire.rest);
	assert_int_equal(pthread_join(u->thread, NULL), 0);
}

static void unit_open(struct unit *u, const char *section, const char *algorithm,
    const char *variant, const char *fault)
{
	memset(u, 0, sizeof(*u));
	u->fleet = testing_folder();
	assert_true(asprintf(&u->folder, "%s/20000001", u->fleet) > 0);
	assert_int_equal(mkdir(u->folder, 0755), 0);
	u->config = (struct twin_config){ .serial = "20000001",
		.model = "UT1",
		.folder = u->folder,
		.variant = variant,
		.fault = fault,
		.keygen_ms = 30,
		.seed = 2,
		.usb = true };
	u->profile = piv_profile(section, algorithm);
	plug(u);
}

static void unit_close(struct unit *u)
{
	unplug(u);
	profile_free(u->profile);
	free(u->folder);
	testing_folder_remove(u->fleet);
}

/* --- what a station does with it --- */

struct passage {
	struct unit *unit;
	enum step_id hurried; /* where the driver is not given much time: nothing will come */
	EVP_PKEY *key;
	struct buf csr, leaf;
	enum step_id step; /* that was tried last */
	struct err e;
};

static void passage_free(struct passage *p)
{
	EVP_PKEY_free(p->key);
	buf_free(&p->csr);
	buf_free(&p->leaf);
}

static int refuse(struct passage *p, const char *code)
{
	return err_set(&p->e, ERR_DEVICE, code, "as the station finds");
}

static int identify(struct passage *p)
{
	struct identity i = { 0 };

	if (p->unit->driver->identify(p->unit->device, &i, &p->e) != 0)
		return -1;
	assert_string_equal(i.model, "UT1");
	return strcmp(i.serial, "20000001") == 0 || strlen(i.serial) == 32 ? 0
									   : refuse(p, "serial");
}

static int keygen(struct passage *p)
{
	const struct key_spec spec = { p->unit->profile->key_algorithm, true };

	return p->unit->driver->keygen(p->unit->device, &spec, &p->e);
}

static int request(struct passage *p)
{
	const struct identity unit = { .model = "UT1", .serial = "20000001" };
	AUTO_STRUCT(subject) subject = { 0 };
	AUTO(X509_REQ) *csr = NULL;

	assert_ok(subject_render(&subject, p->unit->profile, &unit, &p->e), &p->e);
	if (p->unit->driver->request(p->unit->device, &subject, &p->csr, &p->e) != 0)
		return -1;
	assert_ok(x509_parse_request(p->csr.data, p->csr.len, &csr, ERR_DEVICE, &p->e), &p->e);
	p->key = X509_REQ_get_pubkey(csr);
	if (X509_REQ_verify(csr, p->key) != 1)
		return refuse(p, "csr.pop");
	return 0;
}

/* A certificate of the size that such have: its bytes are the card's business alone. */
static int install(struct passage *p)
{
	if (p->leaf.len == 0) {
		uint8_t *room = buf_room(&p->leaf, 700, &p->e);

		assert_non_null(room);
		memset(room, 0x30, 700);
		memcpy(room, "\x30\x82\x02\xb8", 4);
		p->leaf.len = 700;
	}
	return p->unit->driver->install(p->unit->device, OBJECT_LEAF, &p->leaf, &p->e);
}

static int readback(struct passage *p)
{
	AUTO_STRUCT(stored) stored = { 0 };

	if (p->unit->driver->readback(p->unit->device, OBJECT_LEAF, &stored, &p->e) != 0)
		return -1;
	return buf_equal(&stored.bytes, &p->leaf) ? 0 : refuse(p, "readback");
}

static bool is_signed(const struct proof_claims *c, EVP_PKEY *key)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit_ex(context, NULL, c->digest, NULL, NULL, key, NULL) == 1 &&
		    EVP_DigestVerify(context, c->signature.data, c->signature.len, c->message.data,
			c->message.len) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

static int prove(struct passage *p)
{
	static const uint8_t nonce[32] = { 1, 2, 3 };
	AUTO_STRUCT(proof) proof = { 0 };
	AUTO_STRUCT(proof_claims) claims = { 0 };

	if (p->unit->driver->prove(p->unit->device, nonce, &proof, &p->e) != 0 ||
	    family_find("piv")->check_proof(p->unit->profile, &proof, &claims, &p->e) != 0)
		return -1;
	assert_memory_equal(claims.nonce, nonce, sizeof(nonce));
	return is_signed(&claims, p->key) ? 0 : refuse(p, "proof.signature");
}

static const struct {
	enum step_id step;
	int (*run)(struct passage *p);
} steps[] = {
	{ STEP_IDENTIFY, identify },
	{ STEP_KEYGEN, keygen },
	{ STEP_REQUEST, request },
	{ STEP_INSTALL, install },
	{ STEP_READBACK, readback },
	{ STEP_PROVE, prove },
};

/* From a step to the end, or to the first error. */
static int pass_from(struct passage *p, enum step_id first)
{
	for (size_t i = 0; i < COUNT(steps); i++) {
		if (steps[i].step < first)
			continue;
		p->step = steps[i].step;
		p->unit->device->deadline =
		    clock_now_ms() + (p->step == p->hurried ? HURRY_MS : PATIENCE_MS);
		if (steps[i].run(p) != 0)
			return -1;
	}
	return 0;
}

#define BY_SERIAL "{ identity: serial, model: UT1, factory_secrets: true }"

/* Nothing tells the driver but its deadline. */
static bool is_silent(const char *fault)
{
	static const char *const silent[] = { "drop", "corrupt" };

	for (size_t i = 0; i < COUNT(silent); i++)
		if (strncmp(fault, silent[i], strlen(silent[i])) == 0)
			return true;
	return false;
}

/* What strikes once lets the same step succeed on the next try: plugged anew, from where it was. */
static void test_transient_faults_pass(void **state)
{
	static const char *const faults[] = { "drop:identify", "drop:keygen", "drop:prove",
		"reset:keygen", "reset:request", "reset:install", "reset:prove", "corrupt:install",
		"power-cut:2", "power-cut:4", "power-cut:5" };

	(void)state;
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct unit u;
		struct passage p = { .unit = &u, .hurried = STEP_COUNT };

		if (is_silent(faults[i]))
			assert_true(step_parse(strchr(faults[i], ':') + 1, &p.hurried));
		unit_open(&u, BY_SERIAL, "EC:P-256", NULL, faults[i]);
		if (pass_from(&p, STEP_IDENTIFY) == 0)
			fail_msg("%s: nobody noticed", faults[i]);
		unplug(&u);
		plug(&u);
		p.hurried = STEP_COUNT;
		assert_ok(pass_from(&p, p.step), &p.e);
		passage_free(&p);
		unit_close(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transient_faults_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
