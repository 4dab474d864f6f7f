#include "signer/station.h"

#include "attestation.h"
#include "statement.h"

static int set_up(void **state)
{
	*state = station_make("EC:P-256");
	alarm(60); /* a hang is a failure of its own */
	return 0;
}

static int tear_down(void **state)
{
	alarm(0);
	assert_int_equal(unsetenv("SHIM_FAIL"), 0);
	station_free(*state);
	return 0;
}

/* Opens with one member of the request changed; value is taken over, NULL removes the member. */
static int open_with(struct station *s, const char *member, json_t *value, struct err *e)
{
	AUTO(json_t) *request = station_open_request(s, SOFTHSM);
	AUTO_STRUCT(signer) signer = { 0 };
	int rc;

	if (value != NULL)
		assert_int_equal(json_object_set_new(request, member, value), 0);
	else
		assert_int_equal(json_object_del(request, member), 0);
	rc = station_open(&signer, request, e);
	if (rc != 0)
		assert_null(signer.key);
	return rc;
}

static void opens_and_says_where_it_stands(void **state)
{
	struct station *s = *state;
	AUTO(json_t) *request = station_open_request(s, SOFTHSM);
	AUTO(json_t) *ok = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };
	const char *pin;

	assert_ok(station_call(&signer, request, &ok, &e), &e);
	assert_string_equal(json_opt_str(ok, "token", ""), "station");
	assert_string_equal(json_opt_str(ok, "key", ""), ATTESTER);
	assert_int_equal(json_opt_int(ok, "position", -1), 0);
	pin = json_string_value(json_object_get(request, "pin"));
	for (size_t i = 0; i < strlen(PIN); i++)
		assert_int_equal(pin[i], 0); /* wiped */
}

static void every_member_of_open_is_needed(void **state)
{
	static const char *const members[] = { "module", "token", "key", "pin", "certificate",
		"state", "station" };
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(members); i++) {
		assert_err(open_with(*state, members[i], NULL, &e), &e, "json");
		assert_non_null(strstr(e.message, members[i]));
	}
}

static void one_open_for_each_process(void **state)
{
	AUTO(json_t) *request = station_open_request(*state, SOFTHSM);
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_err(station_attest(&signer, 1, NULL, &e), &e, "signer.closed");
	assert_int_equal(json_object_set_new(request, "token", json_string("absent")), 0);
	assert_err(station_open(&signer, request, &e), &e, "hsm.operator.token");
	assert_err(station_open(&signer, request, &e), &e, "signer.open");
	assert_err(station_attest(&signer, 1, NULL, &e), &e, "signer.closed");
}

static void a_wrong_pin_blocks_until_the_operator_acts(void **state)
{
	AUTO_STRUCT(secret) wrong = secret_of("9999999");
	AUTO(json_t) *holder = json_object();
	struct station *s = *state;
	struct err e = { 0 };

	assert_ok(secret_to_json(&wrong, holder, "pin", &e), &e);
	assert_err(open_with(s, "pin", json_deep_copy(json_object_get(holder, "pin")), &e), &e,
	    "hsm.operator.pin");
	assert_err(open_with(s, "key", json_string(ATTESTER), &e), &e, "hsm.operator.guard");
	assert_ok(hsm_guard_clear(s->guard, &e), &e);
	assert_ok(open_with(s, "key", json_string(ATTESTER), &e), &e);
}

static void an_unsound_key_is_refused(void **state)
{
	struct err e = { 0 };

	raw_keygen("leaky", false, true);
	assert_err(open_with(*state, "key", json_string("leaky"), &e), &e, "hsm.fatal.key");
	assert_err(open_with(*state, "key", json_string("absent"), &e), &e, "hsm.operator.key");
}

static void a_foreign_certificate_is_refused(void **state)
{
	struct pki other = pki_attester("P-256");
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_pem(other.leaf, &pem, &e), &e);
	assert_non_null(buf_str(&pem, &e));
	assert_err(open_with(*state, "certificate", json_string((char *)pem.data), &e), &e,
	    "signer.certificate");
	assert_err(open_with(*state, "certificate", json_string("no certificate"), &e), &e, "x509");
	pki_free(&other);
}

