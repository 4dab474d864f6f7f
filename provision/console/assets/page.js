// The parts of the page.

export const $ = (id) => document.getElementById(id);

export function say(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

export function part(parent, name, className) {
	const element = document.createElement(name);
	element.className = className;
	parent.append(element);
	return element;
}
