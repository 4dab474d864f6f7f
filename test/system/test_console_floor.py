"""What the people at the line see and do on the page: badges, scans, stops, languages. The station is one that says
what it is told to (control_kit.py). KILN_PICTURES=DIR keeps what the browser showed."""

import os
import sys
import time
import unittest
from urllib.parse import urlsplit

from browser_kit import Browser, find
from control_kit import FakeConsole, FakeStation, failed, running, slot, snapshot
from station_kit import SOURCE
from test_console_page import CONTRAST, LAYOUT, NAMES

AXE = os.path.join(SOURCE, "test/browser/node_modules/axe-core/axe.min.js")
SIZES = [(1280, 800), (1920, 1080), (1024, 768)]
ON = {"required": True, "operator": {"name": "A. Meyer", "role": "operator", "since": "2030-01-01T12:00:00Z"}}
NOBODY = {"required": True, "operator": None}
SCAN = {"order": "after", "prefix": "", "suffix": "", "pending": [], "device": None}
LINE = {"rule": "3 units in a row failed", "units": ["PC-1", "PC-2", "PC-3"], "at": "2030-01-01T12:00:00Z"}
DOWN = {"state": "down", "code": "ca.timeout", "message": "no answer in 10 s", "advice": "", "retry_at": 4102444800000,
        "since": "2030-01-01T12:00:00Z", "waiting": 2}

# One of each domain: code, message, and what is to be read beside it.
FAILURES = [
    ("device", "device.signature", "the signature is another key's", "Put this unit into the red bin", "Gerät in die rote Kiste"),
    ("ca", "ca.refused", "the CA answers 403", "CA desk", "CA"),
    ("cert", "cert.key", "the certificate has another key", "Stop the line", "Linie anhalten"),
    ("hsm", "hsm.sign", "CKR_DEVICE_ERROR", "Call the engineer", "Technik"),
    ("operator", "claim.passed", "st-03 made it on 1 May", "put it with the passed units", "zu den guten Geräten"),
    ("link", "link.stall", "no answer to frame 7", "Plug it in again", "Neu einstecken"),
    ("records", "records.space", "no space left on device", "disk is full", "Platte ist voll"),
    ("operator", "scan.mismatch", "the label that was scanned says PC-0042, the chip says PC-0024", "Replace the label", "Etikett ersetzen"),
]


def failures():
    return [failed(i + 1, f"PC-{i:04}", domain, code, message) for i, (domain, code, message, _, _) in enumerate(FAILURES)]


