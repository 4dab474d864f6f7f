#include "answer.h"

#include "json.h"
#include "warning.h"

void enrol_answer_free(struct enrol_answer *a)
{
	X509_free(a->leaf);
	x509_stack_free(a->others);
	x509_stack_free(a->unusable);
	*a = (struct enrol_answer){ 0 };
}

const char *enrol_outcome_name(enum enrol_outcome outcome)
{
	static const char *const names[] = {
		[ENROL_UNKNOWN] = "unknown",
		[ENROL_ISSUED] = "issued",
		[ENROL_PENDING] = "pending",
		[ENROL_REJECTED] = "rejected",
		[ENROL_DENIED] = "denied",
		[ENROL_THROTTLED] = "throttled",
		[ENROL_NOT_SENT] = "not_sent",
	};

	return names[outcome];
}

static int set_leaf(const struct enrol_answer *a, json_t *object, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };

	if (a->leaf == NULL)
		return 0;
	if (x509_add_der(a->leaf, &der, e) != 0)
		return -1;
	return json_set_bytes(object, "leaf", der.data, der.len, e);
}

int enrol_append_der(const X509 *cert, json_t *list, struct err *e)
{
	AUTO_STRUCT(buf) der = { 0 };
	AUTO_STRUCT(buf) text = { 0 };

	if (x509_add_der(cert, &der, e) != 0 || base64_encode(der.data, der.len, &text, e) != 0)
		return -1;
	if (json_array_append_new(list, json_stringn((const char *)text.data, text.len)) != 0)
		return err_nomem(e);
	return 0;
}

static int set_list(const X509_STACK *certs, const char *key, json_t *object, struct err *e)
{
	json_t *list = json_array();

	if (json_set_new(object, key, list, e) != 0)
		return -1;
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (enrol_append_der(sk_X509_value(certs, i), list, e) != 0)
			return -1;
	return 0;
}

static int set_unusable(const struct enrol_answer *a, json_t *object, struct err *e)
{
	if (a->unusable == NULL)
		return 0;
	if (set_list(a->unusable, "unusable", object, e) != 0)
		return -1;
	return json_set_int(object, "unusable_left_out", (int64_t)a->unusable_left_out, e);
}

int enrol_answer_to_json(const struct enrol_answer *a, json_t *object, struct err *e)
{
	if (json_set_str(object, "outcome", enrol_outcome_name(a->outcome), e) != 0 ||
	    json_set_int(object, "status", a->status, e) != 0 ||
	    json_set_str(object, "code", a->why.code, e) != 0 ||
	    json_set_str(object, "message", a->why.message, e) != 0 ||
	    json_set_int(object, "retry_after_s", a->retry_after_s, e) != 0 ||
	    json_set_bool(object, "possibly_issued", a->possibly_issued, e) != 0 ||
	    json_set_int(object, "service_ms", a->service_ms, e) != 0 ||
	    json_set_int(object, "posts", a->posts, e) != 0 ||
	    json_set_int(object, "date_s", a->date_s, e) != 0 ||
	    json_set_new(object, "warnings", warning_names(a->warnings), e) != 0)
		return -1;
	if (set_leaf(a, object, e) != 0 || set_list(a->others, "others", object, e) != 0)
		return -1;
	return set_unusable(a, object, e);
}
