#include "report_svg.h"

#include <stdio.h>
#include <string.h>

/* Of a drawing's own coordinates; the page scales them. */
enum { WIDE = 720, HALF = 350, ROW = 24, PARETO_ROWS = 12, WHOLE_BARS = 20 };

/* U+202A..202E and U+2066..2069 change the direction of what follows. */
static bool is_bidi(const unsigned char *p)
{
	return p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
				   (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static const char *escape_of(unsigned char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return c < 0x20 || c == 0x7f ? "?" : NULL;
	}
}

void svg_text(FILE *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		const char *escape = escape_of(*p);
		bool is_c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (is_c1 || is_bidi(p))
			escape = "?";
		if (escape != NULL)
			(void)fputs(escape, out);
		else
			(void)fputc(*p, out);
		p += is_bidi(p) ? 2 : is_c1;
	}
}

void svg_patterns(FILE *out)
{
	(void)
	    fputs("<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs>"
		  "<pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" "
		  "patternTransform=\"rotate(45)\"><rect class=\"p-bad\" width=\"5\" height=\"5\"/>"
		  "<path class=\"l-bad\" d=\"M0 0V5\"/></pattern>"
		  "<pattern id=\"dots\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">"
		  "<rect class=\"p-mid\" width=\"5\" height=\"5\"/>"
		  "<circle class=\"f-mid\" cx=\"2\" cy=\"2\" r=\"1\"/></pattern>"
		  "<pattern id=\"lines\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">"
		  "<rect class=\"p-low\" width=\"4\" height=\"4\"/>"
		  "<path class=\"l-low\" d=\"M0 2H4\"/></pattern></defs></svg>\n",
		out);
}

static void begin(FILE *out, const char *name, int width, int height)
{
	(void)fprintf(out,
	    "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\" preserveAspectRatio="
	    "\"xMinYMin meet\">\n",
	    width, height, name);
}

static void end(FILE *out)
{
	(void)fputs("</svg>\n", out);
}

static void bar(FILE *out, const char *class, double x, double y, double width, double height)
{
	if (width > 0 && height > 0)
		(void)fprintf(out,
		    "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
		    class, x, y, width, height);
}

static void label(FILE *out, const char *class, double x, double y, const char *text)
{
	(void)fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	svg_text(out, text);
	(void)fputs("</text>\n", out);
}

static void label_number(FILE *out, const char *class, double x, double y, int64_t number)
{
	(void)fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">%lld</text>\n", class, x, y,
	    (long long)number);
}

static void line(FILE *out, const char *class, double x1, double y1, double x2, double y2)
{
	(void)fprintf(out, "<path class=\"%s\" d=\"M%.1f %.1fL%.1f %.1f\"/>\n", class, x1, y1, x2,
	    y2);
}

/* 1, 2 or 5 times a power of ten: the distance of at most four grid lines up to max. */
static int64_t grid_of(int64_t max)
{
	int64_t unit = 1;

	for (;;) {
		if (max <= 4 * unit)
			return unit;
		if (max <= 8 * unit)
			return 2 * unit;
		if (max <= 20 * unit)
			return 5 * unit;
		unit *= 10;
	}
}

/* The frame of a drawing with columns: where its area lies, and its scale. */
struct plot {
	double left, top, width, height;
	int64_t max;
};

static double y_of(const struct plot *p, int64_t value)
{
	return p->top + p->height - p->height * (double)value / (double)p->max;
}

static void draw_grid(FILE *out, struct plot *p, int64_t max)
{
	int64_t grid = grid_of(max);

	p->max = (max + grid - 1) / grid * grid;
	for (int64_t v = 0; v <= p->max; v += grid) {
		line(out, v == 0 ? "axis" : "grid", p->left, y_of(p, v), p->left + p->width,
		    y_of(p, v));
		label_number(out, "y", p->left - 6, y_of(p, v) + 4, v);
	}
}