static void a_certificate_for_something_else_is_refused(void **state)
{
	struct pki tls = pki_make(station_public_key(ATTESTER), "critical,digitalSignature",
	    "clientAuth," OID_CMC_RA);
	AUTO_STRUCT(buf) pem = { 0 };
	struct err e = { 0 };

	assert_ok(x509_add_pem(tls.leaf, &pem, &e), &e);
	assert_non_null(buf_str(&pem, &e));
	assert_err(open_with(*state, "certificate", json_string((char *)pem.data), &e), &e,
	    "attestation.certificate");
	pki_free(&tls);
}

static void attests_what_verifies(void **state)
{
	struct station *s = *state;
	AUTO(json_t) *request = station_open_request(s, SOFTHSM);
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *statement = NULL;
	AUTO(X509) *by = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	AUTO_STRUCT(buf) cms = { 0 };
	AUTO_STRUCT(buf) given = { 0 };
	AUTO_STRUCT(buf) bytes = { 0 };
	struct err e = { 0 };

	assert_ok(station_open(&signer, request, &e), &e);
	assert_ok(station_attest(&signer, 5, &ok, &e), &e);
	assert_ok(json_get_bytes(ok, "cms", &cms, ERR_HSM, &e), &e);
	assert_ok(json_get_bytes(ok, "statement", &given, ERR_HSM, &e), &e);
	assert_ok(attestation_verify(&cms, json_opt_str(ok, "jws", ""), s->pki.trust, PKI_DURING,
		      &bytes, &by, &e),
	    &e);
	assert_true(buf_equal(&bytes, &given));
	assert_int_equal(X509_cmp(by, s->pki.leaf), 0);
	assert_ok(statement_parse(bytes.data, bytes.len, &statement, ERR_RECORDS, &e), &e);
	assert_string_equal(json_opt_str(statement, "jti", "a"), json_opt_str(ok, "jti", "b"));
	assert_int_equal(json_object_del(statement, "jti"), 0);
	json_decref(steal(&request));
	request = pki_statement(5);
	assert_true(json_equal(statement, request)); /* what was asked, and nothing else */
}

static void each_statement_has_its_own_id(void **state)
{
	AUTO(json_t) *request = station_open_request(*state, SOFTHSM);
	AUTO(json_t) *first = NULL;
	AUTO(json_t) *second = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_ok(station_open(&signer, request, &e), &e);
	assert_ok(station_attest(&signer, 1, &first, &e), &e);
	assert_ok(station_attest(&signer, 2, &second, &e), &e);
	assert_string_not_equal(json_opt_str(first, "jti", ""), json_opt_str(second, "jti", ""));
}

/* A chain that was rewritten from the start would have to be attested at positions used before. */
static void a_position_is_attested_once_also_across_restarts(void **state)
{
	struct station *s = *state;
	struct err e = { 0 };

	for (int start = 0; start < 2; start++) {
		AUTO(json_t) *request = station_open_request(s, SOFTHSM);
		AUTO(json_t) *ok = NULL;
		AUTO_STRUCT(signer) signer = { 0 };

		assert_ok(station_call(&signer, request, &ok, &e), &e);
		assert_int_equal(json_opt_int(ok, "position", -1), start == 0 ? 0 : 7);
		if (start == 0)
			assert_ok(station_attest(&signer, 7, NULL, &e), &e);
		assert_err(station_attest(&signer, 7, NULL, &e), &e, "signer.position");
		assert_err(station_attest(&signer, 6, NULL, &e), &e, "signer.position");
	}
	assert_int_equal(count_in(s->state, "\"seq\":7"), 1);
	assert_int_equal(count_in(s->state, PKI_DIGEST), 1); /* the head */
}

static void status_tells_position_and_health(void **state)
{
	struct station *s = *state;
	char *shim = token_shim(s->folder);
	AUTO(json_t) *request = station_open_request(s, shim);
	AUTO(json_t) *status = json_pack("{s:s}", "do", "status");
	AUTO(json_t) *none = NULL;
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *gone = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_err(station_call(&signer, status, &none, &e), &e, "signer.closed");
	assert_ok(station_open(&signer, request, &e), &e);
	assert_ok(station_attest(&signer, 12, NULL, &e), &e);
	assert_ok(station_call(&signer, status, &ok, &e), &e);
	assert_int_equal(json_opt_int(ok, "position", -1), 12);
	assert_int_equal(setenv("SHIM_FAIL", "C_GetTokenInfo", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "0x32", 1), 0); /* CKR_DEVICE_REMOVED */
	assert_err(station_call(&signer, status, &gone, &e), &e, "hsm.rebuild");
	free(shim);
}

