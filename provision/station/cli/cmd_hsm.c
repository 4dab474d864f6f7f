/* kiln hsm: tokens and keys of the station itself, done by kiln-signer and kiln-enroller. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "file.h"
#include "peer.h"
#include "x509.h"

enum { ADMIN_MS = 60000 };

struct task {
	const char *config_path, *token, *label, *algorithm, *subject, *out, *so_pin;
	bool ra;
	struct config *config;
	const struct config_token *t; /* tls or attestation, of the configuration */
	struct peer admin;
};

static json_t *request(const struct task *k, const char *what, struct err *e)
{
	AUTO(json_t) *r = json_pack("{s:s, s:s}", "do", what, "module", k->config->module);

	if (r == NULL) {
		(void)err_nomem(e);
		return NULL;
	}
	if (k->t != NULL && (json_set_str(r, "token", k->t->token, e) != 0 ||
				json_set_str(r, "guard", k->t->guard, e) != 0))
		return NULL;
	return steal(&r);
}

static int add_pin(const struct task *k, json_t *r, struct err *e)
{
	AUTO_STRUCT(secret) pin = { 0 };

	if (config_pin(k->t, &pin, e) != 0)
		return -1;
	return secret_to_json(&pin, r, "pin", e);
}

static int status(struct task *k, struct err *e)
{
	AUTO(json_t) *ok = NULL;
	const json_t *tokens;

	if (peer_ask(&k->admin, request(k, "status", e), ADMIN_MS, &ok, e) != 0)
		return -1;
	tokens = json_object_get(ok, "tokens");
	for (size_t i = 0; i < json_array_size(tokens); i++) {
		const json_t *t = json_array_get(tokens, i);

		(void)printf("slot %lld: %s \"%s\" serial %s, %s %s, PIN %s\n",
		    (long long)json_opt_int(t, "slot", 0),
		    json_opt_bool(t, "initialised", false) ? "token" : "free",
		    json_opt_str(t, "label", ""), json_opt_str(t, "serial", ""),
		    json_opt_str(t, "manufacturer", ""), json_opt_str(t, "model", ""),
		    json_opt_str(t, "user_pin", "?"));
	}
	return 0;
}

static int init(struct task *k, struct err *e)
{
	AUTO_STRUCT(secret) so_pin = { 0 };
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *r = request(k, "init", e);

	if (r == NULL || add_pin(k, r, e) != 0)
		return -1;
	if (k->so_pin != NULL && strcmp(k->so_pin, "prompt") != 0
		? secret_from_file(&so_pin, k->so_pin, e) != 0
		: secret_prompt(&so_pin, "security officer's PIN for the new token", e) != 0)
		return -1;
	if (secret_to_json(&so_pin, r, "so_pin", e) != 0 ||
	    peer_ask(&k->admin, steal(&r), ADMIN_MS, &ok, e) != 0)
		return -1;
	(void)printf("token \"%s\" is initialised\n", k->t->token);
	return 0;
}

static int keygen(struct task *k, struct err *e)
{
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *r = request(k, "keygen", e);

	if (r == NULL || add_pin(k, r, e) != 0 || json_set_str(r, "key", k->label, e) != 0 ||
	    json_set_str(r, "algorithm", k->algorithm, e) != 0 ||
	    peer_ask(&k->admin, steal(&r), ADMIN_MS, &ok, e) != 0)
		return -1;
	(void)printf("token \"%s\" has the key \"%s\" (%s), made inside it\n", k->t->token,
	    k->label, k->algorithm);
	return 0;
}

static int csr(struct task *k, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *r = request(k, "csr", e);
	bool attestation = k->t == &k->config->attestation;

	if (r == NULL || add_pin(k, r, e) != 0 || json_set_str(r, "key", k->label, e) != 0 ||
	    json_set_str(r, "subject", k->subject, e) != 0 ||
	    json_set_bool(r, "ra", k->ra, e) != 0 ||
	    json_set_bool(r, "attestation", attestation, e) != 0 ||
	    peer_ask(&k->admin, steal(&r), ADMIN_MS, &ok, e) != 0 ||
	    json_get_bytes(ok, "csr", &der, ERR_HSM, e) != 0 ||
	    file_write(k->out, der.data, der.len, 0644, e) != 0)
		return -1;
	(void)printf("%s: PKCS#10 (DER) of key \"%s\", %s\n", k->out, k->label, k->subject);
	return 0;
}

