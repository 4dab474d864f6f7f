#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "file.h"
#include "slots_file.h"

#define P1 "pci-0000:00:14.0/usb2/1"
#define P2 "pci-0000:00:14.0/usb3/1"

static const char slots[] = "slots:\n"
			    "  - { name: \"1\", address: \"serial:/dev/a\" }\n"
			    "  - { name: \"2\", address: \"serial:/dev/b?baud=9600\" }\n";
static const char good[] =
    "station: { id: line-1, site: Graz }\n"
    "records: records.db\n"
    "profile: p.yaml\n"
    "ca:\n"
    "  url: https://ca.example/est\n"
    "  anchors: tls.pem\n"
    "hsm:\n"
    "  module: /m.so\n"
    "  environment: { SOFTHSM2_CONF: /c }\n"
    "  tls: { token: a, key: k, certificate: c.pem, pin: pin }\n"
    "  attestation: { token: b, key: k, certificate: c.pem, pin: prompt, anchors: r.pem }\n"
    "slots:\n"
    "  - { name: \"1\", address: \"serial:/dev/a\" }\n"
    "  - { name: \"2\", address: \"serial:/dev/b?baud=9600\" }\n"
    "order: { id: W, quantity: 5 }\n";

static int load(struct config **ret, const char *text, struct err *e)
{
	char *folder = testing_folder();
	char path[4200];
	struct err io = { 0 };
	int rc;

	(void)snprintf(path, sizeof(path), "%s/station.yaml", folder);
	assert_ok(file_write(path, text, strlen(text), 0600, &io), &io);
	rc = config_load(ret, path, e);
	testing_folder_remove(folder);
	return rc;
}

static void test_all_of_it(void **state)
{
	AUTO_PTR(config) *c = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&c, good, &e), &e);
	assert_string_equal(c->station, "line-1");
	assert_string_equal(c->line, "");
	assert_int_equal(c->slot_count, 2);
	assert_string_equal(c->slots[1].address, "serial:/dev/b?baud=9600");
	assert_int_equal(c->ca_processes, 4);
	assert_int_equal(c->retry_default_s, 10);
	assert_int_equal(c->retry_patience_s, 28800);
	assert_false(c->ca_test);
	assert_int_equal(c->quantity, 5);
	assert_string_equal(c->attestation.pin, "prompt");
	assert_non_null(strstr(c->tls.pin, "/pin"));
	assert_non_null(strstr(c->tls.guard, "/state/tls.pin-failed"));
	assert_string_equal(getenv("SOFTHSM2_CONF"), "/c");
}

/* good with its first `old` replaced by `fresh`. */
static void change(const char *old, const char *fresh, struct buf *ret)
{
	const char *at = strstr(good, old);
	struct err e = { 0 };

	assert_non_null(at);
	assert_ok(buf_set(ret, good, (size_t)(at - good), &e), &e);
	assert_ok(buf_add_str(ret, fresh, &e), &e);
	assert_ok(buf_add_str(ret, at + strlen(old), &e), &e);
}

