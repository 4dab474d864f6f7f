/* kiln slots: what is plugged in, and where; which slot that is, and what keeps it from being used. */
#include "cmd_slots.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advice.h"
#include "cli.h"
#include "place.h"

struct listing {
	struct usb_view view;
	struct usb_device *devices; /* owned */
	struct config *config;      /* NULL: none was named */
	bool json;
	int slot_width, place_width, use_width;
};

static void listing_free(struct listing *l)
{
	free(l->devices);
	if (l->config != NULL)
		config_free(l->config);
}
OWNED_STRUCT(listing, listing_free)

static const char *name_of(const struct config_slot *slot)
{
	return slot != NULL ? slot->name : "-";
}

static void widen(int *width, const char *text)
{
	int len = (int)strlen(text);

	if (len > *width)
		*width = len;
}

static void measure(struct listing *l)
{
	char interfaces[200];

	l->slot_width = (int)strlen("slot");
	l->place_width = (int)strlen("place");
	l->use_width = (int)strlen("use");
	for (size_t i = 0; i < l->view.count; i++) {
		const struct usb_device *d = &l->devices[i];

		widen(&l->slot_width, name_of(slot_of_device(l->config, d)));
		widen(&l->place_width, d->place);
		widen(&l->use_width, slot_interfaces(d, interfaces));
	}
	for (size_t i = 0; l->config != NULL && i < l->config->slot_count; i++)
		widen(&l->slot_width, l->config->slots[i].name);
}

static void print_json(json_t *row)
{
	AUTO(json_t) *owned = row;

	if (owned == NULL)
		return; /* memory.h ends the program before */
	(void)json_dumpf(owned, stdout, JSON_COMPACT);
	(void)putchar('\n');
}

static void print_device_json(const struct usb_device *d, const struct config_slot *slot,
    const struct slot_findings *f)
{
	json_t *row = slot_device_json(d);
	AUTO(json_t) *findings = json_array();

	for (size_t i = 0; i < f->count; i++)
		(void)json_array_append_new(findings,
		    json_pack("{s:s, s:s, s:s}", "code", f->all[i].code, "message",
			f->all[i].message, "advice", advice_for(&f->all[i])));
	(void)json_object_set_new(row, "slot",
	    slot != NULL ? json_string(slot->name) : json_null());
	(void)json_object_set(row, "findings", findings);
	print_json(row);
}

static void print_device(const struct listing *l, const struct usb_device *d,
    const struct config_slot *slot, const struct slot_findings *f)
{
	char speed[16], interfaces[200], text[400];

	(void)slot_device_text(d, text);
	(void)printf("%-*s  %-*s  %04x:%04x  %-5s  %-*s%s%s\n", l->slot_width, name_of(slot),
	    l->place_width, d->place, d->vendor, d->product, slot_speed(d->speed_kbit, speed),
	    text[0] != '\0' ? l->use_width : 0, slot_interfaces(d, interfaces),
	    text[0] != '\0' ? "  " : "", text);
	for (size_t i = 0; i < f->count; i++)
		(void)printf("%*s  ! %s [%s]\n%*s    -> %s\n", l->slot_width, "", f->all[i].message,
		    f->all[i].code, l->slot_width, "", advice_for(&f->all[i]));
}

static bool has_device(const struct listing *l, const struct config_slot *slot)
{
	for (size_t i = 0; i < l->view.count; i++)
		if (slot_of_device(l->config, &l->devices[i]) == slot)
			return true;
	return false;
}

/* By a port that is not in USB. */
static bool is_taken(const struct config_slot *slot)
{
	AUTO_STRUCT(buf) path = { 0 };
	struct err no_path = { 0 };

	return slot->address != NULL && place_path(slot->address, &path, &no_path) == 0 &&
	       access((const char *)path.data, F_OK) == 0;
}

/* A slot in which no USB device is: empty, or a port that is not in USB. */
static void print_slot(const struct listing *l, const struct config_slot *slot)
{
	bool taken = is_taken(slot);
	json_t *places = json_array();

	for (size_t i = 0; i < slot->place_count; i++)
		(void)json_array_append_new(places, json_string(slot->places[i]));
	if (l->json) {
		print_json(json_pack("{s:s, s:o, s:s*, s:b, s:s}", "slot", slot->name, "places",
		    places, "address", slot->address, "empty", !taken, "serial", ""));
		return;
	}
	json_decref(places);
	(void)printf("%-*s  %s  %s\n", l->slot_width, slot->name,
	    slot->address != NULL ? slot->address : slot->places[0],
	    taken ? "there" : "nothing plugged in");
}

static void print_all(struct listing *l)
{
	measure(l);
	if (!l->json && l->view.count > 0)
		(void)printf("%-*s  %-*s  %-9s  %-5s  %-*s  %s\n", l->slot_width, "slot",
		    l->place_width, "place", "id", "speed", l->use_width, "use", "device");
	for (size_t i = 0; i < l->view.count; i++) {
		const struct usb_device *d = &l->devices[i];
		const struct config_slot *slot = slot_of_device(l->config, d);
		struct slot_findings f;

		slot_find(&l->view, d, l->config, slot, &f);
		if (l->json)
			print_device_json(d, slot, &f);
		else
			print_device(l, d, slot, &f);
	}
	for (size_t i = 0; l->config != NULL && i < l->config->slot_count; i++)
		if (!has_device(l, &l->config->slots[i]))
			print_slot(l, &l->config->slots[i]);
	if (!l->json && l->view.count == 0)
		(void)printf("no USB device is plugged in\n");
}

static int list(const char *config, bool json)
{
	AUTO_STRUCT(listing) l = { .view.root = "", .json = json };
	struct err e = { 0 };

	if ((config != NULL && config_load_slots(&l.config, config, &e) != 0) ||
	    usb_tree_read("", &l.devices, &l.view.count, &e) != 0)
		return cli_fail(&e);
	l.view.devices = l.devices;
	print_all(&l);
	return EXIT_PASSED;
}

int cmd_slots(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *config = NULL;
	bool json = false;
	int o;

	if (argc > 1 && strcmp(argv[1], "learn") == 0)
		return cmd_slots_learn(argc - 1, argv + 1);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			config = optarg;
		else if (o == 'j')
			json = true;
		else
			return cli_usage(argv[0]);
	}
	return optind == argc ? list(config, json) : cli_usage(argv[0]);
}
