"""The operator's page in Debian's Chromium: what it shows, and what it asks for. KILN_PICTURES=DIR keeps
what it looked like."""

import json
import os
import re
import signal
import sys
import unittest
from urllib.parse import urlsplit

from browser_kit import Browser, find
from console_kit import Console, run
from station_kit import SOURCE, World

ASSETS = os.path.join(SOURCE, "provision/console/assets")
SIZES = [(1280, 800), (1920, 1080), (800, 1280)]
SLOT_STATES = ["empty", "held", "opening", "running", "waits", "passed", "failed", "refused", "parked", "closed"]
STATES = [*SLOT_STATES, "paused", "scan"]
STEPS = ["identify", "claim", "keygen", "request", "enrol", "install", "readback", "prove", "seal", "attest", "finish"]
OUTCOMES = ["passed", "failed", "refused", "parked"]

# Each tile and what it says is on the screen, nothing lies over another or is cut off at the side.
LAYOUT = """(() => {
    const wrong = [];
    const inside = (a, b, what) => {
        if (a.width === 0 || a.height === 0 || a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1)
            wrong.push(what + " " + JSON.stringify(a) + " in " + JSON.stringify(b));
    };
    const screen = new DOMRect(0, 0, innerWidth, innerHeight);
    for (const tile of document.querySelectorAll(".tile")) {
        const box = tile.getBoundingClientRect();
        inside(box, screen, "tile");
        for (const part of tile.querySelectorAll("svg, .word, .name, .serial, .now, .reason, .advice, .bar"))
            if (part.checkVisibility() && (part.textContent || part.matches("svg, .bar")))
                inside(part.getBoundingClientRect(), box, part.getAttribute("class") || "shape");
        const shape = tile.querySelector("svg").getBoundingClientRect(), serial = tile.querySelector(".serial").getBoundingClientRect();
        if (shape.top < serial.bottom - 1 && serial.height > 0) wrong.push("the shape lies over the serial: " + tile.dataset.state);
    }
    const parts = [...document.querySelectorAll("header > *")].map((part) => [part.className, part.getBoundingClientRect()]);
    for (const [name, a] of parts)
        for (const [other, b] of parts)
            if (name < other && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
                wrong.push(`${name} lies over ${other}`);
    if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the screen");
    for (const button of document.querySelectorAll("button:not(.name)")) { // that one is as large as its tile
        const box = button.getBoundingClientRect();
        if (box.width > 0 && (box.height < 44 || box.width < 44)) wrong.push("a button for small fingers: " + button.textContent);
    }
    return wrong;
})()"""

# WCAG 2 contrast of everything that is written, against the nearest background that is painted.
CONTRAST = """(() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const style = getComputedStyle(element);
            if (style.backgroundImage !== "none") return rgb(style.backgroundImage.match(/rgb\\([^)]*\\)/)[0]);
            const colour = rgb(style.backgroundColor);
            if (colour.length === 3 || colour[3] > 0.9) return colour;
        }
        return [255, 255, 255];
    };
    const bad = [];
    for (const element of document.querySelectorAll("body *")) {
        const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        const box = element.getBoundingClientRect();
        if (!text || box.width < 2 || getComputedStyle(element).visibility === "hidden") continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(rgb(style.color)), light(behind(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) bad.push(`${element.className || element.tagName} ${element.textContent}: ${ratio.toFixed(2)}`);
    }
    return bad;
})()"""

# What assistive software needs of it.
NAMES = """(() => {
    const bad = [];
    for (const button of document.querySelectorAll("button")) if (!button.textContent.trim()) bad.push(button.outerHTML);
    for (const input of document.querySelectorAll("input")) if (!input.labels.length) bad.push(input.outerHTML);
    for (const tile of document.querySelectorAll(".tile")) if (!tile.getAttribute("aria-label")) bad.push("a tile without a name");
    for (const bar of document.querySelectorAll("[role=progressbar]")) if (!bar.getAttribute("aria-label")) bad.push("a bar");
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) bad.push("an id twice");
    if (!document.title || !document.documentElement.lang) bad.push("no title or language");
    return bad;
})()"""


def text_of(name):
    with open(os.path.join(ASSETS, name), encoding="utf-8") as file:
        return file.read()