static void test_each_mistake_has_its_place(void **state)
{
	static const struct {
		const char *old, *fresh, *says;
	} rows[] = {
		{ "site: Graz", "sites: Graz", "station.yaml:1:24: unknown key \"sites\"" },
		{ "id: line-1", "id: \"\"", "1 to 64 characters" },
		{ "https://", "http://", "station.yaml:5:" },
		{ "token: b", "token: a", "different tokens" },
		{ "  anchors: tls.pem\n", "  anchors: tls.pem\n  retry: { patience_s: 604801 }\n",
		    "station.yaml:7:24" },
		{ "  anchors: tls.pem\n", "  anchors: tls.pem\n  retry: { patience: 5 }\n",
		    "unknown key \"patience\"" },
		{ "  anchors: tls.pem\n",
		    "  anchors: tls.pem\n  retry: { max_s: 5, default_s: 6 }\n",
		    "station.yaml:7:33" },
		{ "order: {", "scan: { label: \"(.*)\" }\norder: {", "order" },
		{ "order: {", "scan: { order: before }\norder: {", "station.yaml:15:16" },
		{ "order: {", "scan: { order: first, label: \"x\" }\norder: {",
		    "station.yaml:15:30: a label's pattern has one group" },
		{ "order: {", "scan: { order: first, label: \"(\" }\norder: {",
		    "station.yaml:15:30: not a POSIX extended regular expression" },
		{ "order: {", "scan: { order: none, device: ttyUSB0 }\norder: {",
		    "station.yaml:15:30: a scanner's device is the path" },
		{ "order: {", "scan: { order: none, device: /dev/b }\norder: {",
		    "station.yaml:15:30: the scanner's port is slot 2's" },
		{ "order: {", "scan: { order: none, device: /dev/c, baud: 9601 }\norder: {",
		    "station.yaml:15:44: baud is 1200" },
		{ "order: {",
		    "operators: { file: o }\nscan: { order: first, device: /dev/c }\norder: {",
		    "station.yaml:16:7: with operators, label says" },
		{ "order: {", "operators: { file: o }\nscan: { order: after }\norder: {",
		    "station.yaml:16:7: with operators, label says" },
		{ "order: {", "scan: { order: none, baud: 9600 }\norder: {",
		    "station.yaml:15:28: baud is of a serial scanner" },
		{ "order: {", "scan: { order: none, suffix: \"123456789\" }\norder: {",
		    "station.yaml:15:30: a suffix has at most 8" },
		{ "order: {", "scan: { order: none, prefixes: x }\norder: {",
		    "unknown key \"prefixes\"" },
		{ "  tls: {", "  tlss: {", "unknown key \"tlss\"" },
		{ "  attestation: {", "  #", "hsm.attestation is missing" },
		{ "  tls: {", "  #", "neither hsm.tls nor ca.credential" },
		{ "  anchors: tls.pem\n", "  anchors: t\n  credential: { kind: basic, file: f }\n",
		    "exclude each other" },
		{ "name: \"2\"", "name: \"1\"", "has the name, address or place of slot 1" },
		{ "serial:/dev/b?baud=9600", "serial:/dev/a", "has the name, address or place" },
		{ "address: \"serial:/dev/a\"", "place: pci-0000:00:14.0/3",
		    "station.yaml:13:25: 'pci-0000:00:14.0/3' is no place" },
		{ "address: \"serial:/dev/a\"", "place: []", "1 to 3 places" },
		{ "address: \"serial:/dev/a\"", "place: [" P1 ", " P1 "]",
		    "pci-0000:00:14.0/usb2/1 is there twice" },
		{ "address: \"serial:/dev/a\"", "port: 1", "unknown key \"port\"" },
		{ ", address: \"serial:/dev/a\"", "", "either an address or a place" },
		{ "address: \"serial:/dev/a\"", "address: \"serial:/dev/a\", place: " P1,
		    "either an address or a place" },
		{ "serial:/dev/a\"", "usb:" P1 "?interface=mctp\"",
		    "station.yaml:13:27: an address is a serial port's path; of what is in USB "
		    "write "
		    "place: " P1 },
		{ "serial:/dev/a\"", "serial:" P1 "?baud=9600\"", "write place: " P1 },
		{ "\"serial:/dev/a\"", "/dev/a", "scheme:path?options" },
		{ slots,
		    "slots:\n  - { name: a, place: [" P1 ", " P2 "] }\n"
		    "  - { name: b, place: " P2 " }\n",
		    "station.yaml:14:5: slot b has the name, address or place of slot a" },
		{ slots, "slots: absent.yaml\n", "absent.yaml" },
		{ "SOFTHSM2_CONF", "LD_PRELOAD", "can not be set here" },
		{ "SOFTHSM2_CONF", "PATH", "can not be set here" },
		{ "order: {", "label: { template: t }\norder: {", "\"printer\" is missing" },
		{ "order: {", "label: { template: t, printer: p, x: 1 }\norder: {",
		    "unknown key \"x\"" },
		{ "order: {", "label: { template: t, printer: \"lpt1\" }\norder: {",
		    "station.yaml:15:32: \"lpt1\": a printer is tcp:" },
		{ "order: {", "label: { template: t, printer: \"tcp:zebra:9100\" }\norder: {",
		    "names are not looked up" },
		{ "order: {", "label: { template: t, printer: \"file:labels/all.zpl\" }\norder: {",
		    "with one %s" },
		{ "quantity: 5", "quantity: 0", "station.yaml:15:" },
		{ "records: records.db\n", "records: a\nrecords: b\n", "station.yaml:3:1" },
		{ "order:", "operators: { required: true }\norder:", "key \"file\" is missing" },
		{ "order:", "operators: { file: o, idle_s: 0 }\norder:", "station.yaml:15:31" },
		{ "order:", "operators: { file: o, require: no }\norder:", "unknown key" },
		{ "pin: pin }", "pin: pin, anchors: x }", "anchors belong to hsm.attestation" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_PTR(config) *c = NULL;
		AUTO_STRUCT(buf) text = { 0 };
		struct err e = { 0 };

		change(rows[i].old, rows[i].fresh, &text);
		assert_int_equal(load(&c, buf_str(&text, &e), &e), -1);
		assert_int_equal(e.domain, ERR_CONFIG);
		if (strstr(e.message, rows[i].says) == NULL)
			fail_msg("row %zu: \"%s\" is not in: %s", i, rows[i].says, e.message);
	}
}

static void test_places(void **state)
{
	AUTO_PTR(config) *c = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	change(slots,
	    "slots:\n  - { name: a, place: [" P1 ", " P2 "] }\n"
	    "  - { name: b, place: platform-vhci_hcd.0/usb2/1 }\n"
	    "  - { name: c, address: \"serial:/dev/c\" }\n",
	    &text);
	assert_ok(load(&c, buf_str(&text, &e), &e), &e);
	assert_int_equal(c->slot_count, 3);
	assert_int_equal(c->slots[0].place_count, 2);
	assert_string_equal(c->slots[0].places[1], P2);
	assert_null(c->slots[0].address);
	assert_int_equal(c->slots[1].place_count, 1);
	assert_int_equal(c->slots[2].place_count, 0);
}

static void test_labels(void **state)
{
	AUTO_PTR(config) *c = NULL, *none = NULL;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&none, good, &e), &e);
	assert_null(none->label_template);
	change("order: {", "label: { template: t.zpl, printer: \"file:l/%s.zpl\" }\norder: {",
	    &text);
	assert_ok(load(&c, buf_str(&text, &e), &e), &e);
	assert_int_equal(c->label_template[0], '/');
	assert_int_equal(strncmp(c->label_printer, "file:/", 6), 0);
	assert_non_null(strstr(c->label_printer, "/l/%s.zpl"));
}

