/* Subject and alternative names against the profile's. */
#include "judge_cert_kit.h"

static void set_subject(X509 *cert, const char *const parts[][2], int string)
{
	AUTO(X509_NAME) *name = X509_NAME_new();

	for (size_t i = 0; parts[i][0] != NULL; i++)
		assert_int_equal(X509_NAME_add_entry_by_txt(name, parts[i][0],
				     strcmp(parts[i][0], "serialNumber") == 0
					 ? V_ASN1_PRINTABLESTRING
					 : string,
				     (const unsigned char *)parts[i][1], -1, -1, 0),
		    1);
	X509_set_subject_name(cert, name);
}

static void subject_missing(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_added(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { "OU", "More" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_twice(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { "CN", "SN0002" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_value(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0002" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_order(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "O", "Example Medical" }, { "CN", "SN0001" },
		{ "serialNumber", "SN0001" }, { NULL, NULL } },
	    V_ASN1_UTF8STRING);
}

static void subject_string(X509 *cert)
{
	set_subject(cert,
	    (const char *const[][2]){ { "CN", "SN0001" }, { "serialNumber", "SN0001" },
		{ "O", "Example Medical" }, { NULL, NULL } },
	    V_ASN1_PRINTABLESTRING);
}

/* CN and serialNumber in one RDN: the same attributes, another name. */
static void subject_multivalued(X509 *cert)
{
	AUTO(X509_NAME) *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_UTF8STRING, (const unsigned char *)"SN0001",
	    -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "serialNumber", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"SN0001", -1, -1, -1);
	X509_NAME_add_entry_by_txt(name, "O", V_ASN1_UTF8STRING,
	    (const unsigned char *)"Example Medical", -1, -1, 0);
	X509_set_subject_name(cert, name);
}

static void test_subject(void **state)
{
	(void)state;
	refuse(subject_missing, "cert.subject", "O=Example Medical is missing");
	refuse(subject_added, "cert.subject", "OU was added");
	refuse(subject_twice, "cert.subject", "CN was added");
	refuse(subject_value, "cert.subject", "CN is \"SN0002\" instead of \"SN0001\"");
	refuse(subject_order, "cert.subject", "another order");
	refuse(subject_string, "cert.subject", "CN is a PRINTABLESTRING instead of a UTF8STRING");
	refuse(subject_multivalued, "cert.subject", "encoded in another way");
}

static void no_san(X509 *cert)
{
	kit_drop(cert, "2.5.29.17");
}

static void critical_san(X509 *cert)
{
	no_san(cert);
	kit_extension(cert, "2.5.29.17", true, kit.subject.san.data, kit.subject.san.len);
}

static void broken_san(X509 *cert)
{
	no_san(cert);
	kit_extension(cert, "2.5.29.17", false, "\x30\x02\x82\x05", 4);
}

/* The good names and one more. */
static void add_to_san(X509 *cert, const char *der, size_t len)
{
	AUTO_STRUCT(buf) san = { 0 };
	struct err e = { 0 };

	no_san(cert);
	assert_ok(buf_add(&san, kit.subject.san.data, kit.subject.san.len, &e), &e);
	assert_ok(buf_add(&san, der, len, &e), &e);
	assert_true(san.data[1] + len < 0x80);
	san.data[1] = (uint8_t)(san.data[1] + len);
	kit_extension(cert, "2.5.29.17", false, san.data, san.len);
}

static void added_dns(X509 *cert)
{
	add_to_san(cert,
	    "\x82\x05"
	    "a.b.c",
	    7);
}

#define DEVICE_INFO "\x06\x0a\x2b\x06\x01\x04\x01\x83\x1c\x82\x12\x01"

static void own_device_info(X509 *cert)
{
	add_to_san(cert,
	    "\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
	    "AC:WI:SN0001",
	    30);
}

static void foreign_device_info(X509 *cert)
{
	add_to_san(cert,
	    "\xa0\x1c" DEVICE_INFO "\xa0\x0e\x0c\x0c"
	    "AC:WI:SN0002",
	    30);
}

static void other_serial_san(X509 *cert)
{
	AUTO_STRUCT(subject) other = { 0 };
	struct identity unit = kit.unit;
	struct err e = { 0 };

	memcpy(unit.serial, "SN0002", 7);
	assert_ok(subject_render(&other, kit.profile, &unit, &e), &e);
	no_san(cert);
	kit_extension(cert, "2.5.29.17", false, other.san.data, other.san.len);
}

static void test_san(void **state)
{
	(void)state;
	refuse(no_san, "cert.san", "no subjectAltName");
	refuse(critical_san, "cert.san", "is critical");
	refuse(broken_san, "cert.san", "malformed");
	refuse(added_dns, "cert.san", "dns a.b.c was added");
	refuse(other_serial_san, "cert.san", "hardwareModuleName serial SN0002 was added");
	refuse(foreign_device_info, "cert.san", "AC:WI:SN0002 was added");
	accept(own_device_info);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_san),
	};

	return cmocka_run_group_tests(tests, open_kit, close_kit);
}
