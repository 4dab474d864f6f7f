// What is asked before something is done: a reason, a person.

import { bad, explain, good, hideNotice, unheard } from "/notice.js";
import { $, say } from "/page.js";
import { play } from "/sound.js";
import { request, station } from "/station.js";
import { t } from "/words.js";

// reason: "needed" or "optional". who: "self" signs on, "as" acts for this once.
const ASKS = {
	stop: { reason: "needed" },
	start: {},
	retest: { reason: "optional" },
	label: { reason: "optional" },
	release: { reason: "needed", who: "as" },
	operator: { who: "self" },
};

// Errors that another person's badge may mend.
const PERSONAL = ["operator.needed", "operator.role"];

let asking = null; // {what, members, reason, who, after}

export function isOpen() {
	return document.querySelector("dialog[open]") !== null;
}

function show(id, shown) {
	$(id).hidden = !shown;
}

function signedOn() {
	return station.snapshot?.operators?.operator ?? null;
}

function fill(values) {
	const { what } = asking;
	say($("ask-title"), t("ask." + what, values));
	say($("ask-what"), t("ask.what." + what, values));
	say($("ask-yes").firstElementChild, t("ask.do." + what));
	$("ask-yes").dataset.do = what;
	for (const [i, button] of [...$("reasons").children].entries())
		say(button.firstElementChild, asking.reason ? t(`why.${what}.${i + 1}`) : "");
	say($("ask-error"), "");
}

function showParts() {
	show("ask-reason", asking.reason !== undefined);
	show("ask-who", asking.who !== undefined);
	say($("who-text"), asking.who === "as" ? t("who.as") : t("who.self"));
	show("ask-off", asking.what === "operator" && signedOn() !== null);
	const first = asking.reason ? $("reason") : asking.who ? $("who-name") : $("ask-yes");
	first.focus();
}

// members: of the request. values: of the texts.
export function ask(what, members = {}, values = members) {
	if (isOpen())
		return;
	asking = { what, members, ...ASKS[what] };
	for (const field of $("ask").querySelectorAll("input"))
		field.value = "";
	fill({ ...values, name: signedOn()?.name });
	$("ask").showModal();
	showParts();
}

function bodyOf(person) {
	const reason = $("reason").value.trim();
	const body = { do: asking.what, ...asking.members };
	if (asking.reason && reason !== "")
		body.reason = reason;
	if (asking.who === "self")
		return { ...body, ...person };
	return asking.who === "as" ? { ...body, as: person } : body;
}

// What is missing, as a text and the field to fill; null: nothing.
function missing(person) {
	if (asking.reason === "needed" && $("reason").value.trim() === "")
		return [t("ask.empty"), $("reason")];
	if (asking.who && !person.badge && (person.name === "" || person.pin === ""))
		return [t("who.empty"), person.name === "" ? $("who-name") : $("who-pin")];
	return null;
}

function tell(text, field) {
	say($("ask-error"), text);
	field.focus();
}

// Whom it takes is asked for where the one who is signed on does not do.
function onRefused(err) {
	if (PERSONAL.includes(err.code) && asking.what !== "operator" && !asking.who) {
		asking.who = "as";
		showParts();
		$("who-name").focus();
	}
	$("who-pin").value = "";
	say($("ask-error"), explain(err));
	play("refused");
}

function onDone() {
	hideNotice();
	$("ask").close();
}

async function send(body) {
	$("ask-yes").disabled = true;
	try {
		const done = await request(body);
		if (done.err)
			onRefused(done.err);
		else
			onDone();
	} catch {
		say($("ask-error"), t("silent.text"));
	}
	$("ask-yes").disabled = false;
}

function act(event) {
	event.preventDefault();
	const person = { name: $("who-name").value.trim(), pin: $("who-pin").value };
	const what = missing(person);
	if (what === null)
		send(bodyOf(person));
	else
		tell(...what);
}

function choose(button) {
	$("reason").value = button.firstElementChild.textContent;
	(asking.who ? $("who-name") : $("reason")).focus();
}

// Without a dialog; one opens where a person has to be named.
export async function perform(body, told = "") {
	let done;
	try {
		done = await request(body);
	} catch {
		unheard();
		return;
	}
	if (!done.err) {
		hideNotice();
		if (told)
			good(told);
		return;
	}
	play("refused");
	bad(done.err);
	if (done.err.code === "operator.needed")
		ask("operator");
}

// A badge, where the dialog asks for one; otherwise what the station makes of it.
export function scanned(text) {
	if ($("ask").open && asking.who) {
		const person = { badge: text };
		const what = missing(person);
		if (what === null)
			send(bodyOf(person));
		else
			tell(...what);
		return;
	}
	play("scan");
	perform({ do: "scan", text });
}

// True where a dialog is open: its keys are its own. later: does what a letter asks for, unless more follow at once.
export function takeKey(event, later) {
	const dialog = document.querySelector("dialog[open]");
	if (dialog === null)
		return false;
	if (event.target instanceof HTMLInputElement && event.key.length === 1)
		return true;
	const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
	const button = dialog.querySelector(`[data-key="${CSS.escape(key)}"]`);
	if (button && button.offsetParent !== null && !["Enter", "Escape"].includes(key)) {
		event.preventDefault();
		if (key.length > 1)
			button.click();
		else
			later(() => dialog.open && button.click());
	}
	return true;
}

export function beginDialogs() {
	for (const button of $("reasons").children)
		button.addEventListener("click", () => choose(button));
	for (const button of document.querySelectorAll("dialog [data-close]"))
		button.addEventListener("click", () => button.closest("dialog").close());
	$("ask-off").addEventListener("click", () => send({ do: "operator", off: true }));
	$("ask").querySelector("form").addEventListener("submit", act);
	$("ask").addEventListener("close", () => { $("who-pin").value = ""; });
}
