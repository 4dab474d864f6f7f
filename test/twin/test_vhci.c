/* The virtual host controller's files, as drivers/usb/usbip/vhci_sysfs.c of Linux 6.1 writes them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"
#include "vhci.h"

#define HEAD            "hub port sta spd dev      sockfd local_busid\n"
#define FREE(hub, port) hub "  00" port " 004 000 00000000 000000 0-0\n"
#define USED(hub, port) hub "  00" port " 006 003 00010002 000003 1-1\n"

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void read_file(const char *folder, const char *name, struct buf *ret)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	testing_read(path, ret);
}

static char *controller(void)
{
	char *folder = testing_folder();

	write_file(folder, "attach", "");
	write_file(folder, "detach", "");
	write_file(folder, "status",
	    HEAD FREE("hs", "00") USED("hs", "01") FREE("hs", "02") FREE("ss", "03"));
	write_file(folder, "status.1", HEAD USED("hs", "16") FREE("hs", "17") FREE("ss", "24"));
	return folder;
}

static void test_free_ports_are_found(void **state)
{
	char *folder = controller();
	struct vhci_port ports[4];
	struct err e = { 0 };

	(void)state;
	assert_ok(vhci_find(folder, ports, 3, &e), &e);
	assert_int_equal(ports[0].number, 0);
	assert_string_equal(ports[0].place, "platform-vhci_hcd.0/usb2/1");
	assert_int_equal(ports[1].number, 2);
	assert_string_equal(ports[1].place, "platform-vhci_hcd.0/usb2/3");
	assert_int_equal(ports[2].number, 17);
	assert_string_equal(ports[2].place, "platform-vhci_hcd.1/usb2/2");
	assert_err(vhci_find(folder, ports, 4, &e), &e, "twin.vhci");
	assert_non_null(strstr(e.message, "4 slots"));
	assert_non_null(strstr(e.message, "3 free"));
	testing_folder_remove(folder);
}

static void test_a_machine_without_it(void **state)
{
	struct vhci_port port;
	struct err e = { 0 };

	(void)state;
	assert_err(vhci_find("/nonexistent", &port, 1, &e), &e, "twin.vhci");
	assert_non_null(strstr(e.message, "modprobe vhci-hcd"));
}

static void test_who_may_not(void **state)
{
	char *folder = controller();
	char path[512];
	struct vhci_port port;
	struct err e = { 0 };
	int rc;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/attach", folder);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	/* root is asked as somebody else: access(2) goes by the real user */
	assert_int_equal(geteuid() == 0 ? setreuid(65534, 0) : 0, 0);
	rc = vhci_find(folder, &port, 1, &e);
	assert_int_equal(geteuid() == 0 ? setreuid(0, 0) : 0, 0);
	assert_err(rc, &e, "twin.vhci");
	assert_non_null(strstr(e.message, "root"));
	testing_folder_remove(folder);
}

static void test_attach_and_detach(void **state)
{
	char *folder = controller();
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(vhci_attach(folder, 17, 5, 0x10003, VHCI_HIGH, &e), &e);
	read_file(folder, "attach", &text);
	assert_string_equal(buf_str(&text, &e), "17 5 65539 3");
	vhci_detach(folder, 17);
	read_file(folder, "detach", &text);
	assert_string_equal(buf_str(&text, &e), "17");
	testing_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_ports_are_found),
		cmocka_unit_test(test_a_machine_without_it),
		cmocka_unit_test(test_who_may_not),
		cmocka_unit_test(test_attach_and_detach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
