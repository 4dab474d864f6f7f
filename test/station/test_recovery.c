#include "testing.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "recovery.h"

/* Every state, each thing a device can say, each policy, each class. */
#define FOR_EACH(c) for (unsigned n_ = 0; case_at(n_, &(c)); n_++)

static bool case_at(unsigned n, struct recovery_case *ret)
{
	enum { POLICIES = EXISTING_REPLACE + 1 };

	if (n >= (unsigned)RECOVERY_STATES * RECOVERY_DEVICES * POLICIES * ENROL_CLASSES)
		return false;
	ret->state = (enum recovery_state)(n % RECOVERY_STATES);
	n /= RECOVERY_STATES;
	ret->device = (enum recovery_device)(n % RECOVERY_DEVICES);
	n /= RECOVERY_DEVICES;
	ret->policy = (enum existing_key)(n % POLICIES);
	ret->class = (enum enrol_class)(n / POLICIES);
	return true;
}

static void test_I10_every_combination_has_exactly_one_row(void **state)
{
	struct recovery_case c;
	unsigned cases = 0;

	(void)state;
	FOR_EACH(c)
	{
		if (recovery_count(&c) != 1)
			fail_msg("state %d, device %d, policy %d, class %d: %zu rows", c.state,
			    c.device, c.policy, c.class, recovery_count(&c));
		cases++;
	}
	assert_int_equal(cases, 16 * 5 * 3 * 1);
}

static bool makes_key(enum recovery_action a)
{
	return a == RECOVERY_MAKE_KEY || a == RECOVERY_REPLACE_KEY;
}

static bool sends(enum recovery_action a)
{
	return a == RECOVERY_SEND || a == RECOVERY_SEND_AGAIN;
}

/* A certificate may exist for a key whose CSR is recorded: the key is never made again in that job. */
static void test_I2_a_key_whose_csr_is_recorded_is_never_replaced(void **state)
{
	struct recovery_case c;

	(void)state;
	FOR_EACH(c)
	{
		if (c.state >= RECOVERY_REQUESTED)
			assert_false(
			    makes_key(recovery_find(&c)) || recovery_find(&c) == RECOVERY_USE_KEY);
	}
}

/* Nothing is asked of the CA twice where there is a certificate, nor for a key that is not there. */
static void test_I1_the_ca_is_asked_only_for_the_jobs_key_and_only_before_it_issued(void **state)
{
	struct recovery_case c;

	(void)state;
	FOR_EACH(c)
	{
		enum recovery_action a = recovery_find(&c);

		if (sends(a))
			assert_true(c.state >= RECOVERY_REQUESTED && c.state < RECOVERY_ISSUED &&
				    c.device == RECOVERY_ITS_KEY);
		if (a == RECOVERY_FINISH)
			assert_true(c.state >= RECOVERY_ISSUED && c.device == RECOVERY_ITS_KEY);
		if (c.state == RECOVERY_ASKED || c.state == RECOVERY_MAYBE)
			assert_int_not_equal(a, RECOVERY_SEND);
	}
}

static void test_a_lost_key_begins_anew_wherever_the_job_was_bound_to_it(void **state)
{
	struct recovery_case c;

	(void)state;
	FOR_EACH(c)
	{
		bool lost = c.device == RECOVERY_NO_KEY || c.device == RECOVERY_OTHER_KEY;

		assert_int_equal(recovery_find(&c) == RECOVERY_BEGIN_ANEW,
		    lost && c.state >= RECOVERY_REQUESTED);
	}
}

/* What is asked which key it holds has an answer to that: it is not asked again. */
static void test_asking_for_the_key_ends(void **state)
{
	struct recovery_case c;

	(void)state;
	FOR_EACH(c)
	{
		if (recovery_find(&c) == RECOVERY_ASK_KEY)
			assert_int_equal(c.device, RECOVERY_A_KEY);
	}
}

/* The policy is for keys that are nobody's of ours. */
static void test_the_policy_refuses_only_keys_that_we_did_not_make(void **state)
{
	struct recovery_case c;

	(void)state;
	FOR_EACH(c)
	{
		bool foreign = (c.state == RECOVERY_NEW && c.device >= RECOVERY_A_KEY) ||
			       (c.state == RECOVERY_KNOWN && c.device == RECOVERY_OTHER_KEY);

		assert_int_equal(recovery_find(&c) == RECOVERY_REFUSE_KEY,
		    foreign && c.device != RECOVERY_IS_SEALED && c.policy == EXISTING_REFUSE);
		if (c.policy == EXISTING_REUSE)
			assert_int_not_equal(recovery_find(&c), RECOVERY_REPLACE_KEY);
	}
}

