#include <stdio.h>
#include <string.h>

#include "report_svg.h"
#include "report_tables.h"
#include "serve.h"
#include "version.h"

/* Only these rules style the page: the policy names their digest, so that nothing else can. */
static const char style[] =
    ":root{color-scheme:light}*{box-sizing:border-box}"
    "body{margin:0 auto;padding:28px 24px 40px;max-width:960px;background:#fff;color:#1b2328;"
    "font:14px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',"
    "sans-serif;font-variant-numeric:tabular-nums}"
    "header{border-bottom:2px solid #1b2328;padding-bottom:10px;margin-bottom:16px}"
    "h1{font-size:26px;line-height:1.2;margin:0 0 2px;overflow-wrap:anywhere}"
    "h2{font-size:16px;margin:26px 0 8px}"
    "p{margin:0 0 6px}.where{font-weight:600}.quiet{color:#55616a}"
    ".warn{border:2px solid #1b2328;padding:6px 10px;font-weight:600;margin:0 0 14px}"
    ".tiles{display:grid;grid-template-columns:repeat(6,1fr);margin:0;border:1px solid #c4ccd1;"
    "border-radius:6px}.tiles div{padding:10px 12px;border-left:1px solid #dfe4e7}"
    ".tiles div:first-child{border-left:0}.tiles dt{color:#55616a;font-size:12px}"
    ".tiles dd{margin:0;font-size:25px;font-weight:650;line-height:1.25;white-space:nowrap}"
    ".tiles dd small{display:block;font-size:12px;font-weight:400;color:#55616a;white-space:normal}"
    ".two{display:grid;grid-template-columns:1fr 1fr;gap:0 32px}"
    ".two>*{min-width:0}"
    "table{border-collapse:collapse;width:100%;margin:0 0 10px;font-size:13px}"
    "caption{text-align:left;font-weight:650;font-size:16px;padding:22px 0 6px}"
    "th,td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid "
    "#dfe4e7;overflow-wrap:anywhere}"
    "thead th{border-bottom:1.5px solid #1b2328;font-weight:600}tbody th{font-weight:500}"
    "th.n,td.n{text-align:right;white-space:nowrap}td.m{font-size:12px;color:#55616a}"
    "table.reasons{table-layout:fixed}.reasons th:first-child{width:24%}"
    ".reasons th:nth-child(2){width:12%}.reasons th.n{width:9%}"
    ".orphans th:first-child{white-space:nowrap}.orphans td{white-space:nowrap}"
    ".orphans td.m{white-space:normal}"
    ".mono{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12px}"
    "svg{display:block;width:100%;height:auto}svg.defs{position:absolute;width:0;height:0}"
    "svg text{font-size:11px;fill:#1b2328}text.x{text-anchor:middle}text.xe{text-anchor:end}"
    "text.y,text.name{text-anchor:end}text.v{text-anchor:middle;font-size:10px}"
    "text.name{font-size:11.5px}"
    ".grid{stroke:#dfe4e7;fill:none}.axis{stroke:#55616a;fill:none}"
    ".now{stroke:#1b2328;stroke-dasharray:3 3;fill:none}svg text.nowt{font-size:10px}"
    ".good{fill:#2c6e7f;stroke:#1d4f5c;stroke-width:.6}"
    ".bad{fill:url(#hatch);stroke:#8f2f1d;stroke-width:.8}"
    ".mid{fill:url(#dots);stroke:#7a8790;stroke-width:.6}"
    ".low{fill:url(#lines);stroke:#7a8790;stroke-width:.6}"
    ".bare{fill:#fff;stroke:#7a8790;stroke-width:.6}"
    ".p-bad{fill:#fbe6e0}.l-bad{stroke:#b4432c;stroke-width:2.4}.p-mid{fill:#eef2f4}"
    ".f-mid{fill:#7a8790}.p-low{fill:#fff}.l-low{stroke:#9aa5ac;stroke-width:.8}"
    ".key{margin:0 0 2px;font-size:12px;color:#55616a}.key svg{display:inline-block;width:12px;"
    "height:12px;vertical-align:-1px;margin:0 4px 0 10px}.key svg:first-child{margin-left:0}"
    "section.def{margin-top:30px;border-top:1px solid #c4ccd1}"
    "dl.def{columns:2;column-gap:32px;font-size:12px;margin:0}dl.def div{break-inside:avoid;"
    "margin-bottom:6px}dl.def dt{font-weight:650}dl.def dd{margin:0}"
    "@media(max-width:700px){.tiles{grid-template-columns:repeat(3,1fr)}.two{display:block}"
    "dl.def{columns:1}}"
    "@page{size:A4;margin:14mm 13mm}"
    "@media print{body{padding:0;max-width:none;font-size:11px}h1{font-size:21px}"
    ".tiles{grid-template-columns:repeat(6,1fr)}.tiles div{padding:7px 8px}.tiles "
    "dd{font-size:19px}"
    ".two{display:grid}table{font-size:10.5px}th,td{padding:2px 8px 2px 0}"
    "h2,caption{font-size:13px}h2{margin:16px 0 6px}caption{padding:14px 0 4px}"
    "h2,caption,thead{break-after:avoid}svg,tr,.tiles{break-inside:avoid}"
    ".tables{break-before:page}td.m,.mono{font-size:9.5px}"
    "thead{display:table-header-group}dl.def{columns:2}"
    "*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

