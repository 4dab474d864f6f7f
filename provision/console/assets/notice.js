// One line at the bottom, for a while: what the station made of what somebody did.

import { $, say } from "/page.js";
import { advise, reasonOf, t } from "/words.js";

const SHOWN_MS = 12000;

let timer = 0;

function show(kind, title, text) {
	const box = $("notice");
	box.dataset.kind = kind;
	say(box.querySelector("strong"), title);
	say(box.querySelector("span"), text);
	box.hidden = false;
	clearTimeout(timer);
	timer = setTimeout(hideNotice, SHOWN_MS);
}

export function hideNotice() {
	$("notice").hidden = true;
}

export function good(text) {
	show("good", text, "");
}

// The catalogue's sentence, and what the station says where that has more to say.
export function explain(err) {
	const reason = reasonOf(err);
	return [reason, err.message !== reason ? err.message : ""].filter(Boolean).join(" – ");
}

export function bad(err) {
	show("bad", reasonOf(err) || err.message, [reasonOf(err) ? err.message : "", advise(err)].filter(Boolean).join(" – "));
}

export function unheard() {
	show("bad", t("silent.title"), t("silent.text"));
}
