#include "mock_bed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mock_usb.h"

static UMockdevTestbed *testbed;

bool mock_usb_possible(void)
{
	const char *before = getenv("LD_PRELOAD");

	return before != NULL && strstr(before, "libumockdev-preload") != NULL;
}

void mock_bed_add(const char *text)
{
	GError *error = NULL;

	if (!umockdev_testbed_add_from_string(mock_bed(), text, &error))
		g_error("%s", error->message);
}

UMockdevTestbed *mock_bed(void)
{
	char *root;

	if (testbed != NULL)
		return testbed;
	testbed = umockdev_testbed_new();
	root = umockdev_testbed_get_root_dir(testbed);
	g_assert(chmod(root, 0755) == 0); /* another user looks, too */
	g_free(root);
	mock_bed_add("P: " MOCK_CONTROLLER "\nE: SUBSYSTEM=pci\n\n"
		     "P: " MOCK_ROOT_HUB "\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n"
		     "A: version= 2.00\nA: bDeviceClass=09\n\n");
	return testbed;
}

void mock_usb_end(void)
{
	g_clear_object(&testbed);
}
