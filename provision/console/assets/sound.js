// A browser makes none before the first key or touch.

import { $, say } from "/page.js";
import { t } from "/words.js";

export const TUNES = {
	passed: [[880, 0.12], [1320, 0.22]],
	failed: [[220, 0.25], [0, 0.08], [220, 0.25], [0, 0.08], [165, 0.5]],
	refused: [[330, 0.25], [0, 0.08], [330, 0.25]],
	parked: [[587, 0.18], [494, 0.3]],
	scan: [[1760, 0.07]],
	alarm: [[740, 0.25], [523, 0.25], [740, 0.25], [523, 0.25], [740, 0.25], [523, 0.25]],
};

let audio = null;
let muted = localStorage.getItem("muted") === "yes";

export function asleep() {
	return !audio || audio.state !== "running";
}

export function play(name) {
	if (asleep() || muted)
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

export async function wake() {
	audio ??= new AudioContext();
	if (audio.state !== "running")
		await audio.resume();
	drawSound();
}

export function drawSound() {
	say($("sound"), asleep() ? t("sound.asleep") : muted ? t("sound.off") : t("sound.on"));
	$("do-sound").setAttribute("aria-pressed", String(!asleep() && !muted));
}

export function toggleSound() {
	if (asleep())
		return;
	muted = !muted;
	localStorage.setItem("muted", muted ? "yes" : "no");
	drawSound();
	play("passed");
}
