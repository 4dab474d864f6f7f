#include "skin.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RESET_MS = 100 };

static const struct skin_ops *const table[] = { &pty_skin, &usbip_skin };

const struct skin_ops *skin_at(size_t i)
{
	return i < COUNT(table) ? table[i] : NULL;
}

const struct skin_ops *skin_find(const char *name)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	return NULL;
}

int skin_ready(int *ready, struct err *e)
{
	if (*ready < 0)
		return 0;
	if (write(*ready, "", 1) != 1)
		return err_errno(e, ERR_CONFIG, "twin.start", "reporting");
	*ready = -1;
	return 0;
}

void skin_pause(void)
{
	const struct timespec t = { RESET_MS / 1000, RESET_MS % 1000 * 1000000 };

	(void)nanosleep(&t, NULL); /* a shorter wait is as good */
}

int skin_no_descriptor(struct skin *s, size_t slot, int *ret_keep, struct err *e)
{
	(void)s;
	(void)slot;
	(void)e;
	*ret_keep = -1;
	return 0;
}

int skin_not_told(struct skin *s, const struct skin_plug *p, struct err *e)
{
	(void)s;
	(void)p;
	(void)e;
	return 0;
}

void skin_forgets(struct skin *s, size_t slot)
{
	(void)s;
	(void)slot;
}

int skin_not_watched(const struct skin *s)
{
	(void)s;
	return -1;
}

int skin_idle(struct skin *s, struct err *e)
{
	(void)s;
	(void)e;
	return 0;
}
