import { $, part, say } from "/page.js";
import { station } from "/station.js";
import { advise, duration, t } from "/words.js";

const tiles = new Map();

const FRESH = [{ filter: "brightness(1.2)" }, { filter: "none" }];
const still = matchMedia("(prefers-reduced-motion: reduce)");

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

export function drawTile(slot, s) {
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
	const since = performance.now() - station.received;
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
export function arrange() {
	const box = $("tiles").getBoundingClientRect();
	let best = 1, most = 0;
	for (let columns = 1; columns <= tiles.size; columns++) {
		const size = Math.min(box.width / columns / 1.5, box.height / Math.ceil(tiles.size / columns));
		if (size > most)
			[best, most] = [columns, size];
	}
	$("tiles").style.setProperty("--columns", best);
}

export function drawTiles(s) {
	const before = tiles.size;
	const names = new Set(s.slots.map((slot) => slot.name));
	for (const [name, tile] of tiles)
		if (!names.has(name)) {
			tile.root.remove();
			tiles.delete(name);
		}
	for (const slot of s.slots)
		drawTile(slot, s);
	if (tiles.size !== before)
		arrange();
}

export function tickTiles() {
	for (const tile of tiles.values())
		drawTimes(tile);
}