static int put_top(const struct report_head *h, FILE *out, struct err *e)
{
	AUTO_STRUCT(buf) digest = { 0 };
	uint8_t hash[SHA256_LEN];

	sha256(style, sizeof(style) - 1, hash);
	if (base64_encode(hash, sizeof(hash), &digest, e) != 0 || buf_str(&digest, e) == NULL)
		return -1;
	(void)fprintf(out,
	    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	    "'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
	    (const char *)digest.data);
	svg_text(out, h->station);
	(void)fputs(h->station[0] != '\0' ? ": " : "", out);
	svg_text(out, h->title);
	(void)fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
	return 0;
}

static void put_where(const struct report_head *h, FILE *out)
{
	const char *const parts[] = { h->line, h->site };
	bool any = false;

	if (parts[0][0] == '\0' && parts[1][0] == '\0')
		return;
	(void)fputs("<p class=\"where\">", out);
	for (size_t i = 0; i < COUNT(parts); i++) {
		if (parts[i][0] == '\0')
			continue;
		(void)fputs(any ? " &middot; " : "", out);
		(void)fputs(i == 0 ? "line " : "", out);
		svg_text(out, parts[i]);
		any = true;
	}
	(void)fputs("</p>\n", out);
}

static void put_head(const struct report *r, const struct report_head *h, FILE *out)
{
	char text[VIEW_PERIOD], made[ZONE_TEXT];

	(void)fputs("<header>\n<h1>", out);
	svg_text(out, h->station);
	(void)fputs(h->station[0] != '\0' ? ": " : "", out);
	svg_text(out, h->title);
	(void)fputs("</h1>\n", out);
	put_where(h, out);
	view_period(r, text);
	(void)fputs("<p>", out);
	svg_text(out, text);
	(void)fputs("</p>\n<p class=\"quiet\">made ", out);
	zone_text(r->made_ms, made);
	svg_text(out, made);
	(void)fputs(" by ", out);
	svg_text(out, h->by);
	(void)fputs(view_goes_on(r) ? "; the period is not over</p>\n</header>\n"
				    : "</p>\n</header>\n",
	    out);
	if (h->test_ca)
		(void)
		    fputs("<p class=\"warn\">This station accepts a throw-away CA: nothing here is "
			  "for production.</p>\n",
			out);
}

static void put_tile(FILE *out, const char *name, const char *value, const char *below)
{
	(void)fprintf(out, "<div><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", name, value,
	    below);
}

static void put_tile_of(FILE *out, const char *name, int64_t ppm, int64_t part, int64_t whole)
{
	char percent[VIEW_TEXT], below[VIEW_TEXT];

	(void)snprintf(below, sizeof(below), "%lld of %lld", (long long)part, (long long)whole);
	put_tile(out, name, view_percent(ppm, percent), below);
}

static void put_tile_number(FILE *out, const char *name, int64_t number, const char *below)
{
	char text[VIEW_TEXT];

	(void)snprintf(text, sizeof(text), number < 0 ? "-" : "%lld", (long long)number);
	put_tile(out, name, text, below);
}

