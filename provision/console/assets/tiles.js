import { $, part, say } from "/page.js";
import { station } from "/station.js";
import { advise, duration, reasonOf, t } from "/words.js";

const ENDED = ["passed", "failed", "refused", "parked"];
const MOVES = ["running", "waits"];
const FRESH = [{ filter: "brightness(1.2)" }, { filter: "none" }];
const still = matchMedia("(prefers-reduced-motion: reduce)");

const tiles = new Map();
let open = () => {};

function newSign(tile, body) {
	const sign = part(part(body, "div", "state"), "div", "sign");
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("aria-hidden", "true");
	tile.shape = document.createElementNS("http://www.w3.org/2000/svg", "use");
	svg.append(tile.shape);
	sign.append(svg);
	tile.word = part(sign, "strong", "word");
}

function newBar(tile, body) {
	tile.bar = part(body, "div", "bar");
	tile.bar.setAttribute("role", "progressbar");
	tile.bar.setAttribute("aria-valuemin", "0");
	tile.bar.setAttribute("aria-valuemax", "100");
	tile.fill = part(tile.bar, "i", "");
	tile.times = part(body, "div", "times");
	tile.elapsed = part(tile.times, "span", "");
	tile.left = part(tile.times, "span", "");
}

// The button that has the slot's name is as large as the tile.
function newTile(name) {
	const root = document.createElement("section");
	root.className = "tile";
	const body = part(root, "div", "body");
	const top = part(body, "div", "top");
	const tile = { root, name: part(top, "button", "name"), serial: part(top, "span", "serial") };
	tile.name.type = "button";
	tile.name.addEventListener("click", () => open(name));
	newSign(tile, body);
	tile.now = part(body, "p", "now");
	tile.pair = part(body, "dl", "pair");
	tile.reason = part(body, "p", "reason");
	tile.detail = part(body, "p", "detail");
	tile.detail.lang = "en";
	tile.advice = part(body, "p", "advice");
	newBar(tile, body);
	say(tile.name, name);
	tiles.set(name, tile);
	$("tiles").append(root);
	return tile;
}

// What is shown of a slot: its state, or what it waits for.
export function faceOf(slot) {
	if (slot.scan && !ENDED.includes(slot.state))
		return "scan";
	return slot.paused && ["empty", "held"].includes(slot.state) ? "paused" : slot.state;
}

function nowOf(slot, face, s) {
	if (slot.ack)
		return t("now.acknowledge");
	if (MOVES.includes(face))
		return t("step.now", { k: slot.step_index + 1, n: s.steps.length, step: t("step." + slot.step) });
	if (face === "parked")
		return slot.present ? t("now.parked") : t("now.parked-out");
	if (ENDED.includes(face) && !slot.present)
		return t("now.next");
	if (face === "empty" && s.scan?.order === "first" && s.scan.pending.length === 0)
		return t("now.scan-first");
	if (face === "scan")
		return slot.scan === "needed" ? t("now.scan-later") : t("now.scan");
	return slot.code ? "" : t("now." + face);
}

// Two serials that should be one, as the station's sentence has them.
function pairOf(slot) {
	return slot.code === "scan.mismatch" ? /label .*?says (\S+), the chip says (\S+)/.exec(slot.message) : null;
}

function drawPair(tile, slot) {
	const found = pairOf(slot);
	tile.pair.hidden = found === null;
	tile.pair.replaceChildren();
	if (found === null)
		return;
	const [, label, chip] = found;
	for (const [key, value] of [["pair.label", label], ["pair.chip", chip]]) {
		const row = part(tile.pair, "div", "");
		say(part(row, "dt", ""), t(key));
		const text = part(row, "dd", "");
		text.style.setProperty("--len", Math.max(label.length, chip.length, 8));
		say(text, value);
	}
}

function drawWords(tile, slot, face, s) {
	const word = t("state." + face);
	const why = slot.code && face !== "scan";
	tile.root.setAttribute("aria-label", t("slot.label", { slot: slot.name, state: word, serial: slot.serial }));
	tile.name.setAttribute("aria-label", t("slot.open", { slot: slot.name, state: word }));
	tile.shape.setAttribute("href", "#i-" + face);
	tile.word.style.setProperty("--len", word.length);
	say(tile.word, word);
	say(tile.serial, slot.serial);
	say(tile.now, nowOf(slot, face, s));
	say(tile.reason, why ? reasonOf(slot) : "");
	say(tile.detail, why && pairOf(slot) === null ? slot.message : "");
	say(tile.advice, why ? advise(slot) : "");
	drawPair(tile, slot);
}

function place(tile, slot) {
	tile.root.style.gridRow = slot.tile ? String(slot.tile[0]) : "";
	tile.root.style.gridColumn = slot.tile ? String(slot.tile[1]) : "";
}