static void test_tiles(void **state)
{
	static const struct {
		const char *fixture, *a, *b, *wrong; /* NULL: it is right */
	} rows[] = {
		{ "fixture: { columns: 4 }\n", "tile: '1,1'", "tile: '2,4'", NULL },
		{ "", "tile: '1, 1'", "tile: '32,32'", NULL },
		{ "fixture: { columns: 4 }\n", "tile: '1,1'", "tile: '1,1'",
		    "slot b has the tile of slot a" },
		{ "fixture: { columns: 4 }\n", "tile: '1,1'", "tile: '1,5'", "4 columns" },
		{ "fixture: { columns: 0 }\n", "tile: '1,1'", "tile: '1,2'", "from 1 to 32" },
		{ "fixture: { rows: 1 }\n", "tile: '1,1'", "tile: '1,2'", "rows" },
		{ "", "tile: '0,1'", "tile: '1,2'", "row,column" },
		{ "", "tile: '33,1'", "tile: '1,2'", "row,column" },
		{ "", "tile: '1'", "tile: '1,2'", "row,column" },
		{ "", "tile: '1,2,'", "tile: '1,1'", "row,column" },
		{ "", "tile: ''", "tile: '1,1'", "row,column" },
		{ "", "tile: '99999999999999999999,1'", "tile: '1,1'", "row,column" },
	};
	char *folder = testing_folder(), path[4200];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/station.yaml", folder);
	for (size_t i = 0; i < COUNT(rows); i++) {
		AUTO_PTR(config) *c = NULL;
		AUTO_STRUCT(buf) text = { 0 };
		struct err e = { 0 };

		assert_ok(buf_printf(&text, &e,
			      "%sslots:\n  - { name: a, place: " P1 ", %s }\n"
			      "  - { name: b, place: " P2 ", %s }\n",
			      rows[i].fixture, rows[i].a, rows[i].b),
		    &e);
		assert_ok(file_write(path, text.data, text.len, 0600, &e), &e);
		if (rows[i].wrong == NULL) {
			assert_ok(config_load_slots(&c, path, &e), &e);
			assert_int_equal(c->slots[0].row, 1);
			assert_int_equal(c->slots[1].column, i == 0 ? 4 : 32);
			continue;
		}
		assert_err(config_load_slots(&c, path, &e), &e, "yaml");
		assert_non_null(strstr(e.message, rows[i].wrong));
	}
	testing_folder_remove(folder);
}

