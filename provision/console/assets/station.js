// The station is the only source of truth: what is drawn is its newest snapshot. Between two of them only clocks
// go on.

export const station = {
	snapshot: null,
	received: 0, // when, by performance.now()
	heard: performance.now(),
	silence: null,
};

let session = null;

function alive() {
	station.heard = performance.now();
	station.silence = null;
}

// draw: there is something new to show. hear: an event.
export function listen(draw, hear) {
	const source = new EventSource("/events");
	source.addEventListener("snapshot", (message) => {
		station.snapshot = JSON.parse(message.data);
		station.received = performance.now();
		alive();
		draw();
	});
	source.addEventListener("told", (message) => {
		alive();
		hear(JSON.parse(message.data));
	});
	source.addEventListener("heartbeat", alive);
	source.addEventListener("silent", (message) => {
		station.silence = JSON.parse(message.data);
		draw();
	});
	source.onopen = renew;
	source.onerror = () => {
		if (source.readyState !== EventSource.CLOSED)
			return;
		source.close();
		setTimeout(listen, 1000, draw, hear);
	};
}

// The console may be another one by now: then its page is the one to show.
export async function renew() {
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

export function token() {
	return session?.token ?? "";
}

async function post(body) {
	const answer = await fetch("/do", {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Kiln-Token": token() },
		body: JSON.stringify(body),
	});
	return { status: answer.status, ...await answer.json() };
}

// body: a request of the control socket without its id. Its answer, {ok} or {err}; throws where there is none.
export async function request(body) {
	const done = await post(body);
	if (done.status !== 403)
		return done;
	await renew();
	return post(body);
}
