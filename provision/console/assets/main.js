import { drawBanner, drawOver } from "/banner.js";
import { ask, beginDialogs } from "/dialogs.js";
import { drawEvents, hear, toggleEvents } from "/events.js";
import { drawHeader, tickHealth } from "/header.js";
import { beginKeys, bind } from "/keys.js";
import { drawSound, toggleSound } from "/sound.js";
import { listen, renew, station } from "/station.js";
import { arrange, drawTiles, tickTiles } from "/tiles.js";
import { following, learn, preferred } from "/words.js";

function draw() {
	const { snapshot } = station;
	drawOver();
	if (snapshot === null)
		return;
	drawHeader(snapshot);
	drawBanner(snapshot);
	drawTiles(snapshot);
}

// What goes on between two snapshots.
function tick() {
	drawOver();
	if (station.snapshot === null)
		return;
	tickHealth(station.snapshot);
	drawBanner(station.snapshot);
	tickTiles();
}

export async function speak(next) {
	await learn(next);
	drawSound();
	draw();
	drawEvents();
}

function switchLanguage() {
	localStorage.setItem("language", following());
	speak(following());
}

function begin() {
	bind("s", () => ask("stop"));
	bind("r", () => ask("start"));
	bind("m", toggleSound);
	bind("e", toggleEvents);
	bind("l", switchLanguage);
	beginDialogs();
	beginKeys();
	window.addEventListener("resize", arrange);
	setInterval(tick, 250);
	speak(preferred()).then(renew).then(() => listen(draw, hear));
}

begin();