static void a_failed_signature_uses_up_no_position(void **state)
{
	struct station *s = *state;
	char *shim = token_shim(s->folder);
	AUTO(json_t) *request = station_open_request(s, shim);
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_ok(station_open(&signer, request, &e), &e);
	assert_int_equal(setenv("SHIM_FAIL", "C_Sign", 1), 0);
	assert_int_equal(setenv("SHIM_RV", "0x32", 1), 0); /* CKR_DEVICE_REMOVED */
	assert_err(station_attest(&signer, 3, NULL, &e), &e, "hsm.rebuild");
	assert_non_null(strstr(e.message, "CKR_DEVICE_REMOVED"));
	assert_int_equal(access(s->state, F_OK), -1);
	assert_int_equal(unsetenv("SHIM_FAIL"), 0);
	assert_ok(station_attest(&signer, 3, NULL, &e), &e);
	free(shim);
}

static void no_signature_leaves_without_its_position(void **state)
{
	struct station *s = *state;
	AUTO(json_t) *request = station_open_request(s, SOFTHSM);
	AUTO(json_t) *attest =
	    json_pack("{s:s, s:o}", "do", "attest", "statement", pki_statement(3));
	AUTO(json_t) *ok = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_ok(station_open(&signer, request, &e), &e);
	assert_int_equal(mkdir(s->state, 0700), 0); /* nothing can be renamed over it */
	assert_err(station_call(&signer, attest, &ok, &e), &e, "file");
	assert_int_equal(json_object_size(ok), 0);
}

static void only_statements_of_this_station_are_signed(void **state)
{
	AUTO(json_t) *open = station_open_request(*state, SOFTHSM);
	AUTO(json_t) *request =
	    json_pack("{s:s, s:o}", "do", "attest", "statement", pki_statement(3));
	json_t *statement = json_object_get(request, "statement");
	AUTO(json_t) *ok = NULL;
	AUTO(json_t) *none = NULL;
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };

	assert_ok(station_open(&signer, open, &e), &e);
	assert_ok(json_set_str(json_object_get(statement, "station"), "id", "line-8", &e), &e);
	assert_ok(json_set_str(json_object_get(statement, "chain"), "station", "line-8", &e), &e);
	assert_err(station_call(&signer, request, &ok, &e), &e, "signer.station");
	json_decref(steal(&ok));
	assert_ok(json_set_str(statement, "jti", "000102030405060708090a0b0c0d0e0f", &e), &e);
	assert_err(station_call(&signer, request, &ok, &e), &e, "statement");
	json_decref(steal(&ok));
	assert_int_equal(json_object_set_new(request, "statement", json_string("sign this")), 0);
	assert_err(station_call(&signer, request, &ok, &e), &e, "statement");
	assert_int_equal(json_object_del(request, "statement"), 0);
	assert_err(station_call(&signer, request, &none, &e), &e, "statement");
}

static void no_pin_is_written_anywhere(void **state)
{
	struct station *s = *state;
	AUTO(json_t) *request = station_open_request(s, SOFTHSM);
	AUTO_STRUCT(signer) signer = { 0 };
	struct err e = { 0 };
	char command[600];

	assert_ok(station_open(&signer, request, &e), &e);
	assert_ok(station_attest(&signer, 1, NULL, &e), &e);
	(void)snprintf(command, sizeof(command), "! grep -rlaF -e %s -e %s %s", PIN, SO_PIN,
	    s->folder);
	run_shell(command);
}

#define SIGNER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIGNER_TEST(opens_and_says_where_it_stands),
		SIGNER_TEST(every_member_of_open_is_needed),
		SIGNER_TEST(one_open_for_each_process),
		SIGNER_TEST(a_wrong_pin_blocks_until_the_operator_acts),
		SIGNER_TEST(an_unsound_key_is_refused),
		SIGNER_TEST(a_foreign_certificate_is_refused),
		SIGNER_TEST(a_certificate_for_something_else_is_refused),
		SIGNER_TEST(attests_what_verifies),
		SIGNER_TEST(each_statement_has_its_own_id),
		SIGNER_TEST(a_position_is_attested_once_also_across_restarts),
		SIGNER_TEST(status_tells_position_and_health),
		SIGNER_TEST(a_failed_signature_uses_up_no_position),
		SIGNER_TEST(no_signature_leaves_without_its_position),
		SIGNER_TEST(only_statements_of_this_station_are_signed),
		SIGNER_TEST(no_pin_is_written_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
