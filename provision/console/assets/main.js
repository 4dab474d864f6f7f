import { drawBanner, drawOver } from "/banner.js";
import { ask, beginDialogs, perform } from "/dialogs.js";
import { beginDrawer, drawDrawer, openFocused } from "/drawer.js";
import { drawEvents, hear, toggleEvents } from "/events.js";
import { drawHeader, tickHealth } from "/header.js";
import { beginKeys, bind, showHelp } from "/keys.js";
import { hideNotice } from "/notice.js";
import { $ } from "/page.js";
import { drawSlot, openSlot } from "/slot.js";
import { drawSound, toggleSound } from "/sound.js";
import { listen, renew, station } from "/station.js";
import { arrange, beginTiles, drawTiles, focusTile, tickTiles } from "/tiles.js";
import { beginTrend, drawTrendAgain, openTrend } from "/trend.js";
import { following, learn, preferred } from "/words.js";

function draw() {
	const { snapshot } = station;
	drawOver();
	if (snapshot === null)
		return;
	drawHeader(snapshot);
	drawBanner(snapshot);
	drawTiles(snapshot);
	drawSlot();
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
	drawDrawer();
	drawTrendAgain();
}

function switchLanguage() {
	localStorage.setItem("language", following());
	speak(following());
}

// One key goes on, whatever it was that holds the station.
function goOn() {
	const s = station.snapshot;
	if (s?.line)
		ask("release");
	else if (s?.state === "stopped")
		ask("start");
}

function stop() {
	if (station.snapshot?.state === "running")
		ask("stop");
}

function pause() {
	const s = station.snapshot;
	if (s?.state === "running")
		perform({ do: s.paused ? "resume" : "pause" });
}

function signOn() {
	if (station.snapshot?.operators)
		ask("operator");
}

// The one that waits, or the station's alarm.
function acknowledge() {
	const waiting = station.snapshot?.slots.filter((slot) => slot.ack) ?? [];
	if (waiting.length > 0)
		for (const slot of waiting)
			perform({ do: "acknowledge", slot: slot.name });
	else if (station.snapshot?.alarm && !station.snapshot.alarm.seen)
		perform({ do: "acknowledge" });
}

function bindAll() {
	bind("s", stop);
	bind("r", goOn);
	bind("p", pause);
	bind("o", signOn);
	bind("a", acknowledge);
	bind("d", openFocused);
	bind("t", openTrend);
	bind("e", toggleEvents);
	bind("m", toggleSound);
	bind("l", switchLanguage);
	bind("?", showHelp);
	for (let i = 1; i <= 9; i++)
		bind(String(i), () => focusTile(i - 1));
}

function begin() {
	bindAll();
	beginDialogs();
	beginKeys();
	beginTiles(openSlot);
	beginDrawer();
	beginTrend();
	$("over-do").addEventListener("click", goOn);
	$("notice").addEventListener("click", hideNotice);
	window.addEventListener("resize", arrange);
	setInterval(tick, 250);
	speak(preferred()).then(renew).then(() => listen(draw, hear));
}

begin();