static void put_tiles(const struct report *r, FILE *out)
{
	char more[VIEW_TEXT * 2];

	(void)fputs("<dl class=\"tiles\">\n", out);
	put_tile_number(out, "Passed", r->units[REPORT_PASSED], "units");
	put_tile_number(out, "Failed", r->units[REPORT_FAILED], "units");
	put_tile_of(out, "Yield", report_yield_ppm(r), r->units[REPORT_PASSED], report_ended(r));
	put_tile_of(out, "First-pass yield", report_first_pass_ppm(r), r->first_passed,
	    r->first_jobs);
	(void)snprintf(more, sizeof(more), "%lld refused, %lld in work",
	    (long long)r->units[REPORT_REFUSED], (long long)r->units[REPORT_IN_WORK]);
	put_tile_number(out, "Waiting", r->units[REPORT_WAITING], more);
	put_tile_number(out, "Units per hour", report_per_hour(r), "first claim to last end");
	(void)fputs("</dl>\n", out);
}

static void put_key(FILE *out, const char *class, const char *name)
{
	(void)fprintf(out,
	    "<svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"%s\" x=\".5\" y=\".5\" "
	    "width=\"11\" height=\"11\"/></svg>%s",
	    class, name);
}

static void put_drawings(const struct report *r, FILE *out)
{
	svg_patterns(out);
	(void)fputs("<h2>Over time</h2>\n<p class=\"key\">", out);
	put_key(out, "good", "passed");
	put_key(out, "bad", "failed");
	(void)fputs("</p>\n", out);
	svg_rate(r, out);
	(void)fputs("<div class=\"two\">\n<div><h2>Failures by reason</h2>\n", out);
	if (r->failures.count > 0) {
		(void)fputs("<p class=\"key\">times, and (of all, with those above)</p>\n", out);
		svg_pareto(&r->failures, out);
	} else {
		(void)fputs("<p>None.</p>\n", out);
	}
	(void)fputs("</div>\n<div><h2>Time per step</h2>\n<p class=\"key\">", out);
	put_key(out, "good", "p50");
	put_key(out, "mid", "p95");
	(void)fputs("</p>\n", out);
	svg_steps(r, out);
	(void)fputs("</div>\n", out);
	if (r->whole.count > 0) {
		(void)fputs("<div><h2>How long passed jobs took</h2>\n", out);
		svg_whole(r, out);
		(void)fputs("</div>\n<div><h2>Whose the time is</h2>\n", out);
		svg_split(r, out);
		(void)fputs("</div>\n", out);
	}
	(void)fputs("</div>\n", out);
}

/* Definitions as report.h has them, shorter. */
static void put_definitions(FILE *out)
{
	static const char *const rows[][2] = {
		{ "unit", "a serial with an event of a job in the period; its last job says its "
			  "outcome as "
			  "the period ends. What happened later is left out." },
		{ "yield", "passed / (passed + failed) units. Refused, waiting and in work are in "
			   "no yield." },
		{ "first-pass yield", "of the units whose first job ended in the period: those "
				      "that passed in it without having "
				      "waited." },
		{ "failure", "a job that ended FAIL, a scrapped unit, or a device turned away for "
			     "what it is." },
		{ "wait", "a unit parked by the CA, the HSM, the records or the cable: no fault of "
			  "the unit." },
		{ "refused", "not to be made: not on the list, made already, order complete." },
		{ "retest, rework", "a job after a failed one; a job after a passed one." },
		{ "step time", "from the step's beginning, with what it waited for CA or HSM, to "
			       "its judgement. "
			       "p50 and p95 are exact up to 127 ms, then within 0.8 %." },
		{ "units per hour",
		    "units that ended / time from the first claim to the last end." },
		{ "orphan", "a certificate or request listed in the period, on no device; its "
			    "state is of when "
			    "this was made." },
	};

	(void)fputs("<section class=\"def\">\n<h2>What the numbers mean</h2>\n<dl class=\"def\">\n",
	    out);
	for (size_t i = 0; i < COUNT(rows); i++)
		(void)fprintf(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", rows[i][0], rows[i][1]);
	(void)fprintf(out, "</dl>\n<p class=\"quiet\">kiln %s, build %s</p>\n</section>\n",
	    kiln_version(), build_id());
}

int report_html(const struct report *r, const struct report_head *h, FILE *out, struct err *e)
{
	if (put_top(h, out, e) != 0)
		return -1;
	put_head(r, h, out);
	put_tiles(r, out);
	put_drawings(r, out);
	report_tables(r, h, out);
	put_definitions(out);
	(void)fputs("</body>\n</html>\n", out);
	return 0;
}
