// A scanner that is a keyboard: what it types anywhere in the page is a scan, and not what the focus makes of it.
// It types faster than people do, or says so by its prefix (snapshot.scan).

import { station } from "/station.js";

export const GAP_MS = 50; // people are slower
const MARKED_GAP_MS = 300;
const LEAST = 4; // characters, where no prefix is set

let burst = null;
let ended = -1; // when a suffix did it: an Enter may follow, and is the scanner's

function expected() {
	const s = station.snapshot;
	return s?.scan || s?.operators ? { prefix: s.scan?.prefix ?? "", suffix: s.scan?.suffix ?? "" } : null;
}

function charOf(event) {
	if (event.ctrlKey && event.key === "]")
		return "\x1d"; // the separator of GS1 labels
	if (event.key === "Enter")
		return "\n";
	if (event.key === "Tab")
		return "\t";
	return event.key.length === 1 && !event.ctrlKey && !event.metaKey ? event.key : null;
}

function isField(element) {
	return element instanceof HTMLInputElement;
}

function begin() {
	const field = document.activeElement;
	burst = { text: "", marked: false, field: null };
	if (isField(field))
		Object.assign(burst, { field, value: field.value, start: field.selectionStart, end: field.selectionEnd });
}

function goesOn(event) {
	return burst !== null && event.timeStamp - burst.last <= (burst.marked ? MARKED_GAP_MS : GAP_MS);
}

// The field as it was before the scanner typed into it.
function restore() {
	if (burst.field === null)
		return;
	burst.field.value = burst.value;
	burst.field.setSelectionRange(burst.start, burst.end);
}

function textOf({ prefix, suffix }) {
	let text = burst.text.replace(/\n$/, "");
	if (suffix && text.endsWith(suffix))
		text = text.slice(0, -suffix.length);
	if (!burst.marked)
		return prefix === "" && text.length >= LEAST ? text : "";
	return text.slice(prefix.length);
}

// True where the key is one of many that came together: no action of the page. scanned is told a whole text.
export function takeScan(event, scanned) {
	const marks = expected();
	const char = charOf(event);
	if (marks === null || char === null || event.repeat) {
		if (!["Shift", "CapsLock", "AltGraph"].includes(event.key))
			burst = null;
		return false;
	}
	if (char === "\n" && ended >= 0 && event.timeStamp - ended <= GAP_MS) {
		event.preventDefault();
		return true;
	}
	if (!goesOn(event))
		begin();
	burst.text += char;
	burst.last = event.timeStamp;
	burst.marked ||= marks.prefix !== "" && burst.text === marks.prefix;
	if (char !== "\n" && !(marks.suffix && burst.text.endsWith(marks.suffix))) {
		if (burst.marked || (burst.text.length > 1 && !isField(event.target)))
			event.preventDefault();
		return burst.text.length > 1 || burst.marked;
	}
	const text = textOf(marks);
	if (text !== "") {
		event.preventDefault();
		restore();
		ended = char === "\n" ? -1 : event.timeStamp;
		scanned(text);
	}
	burst = null;
	return text !== "";
}
