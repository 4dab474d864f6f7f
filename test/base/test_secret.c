#include "secret.h"

#include <fcntl.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "testing.h"

struct fixture {
	char *folder;
	char path[4096];
};

static int setup(void **state)
{
	static struct fixture f;

	f.folder = testing_folder();
	(void)snprintf(f.path, sizeof(f.path), "%s/pin", f.folder);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	testing_folder_remove(f->folder);
	return unsetenv("CREDENTIALS_DIRECTORY");
}

static void put(const struct fixture *f, const char *text, size_t len, mode_t mode)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void test_empty(void **state)
{
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_string_equal(secret_reveal(&s), "");
	assert_int_equal(secret_len(&s), 0);
	assert_ok(secret_set(&s, NULL, 0, &e), &e);
	assert_string_equal(secret_reveal(&s), "");
	secret_free(&s);
	secret_free(&s);
}

static void test_set_replaces(void **state)
{
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(secret_set(&s, "12345678", 8, &e), &e);
	assert_ok(secret_set(&s, "42", 2, &e), &e);
	assert_string_equal(secret_reveal(&s), "42");
	assert_int_equal(secret_len(&s), 2);
}

static void test_bounds(void **state)
{
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	char text[SECRET_MAX + 1];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_ok(secret_set(&s, text, SECRET_MAX, &e), &e);
	assert_int_equal(secret_len(&s), SECRET_MAX);
	assert_int_equal(strlen(secret_reveal(&s)), SECRET_MAX);
	assert_err(secret_set(&s, text, SECRET_MAX + 1, &e), &e, "secret");
	assert_err(secret_set(&s, "a\0b", 3, &e), &e, "secret");
	assert_int_equal(secret_len(&s), SECRET_MAX); /* a refused one leaves the old one */
}

static void test_file(void **state)
{
	static const struct {
		const char *text;
		const char *secret;
	} files[] = { { "1234", "1234" }, { "1234\n", "1234" }, { "1234\r\n", "1234" },
		{ " 12 34 \nmore\n", " 12 34 " }, { "1234\n\n", "1234" } };
	const struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(files); i++) {
		AUTO_STRUCT(secret) s = { 0 };
		struct err e = { 0 };

		put(f, files[i].text, strlen(files[i].text), 0600);
		assert_ok(secret_from_file(&s, f->path, &e), &e);
		assert_string_equal(secret_reveal(&s), files[i].secret);
	}
}

static void test_bad_file(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	char large[SECRET_MAX + 2];

	assert_err(secret_from_file(&s, f->path, &e), &e, "secret"); /* absent */
	put(f, "", 0, 0600);
	assert_err(secret_from_file(&s, f->path, &e), &e, "secret");
	put(f, "\n1234\n", 6, 0600);
	assert_err(secret_from_file(&s, f->path, &e), &e, "secret");
	put(f, "12\0", 3, 0600);
	assert_err(secret_from_file(&s, f->path, &e), &e, "secret");
	memset(large, '7', sizeof(large));
	put(f, large, sizeof(large), 0600);
	assert_err(secret_from_file(&s, f->path, &e), &e, "secret");
	assert_null(strstr(e.message, "777")); /* an error never holds the secret */
	assert_int_equal(secret_len(&s), 0);
}

static void test_file_of_everybody(void **state)
{
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0602, 0601, 0644, 0666 };
	const struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(open_modes); i++) {
		AUTO_STRUCT(secret) s = { 0 };
		struct err e = { 0 };

		put(f, "1234\n", 5, open_modes[i]);
		assert_err(secret_from_file(&s, f->path, &e), &e, "secret.mode");
		assert_non_null(strstr(e.message, "chmod 600"));
	}
}

static void test_not_a_file(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	char other[4200];

	assert_err(secret_from_file(&s, f->folder, &e), &e, "secret.mode");
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_err(secret_from_file(&s, f->path, &e), &e,
	    "secret.mode"); /* and does not wait for a writer */
	assert_int_equal(unlink(f->path), 0);
	put(f, "1234\n", 5, 0600);
	(void)snprintf(other, sizeof(other), "%s/link", f->folder);
	assert_int_equal(symlink(f->path, other), 0);
	assert_err(secret_from_file(&s, other, &e), &e, "secret");
}

static void test_file_of_somebody_else(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };

	if (geteuid() != 0)
		testing_skip("root, to give a file away");
	put(f, "1234\n", 5, 0600);
	assert_int_equal(chown(f->path, 65534, 65534), 0);
	assert_err(secret_from_file(&s, f->path, &e), &e, "secret.mode");
}