def scripts():
    return "".join(text_of(name) for name in sorted(os.listdir(ASSETS)) if name.endswith(".js"))


def source_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def catalogues():
    return {name: json.loads(text_of(f"lang/{name}.json")) for name in ("en", "de")}


class Words(unittest.TestCase):
    """No browser is needed for these."""

    def used(self):
        """Keys that page and script ask for."""
        script, page = scripts(), text_of("page.html")
        keys = set(re.findall(r'data-(?:t|label)="([^"]+)"', page)) | set(re.findall(r'\bt\("([\w.-]+)"[,)]', script))
        keys |= set(re.findall(r'(?:\? |: |\[)t?\(?"((?:do|pair|time)\.[\w.-]+)"', script))
        asks = ["stop", "start", "retest", "label", "release", "operator"]
        errors = source_of("provision/base/err.c")
        table = re.findall(r'\[ERR_(?!NONE)\w+\] = \{ "(\w+)",\s+"([^"]+)"', errors)
        self.assertEqual(len(table), 8)
        self.station = dict(table)
        ends = {"state.": STATES, "now.": [s for s in STATES if s not in ("running", "waits")], "step.": STEPS,
                "event.unit.": OUTCOMES, "event.": ["arrived", "held", "left"], "domain.": self.station, "station.": self.station,
                "reason.domain.": self.station, "ask.": asks, "ask.what.": asks, "ask.do.": asks,
                "slot.do.": re.findall(r'(?:\t\[|\boffer\()"(\w+)", "\w",', script), "role.": ["operator", "engineer"],
                "help.": [*re.findall(r'\bbind\("(.)"', script), "1–9", "←→↑↓", "Enter", "Esc", "Tab"]}
        for name, list_name in [("event.station.", "STATION_EVENTS"), ("event.step.", "STEP_EVENTS")]:
            ends[name] = re.findall(r'"([\w-]+)"', re.search(list_name + r" = \[(.*?)\]", script, re.S).group(1))
        for prefix in set(re.findall(r'(?:\bt\(|words\[)"([\w.]+\.)" \+', script)) - {"advice.", "reason."} | {"station."}:
            keys |= {prefix + end for end in ends[prefix]}
        keys |= {f"why.{what}.{i}" for what in asks if re.search(rf'\t{what}: {{ reason', script) for i in range(1, 5)}
        for name in ("ca", "hsm", "disk", "printer", "scanner"):
            keys |= {f"outage.{name}.down"} | ({"outage.disk.low"} if name == "disk" else set())
        return keys

    def test_every_key_is_in_every_catalogue_and_none_is_left_over(self):
        used = self.used()
        for name, words in catalogues().items():
            have = {key for key in words if not key.startswith(("advice.", "reason.")) or key.startswith("reason.domain.")}
            self.assertEqual(have - used, set(), f"{name}: nobody asks for these")
            self.assertEqual(used - have, set(), f"{name}: missing")
            self.assertFalse([key for key, text in words.items() if not text.strip()], name)

    def test_each_code_that_has_an_advice_is_said_in_every_language(self):
        codes = set(re.findall(r'\{ "([\w.-]+)",', source_of("provision/station/advice.c")))
        self.assertGreater(len(codes), 80)
        for name, words in catalogues().items():
            for kind in ("reason.", "advice."):
                self.assertEqual({code for code in codes if kind + code not in words}, set(), f"{name}: no {kind} of these")
        en = {key for key in catalogues()["en"] if key.startswith(("reason.", "advice."))}
        self.assertEqual({key for key in en if key.startswith("advice.") and "reason." + key[7:] not in en}, set())

    def test_the_catalogues_say_the_same(self):
        en, de = catalogues()["en"], catalogues()["de"]
        self.assertEqual(en.keys(), de.keys())
        for key in en:
            self.assertEqual(sorted(re.findall(r"\{\w+\}", en[key])), sorted(re.findall(r"\{\w+\}", de[key])), key)

    def test_what_the_catalogues_know_of_the_station(self):
        self.used()
        states = source_of("provision/station/service/view_snapshot.c")
        self.assertEqual(re.findall(r'\[VIEW_SLOT_\w+\] = "(\w+)"', states), SLOT_STATES)
        for name, words in catalogues().items():
            for domain, sentence in self.station.items():
                self.assertEqual(words["station." + domain], sentence, name)
            self.assertIn(words["station.parked"], source_of("provision/station/job_tell.c"))

    def test_no_text_and_no_script_in_the_page(self):
        page = text_of("page.html")
        self.assertEqual("".join(re.sub(r"<[^>]*>", "", page, flags=re.S).split()), "")
        self.assertNotRegex(page, r"\son\w+=|style=|<style|<script(?! type=\"module\" src=\"/)|javascript:")
        for attribute in ("alt", "placeholder", "aria-label"):
            self.assertNotRegex(page, rf'\s(?<!data-){attribute}="')
        self.assertNotRegex(page + scripts() + text_of("console.css"), r"https?://(?!www\.w3\.org/2000/svg)")
        self.assertNotIn("innerHTML", scripts())
        shapes = re.findall(r'<symbol id="i-(\w+)"', page)
        self.assertEqual(shapes, STATES, "each state has a shape of its own")


