/* Records that were brought back from a copy are told apart, and there is a way on. */
#include "records_world.h"

#include <sys/stat.h>

#include "file.h"
#include "records_internal.h"

static void beside(const struct world *w, const char *suffix, char ret[static 600])
{
	(void)snprintf(ret, 600, "%s%s", w->path, suffix);
}

static void copy(const char *from, const char *to)
{
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };

	assert_ok(file_read(from, 64 << 20, &bytes, &e), &e);
	assert_ok(file_write(to, bytes.data, bytes.len, 0640, &e), &e);
}

/* The records as they stand are kept; closed, so that the file alone is all of them. */
static void back_up(struct world *w)
{
	char to[600];

	beside(w, ".backup", to);
	world_close(w);
	copy(w->path, to);
	world_open(w, "line-1");
}

static void restore(struct world *w)
{
	char from[600];

	beside(w, ".backup", from);
	if (w->r != NULL)
		world_close(w);
	copy(from, w->path);
}

static void note(struct world *w, int n)
{
	must_tell(w, "{s:s, s:s, s:i}", "event", "station", "what", "note", "n", n);
}

static struct records_place head_of(struct world *w)
{
	struct records_place place = { .station = "line-1" };
	uint8_t hash[SHA256_LEN];
	struct err e = { 0 };

	assert_ok(records_head(w->r, &place.seq, hash, &e), &e);
	hex_encode(hash, SHA256_LEN, place.hash);
	return place;
}

static int try_open(struct world *w, const char *station, struct err *e)
{
	return records_open(&w->r, w->path, station, true, e);
}

static void test_a_checkpoint_follows_what_is_durable(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) text = { 0 };
	struct err e = { 0 };
	char path[600], want[64];
	int fd;

	beside(w, ".checkpoint", path);
	assert_int_equal(access(path, F_OK), -1); /* nothing was recorded */
	assert_ok(records_start(w->r, &fd, &e), &e);
	records_stop(w->r);
	note(w, 1);
	assert_int_equal(access(path, F_OK), 0); /* the first at once */
	for (int i = 0; i < 20; i++)
		note(w, i);
	world_close(w); /* the last at the end */
	assert_ok(file_read(path, 4096, &text, &e), &e);
	(void)snprintf(want, sizeof(want), "\"seq\":%d", 21);
	assert_non_null(strstr(buf_str(&text, &e), want));
	world_open(w, "line-1");
	assert_null(records_checkpoint_fault(w->r));
}

static void done(struct record *r)
{
	record_free(r);
	free(r);
}

/* The thread writes it when it is due, also where nothing comes after. */
static void test_an_idle_thread_writes_the_checkpoint(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char path[600];
	int fd;

	beside(w, ".checkpoint", path);
	assert_ok(records_start(w->r, &fd, &e), &e);
	for (int i = 0; i < 2; i++) {
		struct record *r = calloc(1, sizeof(*r));

		assert_non_null(r);
		r->body = json_pack("{s:s, s:s, s:i}", "event", "station", "what", "note", "n", i);
		r->done = done;
		records_submit(w->r, r);
		while (records_collect(w->r) == 0)
			(void)usleep(1000);
	}
	for (int i = 0; i < 30000; i++) {
		AUTO_STRUCT(buf) text = { 0 };

		if (access(path, F_OK) == 0 && file_read(path, 4096, &text, &e) == 0 &&
		    strstr(buf_str(&text, &e), "\"seq\":2") != NULL)
			return;
		(void)usleep(1000);
	}
	fail_msg("the checkpoint was never brought up to date");
}

static void test_restored_records_are_refused(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	back_up(w);
	(void)world_pass(w, "B", NULL);
	restore(w);
	assert_err(try_open(w, "line-1", &e), &e, "records.restored");
	assert_non_null(strstr(e.message, "end at event"));
	assert_non_null(strstr(e.message, "the checkpoint"));
	assert_err(try_open(w, "line-2", &e), &e, "records.restored"); /* whoever asks */
	assert_ok(try_open(w, NULL, &e), &e);                          /* looking is free */
	{
		AUTO(json_t) *counts = NULL;

		assert_err(records_verify(w->r, &counts, &e), &e, "verify.truncated");
	}
	world_close(w);
}

