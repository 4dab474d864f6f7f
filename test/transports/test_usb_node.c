/* A device that is replaced while its node is opened. This program's own tree says what is at the place. */
#include "usb_node.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "testing.h"

enum { NULL_MINOR = 3, OTHER = 5 }; /* /dev/null is 1:3 */

#define PLACE "pci-0000:00:14.0/usb2/1"

static struct {
	const char *node;
	dev_t looks[2]; /* what is there at the first look, and at the second; 0: nothing */
	size_t count;
} tree;

int usb_tree_find(const char *root, const char *place, struct usb_device *ret, struct err *e)
{
	dev_t dev = tree.looks[tree.count++ != 0];

	assert_string_equal(root, "");
	assert_string_equal(place, PLACE);
	if (dev == 0)
		return err_set(e, ERR_LINK, "link.absent", "nothing is there");
	*ret = (struct usb_device){ .place = PLACE, .dev = dev };
	(void)snprintf(ret->node, sizeof(ret->node), "%s", tree.node);
	return 0;
}

static dev_t dev_of(unsigned minor_number)
{
	return minor_number == 0 ? 0 : makedev(1, minor_number);
}

static int next_fd(void)
{
	int fd = dup(STDIN_FILENO);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	return fd;
}

static void the_right_device_only(void **state)
{
	static const struct {
		unsigned first, second; /* minor numbers; 0: nothing */
		const char *code;       /* NULL: it is opened */
	} rows[] = {
		{ NULL_MINOR, NULL_MINOR, NULL },
		{ NULL_MINOR, OTHER, "link.absent" },
		{ OTHER, NULL_MINOR, "link.absent" },
		{ OTHER, OTHER, "link.absent" }, /* the node is another device's */
		{ NULL_MINOR, 0, "link.absent" },
		{ 0, 0, "link.absent" },
	};
	int before = next_fd();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct usb_device d;
		struct err e = { 0 };
		int fd = -1, rc;

		tree.node = "/dev/null";
		tree.looks[0] = dev_of(rows[i].first);
		tree.looks[1] = dev_of(rows[i].second);
		tree.count = 0;
		rc = usb_node_open(PLACE, &d, &fd, &e);
		if (rows[i].code == NULL) {
			assert_ok(rc, &e);
			assert_int_equal(close(fd), 0);
		} else {
			assert_err(rc, &e, rows[i].code);
			assert_int_equal(e.domain, ERR_LINK);
			assert_int_equal(fd, -1);
		}
		assert_int_equal(next_fd(), before);
	}
}

static void a_node_that_is_not_there_is_absent(void **state)
{
	struct usb_device d;
	struct err e = { 0 };
	int fd = -1;

	(void)state;
	tree.node = "/nonexistent";
	tree.looks[0] = tree.looks[1] = makedev(1, NULL_MINOR);
	tree.count = 0;
	assert_err(usb_node_open(PLACE, &d, &fd, &e), &e, "link.absent");
}

static void a_holder_is_a_kernel_driver(void **state)
{
	const struct usb_device d = { .interfaces = { { .number = 0 },
					  { .number = 1, .driver = "cdc_acm" },
					  { .number = 2, .driver = "usbfs" } },
		.interface_count = 3 };

	(void)state;
	assert_null(usb_node_holder(&d, 0));
	assert_string_equal(usb_node_holder(&d, 1), "cdc_acm");
	assert_null(usb_node_holder(&d, 2));
	assert_null(usb_node_holder(&d, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_device_only),
		cmocka_unit_test(a_node_that_is_not_there_is_absent),
		cmocka_unit_test(a_holder_is_a_kernel_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
