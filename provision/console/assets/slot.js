// What concerns one slot: all that is known of its unit in words, and what may be done.

import { ask, isOpen, perform } from "/dialogs.js";
import { $, part, say } from "/page.js";
import { station } from "/station.js";
import { faceOf } from "/tiles.js";
import { advise, language, reasonOf, t } from "/words.js";

const ENDED_BADLY = ["failed", "refused", "parked"];

let name = null;
let offered = ""; // to whom, what

// Each: its key, whether it is there for a slot, what it does. Its text is slot.do.NAME.
const OFFERS = [
	["acknowledge", "a", (slot) => slot.ack, (slot) => perform({ do: "acknowledge", slot: slot.name })],
	["retest", "t", (slot) => slot.present && ENDED_BADLY.includes(slot.state), (slot) => ask("retest", { slot: slot.name })],
	["label", "l", (slot) => slot.state === "passed" && station.snapshot.health.printer, (slot) => ask("label", { serial: slot.serial })],
	["pause", "p", (slot) => !slot.paused && slot.state !== "closed", (slot) => perform({ do: "pause", slot: slot.name })],
	["resume", "p", (slot) => slot.paused, (slot) => perform({ do: "resume", slot: slot.name })],
	["reopen", "p", (slot) => !slot.paused && slot.state === "closed", (slot) => perform({ do: "resume", slot: slot.name })],
];

// One more, of another module, before these.
export function offer(what, key, shown, run) {
	OFFERS.unshift([what, key, shown, run]);
}

function button(slot, [what, key, , run]) {
	const made = part($("slot-offers"), "button", "");
	made.type = "button";
	made.dataset.key = key;
	say(part(made, "span", ""), t("slot.do." + what));
	say(part(made, "kbd", ""), key.toUpperCase());
	made.addEventListener("click", () => {
		$("slot").close();
		run(slot);
	});
}

function find(which) {
	return station.snapshot?.slots.find((known) => known.name === which);
}

// Anew where they have changed; the focus stays on its key.
function drawOffers(slot) {
	const rows = OFFERS.filter(([, , shown]) => shown(slot));
	const wanted = [language, slot.serial, ...rows.map(([what]) => what)].join();
	if (wanted === offered)
		return;
	const key = document.activeElement?.closest("#slot-offers button")?.dataset.key;
	offered = wanted;
	$("slot-offers").replaceChildren();
	for (const row of rows)
		button(slot, row);
	if (key)
		($("slot-offers").querySelector(`[data-key=${key}]`) ?? $("slot-no")).focus();
}

function fill(slot) {
	say($("slot-title"), t("slot.title", { slot: name, state: t("state." + faceOf(slot)) }));
	say($("slot-serial"), slot.serial);
	say($("slot-reason"), slot.code ? reasonOf(slot) : "");
	say($("slot-message"), slot.code ? slot.message : "");
	say($("slot-advice"), advise(slot));
	drawOffers(slot);
}

// The slot goes on while its dialog is open.
export function drawSlot() {
	const slot = $("slot").open ? find(name) : null;
	if (slot)
		fill(slot);
	else
		$("slot").close();
}

export function openSlot(which) {
	const slot = find(which);
	if (!slot || isOpen())
		return;
	name = which;
	offered = "";
	fill(slot);
	$("slot").showModal();
	// One Enter too many changes nothing.
	($("slot-offers").querySelector("[data-key=d]") ?? $("slot-no")).focus();
}
