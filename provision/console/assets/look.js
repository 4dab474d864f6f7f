// What lies behind the tiles is asked for when somebody looks, and once more where the session has changed.

import { renew, token } from "/station.js";

async function get(path) {
	return fetch(path, { credentials: "same-origin", headers: { "X-Kiln-Token": token() } });
}

export async function look(path) {
	const answer = await get(path);
	if (answer.status !== 403)
		return answer;
	await renew();
	return get(path);
}

// {ok} or {err}; throws where there is no answer.
export async function lookUp(path) {
	return (await look(path)).json();
}
