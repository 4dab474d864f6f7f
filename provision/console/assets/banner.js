// What concerns all slots: a banner above them, or the whole screen.

import { nextTry } from "/header.js";
import { $, say } from "/page.js";
import { play } from "/sound.js";
import { station } from "/station.js";
import { advise, clock, duration, t } from "/words.js";

const SILENT_MS = 5000;
const ALARM_MS = 4000;

function bannerOf(s) {
	if (s.state === "stopped")
		return [t("stopped.title"), t("stopped.text", { by: s.stop?.by, reason: s.stop?.reason, at: clock(s.stop?.at) })];
	if (s.state === "draining")
		return [t("draining.title"), t("draining.text")];
	if (s.state === "starting")
		return [t("starting.title"), t("starting.text")];
	for (const name of ["ca", "hsm"]) {
		const health = s.health[name];
		if (health.state !== "down")
			continue;
		const text = t("outage.text", { waiting: health.waiting, since: clock(health.since), next: nextTry(health), message: health.message });
		return [name === "ca" ? t("outage.ca") : t("outage.hsm"), text];
	}
	return null;
}

export function drawBanner(s) {
	const banner = bannerOf(s);
	$("banner").hidden = banner === null;
	if (banner === null)
		return;
	say($("banner").firstElementChild, banner[0]);
	say($("banner").lastElementChild, banner[1]);
}

function overOf() {
	const quiet = performance.now() - station.heard;
	const gone = station.silence !== null || quiet > SILENT_MS;
	const since = gone ? t("silent.since", { time: duration(quiet) }) : "";
	if (station.snapshot?.state === "broken") {
		const fault = station.snapshot.fault ?? {};
		return { title: t("fault.title"), message: fault.message ?? "", advice: fault.code ? advise(fault) || t("fault.text") : t("fault.text"), since };
	}
	if (!gone)
		return null;
	return { title: t("silent.title"), message: t("silent.text"), advice: t("silent.advice"), since };
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
	say(box.querySelector("h2"), over.title);
	for (const part of ["message", "advice", "since"])
		say(box.querySelector("." + part), over[part]);
	box.hidden = false;
	if (performance.now() - alarmed > ALARM_MS || alarmed === 0) {
		alarmed = performance.now();
		play("alarm");
	}
}