/* Row by row, as the table stands. */
enum { ANY = -1 };

static const struct {
	enum recovery_state first, last;
	enum recovery_device from, to;
	int policy;
	enum recovery_action action;
} rows[] = {
	{ RECOVERY_NEW, RECOVERY_KEYED, RECOVERY_NO_KEY, RECOVERY_NO_KEY, ANY, RECOVERY_MAKE_KEY },
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REFUSE,
	    RECOVERY_REFUSE_KEY },
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REUSE,
	    RECOVERY_USE_KEY },
	{ RECOVERY_NEW, RECOVERY_NEW, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REPLACE,
	    RECOVERY_REPLACE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REFUSE,
	    RECOVERY_ASK_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, EXISTING_REFUSE,
	    RECOVERY_REPLACE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KNOWN, RECOVERY_OTHER_KEY, RECOVERY_OTHER_KEY, EXISTING_REFUSE,
	    RECOVERY_REFUSE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_REWORK, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REUSE,
	    RECOVERY_USE_KEY },
	{ RECOVERY_KNOWN, RECOVERY_KEYGEN, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REPLACE,
	    RECOVERY_REPLACE_KEY },
	{ RECOVERY_MADE, RECOVERY_KEYGEN, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REFUSE,
	    RECOVERY_REPLACE_KEY },
	{ RECOVERY_KEYGEN, RECOVERY_KEYGEN, RECOVERY_A_KEY, RECOVERY_A_KEY, EXISTING_REUSE,
	    RECOVERY_MAKE_KEY },
	{ RECOVERY_KEYED, RECOVERY_KEYED, RECOVERY_A_KEY, RECOVERY_A_KEY, ANY, RECOVERY_USE_KEY },
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_NO_KEY, RECOVERY_NO_KEY, ANY,
	    RECOVERY_BEGIN_ANEW },
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_A_KEY, RECOVERY_A_KEY, ANY,
	    RECOVERY_ASK_KEY },
	{ RECOVERY_REQUESTED, RECOVERY_SEALED, RECOVERY_OTHER_KEY, RECOVERY_OTHER_KEY, ANY,
	    RECOVERY_BEGIN_ANEW },
	{ RECOVERY_REQUESTED, RECOVERY_PENDING, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY,
	    RECOVERY_SEND },
	{ RECOVERY_ASKED, RECOVERY_MAYBE, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY,
	    RECOVERY_SEND_AGAIN },
	{ RECOVERY_ISSUED, RECOVERY_SEALED, RECOVERY_ITS_KEY, RECOVERY_ITS_KEY, ANY,
	    RECOVERY_FINISH },
	{ RECOVERY_NEW, RECOVERY_ATTESTED, RECOVERY_IS_SEALED, RECOVERY_IS_SEALED, ANY,
	    RECOVERY_REFUSE_SEALED },
	{ RECOVERY_SEALING, RECOVERY_SEALED, RECOVERY_IS_SEALED, RECOVERY_IS_SEALED, ANY,
	    RECOVERY_FINISH_SEALED },
};

static void test_rows(void **state)
{
	struct recovery_case c;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		FOR_EACH(c)
		{
			if (c.state < rows[i].first || c.state > rows[i].last ||
			    c.device < rows[i].from || c.device > rows[i].to ||
			    (rows[i].policy != ANY && (int)c.policy != rows[i].policy))
				continue;
			if (recovery_find(&c) != rows[i].action)
				fail_msg("state %d, device %d, policy %d: %s, not %s", c.state,
				    c.device, c.policy, recovery_action_name(recovery_find(&c)),
				    recovery_action_name(rows[i].action));
		}
}