static void test_credential(void **state)
{
	const struct fixture *f = *state;
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };

	assert_err(secret_from_file(&s, "credential:pin", &e), &e, "secret");
	assert_non_null(strstr(e.message, "CREDENTIALS_DIRECTORY"));
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", f->folder, 1), 0);
	put(f, "1234\n", 5, 0440); /* as systemd gives it to a service with User= */
	assert_ok(secret_from_file(&s, "credential:pin", &e), &e);
	assert_string_equal(secret_reveal(&s), "1234");
	put(f, "1234\n", 5, 0444);
	assert_err(secret_from_file(&s, "credential:pin", &e), &e, "secret.mode");
	put(f, "1234\n", 5, 0460);
	assert_err(secret_from_file(&s, "credential:pin", &e), &e, "secret.mode");
	assert_err(secret_from_file(&s, "credential:none", &e), &e, "secret");
	assert_err(secret_from_file(&s, "credential:", &e), &e, "secret");
	assert_err(secret_from_file(&s, "credential:../pin", &e), &e, "secret");
}

static void test_json(void **state)
{
	AUTO_STRUCT(secret) s = { 0 };
	AUTO_STRUCT(secret) back = { 0 };
	AUTO(json_t) *o = json_object();
	struct err e = { 0 };

	(void)state;
	assert_ok(secret_set(&s, "p\xc3\xa4ss \"1", 8, &e), &e);
	assert_ok(secret_to_json(&s, o, "pin", &e), &e);
	assert_string_equal(json_opt_str(o, "pin", ""), "cMOkc3MgIjE=");
	assert_ok(secret_from_json(&back, o, "pin", &e), &e);
	assert_string_equal(secret_reveal(&back), secret_reveal(&s));
	assert_string_equal(json_opt_str(o, "pin", "x"), ""); /* wiped */
}

static void test_empty_json(void **state)
{
	AUTO_STRUCT(secret) s = { 0 };
	AUTO(json_t) *o = json_object();
	struct err e = { 0 };

	(void)state;
	assert_ok(secret_to_json(&s, o, "pin", &e), &e);
	assert_ok(secret_from_json(&s, o, "pin", &e), &e);
	assert_int_equal(secret_len(&s), 0);
	assert_err(secret_from_json(&s, o, "absent", &e), &e, "json");
	assert_ok(json_set_str(o, "pin", "1234567", &e), &e);
	assert_err(secret_from_json(&s, o, "pin", &e), &e, "base64");
	assert_null(strstr(e.message, "1234567"));
}

/* A child on a terminal of its own; 0 when it was told "1234" and its echo came back on. */
static int asked_child(void)
{
	AUTO_STRUCT(secret) s = { 0 };
	struct err e = { 0 };
	struct termios after;

	if (secret_prompt(&s, "PIN", &e) != 0 || strcmp(secret_reveal(&s), "1234") != 0)
		return 1;
	return tcgetattr(0, &after) == 0 && (after.c_lflag & ECHO) != 0 ? 0 : 2;
}

static void test_prompt(void **state)
{
	char shown[200] = "";
	size_t len = 0;
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(asked_child());
	while (strstr(shown, "PIN: ") == NULL) {
		ssize_t n = read(terminal, shown + len, sizeof(shown) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	for (struct termios t;
	     ;) { /* the question comes before the echo goes, and what was typed is dropped */
		assert_int_equal(tcgetattr(terminal, &t), 0);
		if ((t.c_lflag & ECHO) == 0)
			break;
	}
	assert_int_equal(write(terminal, "1234\n", 5), 5);
	while (len < sizeof(shown) - 1) {
		ssize_t n = read(terminal, shown + len, sizeof(shown) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_null(strstr(shown, "1234"));
	assert_int_equal(close(terminal), 0);
}

static void test_prompt_without_terminal(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		AUTO_STRUCT(secret) s = { 0 };
		struct err e = { 0 };

		(void)setsid(); /* fails only for a group leader, which a fresh child is not */
		_exit(secret_prompt(&s, "PIN", &e) == -1 && strstr(e.message, "no terminal") != NULL
			  ? 0
			  : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_set_replaces),
		cmocka_unit_test(test_bounds),
		TEST(test_file),
		TEST(test_bad_file),
		TEST(test_file_of_everybody),
		TEST(test_not_a_file),
		TEST(test_file_of_somebody_else),
		TEST(test_credential),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_empty_json),
		cmocka_unit_test(test_prompt),
		cmocka_unit_test(test_prompt_without_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
