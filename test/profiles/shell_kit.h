/* What the tests of the linux-shell family share: its profiles, and its twin on a real tty. */
#ifndef KILN_TEST_SHELL_KIT_H
#define KILN_TEST_SHELL_KIT_H

#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "clock.h"
#include "driver.h"
#include "linux-shell/options.h"
#include "testing.h"
#include "twin.h"

#define KIT_FN __attribute__((unused)) static

enum { KIT_PATIENCE_MS = 20000 };

KIT_FN int64_t kit_soon(void)
{
	return clock_now_ms() + KIT_PATIENCE_MS;
}

/* openssl.yaml with one piece of its text (NULL: none) replaced. NULL and e where it is refused. */
KIT_FN struct profile *kit_try_profile(const char *old, const char *new, struct err *e)
{
	AUTO_STRUCT(buf) text = { 0 }, changed = { 0 };
	struct profile *p = NULL;
	const char *all, *at;

	testing_read(testing_source("profiles/linux-shell/openssl.yaml"), &text);
	all = buf_str(&text, e);
	at = old != NULL ? strstr(all, old) : all;
	if (at == NULL)
		fail_msg("openssl.yaml does not hold \"%s\"", old);
	assert_ok(buf_printf(&changed, e, "%.*s%s%s", (int)(at - all), all, old != NULL ? new : "",
		      old != NULL ? at + strlen(old) : all),
	    e);
	return profile_parse(&p, "test", (const char *)changed.data, changed.len, e) == 0 ? p
											  : NULL;
}

KIT_FN struct profile *kit_profile(const char *old, const char *new)
{
	struct err e = { 0 };
	struct profile *p = kit_try_profile(old, new, &e);

	assert_ok(p != NULL ? 0 : -1, &e);
	return p;
}

/* A device on a tty: the process that emulates it, and the station's end. */
struct kit {
	struct twin_config config;
	char *folder;
	int slave; /* stays open, so that the tty outlives whoever opens it */
	pid_t twin;
	struct transport *link;
};

/* Serves the device until it is killed, or has reset itself. */
KIT_FN void kit_plug(struct kit *k)
{
	char name[64], address[80];
	struct termios raw;
	struct err e = { 0 };
	int master;

	assert_int_equal(openpty(&master, &k->slave, name, NULL, NULL), 0);
	assert_int_equal(tcgetattr(k->slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(k->slave, TCSANOW, &raw), 0);
	k->twin = fork();
	assert_true(k->twin >= 0);
	if (k->twin == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* valid */
		if (twin_find("linux-shell")->serve(&k->config, master, &e) != 0)
			(void)fprintf(stderr, "twin: %s\n", e.message);
		_exit(0);
	}
	assert_int_equal(close(master), 0); /* the twin's: the tty hangs up when it ends */
	(void)snprintf(address, sizeof(address), "serial:%s", name);
	assert_ok(transport_open(&k->link, address, &e), &e);
}

KIT_FN void kit_unplug(struct kit *k)
{
	transport_close(k->link);
	k->link = NULL;
	(void)kill(k->twin, SIGKILL); /* it may have ended */
	assert_int_equal(waitpid(k->twin, NULL, 0), k->twin);
	(void)close(k->slave); /* a pty of the test's own */
}

KIT_FN void kit_open(struct kit *k, const char *variant, const char *fault)
{
	k->folder = testing_folder();
	k->config = (struct twin_config){
		.serial = "IG20000001",
		.model = "IG2-E",
		.folder = k->folder,
		.variant = variant,
		.fault = fault,
		.seed = 7,
	};
	kit_plug(k);
}

KIT_FN void kit_close(struct kit *k)
{
	kit_unplug(k);
	testing_folder_remove(k->folder);
}

/* A driver over the kit's link. */
KIT_FN struct device *kit_driver(struct kit *k, const struct profile *profile,
    const struct secret *secret)
{
	static const struct secret none;
	const struct driver *driver = driver_find("linux-shell");
	const struct device base = {
		.driver = driver,
		.link = k->link,
		.profile = profile,
		.secret = secret != NULL ? secret : &none,
	};
	struct device *d = NULL;
	struct err e = { 0 };

	assert_non_null(driver);
	assert_ok(driver->open(&d, &base, &e), &e);
	d->deadline = kit_soon();
	return d;
}

#endif
