#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "report_view.h"

/* Quotes may be the reader's own. */
static bool is_formula(const char *text)
{
	text += strspn(text, "\" ");
	return *text != '\0' && strchr("=+-@\t\r", *text) != NULL;
}

/* A reader whose separator is none of ours sees no quotes of ours either: its cell may begin inside one. */
static bool is_separator(char c)
{
	return c == ';' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 4180, 2: quotes where they are needed, and doubled inside. */
static void put_cell(FILE *out, const char *text, bool first)
{
	bool quote = strpbrk(text, ",\"\r\n") != NULL;

	(void)fprintf(out, "%s%s%s", first ? "" : ",", quote ? "\"" : "",
	    is_formula(text) ? "'" : "");
	for (; *text != '\0'; text++) {
		(void)fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
		if (is_separator(*text) && is_formula(text + 1))
			(void)fputc('\'', out);
	}
	if (quote)
		(void)fputc('"', out);
}

/* Empty below 0. */
static void put_number(FILE *out, int64_t value)
{
	if (value < 0)
		(void)fputc(',', out);
	else
		(void)fprintf(out, ",%lld", (long long)value);
}

static void put_time(FILE *out, int64_t ms)
{
	char text[CLOCK_TEXT];

	clock_text(ms, text);
	put_cell(out, text, false);
}

static const enum step_id steps[] = { STEP_KEYGEN, STEP_REQUEST, STEP_ENROL, STEP_INSTALL,
	STEP_READBACK, STEP_PROVE, STEP_SEAL, STEP_ATTEST };

void report_csv_head(FILE *out)
{
	(void)fputs("serial,outcome,reason,start,end", out);
	for (size_t i = 0; i < COUNT(steps); i++)
		(void)fprintf(out, ",%s_ms", step_name(steps[i]));
	(void)fputs(",whole_ms,slot,order,ordinal,operator,model,jobs,first_pass\r\n", out);
}

void report_csv_unit(FILE *out, const struct report_unit *u)
{
	put_cell(out, u->serial, true);
	put_cell(out, report_outcome_name(u->outcome), false);
	put_cell(out, u->reason, false);
	put_time(out, u->begin_ms);
	put_time(out, u->end_ms);
	for (size_t i = 0; i < COUNT(steps); i++)
		put_number(out, u->step_ms[steps[i]]);
	put_number(out, u->whole_ms);
	put_cell(out, u->slot, false);
	put_cell(out, u->order, false);
	put_number(out, u->ordinal > 0 ? u->ordinal : -1);
	put_cell(out, u->operator, false);
	put_cell(out, u->model, false);
	put_number(out, u->jobs);
	put_cell(out, u->first_pass ? "yes" : "no", false);
	(void)fputs("\r\n", out);
}
