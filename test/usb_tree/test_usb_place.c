#include "usb_place.h"

#include <stdio.h>
#include <string.h>

#include "testing.h"

static void test_places_are_spelled_in_one_way(void **state)
{
	static const char *const good[] = {
		"pci-0000:00:14.0/usb2/3.1.2",
		"pci-0000:00:14.0/usb3/1",
		"pci-0000:00:1d.0/usb1/255",
		"platform-vhci_hcd.0/usb2/1",
		"platform-xhci-hcd.1.auto/usb2/1.2.3.4.5.6",
	};
	static const char *const bad[] = {
		"",
		"/",
		"1-3.1",
		"3.1",
		"pci-0000:00:14.0",
		"pci-0000:00:14.0/",
		"pci-0000:00:14.0/3",
		"pci-0000:00:14.0/usb2",
		"pci-0000:00:14.0/usb2/",
		"pci-0000:00:14.0/usb0/1",
		"pci-0000:00:14.0/usb4/1",
		"pci-0000:00:14.0/usb22/1",
		"pci-0000:00:14.0/usb2/0",
		"pci-0000:00:14.0/usb2/01",
		"pci-0000:00:14.0/usb2/1.",
		"pci-0000:00:14.0/usb2/.1",
		"pci-0000:00:14.0/usb2/1..2",
		"pci-0000:00:14.0/usb2/256",
		"pci-0000:00:14.0/usb2/1000",
		"pci-0000:00:14.0/usb2/1.2.3.4.5.6.7",
		"pci-0000:00:14.0/usb2/1 ",
		" pci-0000:00:14.0/usb2/1",
		"pci-0000:00:14.0/usb2/1?baud=1",
		"pci-/usb2/1",
		"-x/usb2/1",
		"pci/usb2/1",
		"pci-a/b/usb2/1",
		"pci-a b/usb2/1",
		"pci-a?b/usb2/1",
		"pci-\xc3\xa4/usb2/1",
	};
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_ok(usb_place_check(good[i], &e), &e);
	for (size_t i = 0; i < COUNT(bad); i++) {
		if (usb_place_check(bad[i], &e) == 0)
			fail_msg("'%s' was accepted", bad[i]);
		assert_err(-1, &e, "place");
		assert_int_equal(e.domain, ERR_CONFIG);
	}
}

static void test_a_place_has_a_bound(void **state)
{
	char text[USB_PLACE_MAX + 16];
	struct err e = { 0 };

	(void)state;
	(void)snprintf(text, sizeof(text), "pci-%0*d/usb2/1", USB_PLACE_MAX - 11, 7);
	assert_int_equal(strlen(text), USB_PLACE_MAX);
	assert_ok(usb_place_check(text, &e), &e);
	(void)snprintf(text, sizeof(text), "pci-%0*d/usb2/1", USB_PLACE_MAX - 10, 7);
	assert_err(usb_place_check(text, &e), &e, "place");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_are_spelled_in_one_way),
		cmocka_unit_test(test_a_place_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