static int unblock(struct task *k, struct err *e)
{
	AUTO(json_t) *ok = NULL;

	if (peer_ask(&k->admin, request(k, "guard_clear", e), ADMIN_MS, &ok, e) != 0)
		return -1;
	(void)printf("the PIN of token \"%s\" will be tried once more\n", k->t->token);
	return 0;
}

static const struct verb {
	const char *name;
	int (*run)(struct task *k, struct err *e);
	bool token, algorithm, subject;
} verbs[] = {
	{ "status", status, false, false, false },
	{ "init", init, true, false, false },
	{ "keygen", keygen, true, true, false },
	{ "csr", csr, true, false, true },
	{ "unblock", unblock, true, false, false },
};

static int choose_token(struct task *k, struct err *e)
{
	if (k->token == NULL)
		return 0;
	k->t = strcmp(k->token, "tls") == 0 ? &k->config->tls : &k->config->attestation;
	if (k->t->token == NULL)
		return err_set(e, ERR_CONFIG, "hsm", "%s: hsm.%s is not configured", k->config_path,
		    k->token);
	if (k->label == NULL)
		k->label = k->t->key;
	return 0;
}

static int run(struct task *k, const struct verb *verb, struct err *e)
{
	static const char *const arguments[] = { "--admin", NULL };
	const char *program;

	if (config_load(&k->config, k->config_path, e) != 0 || choose_token(k, e) != 0 ||
	    file_mkdir(k->config->state, 0700, e) != 0)
		return -1;
	program = k->t == &k->config->tls ? "kiln-enroller" : "kiln-signer";
	if (peer_start(&k->admin, program, arguments, e) != 0)
		return -1;
	return verb->run(k, e);
}

static bool is_complete(const struct task *k, const struct verb *v)
{
	if (k->config_path == NULL || (v->token && k->token == NULL))
		return false;
	if (k->token != NULL && strcmp(k->token, "tls") != 0 &&
	    strcmp(k->token, "attestation") != 0)
		return false;
	return (!v->algorithm || k->algorithm != NULL) &&
	       (!v->subject || (k->subject != NULL && k->out != NULL));
}

static bool take_option(struct task *k, int o, const char *value)
{
	switch (o) {
	case 'c':
		k->config_path = value;
		return true;
	case 't':
		k->token = value;
		return true;
	case 'l':
		k->label = value;
		return true;
	case 'a':
		k->algorithm = value;
		return true;
	case 's':
		k->subject = value;
		return true;
	case 'o':
		k->out = value;
		return true;
	case 'p':
		k->so_pin = value;
		return true;
	case 'r':
		k->ra = true;
		return true;
	default:
		return false;
	}
}

int cmd_hsm(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "token", required_argument, NULL, 't' },
		{ "label", required_argument, NULL, 'l' },
		{ "alg", required_argument, NULL, 'a' },
		{ "subject", required_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ "so-pin", required_argument, NULL, 'p' },
		{ "ra", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	const struct verb *verb = NULL;
	struct task k = { 0 };
	struct err e = { 0 };
	int o, rc;

	for (size_t i = 0; argc > 1 && i < COUNT(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			verb = &verbs[i];
	while (verb != NULL && (o = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1)
		if (!take_option(&k, o, optarg))
			verb = NULL;
	if (verb == NULL || optind != argc - 1 || !is_complete(&k, verb))
		return cli_usage(argv[0]);
	rc = run(&k, verb, &e);
	peer_stop(&k.admin);
	if (k.config != NULL)
		config_free(k.config);
	return rc == 0 ? EXIT_PASSED : cli_fail(&e);
}