class Page(unittest.TestCase):
    def setUp(self):
        if find() is None:
            self.skipTest("chromium")

    def picture(self, browser, name):
        if folder := os.environ.get("KILN_PICTURES"):
            browser.picture(os.path.join(folder, name + ".png"))

    def settle(self, browser):
        browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def judge(self, browser, name):
        for width, height in SIZES:
            browser.resize(width, height)
            self.settle(browser)
            self.picture(browser, f"{name}-{width}x{height}")
            self.assertEqual(browser.run(LAYOUT), [], (name, width, height))
        self.assertEqual(browser.run(CONTRAST), [], name)
        self.assertEqual(browser.run(NAMES), [], name)

    def test_a_shift(self):
        faults = ["wrong-key@2", "duplicate-serial@4"]
        with World(devices=10, slots=8, keygen_ms=300, faults=faults, order=("WO-2291", 5000)) as world:
            console = Console(world)
            browser = Browser(*SIZES[0], motion=False)
            try:
                self.shift(world, console, browser)
                hosts = {urlsplit(url).netloc for url in browser.requests if not url.startswith(("data:", "about:"))}
                self.assertEqual(hosts, {console.host}, "a request off the host")
            finally:
                browser.close()

    def shift(self, world, console, browser):
        browser.go(console.url + "?lang=en")
        browser.wait_for('!document.getElementById("over").hidden')
        self.assertEqual(browser.run('document.querySelector("#over h2").textContent'), "NO SIGNAL")
        service = run(world, swap=False)
        service.wait_for(lambda e: len(service.units) == 8)
        browser.wait_for('document.getElementById("over").hidden')
        browser.wait_for('document.querySelectorAll(".tile[data-state=passed]").length === 6')
        outcomes = sorted(u["outcome"] for u in service.units)
        self.assertEqual(outcomes, ["failed"] + ["passed"] * 6 + ["refused"])
        self.assertEqual(browser.run('document.getElementById("test").hidden'), False)
        self.assertEqual(browser.run('document.querySelector("[data-state=failed] .advice").textContent'),
                         "Put this unit into the red bin")
        self.assertEqual(browser.run('[...document.querySelectorAll(".tile .name")].map((e) => e.textContent).join("")'), "12345678")
        self.judge(browser, "mixed")
        self.keyboard(world, service, browser)
        self.assertEqual(browser.complaints, [])
        service.process.send_signal(signal.SIGSTOP)  # it hangs: nothing is closed, nobody says anything
        browser.wait_for('!document.getElementById("over").hidden')
        service.process.send_signal(signal.SIGCONT)
        browser.wait_for('document.getElementById("over").hidden')
        service.kill()
        browser.wait_for('!document.getElementById("over").hidden')
        self.judge_over(browser)

    def judge_running(self, browser):
        """All of them in work, or waiting with a long sentence: drawn from a snapshot that is made up."""
        said = ("step_index: 4, step: 'enrol', percent: 40, left_ms: 65000, elapsed_ms: 125000, serial: 'IP30000001', "
                "present: true")
        long = "the CA does not answer: connecting to https://est.example.com:8443/.well-known/est/pumps has timed out"
        for name, more in [("running", ", code: undefined"), ("waits", f", code: 'ca.timeout', domain: 'ca', message: '{long}', advice: ''"),
                           ("parked", f", code: 'ca.timeout', domain: 'ca', message: '{long}', advice: ''"),
                           ("closed", f", code: 'link.gone', domain: 'link', message: '{long}', advice: ''")]:
            for language in ("de", "en"):
                browser.run(f'import("/main.js").then(({{ speak }}) => speak("{language}"))')
                for width, height in SIZES:
                    browser.resize(width, height)
                    self.settle(browser)
                    wrong = browser.run(f"""Promise.all([import("/station.js"), import("/tiles.js")])
                        .then(([{{ station }}, {{ drawTile, arrange }}]) => {{ const made = structuredClone(station.snapshot);
                        for (const slot of made.slots) Object.assign(slot, {{ state: "{name}", {said}{more} }});
                        made.slots.forEach((slot) => drawTile(slot, made)); arrange(); return {LAYOUT}; }})""")
                    self.picture(browser, f"{name}-{language}-{width}x{height}")
                    self.assertEqual(wrong, [], (name, language, width, height))

    def judge_over(self, browser):
        for width, height in SIZES:
            browser.resize(width, height)
            self.settle(browser)
            self.picture(browser, f"silent-{width}x{height}")
            self.assertTrue(browser.run("""(() => { const box = document.querySelector("#over h2").getBoundingClientRect();
                return box.left >= 0 && box.right <= innerWidth && box.height > Math.min(innerWidth, innerHeight) / 12
                    && document.elementFromPoint(innerWidth / 2, innerHeight - 40).closest("#over") !== null; })()"""))

    def keyboard(self, world, service, browser):
        browser.press("l")
        browser.wait_for('document.querySelector("[data-state=passed] .word").textContent === "GUT"')
        self.assertEqual(browser.run('document.querySelector("[data-state=failed] .advice").textContent'), "Gerät in die rote Kiste")
        browser.press("e")
        world.twins.ask("swap", slot=8)  # what came before the page listened is in no list
        service.wait_for(lambda e: len(service.units) == 9)
        browser.wait_for('document.querySelectorAll("#events li[data-mark=good]").length >= 1')
        self.assertLessEqual(browser.run('document.querySelectorAll("#events li").length'), 50)
        self.judge(browser, "german-events")
        browser.press("e")
        browser.wait_for('document.getElementById("events").hidden')  # keys that come together are a scanner's
        browser.press("l")
        browser.wait_for('document.documentElement.lang === "en"')
        browser.press("s")
        browser.wait_for('document.getElementById("ask").open && document.activeElement.id === "reason"')
        browser.press("Enter")
        browser.wait_for('document.getElementById("ask-error").textContent !== ""')
        browser.type("lem")  # letters of the actions: in a field they are letters
        self.assertEqual(browser.run('document.getElementById("reason").value'), "lem")
        browser.press("F2")
        self.assertEqual(browser.run('document.getElementById("reason").value'), "Quality question")
        self.picture(browser, "ask")
        self.assertEqual(browser.run(CONTRAST), [])
        self.assertNotEqual(browser.run('getComputedStyle(document.activeElement).outlineStyle'), "none", "focus is seen")
        browser.press("Enter")
        browser.wait_for('!document.getElementById("ask").open && !document.getElementById("banner").hidden')
        service.wait_for(lambda e: e["event"] == "station" and e["what"] == "stopped" and e["message"] == "Quality question")
        world.twins.ask("swap", slot=1)
        browser.wait_for('document.querySelector(".tile[data-state=held]") !== null')
        self.judge(browser, "stopped")
        self.judge_running(browser)
        browser.press("r")
        browser.wait_for('document.getElementById("ask").open')
        browser.press("Enter")
        service.wait_for(lambda e: e["event"] == "station" and e["what"] == "started")
        browser.wait_for('document.getElementById("banner").hidden && !document.getElementById("do-stop").hidden')
        self.assertIn("on", browser.run('document.getElementById("sound").textContent'), "keys have woken the sound")
        self.assertEqual(browser.run('getComputedStyle(document.getElementById("over")).animationName'), "none", "reduced motion")


if __name__ == "__main__":
    if find() is None:
        done = unittest.main(verbosity=2, exit=False).result
        print("SKIP: chromium")
        sys.exit(77 if done.wasSuccessful() else 1)
    unittest.main(verbosity=2)
