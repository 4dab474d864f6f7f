/*
 * The hand in the guest: what the host's tests start there. On each connection come words, each ended
 * by a NUL, an empty one at the end; they are a command line. It runs with the connection as its
 * standard input and output; when it has ended, a NUL and its exit status in decimal follow (128 and
 * the signal's number, where one killed it). Its standard error is the console.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMAND_MAX = 64 * 1024, WORDS_MAX = 256, BACKLOG = 64, SIGNALLED = 128, NOT_FOUND = 127 };

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* Byte by byte: what follows the empty word is the command's. */
static size_t read_command(int fd, char *text, char *words[WORDS_MAX + 1])
{
	size_t count = 0, start = 0;

	for (size_t len = 0; len < COMMAND_MAX; len++) {
		if (read(fd, text + len, 1) != 1)
			return 0;
		if (text[len] != '\0')
			continue;
		if (len == start || count == WORDS_MAX)
			return len == start ? count : 0;
		words[count++] = text + start;
		start = len + 1;
	}
	return 0;
}

static int run(int fd, char *const words[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)signal(SIGCHLD, SIG_DFL);
		if (dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 || setsid() < 0)
			_exit(NOT_FOUND);
		(void)close(fd);
		(void)execvp(words[0], words);
		_exit(NOT_FOUND);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return NOT_FOUND;
	return WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static void serve(int fd)
{
	static char text[COMMAND_MAX];
	char *words[WORDS_MAX + 1] = { NULL };
	char end[16] = { 0 };
	int len;

	(void)signal(SIGCHLD, SIG_DFL);
	if (read_command(fd, text, words) == 0)
		exit(EXIT_FAILURE);
	len = snprintf(end + 1, sizeof(end) - 1, "%d", run(fd, words));
	/* a host that has hung up does not want to know */
	exit(write(fd, end, (size_t)len + 1) == len + 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int listen_on(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		die("agent: listening");
	return fd;
}

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);

	printf("guest: listening\n");
	(void)fflush(stdout); /* the console has it, or nobody waits */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_IGN); /* nobody waits for those that serve */
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			die("agent: accepting");
		if (fd < 0)
			continue;
		if (fork() == 0)
			serve(fd);
		(void)close(fd);
	}
}
