"use strict";

// The station is the only source of truth: what is drawn is its newest snapshot. Between two of them only clocks
// go on. Everything that people read is in the catalogues (lang/).

const SILENT_MS = 5000;
const ALARM_MS = 4000;
const EVENTS_MAX = 50;
const LANGUAGES = ["en", "de"];

const $ = (id) => document.getElementById(id);

let words = {};
let language = LANGUAGES[0];
let snapshot = null;
let received = 0;
let heard = performance.now();
let silence = null;
let session = null;
let asking = null;
const told = [];
const tiles = new Map();

// --- words

function t(key, values) {
	const text = words[key] ?? key;
	return text.replace(/\{(\w+)\}/g, (_, name) => values?.[name] ?? "");
}

function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function decimal(value, digits) {
	return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

function duration(ms) {
	const s = Math.max(0, ms) / 1000;
	if (s < 60)
		return t("time.s", { s: decimal(s, s < 10 ? 1 : 0) });
	return t("time.min", { min: Math.floor(s / 60), s: String(Math.floor(s % 60)).padStart(2, "0") });
}

function clock(text) {
	const when = new Date(text);
	return isNaN(when) ? "" : when.toLocaleTimeString(language);
}

// What to do now: by the code where the catalogue knows it; else as the station says it, whose sentence for all
// errors of a domain the catalogue knows too.
function advise(what) {
	if (!what?.code)
		return "";
	const known = words["advice." + what.code];
	if (known)
		return known;
	return what.advice === words["station." + what.domain] ? t("domain." + what.domain) : what.advice ?? "";
}

async function speak(next) {
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
	drawSound();
	draw();
	drawEvents();
}

function preferred() {
	const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("language") ?? navigator.language;
	return LANGUAGES.find((known) => asked.startsWith(known)) ?? LANGUAGES[0];
}

// --- sound: a browser makes none before the first key or touch

const TUNES = {
	passed: [[880, 0.12], [1320, 0.22]],
	failed: [[220, 0.25], [0, 0.08], [220, 0.25], [0, 0.08], [165, 0.5]],
	refused: [[330, 0.25], [0, 0.08], [330, 0.25]],
	parked: [[587, 0.18], [494, 0.3]],
	alarm: [[740, 0.25], [523, 0.25], [740, 0.25], [523, 0.25], [740, 0.25], [523, 0.25]],
};

let audio = null;
let muted = localStorage.getItem("muted") === "yes";

function play(name) {
	if (!audio || audio.state !== "running" || muted)
		return;
	let at = audio.currentTime + 0.02;
	for (const [pitch, length] of TUNES[name]) {
		if (pitch > 0)
			beep(pitch, at, length);
		at += length;
	}
}

function beep(pitch, at, length) {
	const tone = audio.createOscillator();
	const volume = audio.createGain();
	tone.type = pitch < 400 ? "sawtooth" : "square";
	tone.frequency.value = pitch;
	volume.gain.setValueAtTime(0, at);
	volume.gain.linearRampToValueAtTime(0.2, at + 0.01);
	volume.gain.setValueAtTime(0.2, at + length - 0.02);
	volume.gain.linearRampToValueAtTime(0, at + length);
	tone.connect(volume).connect(audio.destination);
	tone.start(at);
	tone.stop(at + length);
}

async function wake() {
	audio ??= new AudioContext();
	if (audio.state !== "running")
		await audio.resume();
	drawSound();
}

function drawSound() {
	const asleep = !audio || audio.state !== "running";
	say($("sound"), asleep ? t("sound.asleep") : muted ? t("sound.off") : t("sound.on"));
	$("do-sound").setAttribute("aria-pressed", String(!asleep && !muted));
}

function toggleSound() {
	muted = !muted;
	localStorage.setItem("muted", muted ? "yes" : "no");
	drawSound();
	play("passed");
}

// --- header

function drawHeader(s) {
	say($("product"), s.profile.product);
	say($("version"), t("version", { version: s.profile.version }));
	say($("station"), [s.station.id, s.station.line, s.station.site].filter(Boolean).join(", "));
	say($("order"), s.order ? t("order", s.order) : "");
	for (const name of ["passed", "failed", "refused", "parked"])
		say($(name), decimal(s.counters[name], 0));
	const ppm = s.rates.yield_ppm;
	say($("yield"), ppm === null ? t("none") : t("percent", { n: decimal(ppm / 10000, 1) }));
	say($("hour"), decimal(s.rates.units_per_hour, 0));
	say($("cycle"), s.rates.cycle_ms > 0 ? duration(s.rates.cycle_ms) : t("none"));
	$("test").hidden = !s.test;
	drawHealth("ca", s.health.ca);
	drawHealth("hsm", s.health.hsm);
	$("do-stop").hidden = s.state !== "running";
	$("do-start").hidden = s.state !== "stopped";
}

function nextTry(health) {
	const left = health.retry_at - Date.now();
	return left > 0 ? t("health.next", { time: duration(left) }) : t("health.trying");
}

function drawHealth(name, health) {
	const chip = $(name);
	const down = health.state === "down";
	chip.dataset.state = health.state;
	say(chip.lastElementChild, down ? t("health.down", { since: clock(health.since) }) + " " + nextTry(health) : t("health.up"));
}

// --- what concerns all slots

function bannerOf(s) {
	if (s.state === "stopped")
		return [t("stopped.title"), t("stopped.text", { by: s.stop?.by, reason: s.stop?.reason, at: clock(s.stop?.at) })];
	if (s.state === "draining")
		return [t("draining.title"), t("draining.text")];
	if (s.state === "starting")
		return [t("starting.title"), t("starting.text")];
	for (const name of ["ca", "hsm"]) {
		const health = s.health[name];
		if (health.state !== "down")
			continue;
		const text = t("outage.text", { waiting: health.waiting, since: clock(health.since), next: nextTry(health), message: health.message });
		return [name === "ca" ? t("outage.ca") : t("outage.hsm"), text];
	}
	return null;
}

function drawBanner(s) {
	const banner = bannerOf(s);
	$("banner").hidden = banner === null;
	if (banner === null)
		return;
	say($("banner").firstElementChild, banner[0]);
	say($("banner").lastElementChild, banner[1]);
}

function overOf() {
	const quiet = performance.now() - heard;
	const gone = silence !== null || quiet > SILENT_MS;
	const since = gone ? t("silent.since", { time: duration(quiet) }) : "";
	if (snapshot?.state === "broken") {
		const fault = snapshot.fault ?? {};
		return { title: t("fault.title"), message: fault.message ?? "", advice: fault.code ? advise(fault) || t("fault.text") : t("fault.text"), since };
	}
	if (!gone)
		return null;
	return { title: t("silent.title"), message: t("silent.text"), advice: t("silent.advice"), since };
}

let alarmed = 0;

function drawOver() {
	const over = overOf();
	const box = $("over");
	if (over === null) {
		box.hidden = true;
		alarmed = 0;
		return;
	}
	say(box.querySelector("h2"), over.title);
	for (const part of ["message", "advice", "since"])
		say(box.querySelector("." + part), over[part]);
	box.hidden = false;
	if (performance.now() - alarmed > ALARM_MS || alarmed === 0) {
		alarmed = performance.now();
		play("alarm");
	}
}

// --- tiles

const FRESH = [{ filter: "brightness(1.2)" }, { filter: "none" }];
const still = matchMedia("(prefers-reduced-motion: reduce)");

function part(parent, name, className) {
	const element = document.createElement(name);
	element.className = className;
	parent.append(element);
	return element;
}

function newTile(name) {
	const root = document.createElement("section");
	root.className = "tile";
	const body = part(root, "div", "body");
	const top = part(body, "div", "top");
	const tile = { root, name: part(top, "span", "name"), serial: part(top, "span", "serial") };
	const sign = part(part(body, "div", "state"), "div", "sign");
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("aria-hidden", "true");
	tile.shape = document.createElementNS("http://www.w3.org/2000/svg", "use");
	svg.append(tile.shape);
	sign.append(svg);
	tile.word = part(sign, "strong", "word");
	tile.now = part(body, "p", "now");
	tile.reason = part(body, "p", "reason");
	tile.advice = part(body, "p", "advice");
	tile.reason.lang = "en";
	tile.bar = part(body, "div", "bar");
	tile.bar.setAttribute("role", "progressbar");
	tile.bar.setAttribute("aria-valuemin", "0");
	tile.bar.setAttribute("aria-valuemax", "100");
	tile.fill = part(tile.bar, "i", "");
	tile.times = part(body, "div", "times");
	tile.elapsed = part(tile.times, "span", "");
	tile.left = part(tile.times, "span", "");
	say(tile.name, name);
	tiles.set(name, tile);
	$("tiles").append(root);
	return tile;
}

function nowOf(slot, s) {
	if (slot.state === "running" || slot.state === "waits")
		return t("step.now", { k: slot.step_index + 1, n: s.steps.length, step: t("step." + slot.step) });
	const ended = ["passed", "failed", "refused", "parked"].includes(slot.state);
	if (ended && !slot.present)
		return t("now.next");
	return slot.code ? "" : t("now." + slot.state);
}

function drawTile(slot, s) {
	const tile = tiles.get(slot.name) ?? newTile(slot.name);
	const ended = ["passed", "failed", "refused", "parked"].includes(slot.state);
	const word = t("state." + slot.state);
	if (tile.state !== undefined && tile.state !== slot.state)
		tile.root.animate(FRESH, still.matches ? 0 : 500);
	tile.state = slot.state;
	tile.slot = slot;
	tile.root.dataset.state = slot.state;
	tile.root.classList.toggle("gone", ended && !slot.present);
	tile.root.setAttribute("aria-label", t("slot.label", { slot: slot.name, state: word, serial: slot.serial }));
	tile.shape.setAttribute("href", "#i-" + slot.state);
	tile.word.style.setProperty("--len", word.length);
	say(tile.word, word);
	say(tile.serial, slot.serial);
	say(tile.now, nowOf(slot, s));
	say(tile.reason, slot.code ? slot.message : "");
	say(tile.advice, advise(slot));
	const moves = slot.state === "running" || slot.state === "waits";
	tile.bar.hidden = !moves;
	tile.fill.style.width = (moves ? slot.percent : 0) + "%";
	tile.bar.setAttribute("aria-valuenow", String(moves ? slot.percent : 0));
	tile.bar.setAttribute("aria-label", t("slot.progress", { slot: slot.name }));
	drawTimes(tile);
}

function drawTimes(tile) {
	const { slot } = tile;
	const since = performance.now() - received;
	if (slot.state === "running" || slot.state === "waits") {
		const left = slot.left_ms - since;
		say(tile.elapsed, duration(slot.elapsed_ms + since));
		say(tile.left, slot.state === "running" && left > 0 ? t("time.left", { time: duration(left) }) : "");
	} else {
		say(tile.elapsed, slot.ms > 0 && slot.state === "passed" ? duration(slot.ms) : "");
		say(tile.left, "");
	}
	tile.times.hidden = tile.elapsed.textContent === "";
}

// The number of columns that leaves the tiles the most room for a wide word.
function arrange() {
	const box = $("tiles").getBoundingClientRect();
	let best = 1, most = 0;
	for (let columns = 1; columns <= tiles.size; columns++) {
		const size = Math.min(box.width / columns / 1.5, box.height / Math.ceil(tiles.size / columns));
		if (size > most)
			[best, most] = [columns, size];
	}
	$("tiles").style.setProperty("--columns", best);
}

function draw() {
	drawOver();
	if (snapshot === null)
		return;
	drawHeader(snapshot);
	drawBanner(snapshot);
	const before = tiles.size;
	const names = new Set(snapshot.slots.map((slot) => slot.name));
	for (const [name, tile] of tiles)
		if (!names.has(name)) {
			tile.root.remove();
			tiles.delete(name);
		}
	for (const slot of snapshot.slots)
		drawTile(slot, snapshot);
	if (tiles.size !== before)
		arrange();
}

function tick() {
	drawOver();
	if (snapshot === null)
		return;
	for (const name of ["ca", "hsm"])
		drawHealth(name, snapshot.health[name]);
	drawBanner(snapshot);
	for (const tile of tiles.values())
		drawTimes(tile);
}

// --- events

const STATION_EVENTS = ["ready", "draining", "broken", "stopped", "started", "ca-down", "ca-up", "hsm-down", "hsm-up", "child-died"];
const STEP_EVENTS = ["retry", "anew"];
const MARKS = { passed: "good", failed: "bad", refused: "bad", parked: "wait" };

// Null: not worth a line.
function lineOf(event) {
	const values = { ...event, time: event.ms === undefined ? "" : duration(event.ms), step: event.step ? t("step." + event.step) : "" };
	if (event.event === "unit")
		return { mark: MARKS[event.outcome], text: t("event.unit." + event.outcome, values) };
	if (event.event === "step")
		return STEP_EVENTS.includes(event.outcome) ? { mark: "wait", text: t("event.step." + event.outcome, values) } : null;
	if (event.event === "station") {
		if (!STATION_EVENTS.includes(event.what))
			return null;
		const bad = ["broken", "child-died"].includes(event.what);
		const wait = ["stopped", "draining", "ca-down", "hsm-down"].includes(event.what);
		return { mark: bad ? "bad" : wait ? "wait" : "good", text: t("event.station." + event.what, values) };
	}
	if (event.event === "slot-closed")
		return { mark: "bad", text: t("event.slot-closed", values) };
	return ["arrived", "held", "left"].includes(event.event) ? { mark: "", text: t("event." + event.event, values) } : null;
}

function drawEvents() {
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

function hear(event) {
	if (event.event === "station" && event.what === "broken" && snapshot !== null) {
		snapshot.state = "broken";
		snapshot.fault = event;
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

function toggleEvents() {
	const shown = $("events").hidden;
	$("events").hidden = !shown;
	$("do-events").setAttribute("aria-pressed", String(shown));
	drawEvents();
	arrange();
}

// --- the station's voice

function alive() {
	heard = performance.now();
	silence = null;
}

function listen() {
	const source = new EventSource("/events");
	source.addEventListener("snapshot", (message) => {
		snapshot = JSON.parse(message.data);
		received = performance.now();
		alive();
		draw();
	});
	source.addEventListener("told", (message) => {
		alive();
		hear(JSON.parse(message.data));
	});
	source.addEventListener("heartbeat", alive);
	source.addEventListener("silent", (message) => {
		silence = JSON.parse(message.data);
		drawOver();
	});
	source.onopen = renew;
	source.onerror = () => {
		if (source.readyState !== EventSource.CLOSED)
			return;
		source.close();
		setTimeout(listen, 1000);
	};
}

// The console may be another one by now: then its page is the one to show.
async function renew() {
	const before = session;
	try {
		const answer = await fetch("/session", { credentials: "same-origin" });
		session = await answer.json();
	} catch {
		return;
	}
	if (before !== null && before.assets !== session.assets)
		location.reload();
}

// --- what the operator does

function ask(what) {
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

async function post(what, reason) {
	const answer = await fetch("/do", {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Kiln-Token": session?.token ?? "" },
		body: JSON.stringify(reason ? { do: what, reason } : { do: what }),
	});
	return { status: answer.status, err: (await answer.json()).err };
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
		let done = await post(asking, reason);
		if (done.status === 403) {
			await renew();
			done = await post(asking, reason);
		}
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

const ACTIONS = {
	s: () => ask("stop"),
	r: () => ask("start"),
	m: toggleSound,
	e: toggleEvents,
	l: () => {
		const next = LANGUAGES[(LANGUAGES.indexOf(language) + 1) % LANGUAGES.length];
		localStorage.setItem("language", next);
		speak(next);
	},
};

function onKey(event) {
	const asleep = !audio || audio.state !== "running";
	wake();
	if (event.ctrlKey || event.altKey || event.metaKey || event.repeat)
		return;
	if ($("ask").open) {
		const button = $("reasons").querySelector(`[data-key="${CSS.escape(event.key)}"]`);
		if (button && !$("reasons").hidden) {
			event.preventDefault();
			choose(button);
		}
		return;
	}
	const key = event.key.toLowerCase();
	if (!Object.hasOwn(ACTIONS, key) || (key === "m" && asleep))
		return;
	event.preventDefault();
	ACTIONS[key]();
}

function begin() {
	for (const [key, run] of Object.entries(ACTIONS))
		document.querySelector(`.tools [data-key="${key}"]`).addEventListener("click", (event) => {
			if (key !== "m" || (audio && audio.state === "running"))
				run(event);
		});
	for (const button of $("reasons").children)
		button.addEventListener("click", () => choose(button));
	$("ask-no").addEventListener("click", () => $("ask").close());
	$("ask").querySelector("form").addEventListener("submit", act);
	document.addEventListener("keydown", onKey);
	document.addEventListener("pointerup", wake);
	window.addEventListener("resize", arrange);
	setInterval(tick, 250);
	speak(preferred()).then(renew).then(listen);
}

begin();
