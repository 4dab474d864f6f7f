#include "secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "json.h"

/* A page of its own: locking and unlocking work on pages. */
struct secret_bytes {
	size_t len;
	char text[SECRET_MAX + 1];
};

int secret_set(struct secret *s, const void *data, size_t len, struct err *e)
{
	struct secret_bytes *bytes;

	if (len > SECRET_MAX || (len > 0 && memchr(data, '\0', len) != NULL))
		return err_set(e, ERR_CONFIG, "secret", "a secret holds NUL or more than %d bytes",
		    SECRET_MAX);
	bytes =
	    mmap(NULL, sizeof(*bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return err_nomem(e);
	(void)mlock(bytes, sizeof(*bytes));                  /* best effort, see secret.h */
	(void)madvise(bytes, sizeof(*bytes), MADV_DONTDUMP); /* cores are off already */
	if (len > 0)
		memcpy(bytes->text, data, len);
	bytes->len = len;
	secret_free(s);
	s->bytes = bytes;
	return 0;
}

const char *secret_reveal(const struct secret *s)
{
	return s->bytes != NULL ? s->bytes->text : "";
}

size_t secret_len(const struct secret *s)
{
	return s->bytes != NULL ? s->bytes->len : 0;
}

void secret_free(struct secret *s)
{
	if (s->bytes == NULL)
		return;
	explicit_bzero(s->bytes, sizeof(*s->bytes));
	(void)munmap(s->bytes, sizeof(*s->bytes)); /* a valid mapping of ours */
	s->bytes = NULL;
}

/* The first line that fd has. */
static int read_line(struct secret *s, int fd, const char *path, struct err *e)
{
	char line[SECRET_MAX + 2];
	size_t len = 0;
	int rc;

	while (len < sizeof(line)) {
		ssize_t n = read(fd, line + len, sizeof(line) - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		if (memchr(line, '\n', len) != NULL)
			break;
	}
	if (memchr(line, '\n', len) != NULL)
		len = (size_t)((char *)memchr(line, '\n', len) - line);
	if (len > 0 && line[len - 1] == '\r')
		len--; /* written on another system: a PIN with it would only burn a try */
	if (len == 0)
		rc = err_set(e, ERR_CONFIG, "secret", "%s is empty", path);
	else
		rc = secret_set(s, line, len, e);
	explicit_bzero(line, sizeof(line));
	return rc;
}

int secret_from_line(struct secret *s, int fd, const char *what, struct err *e)
{
	char line[SECRET_MAX + 1];
	size_t len = 0;
	int rc;

	while (len < sizeof(line) && read(fd, &line[len], 1) == 1 && line[len] != '\n')
		len++;
	if (len > 0 && len < sizeof(line) && line[len - 1] == '\r')
		len--; /* of a scanner, or another system */
	if (len == 0)
		rc = err_set(e, ERR_CONFIG, "secret", "%s: there is no line, or it is empty", what);
	else
		rc = secret_set(s, line, len, e);
	explicit_bzero(line, sizeof(line));
	return rc;
}

/* forbidden: the permission bits that it may not have. */
static int open_private(const char *path, mode_t forbidden, int *ret_fd, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* it may be a FIFO */

	if (fd < 0)
		return err_errno(e, ERR_CONFIG, "secret", "opening %s", path);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & forbidden) != 0 ||
	    (st.st_uid != geteuid() && st.st_uid != 0)) {
		(void)close(fd); /* only read */
		return err_set(e, ERR_CONFIG, "secret.mode",
		    "%s must be a file that only its owner can read: chmod 600 %s", path, path);
	}
	*ret_fd = fd;
	return 0;
}

/* The manager gives a service with User= its credentials as 0440 with an ACL for that user alone, in a
 * folder of its own (systemd issue 29435). */
static int open_credential(const char *name, struct buf *path, int *ret_fd, struct err *e)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	const char *text;

	if (folder == NULL)
		return err_set(e, ERR_CONFIG, "secret",
		    "credential:%s: there is no $CREDENTIALS_DIRECTORY; start kiln as a systemd "
		    "unit",
		    name);
	if (name[0] == '\0' || strchr(name, '/') != NULL)
		return err_set(e, ERR_CONFIG, "secret", "credential:%s: not a credential's name",
		    name);
	if (buf_printf(path, e, "%s/%s", folder, name) != 0)
		return -1;
	text = buf_str(path, e);
	return text != NULL ? open_private(text, 037, ret_fd, e) : -1;
}

int secret_from_file(struct secret *s, const char *path, struct err *e)
{
	static const char credential[] = "credential:";
	AUTO_STRUCT(buf) in_folder = { 0 };
	const char *name = path;
	int fd, rc;

	if (strncmp(path, credential, strlen(credential)) != 0) {
		rc = open_private(path, 077, &fd, e);
	} else {
		rc = open_credential(path + strlen(credential), &in_folder, &fd, e);
		name = (const char *)in_folder.data;
	}
	if (rc != 0)
		return -1;
	rc = read_line(s, fd, name, e);
	(void)close(fd); /* only read */
	return rc;
}

int secret_prompt(struct secret *s, const char *question, struct err *e)
{
	struct termios before, silent;
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0)
		return err_set(e, ERR_CONFIG, "secret",
		    "%s: there is no terminal to ask on; name a file or a credential", question);
	if (tcgetattr(fd, &before) != 0) {
		rc = err_errno(e, ERR_CONFIG, "secret", "asking on the terminal");
		(void)close(fd); /* nothing was written */
		return rc;
	}
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	(void)dprintf(fd, "%s: ", question); /* a broken terminal shows at the read */
	(void)tcsetattr(fd, TCSAFLUSH, &silent);
	rc = read_line(s, fd, "the answer", e);
	(void)tcsetattr(fd, TCSAFLUSH, &before);
	(void)dprintf(fd, "\n");
	(void)close(fd); /* a terminal */
	return rc;
}

int secret_to_json(const struct secret *s, json_t *object, const char *key, struct err *e)
{
	return json_set_bytes(object, key, (const uint8_t *)secret_reveal(s), secret_len(s), e);
}

int secret_from_json(struct secret *s, json_t *object, const char *key, struct err *e)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	json_t *value = json_object_get(object, key);

	if (json_get_bytes(object, key, &bytes, ERR_CONFIG, e) != 0)
		return -1;
	explicit_bzero((char *)(uintptr_t)json_string_value(value), json_string_length(value));
	return secret_set(s, bytes.data, bytes.len, e);
}