class Floor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if find() is None:
            raise unittest.SkipTest("chromium")
        cls.station = FakeStation()
        cls.console = FakeConsole(cls.station)
        cls.browser = Browser(*SIZES[0], motion=False)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.console.stop()
        cls.station.close()

    def setUp(self):
        self.station.answers, self.station.asked = {}, []
        self.station.state = snapshot()
        self.browser.complaints.clear()

    def tearDown(self):
        hosts = {urlsplit(url).netloc for url in self.browser.requests if not url.startswith(("data:", "about:"))}
        self.assertEqual(hosts, {self.console.host}, "a request off the host")
        # A refusal is a status of HTTP, and Chromium's log has it.
        self.assertEqual([c for c in self.browser.complaints if "409 (Conflict)" not in c], [])

    def open(self, *slots, language="en", **members):
        self.station.change(*slots, **members)
        self.browser.resize(*SIZES[0])
        self.browser.go(f"{self.console.url}?lang={language}")
        self.browser.wait_for('document.querySelectorAll(".tile").length === 8')

    def text(self, selector):
        return self.browser.run(f"document.querySelector({selector!r})?.textContent")

    def until(self, selector, wanted):
        self.browser.wait_for(f"(document.querySelector({selector!r})?.checkVisibility() ? document.querySelector({selector!r}).textContent : '')"
                              f".includes({wanted!r})")

    def gone(self, selector):
        self.browser.wait_for(f"!document.querySelector({selector!r})?.checkVisibility()")

    def judge(self, name, layout=LAYOUT):
        for width, height in SIZES:
            self.browser.resize(width, height)
            self.browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            if folder := os.environ.get("KILN_PICTURES"):
                self.browser.picture(os.path.join(folder, f"floor-{name}-{width}x{height}.png"))
            self.assertEqual(self.browser.run(layout), [], (name, width, height))
        self.browser.resize(*SIZES[0])
        self.assertEqual(self.browser.run(CONTRAST), [], name)
        self.assertEqual(self.browser.run(NAMES), [], name)

    def test_a_badge_signs_on_wherever_the_focus_is(self):
        self.open(operators=NOBODY)
        self.until("#banner strong", "SIGN ON TO BEGIN")
        self.judge("sign-on")

        def sign_on(_):
            self.station.state["operators"] = ON
            return {"ok": {"name": "A. Meyer", "role": "operator"}}
        self.station.answers["scan"] = sign_on
        self.browser.scan("BADGE-S-4711")  # its letters are keys of the page
        self.assertEqual(self.station.wait_asked("scan"), {"text": "BADGE-S-4711"})
        self.until("#operator", "A. Meyer")
        self.gone("#banner")
        self.assertFalse(self.browser.run('document.querySelector("dialog[open]") !== null'), "a letter of it was a key")
        self.assertEqual([r["do"] for r in self.station.asked], ["scan"])

    def test_name_and_pin_and_signing_off(self):
        self.open(operators=NOBODY)
        self.station.answers["operator"] = {"err": {"domain": "operator", "code": "operator.unknown", "message": "not known"}}
        self.browser.press("o")
        self.until("#ask-title", "Who is here?")
        self.assertEqual(self.browser.run("document.activeElement.id"), "who-name")
        self.browser.type("A. Meyer")
        self.browser.press("Enter")
        self.until("#ask-error", "both name and PIN")
        self.browser.type("1234")
        self.browser.press("Enter")
        self.until("#ask-error", "not known")
        self.assertEqual(self.station.wait_asked("operator"), {"name": "A. Meyer", "pin": "1234"})
        self.assertEqual(self.browser.run('document.getElementById("who-pin").value'), "")
        self.station.answers["operator"] = {"ok": {"name": "A. Meyer", "role": "operator"}}
        self.browser.scan("4711-0815")  # the focus is in a field, which it does not touch
        self.assertEqual(self.station.wait_asked("operator", 2), {"badge": "4711-0815"})
        self.gone("#ask")
        self.station.change(operators=ON)
        self.until("#operator", "A. Meyer")
        self.browser.press("o")
        self.until("#ask-off", "Sign off")
        self.browser.press("F8")
        self.assertEqual(self.station.wait_asked("operator", 3), {"off": True})
        self.gone("#ask")

    def test_a_scan_while_another_field_has_the_focus(self):
        self.open(scan=SCAN)
        self.browser.press("s")
        self.until("#ask-title", "Stop the station?")
        self.browser.type("no ")
        self.browser.scan("SN 0042/A")
        self.assertEqual(self.station.wait_asked("scan"), {"text": "SN 0042/A"})
        self.assertEqual(self.browser.run('document.getElementById("reason").value'), "no ")
        self.assertTrue(self.browser.run('document.getElementById("ask").open'), "its Enter is no yes")
        self.browser.type("material")
        self.browser.press("Enter")
        self.assertEqual(self.station.wait_asked("stop"), {"reason": "no material"})
        self.gone("#ask")

    def test_the_first_letter_of_a_scan_is_no_key_of_a_dialog(self):
        self.open(failures()[7] | {"ack": True}, scan=SCAN)
        self.browser.press("8")
        self.browser.wait_for('document.activeElement.textContent === "8"')
        self.browser.press("Enter")
        self.until("#slot-offers", "I have seen it")
        self.browser.scan("A-PC-1")
        self.assertEqual(self.station.wait_asked("scan"), {"text": "A-PC-1"})
        self.assertEqual([r["do"] for r in self.station.asked], ["scan"])
        self.browser.press("a")
        self.assertEqual(self.station.wait_asked("acknowledge"), {"slot": "8"})
        self.gone("#slot")

    def test_prefix_and_suffix_make_a_scan_however_slow(self):
        self.open(scan=SCAN | {"prefix": "~", "suffix": "!"})
        self.browser.scan("fast enough")  # but not marked
        self.browser.scan("~S1!", gap_ms=120, end=None)
        self.assertEqual(self.station.wait_asked("scan"), {"text": "S1"})
        self.assertEqual([r["do"] for r in self.station.asked], ["scan"])

    def test_scans_that_wait_and_that_are_wrong(self):
        asked = {"step": "identify", "step_index": 0, "percent": 0, "elapsed_ms": 0, "left_ms": 0}
        self.open(slot(2, "waits", scan="needed", **asked), slot(3, "waits", scan="next", **asked),
                  slot(4, paused=True), failures()[7], scan=SCAN | {"order": "first", "pending": [{"text": "x", "serial": "PC-0077"}]})
        self.until("#pending", "PC-0077")
        self.until('.tile[data-state="scan"] .word', "SCAN")
        self.until(".tile:nth-child(3) .now", "Scan the label of this unit")
        self.until(".tile:nth-child(2) .now", "another one is next")
        self.until('.tile[data-state="paused"] .word', "PAUSED")
        self.until(".tile:nth-child(8) .pair", "PC-0042")
        self.until(".tile:nth-child(8) .pair", "PC-0024")
        self.assertGreater(self.browser.run('parseFloat(getComputedStyle(document.querySelector(".pair dd")).fontSize)'), 20)
        self.judge("scan")
        self.station.answers["scan"] = {"err": {"domain": "operator", "code": "scan.nobody", "message": "no unit waits for PC-1"}}
        self.browser.scan("PC-10000")
        self.until("#notice", "No unit waits for this label")
        self.until("#notice", "no unit waits for PC-1")

    def test_the_line_stops_and_an_engineer_releases_it(self):
        self.open(*failures()[:3], operators=ON, line=LINE)
        self.until("#over h2", "LINE STOPPED")
        self.until("#over .detail", "PC-2")
        self.assertEqual(self.browser.run('(({ scrollHeight: s, clientHeight: c }) => s - c)(document.querySelector("#over .detail"))'), 0, "cut off")
        self.until("#over .detail", "3 units in a row failed")
        self.judge("line", "[]")
        self.browser.press("r")
        self.until("#ask-title", "Release the line?")
        self.browser.press("F2")
        self.assertEqual(self.browser.run('document.getElementById("reason").value'), "Faulty lot removed")
        self.judge("release", "[]")
        self.station.answers["release"] = {"err": {"domain": "operator", "code": "operator.role", "message": "an engineer does that"}}
        self.browser.scan("BADGE-OF-MEYER")
        self.until("#ask-error", "This takes an engineer")
        self.station.answers["release"] = {"ok": {}}
        self.browser.scan("BADGE-OF-SCHULZ")
        self.assertEqual(self.station.wait_asked("release", 2), {"reason": "Faulty lot removed", "as": {"badge": "BADGE-OF-SCHULZ"}})
        self.gone("#ask")
        self.station.change(line=None)
        self.gone("#over")

    def test_a_failure_of_each_domain_says_why_and_what_to_do(self):
        self.open(*failures())
        for language, which in (("en", 3), ("de", 4)):
            self.browser.run(f'import("/main.js").then(({{ speak }}) => speak("{language}"))')
            for i, row in enumerate(FAILURES):
                tile = f".tile:nth-child({i + 1})"
                self.until(f"{tile} .advice", row[which])
                self.assertNotEqual(self.text(f"{tile} .reason"), "")
                if row[1] != "scan.mismatch":
                    self.assertEqual(self.text(f"{tile} .detail"), row[2])
            self.judge("failures-" + language)

    def test_what_is_parked_goes_on_in_both_languages(self):
        parked = "reseat the cable and try this unit again; this unit goes on when it is plugged in again"
        row = failed(1, "PC-1", "link", "link.gone", "the device has left its port", parked, state="parked", present=False)
        for language, now, advice in (("en", "Plug it in again", "plug it in again firmly"), ("de", "Wieder einstecken", "wieder einstecken")):
            self.open(row, language=language)
            self.until(".tile:nth-child(1) .now", now)
            self.until(".tile:nth-child(1) .advice", advice)
            self.assertNotIn("goes on", self.text(".tile:nth-child(1) .advice"))

    def test_one_slot_by_keys_alone(self):
        self.open(failed(2, "PC-2", "device", "device.x", "it is broken", ack=True), slot(1, "passed", serial="PC-1"), running(3, "PC-3"))
        self.station.state["health"]["printer"] = {"state": "up"}
        self.station.change()
        self.until(".tile:nth-child(2) .now", "Press A")
        self.browser.press("2")
        self.browser.wait_for('document.activeElement.textContent === "2"')
        self.assertNotEqual(self.browser.run('getComputedStyle(document.activeElement.closest(".tile")).outlineStyle'), "none")
        self.browser.press("Enter")
        self.until("#slot-title", "Slot 2: FAIL")
        self.until("#slot-message", "it is broken")
        self.browser.press("a")
        self.assertEqual(self.station.wait_asked("acknowledge"), {"slot": "2"})
        self.gone("#slot")
        for do, key, members in [("retest", "t", {"slot": "2"}), ("pause", "p", {"slot": "2"})]:
            self.browser.press("2")
            self.browser.wait_for('document.activeElement.textContent === "2"')
            self.browser.press("Enter")
            self.until("#slot-title", "Slot 2")
            self.browser.press(key)
            if do == "retest":
                self.until("#ask-title", "Test slot 2 again?")
                self.browser.press("Enter")
            self.assertEqual(self.station.wait_asked(do), members)
            self.gone("dialog[open]")
        self.browser.press("2")
        self.browser.wait_for('document.activeElement.textContent === "2"')
        self.browser.press("Enter")
        self.until("#slot-title", "Slot 2: FAIL")
        self.station.change(slot(1, "passed", serial="PC-1"), running(2, "PC-20"), running(3, "PC-3"))
        self.until("#slot-title", "Slot 2: RUNNING")  # it goes on behind its dialog
        self.gone("#slot-offers [data-key=t]")
        self.assertEqual(self.browser.run("document.activeElement.dataset.key"), "d")
        self.browser.press("Escape")
        self.gone("#slot")
        self.browser.press("2")
        self.browser.wait_for('document.activeElement.textContent === "2"')
        self.browser.press("ArrowLeft")
        self.browser.wait_for('document.activeElement.textContent === "1"')
        self.browser.press("Enter")
        self.until("#slot-title", "Slot 1")
        self.browser.press("l")
        self.until("#ask-title", "PC-1")
        self.browser.press("F1")
        self.browser.press("Enter")
        self.assertEqual(self.station.wait_asked("label"), {"serial": "PC-1", "reason": "Label damaged"})
        self.gone("#ask")
        self.browser.press("p")
        self.station.wait_asked("pause", 2)
        self.browser.press("?")
        self.until("#shortcuts", "Sign on, sign off")
        self.judge("help", "[]")

    def test_what_concerns_the_whole_station(self):
        self.open(running(1, "PC-1"), health=self.station.state["health"] | {"ca": DOWN})
        self.until("#banner strong", "THE CA DOES NOT ANSWER")
        self.until("#ca", "down since")
        self.judge("outage")
        self.station.change(health=snapshot()["health"] | {"disk": {"state": "low", "free_bytes": 9 * 10 ** 8, "code": "records.space-low",
                                                                   "message": "0.9 GB are free", "advice": ""}})
        self.until("#banner strong", "THE DISK IS NEARLY FULL")
        self.until("#disk", "only 0.9 GB free")
        self.station.change(paused=True, health=snapshot()["health"])
        self.until("#banner strong", "PAUSED")
        self.station.change(state="broken", fault={"domain": "records", "code": "records.space", "message": "no space left on device"})
        self.until("#over h2", "STATION FAULT")
        self.until("#over .advice", "The disk is full")
        self.judge("fault", "[]")

    def test_a_station_that_hangs_and_comes_back(self):
        self.open()
        self.station.hangs = True
        begin = time.monotonic()
        self.until("#over h2", "NO SIGNAL")
        self.assertGreater(time.monotonic() - begin, 3)
        self.station.hangs = False
        self.gone("#over")

    def test_tiles_lie_as_in_the_fixture(self):
        self.open(*[slot(i + 1, tile=[i % 4 + 1, 1 if i < 4 else 3]) for i in range(8)], fixture={"columns": 3})
        boxes = self.browser.run('[...document.querySelectorAll(".tile")].map((t) => { const b = t.getBoundingClientRect(); return [b.left, b.top]; })')
        self.assertEqual(len({left for left, _ in boxes[:4]}), 1)
        self.assertGreater(boxes[4][0] - boxes[0][0], 700, "an empty column lies between")
        self.assertEqual([top for _, top in boxes[:4]], [top for _, top in boxes[4:]])

    def test_axe_finds_nothing_serious(self):
        if not os.path.exists(AXE):
            self.skipTest("axe-core: npm ci --prefix test/browser")
        with open(AXE, encoding="utf-8") as file:
            axe = file.read()
        self.open(*failures()[:4], slot(5, "passed", serial="PC-5"), running(6, "PC-6"), operators=ON, scan=SCAN)
        for key in (None, "e", "o", "?"):
            if key:
                self.browser.press(key)
                self.browser.wait_for('document.querySelector("dialog[open]") !== null || !document.getElementById("events").hidden')
            self.browser.run(axe + "\n;0")  # over DevTools: no policy of the page is in its way, and none is loosened
            found = self.browser.run("axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations"
                                     ".filter((v) => ['serious', 'critical'].includes(v.impact))"
                                     ".map((v) => v.id + ' ' + v.nodes.map((n) => n.html.slice(0, 90) + n.failureSummary).join('; ')))")
            self.assertEqual(found, [], key)
            self.browser.press("Escape")
            self.gone("dialog[open]")


if __name__ == "__main__":
    done = unittest.main(verbosity=2, exit=False).result
    if done.skipped:
        print("SKIP: " + ", ".join(sorted({why for _, why in done.skipped})))
    sys.exit(77 if done.skipped and done.wasSuccessful() else not done.wasSuccessful())