/* As a kill leaves them: the log stays. */
static void leave_with_log(struct world *w)
{
	w->r->broken = true;
	world_close(w);
}

static void put_back_beside_the_log(struct world *w, const char *code)
{
	AUTO_STRUCT(buf) old = { 0 };
	AUTO_STRUCT(buf) now = { 0 };
	struct err e = { 0 };
	struct stat log;
	char path[600];

	leave_with_log(w);
	beside(w, "-wal", path);
	assert_int_equal(stat(path, &log), 0);
	assert_true(log.st_size > 0);
	restore(w);
	assert_ok(file_read(w->path, 64 << 20, &old, &e), &e);
	for (int i = 0; i < 2; i++) {
		assert_err(try_open(w, "line-1", &e), &e, code);
		buf_clear(&now);
		assert_ok(file_read(w->path, 64 << 20, &now, &e), &e);
		assert_int_equal(now.len, old.len);
		assert_memory_equal(now.data, old.data, old.len);
	}
	assert_int_equal(unlink(path), 0); /* the way on that is said */
	assert_err(try_open(w, "line-1", &e), &e, "records.restored");
	w->r = NULL;
}

/* The log has pages of what came after the copy, and not those that were written back between. */
static void test_a_log_of_newer_records_is_not_written_over_a_copy(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	back_up(w);
	for (int i = 0; i < 200; i++)
		note(w, i);
	assert_ok(db_empty_log(&w->r->writer, &e), &e);
	(void)world_pass(w, "B", NULL);
	put_back_beside_the_log(w, "records.damaged");
}

/* A copy by VACUUM has the same events on other pages: what the log holds is not seen from it, and would be
 * written over events of long ago. */
static void test_a_log_of_other_pages_is_not_written_over_a_copy(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) old = { 0 };
	AUTO_STRUCT(buf) now = { 0 };
	struct err e = { 0 };
	char serial[20], to[600], mark[600], sql[640];

	world_profile(w);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(serial, sizeof(serial), "S%d", i);
		(void)world_pass(w, serial, NULL);
	}
	for (int i = 0; i < 300; i++)
		note(w, i);
	beside(w, ".backup", to);
	(void)snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", to);
	assert_ok(db_exec(&w->r->writer, sql, &e), &e);
	world_close(w);
	world_open(w, "line-1");
	note(w, 1);
	leave_with_log(w);
	restore(w);
	beside(w, ".checkpoint", mark);
	assert_int_equal(unlink(mark), 0); /* the copy brought none along */
	assert_err(try_open(w, "line-1", &e), &e, "records.damaged");
	assert_non_null(strstr(e.message, "are not one database"));
	assert_ok(file_read(to, 64 << 20, &old, &e), &e);
	assert_ok(file_read(w->path, 64 << 20, &now, &e), &e);
	assert_int_equal(now.len, old.len);
	assert_memory_equal(now.data, old.data, old.len);
	w->r = NULL;
}

/* The two fit, and are older than what the checkpoint remembers. */
static void test_a_log_of_an_old_copy_is_not_written_over_it(void **state)
{
	struct world *w = *state;
	char mark[600], kept[600];

	beside(w, ".checkpoint", mark);
	beside(w, ".kept", kept);
	note(w, 1);
	back_up(w);
	for (int i = 0; i < 3; i++)
		note(w, i);
	world_close(w);
	copy(mark, kept);
	restore(w);
	assert_int_equal(unlink(mark), 0);
	world_open(w, "line-1");
	note(w, 7);
	w->r->unmarked = false;
	copy(kept, mark);
	put_back_beside_the_log(w, "records.restored");
}

static void test_lost_records_are_refused_and_not_made_anew(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_profile(w);
	world_close(w);
	assert_int_equal(unlink(w->path), 0);
	assert_err(try_open(w, "line-1", &e), &e, "records.restored");
	assert_int_equal(access(w->path, F_OK), -1);
}