export function drawTile(slot, s) {
	const tile = tiles.get(slot.name) ?? newTile(slot.name);
	const face = faceOf(slot);
	const moves = MOVES.includes(face);
	if (tile.face !== undefined && tile.face !== face)
		tile.root.animate(FRESH, still.matches ? 0 : 500);
	tile.face = face;
	tile.slot = slot;
	tile.root.dataset.state = face;
	tile.root.classList.toggle("gone", ENDED.includes(face) && !slot.present);
	tile.root.classList.toggle("ack", slot.ack === true);
	tile.root.classList.toggle("later", slot.scan === "needed");
	drawWords(tile, slot, face, s);
	tile.bar.hidden = !moves;
	tile.bar.setAttribute("aria-label", t("slot.progress", { slot: slot.name }));
	place(tile, slot);
	drawTimes(tile);
}

function sum(numbers) {
	return numbers.reduce((all, n) => all + n, 0);
}

// Within a step the bar moves as time does, up to the step's usual end: one long step is not a bar that stands.
function percentOf(slot, since) {
	const typical = station.snapshot.steps.map((step) => step.typical_ms);
	const all = sum(typical);
	if (slot.state !== "running" || all === 0)
		return slot.percent;
	const end = sum(typical.slice(0, slot.step_index + 1)) / all;
	const gone = (slot.elapsed_ms + since) / (slot.elapsed_ms + slot.left_ms || 1);
	return Math.max(slot.percent, Math.floor(100 * Math.min(gone, end)));
}

function drawBar(tile, percent) {
	tile.fill.style.width = percent + "%";
	tile.bar.setAttribute("aria-valuenow", String(percent));
}

function drawTimes(tile) {
	const { slot } = tile;
	const since = performance.now() - station.received;
	const moves = MOVES.includes(tile.face);
	drawBar(tile, moves ? percentOf(slot, since) : 0);
	if (moves) {
		const left = slot.left_ms - since;
		say(tile.elapsed, duration(slot.elapsed_ms + since));
		say(tile.left, slot.state === "running" && left > 0 ? t("time.left", { time: duration(left) }) : "");
	} else {
		say(tile.elapsed, slot.ms > 0 && slot.state === "passed" ? duration(slot.ms) : "");
		say(tile.left, "");
	}
	tile.times.hidden = tile.elapsed.textContent === "";
}

// The fixture's own columns; else the number that leaves the tiles the most room for a wide word.
function columnsFor(box) {
	const s = station.snapshot;
	const placed = s.slots.filter((slot) => slot.tile).map((slot) => slot.tile[1]);
	if (placed.length > 0 || s.fixture?.columns)
		return Math.max(s.fixture?.columns ?? 1, ...placed);
	let best = 1, most = 0;
	for (let columns = 1; columns <= tiles.size; columns++) {
		const size = Math.min(box.width / columns / 1.5, box.height / Math.ceil(tiles.size / columns));
		if (size > most)
			[best, most] = [columns, size];
	}
	return best;
}

export function arrange() {
	if (station.snapshot !== null)
		$("tiles").style.setProperty("--columns", columnsFor($("tiles").getBoundingClientRect()));
}

export function drawTiles(s) {
	const names = new Set(s.slots.map((slot) => slot.name));
	for (const [name, tile] of tiles)
		if (!names.has(name)) {
			tile.root.remove();
			tiles.delete(name);
		}
	for (const slot of s.slots)
		drawTile(slot, s);
	arrange();
}

export function tickTiles() {
	for (const tile of tiles.values())
		drawTimes(tile);
}

export function focusTile(i) {
	[...tiles.values()][i]?.name.focus();
}

export function focusedSlot() {
	return [...tiles.values()].find((tile) => tile.name === document.activeElement)?.slot ?? null;
}

// The next one in that direction, by where they are.
function step(event) {
	const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
	const all = [...tiles.values()].map((tile) => ({ tile, box: tile.root.getBoundingClientRect() }));
	const from = all.find(({ tile }) => tile.name === document.activeElement);
	if (!from || (x === 0 && y === 0))
		return;
	const ahead = ({ box }) => (box.left - from.box.left) * x + (box.top - from.box.top) * y;
	const aside = ({ box }) => Math.abs((box.left - from.box.left) * y) + Math.abs((box.top - from.box.top) * x);
	const next = all.filter((one) => ahead(one) > 1).sort((a, b) => aside(a) - aside(b) || ahead(a) - ahead(b))[0];
	event.preventDefault();
	next?.tile.name.focus();
}

// opened is told the name of a slot that somebody chose.
export function beginTiles(opened) {
	open = opened;
	$("tiles").addEventListener("keydown", step);
}
