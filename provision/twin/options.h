/* The command line of kiln-twin. */
#ifndef KILN_TWIN_OPTIONS_H
#define KILN_TWIN_OPTIONS_H

#include <stdio.h>

#include "gadget.h"
#include "own.h"
#include "skin.h"

enum { OPTIONS_FAULTS_MAX = 64, OPTIONS_SLOTS_MAX = 256, OPTIONS_DEVICES_MAX = 100000 };

/* "name" or "name:step" of --fault, and which device has it (counted from 1; 0: every one). */
struct options_fault {
	char text[64];
	int64_t device;
};

/* Strings are argv's. */
struct options {
	const struct twin_family *family;
	const struct skin_ops *skin;
	enum gadget_speed usb_speed;
	const char *dir, *model, *serial, *variant, *log;
	int64_t slots, devices, keygen_ms, baud, seed;
	struct options_fault faults[OPTIONS_FAULTS_MAX];
	size_t fault_count;
	bool help;
};

/* skin: the one without --skin. Errors: CONFIG "usage". With --help nothing else is looked at. */
must_check int options_parse(struct options *ret, const struct skin_ops *skin, int argc,
    char *const argv[], struct err *e);

/* The fault of the n-th device (from 1), or NULL: one meant for it alone goes before one for all. */
const char *options_fault_of(const struct options *o, int64_t device);

/* The n-th serial (from 1): first counts up in its trailing digits, width kept. CONFIG "usage". */
must_check int options_serial(const struct options *o, int64_t device, char *ret, size_t size,
    struct err *e);

void options_usage(FILE *out);

#endif
