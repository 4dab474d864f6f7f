#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

enum option_id {
	OPTION_FAMILY,
	OPTION_DIR,
	OPTION_SLOTS,
	OPTION_DEVICES,
	OPTION_MODEL,
	OPTION_SERIAL,
	OPTION_VARIANT,
	OPTION_KEYGEN_MS,
	OPTION_BAUD,
	OPTION_SEED,
	OPTION_FAULT,
	OPTION_SKIN,
	OPTION_USB_SPEED,
	OPTION_LOG,
	OPTION_HELP,
};

static const struct option table[] = {
	[OPTION_FAMILY] = { "family", required_argument, NULL, OPTION_FAMILY },
	[OPTION_DIR] = { "dir", required_argument, NULL, OPTION_DIR },
	[OPTION_SLOTS] = { "slots", required_argument, NULL, OPTION_SLOTS },
	[OPTION_DEVICES] = { "devices", required_argument, NULL, OPTION_DEVICES },
	[OPTION_MODEL] = { "model", required_argument, NULL, OPTION_MODEL },
	[OPTION_SERIAL] = { "serial", required_argument, NULL, OPTION_SERIAL },
	[OPTION_VARIANT] = { "variant", required_argument, NULL, OPTION_VARIANT },
	[OPTION_KEYGEN_MS] = { "keygen-ms", required_argument, NULL, OPTION_KEYGEN_MS },
	[OPTION_BAUD] = { "baud", required_argument, NULL, OPTION_BAUD },
	[OPTION_SEED] = { "seed", required_argument, NULL, OPTION_SEED },
	[OPTION_FAULT] = { "fault", required_argument, NULL, OPTION_FAULT },
	[OPTION_SKIN] = { "skin", required_argument, NULL, OPTION_SKIN },
	[OPTION_USB_SPEED] = { "usb-speed", required_argument, NULL, OPTION_USB_SPEED },
	[OPTION_LOG] = { "log", required_argument, NULL, OPTION_LOG },
	[OPTION_HELP] = { "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static void print_list(FILE *out, const char *what, const char *const list[])
{
	fprintf(out, "    %s:", what);
	for (size_t i = 0; list[i] != NULL; i++)
		fprintf(out, " %s", list[i]);
	fputc('\n', out);
}

void options_usage(FILE *out)
{
	fputs(
	    "usage: kiln-twin --family F --dir DIR --slots S --devices N --model M --serial FIRST\n"
	    "                 [--variant V] [--keygen-ms MS] [--baud B] [--seed N]\n"
	    "                 [--fault NAME[:STEP][@K]]... [--skin pty|usbip [--usb-speed "
	    "full|high]]\n"
	    "                 [--log FILE]\n"
	    "Emulates N devices, S of them plugged at a time: DIR/port/1..S link to their ttys,\n"
	    "DIR/device/SERIAL keeps what each remembers. Commands (swap, unplug, plug, list) are\n"
	    "JSON lines on descriptor 3, if that is a socket, else on standard input.\n"
	    "A fault is every device's, or the K-th one's; without a step the seed picks one.\n"
	    "power-cut:N strikes in the N-th write to the device's flash.\n"
	    "--skin usbip plugs them into the kernel's virtual USB host controller (vhci-hcd, "
	    "root);\n"
	    "the greeting says their places. There usb-NAME:N strikes the N-th message to the "
	    "host.\n"
	    "FILE gets a JSON line for each device that is taken out: how long it and its line "
	    "were\n"
	    "at work by its own clock, how late this machine was, and the bytes (where its family\n"
	    "keeps account: spdm).\n"
	    "Families:\n",
	    out);
	for (size_t i = 0; twin_at(i) != NULL; i++) {
		fprintf(out, "  %s\n", twin_at(i)->name);
		print_list(out, "variants", twin_at(i)->variants);
		print_list(out, "faults", twin_at(i)->faults);
		if (twin_at(i)->usb != NULL)
			print_list(out, "on USB", gadget_plan_faults);
	}
}

static bool is_listed(const char *name, size_t len, const char *const list[])
{
	for (size_t i = 0; list[i] != NULL; i++)
		if (strlen(list[i]) == len && strncmp(name, list[i], len) == 0)
			return true;
	return false;
}

static int parse_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret,
    struct err *e)
{
	char *end;
	int64_t value;

	errno = 0;
	value = strtoimax(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < min || value > max)
		return err_set(e, ERR_CONFIG, "usage",
		    "--%s %s is no number from %" PRId64 " to %" PRId64, name, text, min, max);
	*ret = value;
	return 0;
}

/* Texts end up in messages of the protocol, serials in paths too. */
static int check_text(const char *name, const char *text, struct err *e)
{
	size_t len = strlen(text);

	if (len == 0 || len > IDENTITY_MAX || text[0] == '.' || strchr(text, '/') != NULL)
		return err_set(e, ERR_CONFIG, "usage",
		    "--%s \"%s\" must have 1 to %d characters, no '/', and no '.' first", name,
		    text, IDENTITY_MAX);
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return err_set(e, ERR_CONFIG, "usage", "--%s must be printable ASCII",
			    name);
	return 0;
}

/* NAME[:STEP][@K] */
static int parse_fault(struct options *o, const char *text, struct err *e)
{
	const char *at = strrchr(text, '@');
	size_t len = at != NULL ? (size_t)(at - text) : strlen(text);
	struct options_fault *f = &o->faults[o->fault_count];

	if (o->fault_count == OPTIONS_FAULTS_MAX)
		return err_set(e, ERR_CONFIG, "usage", "more than %d faults", OPTIONS_FAULTS_MAX);
	if (len == 0 || len >= sizeof(f->text))
		return err_set(e, ERR_CONFIG, "usage", "--fault %s names no fault", text);
	memcpy(f->text, text, len);
	f->text[len] = '\0';
	f->device = 0;
	if (at != NULL &&
	    parse_number("fault ..@", at + 1, 1, OPTIONS_DEVICES_MAX, &f->device, e) != 0)
		return -1;
	o->fault_count++;
	return 0;
}

static int parse_skin(struct options *o, const char *name, struct err *e)
{
	o->skin = skin_find(name);
	if (o->skin == NULL)
		return err_set(e, ERR_CONFIG, "usage", "there is no skin \"%s\"", name);
	return 0;
}

static int parse_speed(struct options *o, const char *text, struct err *e)
{
	if (strcmp(text, "full") == 0)
		o->usb_speed = GADGET_FULL;
	else if (strcmp(text, "high") == 0)
		o->usb_speed = GADGET_HIGH;
	else
		return err_set(e, ERR_CONFIG, "usage", "--usb-speed %s is not full or high", text);
	return 0;
}

static int take(struct options *o, int id, const char *value, struct err *e)
{
	switch ((enum option_id)id) {
	case OPTION_FAMILY:
		o->family = twin_find(value);
		if (o->family == NULL)
			return err_set(e, ERR_CONFIG, "usage", "there is no family \"%s\"", value);
		return 0;
	case OPTION_DIR:
		o->dir = value;
		return 0;
	case OPTION_SLOTS:
		return parse_number("slots", value, 1, OPTIONS_SLOTS_MAX, &o->slots, e);
	case OPTION_DEVICES:
		return parse_number("devices", value, 1, OPTIONS_DEVICES_MAX, &o->devices, e);
	case OPTION_MODEL:
		o->model = value;
		return check_text("model", value, e);
	case OPTION_SERIAL:
		o->serial = value;
		return check_text("serial", value, e);
	case OPTION_VARIANT:
		o->variant = value;
		return 0;
	case OPTION_KEYGEN_MS:
		return parse_number("keygen-ms", value, 0, 3600000, &o->keygen_ms, e);
	case OPTION_BAUD:
		return parse_number("baud", value, 0, 10000000, &o->baud, e);
	case OPTION_SEED:
		return parse_number("seed", value, 0, INT64_MAX, &o->seed, e);
	case OPTION_FAULT:
		return parse_fault(o, value, e);
	case OPTION_SKIN:
		return parse_skin(o, value, e);
	case OPTION_USB_SPEED:
		return parse_speed(o, value, e);
	case OPTION_LOG:
		o->log = value;
		return 0;
	case OPTION_HELP:
		o->help = true;
		return 0;
	}
	return 0;
}

static int check_strike(const struct options *o, const char *fault, struct err *e)
{
	const struct twin_config config = { .serial = o->serial,
		.model = o->model,
		.variant = o->variant != NULL ? o->variant : o->family->variants[0],
		.fault = fault,
		.seed = (uint64_t)o->seed };

	/* kiln-twin itself makes two devices claim one serial. */
	return strncmp(fault, "duplicate-serial", 16) == 0 ? 0 : o->family->check(&config, e);
}

/* On USB there are faults of the device's own, whatever the family. */
static int check_usb_fault(const struct options *o, const char *fault, struct err *e)
{
	struct gadget_plan plan;

	if (!o->skin->usb)
		return err_set(e, ERR_CONFIG, "usage", "fault %s needs a USB skin", fault);
	return gadget_plan_parse(&plan, fault, (uint64_t)o->seed, o->family->usb->tells_step, e);
}

static int check_fault(const struct options *o, const char *text, struct err *e)
{
	size_t len = strcspn(text, ":");
	enum step_id step;

	if (gadget_plan_is(text))
		return check_usb_fault(o, text, e);
	if (!is_listed(text, len, o->family->faults))
		return err_set(e, ERR_CONFIG, "usage", "family %s has no fault \"%.*s\"",
		    o->family->name, (int)len, text);
	/* what the power cuts short is a write, of which the family knows the number */
	if (strncmp(text, "power-cut:", len + 1) != 0 && text[len] == ':' &&
	    !step_parse(text + len + 1, &step))
		return err_set(e, ERR_CONFIG, "usage", "there is no step \"%s\"", text + len + 1);
	return check_strike(o, text, e);
}

static int check_faults(const struct options *o, struct err *e)
{
	for (size_t i = 0; i < o->fault_count; i++) {
		if (check_fault(o, o->faults[i].text, e) != 0)
			return -1;
		if (o->faults[i].device > o->devices)
			return err_set(e, ERR_CONFIG, "usage", "there is no device %" PRId64,
			    o->faults[i].device);
	}
	return 0;
}

static int check_link(const struct options *o, struct err *e)
{
	if (o->skin->usb ? o->family->usb == NULL : !o->family->serial)
		return err_set(e, ERR_CONFIG, "usage", "a device of family %s has no %s",
		    o->family->name, o->skin->usb ? "USB" : "serial line");
	return 0;
}

static int check(const struct options *o, struct err *e)
{
	char last[IDENTITY_MAX + 1];

	if (o->family == NULL || o->dir == NULL || o->model == NULL || o->serial == NULL ||
	    o->slots == 0 || o->devices == 0)
		return err_set(e, ERR_CONFIG, "usage",
		    "--family, --dir, --slots, --devices, --model and --serial are needed");
	if (o->variant != NULL && !is_listed(o->variant, strlen(o->variant), o->family->variants))
		return err_set(e, ERR_CONFIG, "usage", "family %s has no variant \"%s\"",
		    o->family->name, o->variant);
	if (check_link(o, e) != 0 || check_faults(o, e) != 0)
		return -1;
	return options_serial(o, o->devices, last, sizeof(last), e);
}

int options_parse(struct options *ret, const struct skin_ops *skin, int argc, char *const argv[],
    struct err *e)
{
	struct options o = { .keygen_ms = 200, .skin = skin, .usb_speed = GADGET_HIGH };
	int id;

	optind = 1;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", table, NULL)) != -1) {
		if (id == '?' || id == ':')
			return err_set(e, ERR_CONFIG, "usage", "%s: %s", argv[optind - 1],
			    id == ':' ? "a value is missing" : "unknown option");
		if (take(&o, id, optarg, e) != 0)
			return -1;
	}
	if (o.help) {
		*ret = o;
		return 0;
	}
	if (optind < argc)
		return err_set(e, ERR_CONFIG, "usage", "what is \"%s\"?", argv[optind]);
	if (check(&o, e) != 0)
		return -1;
	*ret = o;
	return 0;
}

const char *options_fault_of(const struct options *o, int64_t device)
{
	const char *general = NULL;

	for (size_t i = 0; i < o->fault_count; i++) {
		if (o->faults[i].device == device)
			return o->faults[i].text;
		if (o->faults[i].device == 0)
			general = o->faults[i].text;
	}
	return general;
}

int options_serial(const struct options *o, int64_t device, char *ret, size_t size, struct err *e)
{
	size_t len = strlen(o->serial);
	int64_t add = device - 1;

	if (len >= size)
		return err_set(e, ERR_CONFIG, "usage", "the serial is too long");
	memcpy(ret, o->serial, len + 1);
	while (add > 0 && len > 0 && isdigit((unsigned char)ret[len - 1])) {
		add += ret[--len] - '0';
		ret[len] = (char)('0' + add % 10);
		add /= 10;
	}
	if (add > 0)
		return err_set(e, ERR_CONFIG, "usage",
		    "--serial %s has too few digits at its end for %" PRId64 " devices", o->serial,
		    device);
	return 0;
}
