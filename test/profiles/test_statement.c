#include "profiles/pki.h"

#include "statement.h"

#define JTI "000102030405060708090a0b0c0d0e0f"

static json_t *signed_statement(void)
{
	json_t *statement = pki_statement(5);
	struct err e = { 0 };

	assert_ok(json_set_str(statement, "jti", JTI, &e), &e);
	return statement;
}

/* The object that holds "group.name" and the name in it. */
static json_t *locate(json_t *statement, const char *path, const char **ret_name)
{
	const char *dot = strchr(path, '.');
	char group[32];

	*ret_name = path;
	if (dot == NULL)
		return statement;
	assert_true((size_t)(dot - path) < sizeof(group));
	memcpy(group, path, (size_t)(dot - path));
	group[dot - path] = '\0';
	*ret_name = dot + 1;
	return json_object_get(statement, group);
}

static void refused_with(const char *path, json_t *value, const char *why)
{
	AUTO(json_t) *statement = signed_statement();
	const char *name;
	json_t *object = locate(statement, path, &name);
	struct err e = { 0 };

	if (value != NULL)
		assert_int_equal(json_object_set_new(object, name, value), 0);
	else
		assert_int_equal(json_object_del(object, name), 0);
	assert_err(statement_check(statement, STATEMENT_SIGNED, ERR_RECORDS, &e), &e, "statement");
	assert_int_equal(e.domain, ERR_RECORDS);
	if (strstr(e.message, path) == NULL || strstr(e.message, why) == NULL)
		fail_msg("%s, %s: %s", path, why, e.message);
}

static void a_whole_statement_is_accepted_at_its_stage(void **state)
{
	AUTO(json_t) *requested = pki_statement(5);
	AUTO(json_t) *complete = signed_statement();
	struct err e = { 0 };

	(void)state;
	assert_ok(statement_check(requested, STATEMENT_REQUESTED, ERR_CONFIG, &e), &e);
	assert_err(statement_check(requested, STATEMENT_SIGNED, ERR_CONFIG, &e), &e, "statement");
	assert_ok(statement_check(complete, STATEMENT_SIGNED, ERR_CONFIG, &e), &e);
	assert_err(statement_check(complete, STATEMENT_REQUESTED, ERR_CONFIG, &e), &e, "statement");
	assert_non_null(strstr(e.message, "jti"));
	assert_err(statement_check(NULL, STATEMENT_SIGNED, ERR_CONFIG, &e), &e, "statement");
	assert_int_equal(statement_chain(complete).seq, 5);
	assert_string_equal(statement_chain(complete).station, "line-7");
	assert_string_equal(statement_chain(complete).head, PKI_DIGEST);
}

static void every_required_claim_is_missed(void **state)
{
	static const char *const required[] = { "typ", "ver", "iat", "jti", "device",
		"device.serial", "device.model", "device.firmware", "device.lifecycle", "key",
		"key.alg", "key.spki_sha256", "key.origin", "key.origin_evidence",
		"key.pop_verified", "csr_sha256", "certificate", "certificate.sha256",
		"certificate.issuer", "certificate.number", "readback_ok", "proof", "proof.scheme",
		"proof.nonce", "proof.preimage_sha256", "proof.signature_sha256", "outcome",
		"profile", "profile.product", "profile.version", "profile.sha256", "tool",
		"tool.version", "tool.build", "station", "station.id", "station.slot", "order.id",
		"order.ordinal", "order.quantity", "chain", "chain.station", "chain.seq",
		"chain.head", "time_source" };

	(void)state;
	for (size_t i = 0; i < COUNT(required); i++)
		refused_with(required[i], NULL, "is missing");
}

static void what_is_optional_may_be_absent(void **state)
{
	static const char *const optional[] = { "anchors_sha256", "station.line", "station.site",
		"order", "operator" };
	AUTO(json_t) *statement = signed_statement();
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(optional); i++) {
		const char *name;
		json_t *object = locate(statement, optional[i], &name);

		assert_int_equal(json_object_del(object, name), 0);
		assert_ok(statement_check(statement, STATEMENT_SIGNED, ERR_CONFIG, &e), &e);
	}
}

