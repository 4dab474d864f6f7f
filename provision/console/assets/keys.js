// Each action has a key; most have a button of the toolbar too.

import { scanned, takeKey } from "/dialogs.js";
import { $, part, say } from "/page.js";
import { asleep, wake } from "/sound.js";
import { t } from "/words.js";
import { GAP_MS, takeScan } from "/wedge.js";

const actions = {};
let due = 0;

function later(run) {
	due = setTimeout(run, GAP_MS + 10);
}

function onKey(event) {
	const slept = asleep();
	wake();
	clearTimeout(due); // what came so soon is a scanner's, and no letter of ours
	if (takeScan(event, scanned) || event.ctrlKey || event.altKey || event.metaKey || event.repeat || takeKey(event, later))
		return;
	const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
	if (!Object.hasOwn(actions, key) || (key === "m" && slept))
		return;
	event.preventDefault();
	later(actions[key]);
}

// A key, and the button that has it.
export function bind(key, run) {
	actions[key] = run;
	document.querySelector(`.tools [data-key="${key}"]`)?.addEventListener("click", run);
}

function row(list, key, text) {
	const line = part(list, "div", "");
	say(part(part(line, "dt", ""), "kbd", ""), key);
	say(part(line, "dd", ""), text);
}

export function showHelp() {
	const list = $("shortcuts");
	list.replaceChildren();
	for (const key of Object.keys(actions).filter((name) => !/^\d$/.test(name)))
		row(list, key.length === 1 ? key.toUpperCase() : key, t("help." + key));
	for (const key of ["1–9", "←→↑↓", "Enter", "Esc", "Tab"])
		row(list, key, t("help." + key));
	$("help").showModal();
}

export function beginKeys() {
	document.addEventListener("keydown", onKey);
	document.addEventListener("pointerup", wake);
}
