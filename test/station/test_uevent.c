#include "testing.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "uevent.h"

enum { PATIENCE_MS = 10000 };

/* The kernel says again that a device is there which every machine has. */
static void provoke(void)
{
	int fd = open("/sys/class/mem/null/uevent", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		testing_skip("the right to have the kernel say something (root, /sys writable)");
	assert_int_equal(write(fd, "change", 6), 6);
	(void)close(fd);
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static void test_the_kernels_word_is_heard_and_taken(void **state)
{
	int fd = uevent_open();

	(void)state;
	if (fd < 0)
		testing_skip("a socket for the kernel's messages");
	provoke();
	if (!is_readable(fd, PATIENCE_MS))
		testing_skip("the kernel's messages in this network namespace");
	uevent_drain(fd);
	provoke();
	assert_true(is_readable(fd, PATIENCE_MS));
	uevent_drain(fd);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_kernels_word_is_heard_and_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