/* What was learned later leaves the tiles of the others as they are. */
static void test_a_file_of_slots_keeps_tiles(void **state)
{
	static const char before[] = "slots:\n  - { name: a, tile: '2,3', place: " P1 " }\n";
	char *folder = testing_folder(), path[4200];
	AUTO_STRUCT(slots_file) file = { 0 };
	AUTO_PTR(config) *c = NULL;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/slots.yaml", folder);
	assert_ok(file_write(path, before, strlen(before), 0600, &e), &e);
	assert_ok(slots_file_open(&file, path, false, &e), &e);
	assert_ok(slots_file_add(&file, "b", P2, "", &e), &e);
	assert_ok(config_load_slots_file(&c, path, &e), &e);
	assert_int_equal(c->slot_count, 2);
	assert_int_equal(c->slots[0].row, 2);
	assert_int_equal(c->slots[0].column, 3);
	assert_int_equal(c->slots[1].row, 0);
	testing_folder_remove(folder);
}

/* A file of slots beside station.yaml; `slots` alone is read of the latter. */
static void test_a_file_of_slots(void **state)
{
	static const char named[] = "slots: slots.yaml\nhsm: nothing of this is looked at\n";
	static const char list[] = "slots:\n  - { name: a, place: " P1 " }\n";
	static const char bad[] = "slots:\n  - { name: a, place: " P1 " }\n  - { name: a }\n";
	char *folder = testing_folder();
	char station[4200], file[4200];
	AUTO_PTR(config) *none = NULL, *one = NULL, *refused = NULL;
	struct err e = { 0 };

	(void)state;
	(void)snprintf(station, sizeof(station), "%s/station.yaml", folder);
	(void)snprintf(file, sizeof(file), "%s/slots.yaml", folder);
	assert_ok(file_write(station, named, strlen(named), 0600, &e), &e);
	assert_ok(config_load_slots(&none, station, &e), &e);
	assert_int_equal(none->slot_count, 0);
	assert_string_equal(none->slots_file, file);
	assert_ok(file_write(file, list, strlen(list), 0600, &e), &e);
	assert_ok(config_load_slots(&one, station, &e), &e);
	assert_int_equal(one->slot_count, 1);
	assert_string_equal(one->slots[0].places[0], P1);
	assert_ok(file_write(file, bad, strlen(bad), 0600, &e), &e);
	assert_err(config_load_slots(&refused, station, &e), &e, "yaml");
	assert_non_null(strstr(e.message, "slots.yaml:3:5: slot a needs"));
	testing_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_it),
		cmocka_unit_test(test_each_mistake_has_its_place),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_tiles),
		cmocka_unit_test(test_a_file_of_slots),
		cmocka_unit_test(test_a_file_of_slots_keeps_tiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