static int64_t bucket_sum(const struct report_bucket *b)
{
	return b->passed + b->failed;
}

static double x_of(const struct report *r, const struct plot *p, int64_t ms)
{
	return p->left + p->width * (double)(ms - r->span.from_ms) /
			     (double)(r->span.to_ms - r->span.from_ms);
}

static void draw_bucket(const struct report *r, const struct plot *p, size_t i, FILE *out)
{
	const struct report_bucket *b = &r->buckets[i];
	double from = x_of(r, p, b->from_ms), to = x_of(r, p, b[1].from_ms);
	double gap = to - from > 6 ? 1.5 : 0.3;
	double passed = y_of(p, b->passed), all = y_of(p, bucket_sum(b));

	bar(out, "good", from + gap, passed, to - from - 2 * gap, y_of(p, 0) - passed);
	bar(out, "bad", from + gap, all, to - from - 2 * gap, passed - all);
	if (bucket_sum(b) > 0 && to - from > 22)
		label_number(out, "v", (from + to) / 2, all - 4, bucket_sum(b));
}

void svg_rate(const struct report *r, FILE *out)
{
	struct plot p = { 44, 16, WIDE - 56, 150, 1 };
	size_t every = r->bucket_count / 12 + 1;
	int64_t max = 1;
	char text[ZONE_TEXT];

	for (size_t i = 0; i < r->bucket_count; i++)
		max = bucket_sum(&r->buckets[i]) > max ? bucket_sum(&r->buckets[i]) : max;
	begin(out, "passed and failed over time", WIDE, 200);
	draw_grid(out, &p, max);
	for (size_t i = 0; i < r->bucket_count; i++) {
		draw_bucket(r, &p, i, out);
		if (i % every != 0)
			continue;
		view_bucket(r, i, text);
		line(out, "axis", x_of(r, &p, r->buckets[i].from_ms), y_of(&p, 0),
		    x_of(r, &p, r->buckets[i].from_ms), y_of(&p, 0) + 4);
		label(out, "x", x_of(r, &p, r->buckets[i].from_ms), y_of(&p, 0) + 17, text);
	}
	if (view_goes_on(r) && r->made_ms > r->span.from_ms) {
		line(out, "now", x_of(r, &p, r->made_ms), p.top, x_of(r, &p, r->made_ms),
		    y_of(&p, 0));
		label(out, "nowt", x_of(r, &p, r->made_ms) + 4, p.top + 9, "made");
	}
	end(out);
}

static void draw_reason(const struct report_reason *row, double y, int64_t max, int64_t sum,
    int64_t all, FILE *out)
{
	char share[VIEW_TEXT], text[VIEW_TEXT * 2];
	double width = 110.0 * (double)row->times / (double)max;

	(void)snprintf(text, sizeof(text), "%lld  (%s)", (long long)row->times,
	    view_percent(view_share(sum, all), share));
	label(out, "name", 148, y + 15, row->code);
	bar(out, "bad", 154, y + 4, width, ROW - 9);
	label(out, "after", 160 + width, y + 15, text);
}

void svg_pareto(const struct report_reasons *reasons, FILE *out)
{
	size_t shown = reasons->count < PARETO_ROWS ? reasons->count : PARETO_ROWS;
	int64_t all = 0, sum = 0, max = 1;

	for (size_t i = 0; i < reasons->count; i++) {
		all += reasons->list[i].times;
		max = reasons->list[i].times > max ? reasons->list[i].times : max;
	}
	begin(out, "failures by reason", HALF, (int)shown * ROW + 4);
	for (size_t i = 0; i < shown; i++) {
		sum += reasons->list[i].times;
		draw_reason(&reasons->list[i], (double)i * ROW, max, sum, all, out);
	}
	line(out, "axis", 154, 0, 154, (double)shown * ROW);
	end(out);
}

