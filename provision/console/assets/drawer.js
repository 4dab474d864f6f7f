// All about one unit, beside the tiles: one of the offers of its slot.

import { WHO, span, stack } from "/chart.js";
import { isOpen } from "/dialogs.js";
import { look, lookUp } from "/look.js";
import { $, part, say } from "/page.js";
import { offer } from "/slot.js";
import { focusedSlot } from "/tiles.js";
import { advise, clock, decimal, language, reasonOf, t } from "/words.js";

const AGAIN_MS = 2000;

const STATUS = {
	open: () => t("state.running"),
	parked: () => t("state.parked"),
	passed: () => t("state.passed"),
	failed: () => t("state.failed"),
	refused: () => t("state.refused"),
	scrapped: () => t("drawer.scrapped"),
	"turned-away": () => t("drawer.away"),
};

const JUDGES = {
	claim: () => t("judge.claim"),
	csr: () => t("judge.csr"),
	key: () => t("judge.key"),
	origin: () => t("judge.origin"),
	certificate: () => t("judge.certificate"),
	readback: () => t("judge.readback"),
	proof: () => t("judge.proof"),
	attestation: () => t("judge.attestation"),
};

let serial = "";
let shown = "";
let timer = 0;

function write(parent, name, className, text) {
	const element = part(parent, name, className);
	say(element, text);
	return element;
}

function chapter(body, title) {
	const section = part(body, "section", "");
	write(section, "h3", "", title);
	return section;
}

function day(text) {
	const when = new Date(text);
	return isNaN(when) ? "" : when.getUTCFullYear() === 9999 ? t("drawer.forever") : when.toLocaleDateString(language, { dateStyle: "medium" });
}

function moment(text) {
	return [day(text), clock(text)].filter(Boolean).join(", ");
}

// Rows of name and value; what has none is left out.
function facts(parent, rows) {
	const list = part(parent, "dl", "facts");
	for (const [name, value, className] of rows) {
		if (value === undefined || value === "")
			continue;
		write(list, "dt", "", name);
		write(list, "dd", className ?? "", value);
	}
}

function drawError(body, error) {
	if (!error)
		return;
	const box = part(body, "div", "why");
	box.dataset.scope = error.scope;
	write(box, "p", "cause", reasonOf(error));
	write(box, "p", "message", error.message).lang = "en";
	write(box, "code", "", error.code);
	write(box, "p", "advice", advise(error));
}

function drawSteps(body, job) {
	if (job.steps.length === 0)
		return;
	const section = chapter(body, t("drawer.steps"));
	const longest = Math.max(1, ...job.steps.map((step) => step.ms));
	const list = part(section, "ol", "bars");
	for (const step of job.steps) {
		const item = part(list, "li", "");
		write(item, "span", "named", t("step." + step.step));
		write(item, "span", "who", WHO[step.who]?.() ?? step.who).dataset.who = step.who;
		stack(item, [{ value: step.ms, who: step.who }], longest);
		write(item, "span", "ms", span(step.ms));
	}
	if (job.whole_ms === undefined)
		return;
	const whole = part(list, "li", "whole");
	write(whole, "span", "named", t("drawer.whole"));
	write(whole, "span", "who", "");
	stack(whole, Object.keys(WHO).map((who) => ({ value: job.spent[who] ?? 0, who })), job.whole_ms);
	write(whole, "span", "ms", span(job.whole_ms));
}

function drawChecks(body, job) {
	if (job.checks.length === 0)
		return;
	const section = chapter(body, t("drawer.checks"));
	const list = part(section, "ul", "checks");
	for (const check of job.checks) {
		const item = part(list, "li", "");
		write(item, "b", "", JUDGES[check.judge]?.() ?? check.judge);
		write(item, "span", "count", t("drawer.count", { n: decimal(check.passed.length, 0) }));
		write(item, "code", "", check.passed.join("  "));
		for (const warning of check.warnings ?? [])
			write(item, "p", "warning", t("drawer.warning", { message: warning.message })).lang = "en";
	}
}

function drawCertificate(body, job) {
	const c = job.certificate;
	if (!c)
		return;
	const section = chapter(body, t("drawer.certificate"));
	if (c.test_ca)
		write(section, "p", "warning", t("test"));
	facts(section, [
		[t("cert.subject"), c.subject, "mono"], [t("cert.issuer"), c.issuer, "mono"],
		[t("cert.valid"), t("cert.until", { from: day(c.not_before), to: day(c.not_after) })],
		[t("cert.names"), c.sans.join("\n"), "mono"], [t("cert.number"), c.number, "mono"],
		[t("cert.fingerprint"), c.sha256, "mono"], [t("cert.key"), c.key], [t("cert.spki"), c.spki, "mono"],
		[t("cert.chain"), c.chain?.slice(1).map((one) => one.subject).join("\n"), "mono"],
		...Object.entries({ issuer: t("cert.trust.issuer"), anchors: t("cert.trust.device") }).map(([place, name]) =>
			[name, (c.trust?.[place] ?? []).map((one) => one.sha256).join("\n"), "mono"]),
	]);
}

