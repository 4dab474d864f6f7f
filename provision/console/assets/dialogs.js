// What the operator does.

import { $, say } from "/page.js";
import { request } from "/station.js";
import { t } from "/words.js";

let asking = null;

export function ask(what) {
	if ($("ask").open || (what === "stop" ? $("do-stop") : $("do-start")).hidden)
		return;
	asking = what;
	say($("ask-title"), what === "stop" ? t("ask.stop") : t("ask.start"));
	say($("ask-what"), what === "stop" ? t("ask.stop.what") : t("ask.start.what"));
	say($("ask-yes").firstElementChild, what === "stop" ? t("do.stop") : t("do.start"));
	$("ask-yes").dataset.do = what;
	say($("ask-error"), "");
	$("reasons").hidden = what !== "stop";
	$("reason").value = "";
	$("ask").showModal();
	$("reason").focus();
}

async function act(event) {
	event.preventDefault();
	const reason = $("reason").value.trim();
	if (asking === "stop" && reason === "") {
		say($("ask-error"), t("ask.empty"));
		$("reason").focus();
		return;
	}
	$("ask-yes").disabled = true;
	try {
		const done = await request(reason ? { do: asking, reason } : { do: asking });
		if (done.err)
			say($("ask-error"), done.err.message);
		else
			$("ask").close();
	} catch {
		say($("ask-error"), t("silent.text"));
	}
	$("ask-yes").disabled = false;
}

function choose(button) {
	$("reason").value = button.querySelector("span").textContent;
	$("reason").focus();
}

// True where the key is one of an open dialog's.
export function takeKey(event) {
	if (!$("ask").open)
		return false;
	const button = $("reasons").querySelector(`[data-key="${CSS.escape(event.key)}"]`);
	if (button && !$("reasons").hidden) {
		event.preventDefault();
		choose(button);
	}
	return true;
}

export function beginDialogs() {
	for (const button of $("reasons").children)
		button.addEventListener("click", () => choose(button));
	$("ask-no").addEventListener("click", () => $("ask").close());
	$("ask").querySelector("form").addEventListener("submit", act);
}