/* A copy that went on under a kiln that did not look: as long, and not the same. */
static void test_a_forked_chain_is_refused(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char mark[600], kept[600];

	beside(w, ".checkpoint", mark);
	beside(w, ".kept", kept);
	note(w, 1);
	back_up(w);
	note(w, 2);
	world_close(w);
	copy(mark, kept);
	restore(w);
	assert_int_equal(unlink(mark), 0);
	world_open(w, "line-1");
	assert_string_equal(records_checkpoint_fault(w->r), "missing");
	note(w, 3);
	note(w, 4);
	world_close(w);
	copy(kept, mark);
	assert_err(try_open(w, "line-1", &e), &e, "records.restored");
	assert_non_null(strstr(e.message, "not the one"));
}

static void accept(struct world *w, const struct records_place *signer, int64_t from, int64_t to)
{
	AUTO(json_t) *event = NULL;
	AUTO(json_t) *counts = NULL;
	struct err e = { 0 };

	assert_ok(records_accept_restore(w->path, "line-1", signer, "eve", "the disk died", &event,
		      &e),
	    &e);
	assert_int_equal(json_opt_int(event, "from", 0), from);
	assert_int_equal(json_opt_int(event, "to", 0), to);
	assert_int_equal(json_opt_int(event, "seq", 0), to + 1);
	world_open(w, "line-1");
	if (signer->seq > 0)
		assert_ok(records_hold(w->r, signer, "the signer", &e), &e);
	counts = world_verify(w);
	assert_non_null(counts);
}

static void test_an_accepted_restore_goes_on_above_what_is_lost(void **state)
{
	struct world *w = *state;
	struct records_place none = { 0 }, signer;
	AUTO(json_t) *event = NULL;
	struct err e = { 0 };
	int64_t kept, lost;

	world_profile(w);
	(void)world_pass(w, "A", NULL);
	back_up(w);
	kept = head_of(w).seq;
	(void)world_pass(w, "B", NULL);
	signer = head_of(w);
	note(w, 1);
	lost = head_of(w).seq;
	restore(w);
	accept(w, &signer, kept + 1, lost);
	(void)world_pass(w, "B", NULL); /* the line goes on */
	world_close(w);
	assert_err(records_accept_restore(w->path, "line-1", &none, "eve", "again", &event, &e), &e,
	    "records.whole");
	world_open(w, "line-1");
}

static void test_what_the_signer_remembers_counts_too(void **state)
{
	struct world *w = *state;
	struct records_place signer;
	struct err e = { 0 };
	char mark[600];
	int64_t kept;

	note(w, 1);
	back_up(w);
	kept = head_of(w).seq;
	note(w, 2);
	note(w, 3);
	signer = head_of(w);
	restore(w);
	beside(w, ".checkpoint", mark);
	assert_int_equal(unlink(mark), 0); /* the copy brought none along */
	world_open(w, "line-1");
	assert_string_equal(records_checkpoint_fault(w->r), "missing");
	assert_err(records_hold(w->r, &signer, "the signer", &e), &e, "records.restored");
	assert_non_null(strstr(e.message, "the signer"));
	world_close(w);
	accept(w, &signer, kept + 1, signer.seq);
}

static void test_records_that_are_gone_can_be_begun_again(void **state)
{
	struct world *w = *state;
	struct records_place signer;

	world_profile(w);
	signer = head_of(w);
	world_close(w);
	assert_int_equal(unlink(w->path), 0);
	accept(w, &signer, 1, signer.seq);
	world_profile(w);
}

/* Without the state folder the checkpoint is the only witness, also one that nobody can read. */
static void test_lost_records_with_a_damaged_checkpoint_are_not_made_anew(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char mark[600];

	note(w, 1);
	world_close(w);
	assert_int_equal(unlink(w->path), 0);
	beside(w, ".checkpoint", mark);
	assert_ok(file_write(mark, "", 0, 0640, &e), &e);
	assert_err(try_open(w, "line-1", &e), &e, "records.unwitnessed");
	assert_non_null(strstr(e.message, "but a checkpoint of them"));
	assert_int_equal(access(w->path, F_OK), -1);
	assert_ok(file_write(w->path, "", 0, 0640, &e), &e); /* as good as none */
	assert_err(try_open(w, "line-1", &e), &e, "records.unwitnessed");
	accept(w, &(struct records_place){ 0 }, 1, 0); /* the way on */
}