function drawPlace(body, unit, job) {
	const order = job.order ? [job.order, job.ordinal].filter(Boolean).join(" / ") : undefined;
	facts(chapter(body, t("drawer.job")), [
		[t("drawer.product"), [job.product, job.version].filter(Boolean).join(" ")], [t("drawer.model"), job.model],
		[t("drawer.firmware"), job.firmware], [t("drawer.order"), order],
		[t("drawer.slot"), [job.slot, job.station].filter(Boolean).join(", ")], [t("drawer.operator"), job.operator],
		[t("drawer.opened"), moment(job.opened_at)], [t("drawer.ended"), moment(job.ended_at)],
		[t("drawer.jobs"), decimal(unit.counts.jobs, 0)], [t("drawer.retests"), decimal(unit.counts.retests, 0)],
		[t("drawer.attempts"), decimal(job.attempts_made, 0)],
		[t("drawer.origin"), job.origin_evidence],
	]);
}

function drawPast(body, unit) {
	const lines = [
		...unit.jobs.flatMap((job) => job.parks.map((park) => [park.at, t("past.parked"), park.error?.message])),
		...unit.jobs.slice(1).map((job) => [job.ended_at ?? job.opened_at, STATUS[job.status]?.() ?? job.status, job.error?.message]),
		...unit.turned_away.map((away) => [away.at, t("drawer.away"), away.error?.message]),
		...unit.orphans.map((orphan) => [orphan.at, t("past.orphan"), orphan.reason]),
		...unit.decisions.map((deed) => [deed.at, deed.what === "scrap" ? t("drawer.scrapped") : t("past.rework"), `${deed.reason} (${deed.by})`]),
	].sort((a, b) => (a[0] < b[0] ? 1 : -1));
	if (lines.length === 0)
		return;
	const list = part(chapter(body, t("drawer.past")), "ul", "past");
	for (const [at, what, message] of lines) {
		const item = part(list, "li", "");
		write(item, "time", "", moment(at));
		write(item, "b", "", what);
		write(item, "span", "", message ?? "").lang = "en";
	}
}

function drawUnit(unit) {
	const job = unit.jobs[0];
	const body = document.createElement("div");
	const error = job ? job.error : unit.turned_away.at(-1)?.error;
	say($("drawer-state"), STATUS[unit.status]?.() ?? unit.status);
	$("drawer").dataset.status = unit.status;
	drawError(body, unit.status === "open" ? null : error);
	if (job) {
		drawSteps(body, job);
		drawChecks(body, job);
		drawCertificate(body, job);
		drawPlace(body, unit, job);
	}
	drawPast(body, unit);
	$("drawer-save").hidden = !job?.csr;
	$("drawer-body").replaceChildren(...body.childNodes);
}

function complain(text) {
	say($("drawer-error"), text);
}

async function refresh() {
	clearTimeout(timer);
	const asked = serial;
	let said;
	try {
		said = await lookUp("/unit?serial=" + encodeURIComponent(asked));
	} catch {
		said = { err: { message: t("silent.text") } };
	}
	if (!$("drawer").open || asked !== serial)
		return;
	complain(said.err ? [said.err.message, advise(said.err)].filter(Boolean).join(". ") : "");
	const text = JSON.stringify(said.ok);
	if (said.ok && text !== shown)
		drawUnit(said.ok);
	shown = text ?? shown;
	if (said.err || said.ok.status === "open") // it may be on its way into the records
		timer = setTimeout(refresh, AGAIN_MS);
}

export function openDrawer(wanted) {
	if (isOpen())
		return;
	serial = wanted;
	shown = "";
	say($("drawer-serial"), serial);
	say($("drawer-state"), "");
	complain("");
	$("drawer").dataset.status = "";
	$("drawer-body").replaceChildren();
	$("drawer-save").hidden = true;
	$("drawer").showModal();
	$("drawer-body").scrollTop = 0;
	$("drawer-close").focus();
	refresh();
}

function nameOf(answer) {
	return /filename="([\w.-]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "evidence.tar";
}

async function save() {
	$("drawer-save").disabled = true;
	try {
		const answer = await look("/evidence?serial=" + encodeURIComponent(serial));
		if (!answer.ok) {
			complain((await answer.json()).err.message);
		} else {
			const link = document.createElement("a");
			link.href = URL.createObjectURL(await answer.blob());
			link.download = nameOf(answer);
			link.click();
			setTimeout(() => URL.revokeObjectURL(link.href), 60000);
		}
	} catch {
		complain(t("silent.text"));
	}
	$("drawer-save").disabled = false;
}

// Its words, after the language has changed.
export function drawDrawer() {
	if (!$("drawer").open || shown === "")
		return;
	drawUnit(JSON.parse(shown));
}

// Of the slot that has the focus.
export function openFocused() {
	const serial = focusedSlot()?.serial;
	if (serial)
		openDrawer(serial);
}

export function beginDrawer() {
	offer("detail", "d", (slot) => slot.serial !== "", (slot) => openDrawer(slot.serial));
	$("drawer-save").addEventListener("click", save);
	$("drawer").addEventListener("close", () => clearTimeout(timer));
	$("drawer").addEventListener("click", (event) => {
		if (event.target === $("drawer")) // beside it
			$("drawer").close();
	});
	// What concerns the whole station is never behind it.
	new MutationObserver(() => {
		if (!$("over").hidden)
			$("drawer").close();
	}).observe($("over"), { attributes: true, attributeFilter: ["hidden"] });
}