/* A job as the records give it, and how far it is. */
static void test_the_furthest_that_is_durable(void **state)
{
	static const struct {
		const char *job;
		enum recovery_state state;
	} cases[] = {
		{ "{}", RECOVERY_NEW },
		{ "{'intents':{},'keys':['00']}", RECOVERY_NEW },
		{ "{'intents':{},'earlier_key':'unseen'}", RECOVERY_MADE },
		{ "{'intents':{},'earlier_key':'seen'}", RECOVERY_KNOWN },
		{ "{'intents':{},'earlier_key':'seen','rework':true}", RECOVERY_REWORK },
		{ "{'intents':{'keygen':'open'},'rework':true}", RECOVERY_KEYGEN },
		{ "{'intents':{'keygen':'done'},'step':'keygen'}", RECOVERY_KEYED },
		{ "{'intents':{'keygen':'open'},'step':'keygen'}", RECOVERY_KEYGEN },
		{ "{'intents':{'keygen':'done'},'csr':'00','step':'request'}", RECOVERY_REQUESTED },
		{ "{'intents':{},'csr':'00'}", RECOVERY_REQUESTED },
		{ "{'intents':{'enrol':'not-sent'},'csr':'00'}", RECOVERY_REQUESTED },
		{ "{'intents':{'enrol':'rejected'},'csr':'00'}", RECOVERY_REQUESTED },
		{ "{'intents':{'enrol':'pending'},'csr':'00'}", RECOVERY_PENDING },
		{ "{'intents':{'enrol':'open'},'csr':'00'}", RECOVERY_ASKED },
		{ "{'intents':{'enrol':'possibly-issued'},'csr':'00'}", RECOVERY_MAYBE },
		{ "{'intents':{'enrol':'orphaned'},'csr':'00'}", RECOVERY_MAYBE },
		{ "{'intents':{'enrol':'done'},'csr':'00'}", RECOVERY_MAYBE },
		{ "{'csr':'00','certificate':'00','step':'enrol'}", RECOVERY_ISSUED },
		{ "{'csr':'00','certificate':'00','step':'install'}", RECOVERY_INSTALLED },
		{ "{'csr':'00','certificate':'00','step':'readback'}", RECOVERY_INSTALLED },
		{ "{'csr':'00','certificate':'00','step':'prove'}", RECOVERY_PROVEN },
		{ "{'csr':'00','certificate':'00','step':'attest'}", RECOVERY_ATTESTED },
		{ "{'intents':{'seal':'open'},'certificate':'00','step':'prove'}",
		    RECOVERY_SEALING },
		{ "{'intents':{'seal':'continued'},'certificate':'00'}", RECOVERY_SEALING },
		{ "{'intents':{'seal':'done'},'certificate':'00','step':'attest'}",
		    RECOVERY_SEALED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO(json_t) *job = NULL;
		struct err e = { 0 };
		char text[128];

		(void)snprintf(text, sizeof(text), "%s", cases[i].job);
		for (char *at = text; (at = strchr(at, '\'')) != NULL;)
			*at = '"';
		assert_ok(json_parse(text, strlen(text), &job, ERR_RECORDS, &e), &e);
		if (recovery_state_of(job) != cases[i].state)
			fail_msg("%s: state %d", cases[i].job, recovery_state_of(job));
	}
}

static void test_each_action_has_its_first_step(void **state)
{
	(void)state;
	for (unsigned a = 0; a < RECOVERY_ACTIONS; a++)
		assert_non_null(recovery_action_name((enum recovery_action)a));
	assert_int_equal(recovery_from(RECOVERY_MAKE_KEY), STEP_KEYGEN);
	assert_int_equal(recovery_from(RECOVERY_REPLACE_KEY), STEP_KEYGEN);
	assert_int_equal(recovery_from(RECOVERY_USE_KEY), STEP_REQUEST);
	assert_int_equal(recovery_from(RECOVERY_SEND), STEP_ENROL);
	assert_int_equal(recovery_from(RECOVERY_SEND_AGAIN), STEP_ENROL);
	assert_int_equal(recovery_from(RECOVERY_FINISH), STEP_INSTALL);
	assert_int_equal(recovery_from(RECOVERY_FINISH_SEALED), STEP_READBACK);
}

static void test_only_classes_with_rows_are_known(void **state)
{
	enum enrol_class class = ENROL_CLASSES;

	(void)state;
	assert_true(enrol_class_parse("post", &class));
	assert_int_equal(class, ENROL_POST);
	assert_false(enrol_class_parse("query", &class));
	assert_false(enrol_class_parse("confirm", &class));
	assert_false(enrol_class_parse("", &class));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_I10_every_combination_has_exactly_one_row),
		cmocka_unit_test(test_I2_a_key_whose_csr_is_recorded_is_never_replaced),
		cmocka_unit_test(
		    test_I1_the_ca_is_asked_only_for_the_jobs_key_and_only_before_it_issued),
		cmocka_unit_test(test_a_lost_key_begins_anew_wherever_the_job_was_bound_to_it),
		cmocka_unit_test(test_asking_for_the_key_ends),
		cmocka_unit_test(test_the_policy_refuses_only_keys_that_we_did_not_make),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_the_furthest_that_is_durable),
		cmocka_unit_test(test_each_action_has_its_first_step),
		cmocka_unit_test(test_only_classes_with_rows_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
