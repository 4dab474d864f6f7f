#include "failpoint.h"

#ifdef KILN_FAILPOINTS

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXIT_CODE = 70, AFTERMATH_MS = 200 };

enum action { ACTION_NONE, ACTION_KILL, ACTION_PARENT, ACTION_EXIT, ACTION_SLEEP };

static struct {
	int log;
	int parent; /* a byte written here is the parent's death */
	const char *point;
	size_t point_len; /* 0: any */
	unsigned long at;
	enum action action;
	int sleep_ms;
	atomic_ulong *count; /* of the rule, shared by all processes where there is a file for it */
	atomic_ulong own_count;
	atomic_ulong hits;
	bool forked; /* since it began: the descriptors may be closed, the parent is another */
} state = { .log = -1, .parent = -1 };

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_log(void)
{
	const char *path = getenv("KILN_FAILPOINT_LOG");

	if (path == NULL)
		return;
	state.log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (state.log < 0)
		abort();
}

static void share_count(void)
{
	const char *path = getenv("KILN_FAILPOINT_COUNT");
	void *shared;
	int fd;

	state.count = &state.own_count;
	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof(*state.count)) != 0)
		abort();
	shared = mmap(NULL, sizeof(*state.count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		abort();
	state.count = shared;
	(void)close(fd); /* the map stays */
}

/* The sandbox allows write(2): on this socket it raises SIGKILL in its owner, the parent. A stream would
 * raise it also when this process ends. */
static void arm_parent(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0 ||
	    fcntl(ends[0], F_SETOWN, getppid()) != 0 || fcntl(ends[0], F_SETSIG, SIGKILL) != 0 ||
	    fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) != 0)
		abort();
	state.parent = ends[1];
}

static void read_action(const char *text)
{
	if (strcmp(text, "kill") == 0)
		state.action = ACTION_KILL;
	else if (strcmp(text, "exit") == 0)
		state.action = ACTION_EXIT;
	else if (sscanf(text, "sleep=%d", &state.sleep_ms) == 1)
		state.action = ACTION_SLEEP;
	else if (strcmp(text, "parent") == 0)
		state.action = ACTION_PARENT;
	else
		abort();
	if (state.action == ACTION_PARENT)
		arm_parent();
}

static void read_rule(void)
{
	const char *rule = getenv("KILN_FAILPOINT");
	const char *me = program_invocation_short_name;
	const char *number, *action;
	char *end = NULL;

	if (rule == NULL || strncmp(rule, me, strlen(me)) != 0 || rule[strlen(me)] != ':')
		return;
	state.point = rule + strlen(me) + 1;
	number = strchr(state.point, ':');
	action = number != NULL ? strchr(number + 1, ':') : NULL;
	if (action == NULL)
		abort();
	state.point_len = (size_t)(number - state.point);
	if (state.point_len == 1 && state.point[0] == '*')
		state.point_len = 0;
	state.at = strtoul(number + 1, &end, 10);
	if (end != action || state.at == 0)
		abort();
	share_count();
	read_action(action + 1);
}

static void begin(void)
{
	open_log();
	read_rule();
}

void failpoint_forked(void)
{
	state.forked = true;
	atomic_store(&state.hits, 0);
}

static void begin_process(void)
{
	begin();
	if (pthread_atfork(NULL, NULL, failpoint_forked) != 0)
		abort();
}

static void write_log(const char *point)
{
	unsigned long count = atomic_fetch_add(&state.hits, 1) + 1;
	char line[200];
	int len;

	if (state.log < 0)
		return;
	len = snprintf(line, sizeof(line), "%s %s %d %lu\n", point, program_invocation_short_name,
	    (int)getpid(), count);
	if (write(state.log, line, (size_t)len) != len)
		abort();
}

static bool is_due(const char *point)
{
	if (state.action == ACTION_NONE)
		return false;
	if (state.point_len > 0 &&
	    (strlen(point) != state.point_len || memcmp(point, state.point, state.point_len) != 0))
		return false;
	return atomic_fetch_add(state.count, 1) + 1 == state.at;
}

static void act(void)
{
	switch (state.action) {
	case ACTION_NONE:
		return;
	case ACTION_KILL:
		(void)kill(getpid(), SIGKILL); /* does not return, allowed or not */
		return;
	case ACTION_PARENT:
		if (write(state.parent, "", 1) != 1)
			abort();
		(void)poll(NULL, 0, AFTERMATH_MS); /* until what dies with its parent is dead */
		return;
	case ACTION_EXIT:
		_exit(EXIT_CODE);
	case ACTION_SLEEP:
		(void)poll(NULL, 0, state.sleep_ms);
		return;
	}
}

void failpoint_hit(const char *point)
{
	int before = errno;

	(void)pthread_once(&once, begin_process);
	if (state.forked) { /* then there is one thread */
		state.forked = false;
		begin();
	}
	write_log(point);
	if (is_due(point))
		act();
	errno = before;
}

#endif
