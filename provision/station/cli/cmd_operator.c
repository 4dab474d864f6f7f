/* kiln operator: who may work at the station. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "people.h"

struct task {
	const char *config_path, *name, *role;
	bool badge, pin;
	struct config *config;
	struct people *people;
};

static void task_free(struct task *k)
{
	if (k->people != NULL)
		people_free(k->people);
	if (k->config != NULL)
		config_free(k->config);
}
OWNED_STRUCT(task, task_free)

/* A person types it twice; a pipe says it once. */
static int ask_secret(struct secret *ret, const char *what, bool twice, struct err *e)
{
	AUTO_STRUCT(secret) again = { 0 };

	if (isatty(STDIN_FILENO) == 0)
		return secret_from_line(ret, STDIN_FILENO, what, e);
	if (secret_prompt(ret, what, e) != 0)
		return -1;
	if (!twice)
		return 0;
	if (secret_prompt(&again, "the same again", e) != 0)
		return -1;
	if (strcmp(secret_reveal(ret), secret_reveal(&again)) != 0)
		return err_set(e, ERR_OPERATOR, "operator.pin", "these are two different ones");
	return 0;
}

/* What is missing is asked for before anything is read. */
static int load(struct task *k, bool may_be_new, struct err *e)
{
	const char *path;

	if (config_load(&k->config, k->config_path, e) != 0)
		return -1;
	path = k->config->operators_file;
	if (path == NULL)
		return err_set(e, ERR_CONFIG, "operator.section", "%s names no file of operators",
		    k->config_path);
	if (may_be_new && access(path, F_OK) != 0)
		return people_new(&k->people, 0, e);
	return people_load(&k->people, path, e);
}

static int add(struct task *k, struct err *e)
{
	AUTO_STRUCT(secret) badge = { 0 };
	AUTO_STRUCT(secret) pin = { 0 };

	if (people_check_name(k->name, e) != 0 || load(k, true, e) != 0)
		return -1;
	if ((k->badge && ask_secret(&badge, "scan the badge", false, e) != 0) ||
	    (k->pin && ask_secret(&pin, "PIN", true, e) != 0))
		return -1;
	if (people_add(k->people, k->name, role_parse(k->role), &badge, &pin, e) != 0 ||
	    people_save(k->people, k->config->operators_file, e) != 0)
		return -1;
	(void)printf("%s may work here as %s, from the next sign-on on\n", k->name, k->role);
	return 0;
}

static int drop(struct task *k, struct err *e)
{
	if (load(k, false, e) != 0 || people_remove(k->people, k->name, e) != 0 ||
	    people_save(k->people, k->config->operators_file, e) != 0)
		return -1;
	(void)printf("%s may not sign on any more\n", k->name);
	return 0;
}

static int list(struct task *k, struct err *e)
{
	if (load(k, false, e) != 0)
		return -1;
	for (size_t i = 0; i < people_count(k->people); i++) {
		const struct person *who = people_at(k->people, i);

		(void)printf("%-9s %-5s %-3s  %s\n", role_name(who->role),
		    who->badge[0] != '\0' ? "badge" : "", who->pin[0] != '\0' ? "PIN" : "",
		    who->name);
	}
	return 0;
}

static int check(struct task *k, struct err *e)
{
	if (load(k, false, e) != 0)
		return -1;
	(void)printf("%s: %zu operators\n", k->config->operators_file, people_count(k->people));
	return 0;
}

static const struct verb {
	const char *name;
	bool named;
	int (*run)(struct task *k, struct err *e);
} verbs[] = {
	{ "add", true, add },
	{ "remove", true, drop },
	{ "list", false, list },
	{ "check", false, check },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static bool read_options(struct task *k, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "role", required_argument, NULL, 'r' },
		{ "badge", no_argument, NULL, 'b' },
		{ "pin", no_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			k->config_path = optarg;
		else if (o == 'r')
			k->role = optarg;
		else if (o == 'b')
			k->badge = true;
		else if (o == 'p')
			k->pin = true;
		else
			return false;
	}
	return k->config_path != NULL;
}

/* argv[0] is the verb. */
static bool parse(struct task *k, const struct verb *verb, int argc, char **argv)
{
	if (verb == NULL || !read_options(k, argc, argv))
		return false;
	if (argc - optind != (verb->named ? 1 : 0))
		return false;
	k->name = verb->named ? argv[optind] : NULL;
	if (verb->run != add)
		return k->role == NULL && !k->badge && !k->pin;
	return k->role != NULL && role_parse(k->role) != ROLE_NONE && (k->badge || k->pin);
}

int cmd_operator(int argc, char **argv)
{
	const struct verb *verb = argc > 1 ? find_verb(argv[1]) : NULL;
	AUTO_STRUCT(task) k = { 0 };
	struct err e = { 0 };

	if (!parse(&k, verb, argc - 1, argv + 1))
		return cli_usage(argv[0]);
	return verb->run(&k, &e) == 0 ? EXIT_PASSED : cli_fail(&e);
}