static void draw_step(const struct histogram *h, const char *name, double y, int64_t max, FILE *out)
{
	int64_t p50 = histogram_percentile(h, 50), p95 = histogram_percentile(h, 95);
	double scale = 170.0 / (double)max;
	char a[VIEW_TEXT], b[VIEW_TEXT], text[2 * VIEW_TEXT + 4];

	(void)snprintf(text, sizeof(text), "%s / %s", view_duration(p50, a), view_duration(p95, b));
	label(out, "name", 62, y + 15, name);
	bar(out, "mid", 68, y + 4, scale * (double)p95, ROW - 9);
	bar(out, "good", 68, y + 4, scale * (double)p50, ROW - 9);
	label(out, "after", 74 + scale * (double)p95, y + 15, text);
}

void svg_steps(const struct report *r, FILE *out)
{
	int64_t max = 1;
	double y = 0;
	int rows = 0;

	for (size_t i = 0; i < STEP_COUNT; i++) {
		int64_t p95 = histogram_percentile(&r->steps[i], 95);

		rows += r->steps[i].count > 0;
		max = p95 > max ? p95 : max;
	}
	begin(out, "time per step, p50 and p95", HALF, rows * ROW + 4);
	for (enum step_id s = STEP_IDENTIFY; s < STEP_COUNT; s++) {
		if (r->steps[s].count == 0)
			continue;
		draw_step(&r->steps[s], step_name(s), y, max, out);
		y += ROW;
	}
	line(out, "axis", 68, 0, 68, y);
	end(out);
}

void svg_split(const struct report *r, FILE *out)
{
	static const char *const classes[WHO_COUNT] = { "good", "mid", "low", "bare" };
	double x = 0;
	int64_t all = 0;

	for (size_t i = 0; i < WHO_COUNT; i++)
		all += r->split[i].sum_ms;
	begin(out, "whose the time is", HALF, 72);
	for (enum who w = WHO_DEVICE; all > 0 && w < WHO_COUNT; w++) {
		int64_t share = view_share(r->split[w].sum_ms, all);
		double width = (HALF - 2) * (double)share / 1e6;
		char percent[VIEW_TEXT], text[VIEW_TEXT * 2];

		(void)snprintf(text, sizeof(text), "%s %s", who_name(w),
		    view_percent(share, percent));
		bar(out, classes[w], x, 2, width, 20);
		bar(out, classes[w], w % 2 * 130.0, 34 + w / 2 * 20.0, 12, 12);
		label(out, "after", w % 2 * 130.0 + 18, 44 + w / 2 * 20.0, text);
		x += width;
	}
	end(out);
}

/* Up to where most of them lie; the last column holds all that took longer. */
void svg_whole(const struct report *r, FILE *out)
{
	struct plot p = { 34, 14, HALF - 40, 90, 1 };
	int64_t width = histogram_percentile(&r->whole, 95) * 5 / 4 / (WHOLE_BARS - 1) + 1;
	int64_t counts[WHOLE_BARS], max = 1;
	char text[VIEW_TEXT];
	double step = p.width / WHOLE_BARS;

	for (int i = 0; i < WHOLE_BARS; i++) {
		counts[i] = histogram_between(&r->whole, i * width,
		    i == WHOLE_BARS - 1 ? INT64_MAX : (i + 1) * width);
		max = counts[i] > max ? counts[i] : max;
	}
	begin(out, "how long passed jobs took", HALF, 130);
	draw_grid(out, &p, max);
	for (int i = 0; i < WHOLE_BARS; i++)
		bar(out, i == WHOLE_BARS - 1 ? "mid" : "good", p.left + i * step + 0.8,
		    y_of(&p, counts[i]), step - 1.6, y_of(&p, 0) - y_of(&p, counts[i]));
	for (int i = 0; i < WHOLE_BARS - 1; i += 5)
		label(out, "x", p.left + i * step, y_of(&p, 0) + 14,
		    view_duration(i * width, text));
	label(out, "xe", p.left + p.width, y_of(&p, 0) + 14, "longer");
	end(out);
}
