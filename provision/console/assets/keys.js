// Each action has a key and a button of the toolbar.

import { takeKey } from "/dialogs.js";
import { asleep, wake } from "/sound.js";

const actions = {};

function onKey(event) {
	const slept = asleep();
	wake();
	if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || takeKey(event))
		return;
	const key = event.key.toLowerCase();
	if (!Object.hasOwn(actions, key) || (key === "m" && slept))
		return;
	event.preventDefault();
	actions[key]();
}

export function bind(key, run) {
	actions[key] = run;
	document.querySelector(`.tools [data-key="${key}"]`).addEventListener("click", run);
}

export function beginKeys() {
	document.addEventListener("keydown", onKey);
	document.addEventListener("pointerup", wake);
}
