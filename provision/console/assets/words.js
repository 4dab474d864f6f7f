// Everything that people read is in the catalogues (lang/).

import { say } from "/page.js";

export const LANGUAGES = ["en", "de"];

export let language = LANGUAGES[0];
let words = {};

export function t(key, values) {
	const text = words[key] ?? key;
	return text.replace(/\{(\w+)\}/g, (_, name) => values?.[name] ?? "");
}

export function decimal(value, digits) {
	return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

export function duration(ms) {
	const s = Math.max(0, ms) / 1000;
	if (s < 60)
		return t("time.s", { s: decimal(s, s < 10 ? 1 : 0) });
	return t("time.min", { min: Math.floor(s / 60), s: String(Math.floor(s % 60)).padStart(2, "0") });
}

export function clock(text) {
	const when = new Date(text);
	return isNaN(when) ? "" : when.toLocaleTimeString(language);
}

// Why, in this language: by the code, else by the domain.
export function reasonOf(what) {
	if (!what?.code)
		return "";
	return words["reason." + what.code] ?? words["reason.domain." + what.domain] ?? "";
}

// What to do now: by the code where the catalogue knows it; else as the station says it, whose sentence for all
// errors of a domain the catalogue knows too.
export function advise(what) {
	if (!what?.code)
		return "";
	const known = words["advice." + what.code];
	if (known)
		return known;
	const said = (what.advice ?? "").replace(t("station.parked"), ""); // which a tile says of each that is parked
	return said === "" || said === words["station." + what.domain] ? t("domain." + what.domain) : said;
}

// Fills what does not change while the language stays.
export async function learn(next) {
	const answer = await fetch("/lang/" + next + ".json");
	words = await answer.json();
	language = next;
	document.documentElement.lang = next;
	document.title = t("title");
	for (const element of document.querySelectorAll("[data-t]"))
		say(element, t(element.dataset.t));
	for (const element of document.querySelectorAll("[data-label]"))
		element.setAttribute("aria-label", t(element.dataset.label));
	for (const button of document.querySelectorAll("button[data-key]"))
		say(button.querySelector("kbd"), button.dataset.key.length === 1 ? button.dataset.key.toUpperCase() : button.dataset.key);
}

export function preferred() {
	const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("language") ?? navigator.language;
	return LANGUAGES.find((known) => asked.startsWith(known)) ?? LANGUAGES[0];
}

export function following() {
	return LANGUAGES[(LANGUAGES.indexOf(language) + 1) % LANGUAGES.length];
}