static void types_and_values_are_checked(void **state)
{
	static const char wrong[] = "has a wrong type or value";
	char text_of_513[514];

	(void)state;
	memset(text_of_513, 'x', 513);
	text_of_513[513] = '\0';
	refused_with("typ", json_string("kiln-checkpoint"), wrong);
	refused_with("ver", json_integer(2), wrong);
	refused_with("ver", json_string("1"), wrong);
	refused_with("iat", json_real(1780000000.0), wrong);
	refused_with("iat", json_integer(0), wrong);
	refused_with("jti", json_string("00"), wrong);
	refused_with("device", json_string("IP-000001"), wrong);
	refused_with("device.serial", json_string(""), wrong);
	refused_with("device.serial", json_string("a\nb"), wrong);
	refused_with("device.serial", json_integer(5), wrong);
	refused_with("device.model", json_string(text_of_513), wrong);
	refused_with("key.origin", json_string("imported"), wrong);
	refused_with("key.pop_verified", json_string("true"), wrong);
	refused_with("csr_sha256", json_string("0011"), wrong);
	refused_with("csr_sha256",
	    json_string("00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"), wrong);
	refused_with("csr_sha256",
	    json_string("0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), wrong);
	refused_with("certificate.number", json_string(""), wrong);
	refused_with("certificate.number", json_string("123"), wrong);
	refused_with("certificate.number",
	    json_string("00000000000000000000000000000000000000000000"), wrong);
	refused_with("outcome", json_string("failed"), wrong);
	refused_with("chain.seq", json_integer(0), wrong);
	refused_with("chain.seq", json_integer(-1), wrong);
	refused_with("time_source", json_string("gps"), wrong);
	refused_with("order", json_null(), wrong);
	refused_with("operator", json_array(), wrong);
}

static void unknown_claims_are_refused(void **state)
{
	(void)state;
	refused_with("note", json_string("x"), "is unknown");
	refused_with("device.colour", json_string("x"), "is unknown");
	refused_with("chain.prev", json_string("x"), "is unknown");
}

static void claims_that_contradict_are_refused(void **state)
{
	(void)state;
	refused_with("order.ordinal", json_integer(9), "is beyond");
	refused_with("chain.station", json_string("line-8"), "is not the statement's station");
}

static void only_canonical_bytes_are_a_statement(void **state)
{
	AUTO(json_t) *statement = signed_statement();
	AUTO(json_t) *parsed = NULL;
	AUTO_STRUCT(buf) bytes = { 0 };
	AUTO_STRUCT(buf) spaced = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(json_canonical(statement, &bytes, &e), &e);
	assert_ok(buf_add_str(&spaced, " ", &e), &e);
	assert_ok(buf_add(&spaced, bytes.data, bytes.len, &e), &e);
	assert_ok(statement_parse(bytes.data, bytes.len, &parsed, ERR_RECORDS, &e), &e);
	assert_true(json_equal(parsed, statement));
	json_decref(steal(&parsed));
	assert_err(statement_parse(spaced.data, spaced.len, &parsed, ERR_RECORDS, &e), &e,
	    "statement");
	assert_err(statement_parse(bytes.data, bytes.len - 1, &parsed, ERR_RECORDS, &e), &e,
	    "json");
	assert_err(statement_parse(bytes.data, STATEMENT_MAX + 1, &parsed, ERR_RECORDS, &e), &e,
	    "statement");
	assert_null(parsed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_statement_is_accepted_at_its_stage),
		cmocka_unit_test(every_required_claim_is_missed),
		cmocka_unit_test(what_is_optional_may_be_absent),
		cmocka_unit_test(types_and_values_are_checked),
		cmocka_unit_test(unknown_claims_are_refused),
		cmocka_unit_test(claims_that_contradict_are_refused),
		cmocka_unit_test(only_canonical_bytes_are_a_statement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
