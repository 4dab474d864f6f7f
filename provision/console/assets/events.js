// What happened, newest first; what is heard of it too.

import { $, say } from "/page.js";
import { TUNES, play } from "/sound.js";
import { station } from "/station.js";
import { arrange } from "/tiles.js";
import { clock, duration, t } from "/words.js";

const EVENTS_MAX = 50;
const told = [];

const STATION_EVENTS = ["ready", "draining", "broken", "stopped", "started", "ca-down", "ca-up", "hsm-down", "hsm-up", "child-died", "paused", "resumed",
	"signed-on", "signed-off", "sign-on-refused", "line-stopped", "line-released", "acknowledged", "retest", "scanned"];
const STEP_EVENTS = ["retry", "anew"];
const MARKS = { passed: "good", failed: "bad", refused: "bad", parked: "wait" };

// Null: not worth a line.
function lineOf(event) {
	const values = { place: event.slot ? "#" + event.slot : "", ...event, time: event.ms === undefined ? "" : duration(event.ms), step: event.step ? t("step." + event.step) : "" };
	if (event.event === "unit")
		return { mark: MARKS[event.outcome], text: t("event.unit." + event.outcome, values) };
	if (event.event === "step")
		return STEP_EVENTS.includes(event.outcome) ? { mark: "wait", text: t("event.step." + event.outcome, values) } : null;
	if (event.event === "station") {
		if (!STATION_EVENTS.includes(event.what))
			return null;
		const bad = ["broken", "child-died", "line-stopped"].includes(event.what);
		const wait = ["stopped", "paused", "draining", "ca-down", "hsm-down", "sign-on-refused"].includes(event.what);
		return { mark: bad ? "bad" : wait ? "wait" : "good", text: t("event.station." + event.what, values) };
	}
	if (event.event === "slot-closed")
		return { mark: "bad", text: t("event.slot-closed", values) };
	return ["arrived", "held", "left"].includes(event.event) ? { mark: "", text: t("event." + event.event, values) } : null;
}

export function drawEvents() {
	const list = $("events").querySelector("ol");
	list.replaceChildren(...told.map((event) => {
		const item = document.createElement("li");
		const time = document.createElement("time");
		const line = lineOf(event);
		time.dateTime = event.time;
		time.textContent = clock(event.time);
		item.dataset.mark = line.mark;
		item.append(time, line.text);
		return item;
	}));
}

export function hear(event) {
	if (event.event === "station" && event.what === "broken" && station.snapshot !== null) {
		station.snapshot.state = "broken";
		station.snapshot.fault = event;
	}
	if (event.event === "unit" && TUNES[event.outcome]) {
		play(event.outcome);
		say($("polite"), lineOf(event).text);
	}
	if (event.event === "station" && ["ca-down", "hsm-down", "stopped"].includes(event.what))
		play("parked");
	if (lineOf(event) === null)
		return;
	told.unshift(event);
	told.length = Math.min(told.length, EVENTS_MAX);
	if (!$("events").hidden)
		drawEvents();
}

export function toggleEvents() {
	const shown = $("events").hidden;
	$("events").hidden = !shown;
	$("do-events").setAttribute("aria-pressed", String(shown));
	drawEvents();
	arrange();
}
