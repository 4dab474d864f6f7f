// Drawings: inline SVG, made of elements. What they show is written beside them too.

import { decimal, duration, t } from "/words.js";

const SVG = "http://www.w3.org/2000/svg";

// Who takes time, in the order they are stacked.
export const WHO = {
	device: () => t("who.device"),
	ca: () => t("who.ca"),
	hsm: () => t("who.hsm"),
	station: () => t("who.station"),
};

// A short time as exactly as it is known.
export function span(ms) {
	return ms < 1000 ? t("time.ms", { ms: decimal(Math.max(0, ms), 0) }) : duration(ms);
}

export function shape(parent, name, attributes, text) {
	const element = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes))
		element.setAttribute(key, value);
	if (text !== undefined)
		element.textContent = text;
	parent.append(element);
	return element;
}

// Parts of a whole, side by side: [{value, who}].
export function stack(parent, parts, whole) {
	const root = shape(parent, "svg", { class: "stack", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" });
	let at = 0;
	for (const { value, who } of parts) {
		const width = whole > 0 ? Math.min(1000 - at, (value * 1000) / whole) : 0;
		if (width > 0)
			shape(root, "rect", { x: at, y: 0, width: Math.max(width - (parts.length > 1 ? 2 : 0), 1), height: 10, "data-who": who });
		at += width;
	}
	return root;
}

// Columns over time: [{label, good, bad}]. name: what the drawing is called where it is read out.
export function columns(parent, rows, name) {
	const width = Math.max(rows.length * 60, 360), height = 190, base = 160, top = 26;
	const most = Math.max(1, ...rows.map((row) => row.good + row.bad));
	const root = shape(parent, "svg", { class: "columns", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
	const room = width / Math.max(rows.length, 1);
	shape(root, "line", { x1: 0, y1: base, x2: width, y2: base, class: "axis" });
	rows.forEach((row, i) => {
		const x = i * room + room * 0.15, wide = room * 0.7, middle = (i + 0.5) * room;
		const good = ((base - top) * row.good) / most, bad = ((base - top) * row.bad) / most;
		shape(root, "rect", { x, y: base - good, width: wide, height: good, "data-mark": "good" });
		shape(root, "rect", { x, y: base - good - bad, width: wide, height: bad, "data-mark": "bad" });
		if (row.good + row.bad > 0)
			shape(root, "text", { x: middle, y: base - good - bad - 7 }, row.bad > 0 ? `${row.good} + ${row.bad}` : String(row.good));
		shape(root, "text", { x: middle, y: base + 20, class: "quiet" }, row.label);
	});
	return root;
}
