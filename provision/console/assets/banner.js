// What concerns all slots: a banner above them, or the whole screen.

import { healthOf, nextTry } from "/header.js";
import { $, say } from "/page.js";
import { play } from "/sound.js";
import { station } from "/station.js";
import { advise, clock, duration, reasonOf, t } from "/words.js";

const SILENT_MS = 5000;
const ALARM_MS = 4000;
const UNITS_MAX = 5;

// Of a dependency: its name, and whose it is.
const PARTS = ["ca", "hsm", "disk", "printer", "scanner"];
const UNITS_WAIT = ["ca", "hsm"];

function outageOf(s) {
	for (const name of PARTS) {
		const health = healthOf(s, name);
		if (!health || health.state === "up")
			continue;
		const values = { waiting: health.waiting, since: clock(health.since), next: nextTry(health), message: health.message };
		const text = UNITS_WAIT.includes(name) ? t("outage.text", values) : [reasonOf(health), advise(health), health.message].filter(Boolean).join(" – ");
		return [t(`outage.${name}.${health.state}`), text];
	}
	return null;
}

function bannerOf(s) {
	if (s.operators?.required && !s.operators.operator)
		return [t("signon.title"), t("signon.text")];
	if (s.state === "stopped")
		return [t("stopped.title"), t("stopped.text", { by: s.stop?.by, reason: s.stop?.reason, at: clock(s.stop?.at) })];
	if (s.state === "draining")
		return [t("draining.title"), t("draining.text")];
	if (s.state === "starting")
		return [t("starting.title"), t("starting.text")];
	if (s.paused)
		return [t("paused.title"), t("paused.text")];
	return outageOf(s);
}

function drawPending(s) {
	const pending = s.scan?.pending ?? [];
	$("pending").hidden = pending.length === 0;
	say($("pending").lastElementChild, pending.map((scan) => scan.serial || scan.text).join("   "));
}

export function drawBanner(s) {
	const banner = bannerOf(s);
	$("banner").hidden = banner === null;
	drawPending(s);
	if (banner === null)
		return;
	say($("banner").firstElementChild, banner[0]);
	say($("banner").lastElementChild, banner[1]);
}

function faultOf(fault, since) {
	return {
		kind: "fault", title: t("fault.title"), message: reasonOf(fault), detail: fault.message ?? "",
		advice: fault.code ? advise(fault) || t("fault.text") : t("fault.text"), since,
	};
}

// A few of them are enough to find the others.
function unitsOf(line) {
	const units = line.units ?? [];
	return [line.rule, ...units.slice(0, UNITS_MAX), units.length > UNITS_MAX ? "…" : ""].filter(Boolean).join("\n");
}

function lineOf(line) {
	return {
		kind: "line", title: t("line.title"), message: t("line.text"), detail: unitsOf(line),
		advice: t("line.advice"), since: t("line.since", { at: clock(line.at) }),
	};
}

// Null: the tiles are to be seen.
function overOf() {
	const s = station.snapshot;
	const quiet = performance.now() - station.heard;
	const gone = station.silence !== null || quiet > SILENT_MS;
	const since = gone ? t("silent.since", { time: duration(quiet) }) : "";
	if (s?.state === "broken")
		return faultOf(s.fault ?? {}, since);
	if (gone)
		return { kind: "silent", title: t("silent.title"), message: t("silent.text"), detail: "", advice: t("silent.advice"), since };
	return s?.line ? lineOf(s.line) : null;
}

let alarmed = 0;

export function drawOver() {
	const over = overOf();
	const box = $("over");
	if (over === null) {
		box.hidden = true;
		alarmed = 0;
		return;
	}
	box.dataset.kind = over.kind;
	say(box.querySelector("h2"), over.title);
	for (const part of ["message", "detail", "advice", "since"])
		say(box.querySelector("." + part), over[part]);
	$("over-do").hidden = over.kind !== "line";
	box.hidden = false;
	if (over.kind === "line" && station.snapshot.alarm?.seen)
		return;
	if (performance.now() - alarmed > ALARM_MS || alarmed === 0) {
		alarmed = performance.now();
		play("alarm");
	}
}