static void test_another_stations_loss_is_its_own_to_accept(void **state)
{
	struct world *w = *state;
	struct records_place none = { 0 };
	AUTO(json_t) *event = NULL;
	struct err e = { 0 };

	note(w, 1);
	back_up(w);
	world_close(w);
	world_open(w, "line-2");
	note(w, 2);
	restore(w);
	assert_err(records_accept_restore(w->path, "line-1", &none, "eve", "lost", &event, &e), &e,
	    "records.station");
	assert_ok(records_accept_restore(w->path, "line-2", &none, "eve", "lost", &event, &e), &e);
	world_open(w, "line-1");
}

/* Torn or rotten: not taken for a place, and not an end of the line by itself. */
static void test_a_damaged_checkpoint_is_told_apart(void **state)
{
	struct world *w = *state;
	AUTO_STRUCT(buf) whole = { 0 };
	struct err e = { 0 };
	char path[600];

	beside(w, ".checkpoint", path);
	note(w, 1);
	world_close(w);
	assert_ok(file_read(path, 4096, &whole, &e), &e);
	for (size_t i = 0; i < 2 * whole.len; i++) {
		AUTO_STRUCT(buf) part = { 0 };
		bool torn = i < whole.len;

		assert_ok(buf_add(&part, whole.data, torn ? i : whole.len, &e), &e);
		if (!torn)
			part.data[i - whole.len] ^= 1;
		assert_ok(file_write(path, part.data, part.len, 0640, &e), &e);
		world_open(w, "line-1");
		assert_string_equal(records_checkpoint_fault(w->r), "damaged");
		world_close(w);
	}
	world_open(w, "line-1");
	note(w, 2);
	world_close(w);
	world_open(w, "line-1"); /* and is written anew */
	assert_null(records_checkpoint_fault(w->r));
}

static void test_a_checkpoint_that_can_not_be_written_ends_the_recording(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char path[600];

	beside(w, ".checkpoint", path);
	note(w, 1);
	world_close(w);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* nothing can be renamed over it */
	assert_ok(records_open(&w->r, w->path, "line-1", true, &e), &e);
	note(w, 2); /* is durable */
	refuse(w, "records.broken", "{s:s, s:s}", "event", "station", "what", "note");
	assert_int_equal(rmdir(path), 0);
	world_close(w);
	world_open(w, "line-1");
	assert_int_equal(head_of(w).seq, 2);
}

/* The event is the only gap that a chain may have, and only as long as it says. */
static void test_I7_no_other_event_may_leave_a_gap(void **state)
{
	struct world *w = *state;

	note(w, 1);
	refuse(w, "record.invalid", "{s:s, s:i, s:i, s:[], s:s, s:s}", "event", "restored", "from",
	    2, "to", 5, "lost", "by", "eve", "reason", "a gap that is none");
	refuse(w, "record.invalid", "{s:s, s:i, s:i, s:[], s:s, s:s}", "event", "restored", "from",
	    1, "to", 2, "lost", "by", "eve", "reason", "over what is there");
	refuse(w, "record.invalid", "{s:s, s:i, s:i, s:[], s:s}", "event", "restored", "from", 4,
	    "to", 3, "lost", "by", "eve");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(test_a_checkpoint_follows_what_is_durable),
		cmocka_unit_test_setup_teardown(test_an_idle_thread_writes_the_checkpoint,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_restored_records_are_refused, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_log_of_newer_records_is_not_written_over_a_copy, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_log_of_other_pages_is_not_written_over_a_copy, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(test_a_log_of_an_old_copy_is_not_written_over_it,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_lost_records_are_refused_and_not_made_anew,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_a_forked_chain_is_refused, world_setup,
		    world_teardown),
		world_test(test_an_accepted_restore_goes_on_above_what_is_lost),
		world_test(test_what_the_signer_remembers_counts_too),
		world_test(test_records_that_are_gone_can_be_begun_again),
		world_test(test_lost_records_with_a_damaged_checkpoint_are_not_made_anew),
		world_test(test_another_stations_loss_is_its_own_to_accept),
		world_test(test_a_damaged_checkpoint_is_told_apart),
		world_test(test_a_checkpoint_that_can_not_be_written_ends_the_recording),
		world_test(test_I7_no_other_event_may_leave_a_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
