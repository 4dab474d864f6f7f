import { $, say } from "/page.js";
import { clock, decimal, duration, t } from "/words.js";

const HEALTH = ["ca", "hsm", "disk", "printer", "scanner"];

// The scanner is told of beside what it scans.
export function healthOf(s, name) {
	return name === "scanner" ? s.scan?.device : s.health[name];
}

function percent(ppm) {
	return Number.isInteger(ppm) ? t("percent", { n: decimal(ppm / 10000, 1) }) : t("none");
}

// A failure or an alarm that nobody has acknowledged.
export function isUnseen(s) {
	return s.slots.some((slot) => slot.ack) || Boolean(s.alarm && !s.alarm.seen);
}

function drawTools(s) {
	const on = s.operators?.operator;
	$("do-stop").hidden = s.state !== "running";
	$("do-start").hidden = s.state !== "stopped";
	$("do-pause").hidden = s.state !== "running" || s.paused === undefined;
	$("do-pause").setAttribute("aria-pressed", String(s.paused === true));
	say($("do-pause").firstElementChild, s.paused ? t("do.resume") : t("do.pause"));
	$("do-acknowledge").hidden = !isUnseen(s);
	$("do-operator").hidden = !s.operators;
	$("do-operator").dataset.on = String(Boolean(on));
	say($("operator"), on ? on.name : t("do.operator"));
	say($("role"), on ? t("role." + on.role) : t("who.nobody"));
}

export function drawHeader(s) {
	say($("product"), s.profile.product);
	say($("version"), t("version", { version: s.profile.version }));
	say($("station"), [s.station.id, s.station.line, s.station.site].filter(Boolean).join(", "));
	say($("order"), s.order ? t("order", { ...s.order, made: decimal(s.order.made, 0), quantity: decimal(s.order.quantity, 0) }) : "");
	for (const name of ["passed", "failed", "refused", "parked"])
		say($(name), decimal(s.counters[name], 0));
	say($("yield"), percent(s.rates.yield_ppm));
	say($("first-pass"), percent(s.rates.first_pass_ppm));
	say($("hour"), decimal(s.rates.units_per_hour, 0));
	say($("cycle"), s.rates.cycle_ms > 0 ? duration(s.rates.cycle_ms) : t("none"));
	$("test").hidden = !s.test;
	tickHealth(s);
	drawTools(s);
}

export function nextTry(health) {
	if (!health.retry_at)
		return "";
	const left = health.retry_at - Date.now();
	return left > 0 ? t("health.next", { time: duration(left) }) : t("health.trying");
}

function bytes(n) {
	return t("gigabytes", { n: decimal(n / 1e9, n < 1e10 ? 1 : 0) });
}

function stateOf(health) {
	if (health.state === "low")
		return t("health.low", { free: bytes(health.free_bytes) });
	if (health.state !== "down" && health.waiting > 0)
		return t("health.waiting", { n: health.waiting });
	if (health.state !== "down")
		return Number.isInteger(health.free_bytes) ? t("health.free", { free: bytes(health.free_bytes) }) : t("health.up");
	return health.since ? [t("health.down", { since: clock(health.since) }), nextTry(health)].join(" ") : t("health.bad");
}

function drawHealth(name, health) {
	const chip = $(name);
	chip.hidden = !health;
	if (!health)
		return;
	chip.dataset.state = health.state;
	say(chip.lastElementChild, stateOf(health));
}

export function tickHealth(s) {
	for (const name of HEALTH)
		drawHealth(name, healthOf(s, name));
}
