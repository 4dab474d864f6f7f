/* What kiln's cmocka tests share. */
#ifndef KILN_TESTING_H
#define KILN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buf.h"
#include "err.h"
#include "json.h"

/* Fails the test with the error's code and message unless rc is 0. */
#define assert_ok(rc, e) testing_ok((rc), (e), __FILE__, __LINE__)
/* Fails unless rc is -1 and the code is this one. */
#define assert_err(rc, e, code) testing_err((rc), (e), (code), __FILE__, __LINE__)

void testing_ok(int rc, const struct err *e, const char *file, int line);
void testing_err(int rc, const struct err *e, const char *code, const char *file, int line);

/* Path of a file of other people's vectors, or NULL where the folder is absent: then the test calls
 * testing_skip. The text lives until the next call. */
const char *testing_vector(const char *relative);
/* Path of a file in the source tree. The text lives until the next call. */
const char *testing_source(const char *relative);
/* Says what is missing and skips the running cmocka test. */
_Noreturn void testing_skip(const char *missing);
/* Reads a whole file / a JSON file; fails the test where it can not. */
void testing_read(const char *path, struct buf *ret);
json_t *testing_json(const char *path);
/* Hex text into ret (replacing its content); fails the test on bad hex. */
void testing_hex(const char *hex, struct buf *ret);
/* A fresh folder under $TMPDIR or /tmp; testing_folder_remove deletes it with everything in it. */
char *testing_folder(void);
void testing_folder_remove(char *path);

#endif
