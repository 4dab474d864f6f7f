import { $, say } from "/page.js";
import { clock, decimal, duration, t } from "/words.js";

export function drawHeader(s) {
	say($("product"), s.profile.product);
	say($("version"), t("version", { version: s.profile.version }));
	say($("station"), [s.station.id, s.station.line, s.station.site].filter(Boolean).join(", "));
	say($("order"), s.order ? t("order", s.order) : "");
	for (const name of ["passed", "failed", "refused", "parked"])
		say($(name), decimal(s.counters[name], 0));
	const ppm = s.rates.yield_ppm;
	say($("yield"), ppm === null ? t("none") : t("percent", { n: decimal(ppm / 10000, 1) }));
	say($("hour"), decimal(s.rates.units_per_hour, 0));
	say($("cycle"), s.rates.cycle_ms > 0 ? duration(s.rates.cycle_ms) : t("none"));
	$("test").hidden = !s.test;
	tickHealth(s);
	$("do-stop").hidden = s.state !== "running";
	$("do-start").hidden = s.state !== "stopped";
}

export function nextTry(health) {
	const left = health.retry_at - Date.now();
	return left > 0 ? t("health.next", { time: duration(left) }) : t("health.trying");
}

function drawHealth(name, health) {
	const chip = $(name);
	const down = health.state === "down";
	chip.dataset.state = health.state;
	say(chip.lastElementChild, down ? t("health.down", { since: clock(health.since) }) + " " + nextTry(health) : t("health.up"));
}

export function tickHealth(s) {
	for (const name of ["ca", "hsm"])
		drawHealth(name, s.health[name]);
}
