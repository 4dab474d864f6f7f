// How the line does: units per hour, why units fail, and where the time goes.

import { WHO, columns, span, stack } from "/chart.js";
import { isOpen } from "/dialogs.js";
import { lookUp } from "/look.js";
import { $, part, say } from "/page.js";
import { advise, decimal, t } from "/words.js";

const AGAIN_MS = 30000;

let shown = null;
let timer = 0;

function write(parent, name, className, text) {
	const element = part(parent, name, className);
	say(element, text);
	return element;
}

function percent(ppm) {
	return ppm === null ? t("none") : t("percent", { n: decimal(ppm / 10000, 1) });
}

// As the station's clock says it.
function time(local) {
	return local.slice(11, 16);
}

// Buckets of the report within one hour of the station's clock are one column.
function hoursOf(trend) {
	const hours = new Map();
	const now = trend.made.at.utc;
	for (const bucket of trend.rate.buckets) {
		const key = bucket.from.local.slice(0, 13) + bucket.from.local.slice(19);
		if (bucket.from.utc > now)
			break;
		const row = hours.get(key) ?? { label: bucket.from.local.slice(11, 13), good: 0, bad: 0 };
		row.good += bucket.passed;
		row.bad += bucket.failed;
		hours.set(key, row);
	}
	return [...hours.values()];
}

function card(title, className) {
	const section = document.createElement("section");
	section.className = className;
	write(section, "h3", "", title);
	return section;
}

function numbers(trend) {
	const list = document.createElement("dl");
	list.className = "facts wide";
	for (const [name, value] of [
		[t("count.passed"), decimal(trend.units.passed, 0)], [t("count.failed"), decimal(trend.units.failed, 0)],
		[t("rate.yield"), percent(trend.yield_ppm)], [t("trend.first"), percent(trend.first_pass_yield_ppm)],
		[t("rate.hour"), trend.rate.units_per_hour === null ? t("none") : decimal(trend.rate.units_per_hour, 0)],
		[t("drawer.retests"), decimal(trend.jobs.retests, 0)],
	]) {
		const pair = part(list, "div", "");
		write(pair, "dt", "", name);
		write(pair, "dd", "", value);
	}
	return list;
}

function drawRate(trend) {
	const section = card(t("trend.rate"), "rate");
	const rows = hoursOf(trend);
	columns(section, rows, t("trend.rate") + ": " + rows.map((row) => t("trend.hour", { hour: row.label, good: row.good, bad: row.bad })).join("; "));
	const legend = part(section, "p", "legend");
	write(legend, "span", "", t("count.passed")).dataset.mark = "good";
	write(legend, "span", "", t("count.failed")).dataset.mark = "bad";
	return section;
}

function drawReasons(trend) {
	const section = card(t("trend.reasons"), "reasons");
	const { list, others } = trend.failures;
	const all = list.reduce((sum, row) => sum + row.times, others);
	if (all === 0) {
		write(section, "p", "none", t("trend.none"));
		return section;
	}
	const rows = part(section, "ol", "bars");
	let sum = 0;
	for (const row of list) {
		const item = part(rows, "li", "");
		sum += row.times;
		write(item, "code", "named", row.reason).title = row.message;
		stack(item, [{ value: row.times, who: "bad" }], list[0].times);
		write(item, "span", "ms", t("trend.times", { n: decimal(row.times, 0), percent: decimal((100 * sum) / all, 0) }));
		write(item, "span", "message", row.message).lang = "en";
	}
	if (others > 0)
		write(section, "p", "none", t("trend.others", { n: decimal(others, 0) }));
	return section;
}

function ofWho(trend, who) {
	return trend.split.find((row) => row.by === who) ?? { p50_ms: 0, p95_ms: 0, times: 0 };
}

function drawSplit(trend) {
	const section = card(t("trend.split"), "split");
	const whole = ofWho(trend, "whole");
	if (whole.times === 0) {
		write(section, "p", "none", t("trend.nothing"));
		return section;
	}
	const parts = Object.keys(WHO).map((who) => ({ value: ofWho(trend, who).p50_ms, who }));
	stack(section, parts, parts.reduce((sum, one) => sum + one.value, 0)).classList.add("tall");
	const legend = part(section, "p", "legend");
	for (const { value, who } of parts)
		write(legend, "span", "", t("trend.part", { who: WHO[who](), time: span(value) })).dataset.who = who;
	const rows = part(section, "ol", "bars");
	const longest = Math.max(1, ...trend.steps.map((step) => step.p95_ms));
	for (const step of trend.steps) {
		const item = part(rows, "li", "");
		write(item, "span", "named", t("step." + step.step));
		write(item, "span", "who", WHO[step.by]()).dataset.who = step.by;
		stack(item, [{ value: step.p50_ms, who: step.by }, { value: step.p95_ms - step.p50_ms, who: step.by + "-rest" }], longest);
		write(item, "span", "ms", t("trend.percentiles", { p50: span(step.p50_ms), p95: span(step.p95_ms) }));
	}
	return section;
}

function sentence(trend) {
	const narrow = trend.bottleneck;
	if (narrow === null)
		return t("trend.nothing");
	const values = { who: WHO[narrow.by](), time: span(narrow.p50_ms), percent: decimal(narrow.share_ppm / 10000, 0) };
	return narrow.step ? t("trend.bottleneck.step", { ...values, step: t("step." + narrow.step) }) : t("trend.bottleneck", values);
}

function drawTrend(trend) {
	const { from, to } = trend.period;
	const period = { name: trend.shift, from: time(from.local), to: time(to.local) };
	say($("trend-period"), trend.shift === null ? t("trend.hours", period) : t("trend.shift", period));
	say($("trend-bottleneck"), sentence(trend));
	$("trend-bottleneck").dataset.who = trend.bottleneck?.by ?? "";
	$("trend-body").replaceChildren(numbers(trend), drawRate(trend), drawReasons(trend), drawSplit(trend));
}

async function refresh() {
	clearTimeout(timer);
	let said;
	try {
		said = await lookUp("/trend");
	} catch {
		said = { err: { message: t("silent.text") } };
	}
	if (!$("trend").open)
		return;
	say($("trend-error"), said.err ? [said.err.message, advise(said.err)].filter(Boolean).join(". ") : "");
	if (said.err)
		return;
	shown = said.ok;
	drawTrend(shown);
	timer = setTimeout(refresh, AGAIN_MS);
}

export function openTrend() {
	if (isOpen())
		return;
	say($("trend-error"), "");
	$("trend").showModal();
	$("trend-close").focus();
	refresh();
}

// Its words, after the language has changed.
export function drawTrendAgain() {
	if ($("trend").open && shown !== null)
		drawTrend(shown);
}

export function beginTrend() {
	$("trend").addEventListener("close", () => clearTimeout(timer));
	// What concerns the whole station is never behind it.
	new MutationObserver(() => {
		if (!$("over").hidden)
			$("trend").close();
	}).observe($("over"), { attributes: true, attributeFilter: ["hidden"] });
}
