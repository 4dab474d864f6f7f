#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join(const char *folder, const char *name, char ret[static PATH_MAX])
{
	int len = snprintf(ret, PATH_MAX, "%s/%s", folder, name);

	return len > 0 && len < PATH_MAX;
}

static ssize_t read_file(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, ret, size);
	(void)close(fd); /* was only read */
	return len;
}

bool sysfs_text(const char *folder, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	ssize_t len;

	if (!join(folder, name, path))
		return false;
	len = read_file(path, ret, size - 1);
	if (len < 0)
		return false;
	ret[len] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	for (char *c = ret; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return true;
}

bool sysfs_number(const char *folder, const char *name, int base, unsigned long max,
    unsigned long *ret)
{
	char text[32];
	char *end = NULL;
	unsigned long value;

	if (!sysfs_text(folder, name, text, sizeof(text)))
		return false;
	if (strspn(text, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") == 0)
		return false;
	errno = 0;
	value = strtoul(text, &end, base);
	if (errno != 0 || *end != '\0' || value > max)
		return false;
	*ret = value;
	return true;
}

bool sysfs_link(const char *folder, const char *name, char *ret, size_t size)
{
	char path[PATH_MAX];
	ssize_t len;

	if (!join(folder, name, path))
		return false;
	len = readlink(path, ret, size);
	if (len <= 0 || (size_t)len == size)
		return false;
	ret[len] = '\0';
	return true;
}

bool sysfs_link_name(const char *folder, const char *name, char *ret, size_t size)
{
	char target[PATH_MAX];
	const char *last;
	int len;

	if (!sysfs_link(folder, name, target, sizeof(target)))
		return false;
	last = strrchr(target, '/');
	len = snprintf(ret, size, "%s", last != NULL ? last + 1 : target);
	return len > 0 && (size_t)len < size;
}
