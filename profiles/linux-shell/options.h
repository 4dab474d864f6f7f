/* What a profile's `linux-shell` section says: which command of the product does what. */
#ifndef KILN_SHELL_OPTIONS_H
#define KILN_SHELL_OPTIONS_H

#include "profile.h"

enum {
	SHELL_SETUP_MAX = 8,
	SHELL_COMMAND_MAX =
	    600, /* so that a line with quotes and markers stays under SHELL_LINE_MAX */
	SHELL_PATH_MAX = 160,
};

/* Strings are borrowed from the profile. Commands are templates, see shell_expand. */
struct shell_options {
	const char *user;                           /* NULL: the console is an open shell */
	const char *login_prompt, *password_prompt; /* how they end */
	/* Lines for the login shell itself: cd, export, dmesg -n 1. */
	const char *setup[SHELL_SETUP_MAX];
	size_t setup_count;
	/* Folder for files that live as long as one command; the driver makes it. */
	const char *work;

	const char *model, *serial, *key_present;
	const char *firmware, *lifecycle, *uuid; /* NULL: not said */
	const char *keygen;                      /* NULL: there is a key already */
	const char *request, *prove;
	const char *seal;                /* NULL: nothing to seal */
	const char *files[OBJECT_COUNT]; /* PEM; NULL: not stored */
	/* Under this string_mask (openssl-req(1)) the subject gets the profile's string types. */
	const char *string_mask;
};

/* The section, checked against the rest of the profile. Errors: CONFIG "yaml", with position. */
must_check int shell_options(const struct profile *p, struct shell_options *ret, struct err *e);

struct shell_value {
	const char *name;
	const char *value;
};

/* Text as one word of a POSIX shell, in single quotes. Appended to ret. */
must_check int shell_quote(const char *text, struct buf *ret, struct err *e);

/*
 * text with every {name} replaced by the quoted value, {{ and }} by a brace; values end with a
 * NULL name. Appended to ret. Errors: CONFIG "profile" for a name that is not there, listing those
 * that are.
 */
must_check int shell_expand(const char *text, const struct shell_value *values, struct buf *ret,
    struct err *e);

#endif
