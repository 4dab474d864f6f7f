#include "source.h"

#include "witness.h"

int source_open(struct source *s, bool write, struct err *e)
{
	if (s->config_path != NULL && config_load(&s->config, s->config_path, e) != 0)
		return -1;
	if (s->config == NULL && (s->records_path == NULL || write))
		return err_set(e, ERR_CONFIG, "usage", "name the station with --config");
	if (write)
		return witness_open(&s->records, s->config, false, e) == 0
			   ? witness_note(s->records, e)
			   : -1;
	return records_open(&s->records,
	    s->records_path != NULL ? s->records_path : s->config->records, NULL, false, e);
}

void source_close(struct source *s)
{
	if (s->records != NULL)
		records_close(s->records);
	if (s->config != NULL)
		config_free(s->config);
	s->records = NULL;
	s->config = NULL;
}

int source_append(struct source *s, json_t *body, struct err *e)
{
	struct record r = { .body = body };
	int rc = body != NULL ? records_append(s->records, &r, e) : err_nomem(e);

	record_free(&r);
	return rc;
}
