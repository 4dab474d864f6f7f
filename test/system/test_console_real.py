"""A shift at a real station, by its page alone: from the badge to the broken disk, with scanner, printer, CA, HSM and
devices that fail. KILN_PICTURES=DIR keeps what the browser showed."""

import contextlib
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from browser_kit import PATIENCE_S, Browser, find
from console_kit import Console, ready
from outage_kit import PATIENT, Road
from station_kit import STATION, World, check_promises
from test_console_page import CONTRAST, LAYOUT, NAMES
from test_crash import children_of
from test_disk import FaultyDisk
from test_label import Printer
from test_operators import BADGE, PIN_OF_MAX, operator, with_operators

SIZES = [(1280, 800), (1920, 1080), (800, 1280)]
BADGE_OF_LEA = "canary-badge-lea"  # its letters are keys of the page
BROKEN = (9, 17, 18, 19)  # these devices make a CSR that no judge takes
TEMPLATE = "^XA^FO10,10^A0N,30^FH^FD{serial}^FS^XZ\n"


class Line(World):
    """Eight slots, four above and four below; who is there has a badge, a scanner, a printer and rules."""

    def __init__(self, printer):
        super().__init__(devices=19, slots=8, keygen_ms=400, retry=PATIENT, order=("WO-2291", 5000),
                         faults=[f"bad-csr-signature@{n}" for n in BROKEN])
        try:
            self.begin(printer)
        except BaseException:
            self.close()
            raise

    def begin(self, printer):
        self.road = Road(self.ca.hello["url"])
        self.ca.hello["url"] = self.road.url
        self.write("label.zpl", TEMPLATE)
        self.text += (f"label: {{ template: label.zpl, printer: 'tcp:127.0.0.1:{printer.port}' }}\n"
                      "scan: { order: after, label: 'SN:([A-Z0-9]+)' }\nfixture: { columns: 4 }\n"
                      "rules: { retests: 1, stop_after: { in_a_row: 3 }, acknowledge_failures: true }\n")
        with_operators(self)
        done = operator(self, "add", "lea", "--role", "operator", "--badge", stdin=BADGE_OF_LEA + "\n")
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def where(self, slot):
        return super().where(slot) + f', tile: "{2 if slot <= 4 else 1},{(slot - 1) % 4 + 1}"'

    def start(self, label=None):
        self.set_label(label)
        service = self.batch(command="run", swap=False)
        ready(service)
        return service

    def close(self):
        if hasattr(self, "road"):
            self.road.stop()
        super().close()


class Real(unittest.TestCase):
    def setUp(self):
        if find() is None or shutil.which("cc") is None:
            self.skipTest("chromium, a C compiler at run time")
        self.printer = Printer()
        self.addCleanup(self.printer.close)
        self.world = Line(self.printer)
        self.addCleanup(self.world.close)
        self.disk = FaultyDisk(self.world)
        self.console = Console(self.world)
        self.browser = Browser(*SIZES[0], motion=False)
        self.addCleanup(self.browser.close)
        self.serials = self.world.serials()

    # What a person sees.

    def until(self, selector, wanted):
        seen = f"document.querySelector({selector!r})"
        self.browser.wait_for(f"({seen}?.checkVisibility() ? {seen}.textContent : '').includes({wanted!r})")

    def gone(self, selector):
        self.browser.wait_for(f"!document.querySelector({selector!r})?.checkVisibility()")

    def text(self, selector):
        return self.browser.run(f"document.querySelector({selector!r})?.textContent")

    def tile(self, slot, part=""):
        return f"#tiles > :nth-child({slot}) {part}".strip()

    def until_state(self, slot, *states):
        self.browser.wait_for(f"{list(states)}.includes(document.querySelector({self.tile(slot)!r}).dataset.state)")

    def look(self, name, layout=True):
        for width, height in SIZES if os.environ.get("KILN_PICTURES") else SIZES[:1]:
            self.browser.resize(width, height)
            self.browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            if folder := os.environ.get("KILN_PICTURES"):
                self.browser.picture(os.path.join(folder, f"real-{name}-{width}x{height}.png"))
            self.assertEqual(self.browser.run(LAYOUT) if layout else [], [], (name, width, height))
        self.browser.resize(*SIZES[0])
        self.assertEqual(self.browser.run(CONTRAST), [], name)
        self.assertEqual(self.browser.run(NAMES), [], name)

    def until_said(self, name, english, german):
        """Each a selector and what it says; in both languages."""
        for selector, wanted in english:
            self.until(selector, wanted)
        self.look(name)
        self.browser.press("l")
        self.browser.wait_for('document.documentElement.lang === "de"')
        for selector, wanted in german:
            self.until(selector, wanted)
        self.look(name + "-de")
        self.browser.press("l")
        self.browser.wait_for('document.documentElement.lang === "en"')

    def told(self, what, **members):
        return self.service.wait_for(lambda e: e.get("what") == what and all(e.get(k) == v for k, v in members.items()))

    # What a person does.

    def keys(self, *keys):
        for key in keys:
            self.browser.press(key)

    def put(self, slot, serial):
        self.world.twins.ask("unplug", slot=slot)
        self.world.twins.ask("plug", slot=slot, serial=serial)

    def begin(self, slot, n):
        """A unit is plugged in and its label scanned."""
        self.put(slot, self.serials[n])
        self.until_state(slot, "scan")
        self.browser.scan("SN:" + self.serials[n])

    def focus(self, slot):
        self.keys(str(slot))
        self.browser.wait_for(f'document.activeElement.textContent === "{slot}"')

    def open(self, slot):
        self.focus(slot)
        self.keys("Enter")
        self.until("#slot-title", f"Slot {slot}")

    def acknowledge(self, slot):
        self.until(self.tile(slot, ".now"), "Press A")
        self.keys("a")
        self.gone(self.tile(slot) + ".ack")

    def test_a_shift(self):
        self.browser.go(self.console.url + "?lang=en")
        self.until("#over h2", "NO SIGNAL")
        self.service = self.world.start()
        self.nothing_before_somebody_is_on()
        self.eight_units()
        self.a_wrong_label()
        self.a_device_that_fails_until_the_line_stops()
        self.what_is_not_the_units_fault()
        self.what_lies_behind()
        self.the_station_dies_and_comes_back()
        self.the_disk_fails()
        self.accounts()

    def nothing_before_somebody_is_on(self):
        self.gone("#over")
        self.until("#banner strong", "SIGN ON TO BEGIN")
        self.browser.wait_for('document.querySelectorAll(".tile[data-state=held]").length === 8')
        boxes = self.browser.run('[...document.querySelectorAll(".tile")].map((t) => { const b = t.getBoundingClientRect(); '
                                 'return [b.left, b.top]; })')
        self.assertEqual([left for left, _ in boxes[:4]], [left for left, _ in boxes[4:]])
        self.assertGreater(boxes[0][1], boxes[4][1], "slots 1 to 4 lie below")
        self.browser.scan("SN:" + self.serials[0])
        self.until("#ask-title", "Who is here?")  # no label before that
        self.browser.scan("canary-wrong")
        self.until("#ask-error", "is not known")
        self.keys("Escape")
        self.look("sign-on")
        self.assertFalse([e for e in self.service.events if e["event"] == "step"], "something has begun")
        self.browser.scan(BADGE_OF_LEA)
        self.until("#operator", "lea")
        self.gone("#banner")
        self.assertFalse(self.browser.run('document.querySelector("dialog[open]") !== null'), "a letter of it was a key")

    def eight_units(self):
        self.browser.wait_for('document.querySelectorAll(".tile[data-state=scan]").length === 8')
        self.browser.wait_for('document.querySelectorAll(".tile[data-state=scan]:not(.later)").length === 1')
        self.look("scan")
        for n in range(8):
            serial = self.browser.wait_for('document.querySelector(".tile[data-state=scan]:not(.later) .serial")?.textContent')
            if n == 2:
                self.scan_into_a_field(serial)
            else:
                self.browser.scan("SN:" + serial)
            self.browser.wait_for(f'[...document.querySelectorAll(".tile[data-state=scan] .serial")].every((s) => s.textContent !== "{serial}")')
        self.look("running")
        self.browser.wait_for('document.querySelectorAll(".tile[data-state=passed]").length === 8')
        self.until("#passed", "8")
        self.printer.wait_for(lambda p: len(p.labels) == 8)
        self.assertEqual(sorted(self.printer.labels), [TEMPLATE.format(serial=serial) for serial in sorted(self.serials[:8])])
        self.look("passed")

    def scan_into_a_field(self, serial):
        self.keys("s")
        self.browser.wait_for('document.activeElement.id === "reason"')
        self.browser.type("no ")
        self.browser.scan("SN:" + serial)
        self.told("scanned", serial=serial, by="lea")
        self.assertEqual(self.browser.run('document.getElementById("reason").value'), "no ")
        self.keys("Escape")
        self.gone("#ask")

    def a_wrong_label(self):
        self.put(1, self.serials[10])
        self.until_state(1, "scan")
        self.browser.scan("SN:" + self.serials[11])
        self.until_state(1, "failed")
        both = [(self.tile(1, ".pair div:nth-child(1)"), self.serials[11]), (self.tile(1, ".pair div:nth-child(2)"), self.serials[10])]
        self.until_said("wrong-label", [*both, (self.tile(1, ".advice"), "Replace the label")],
                        [*both, (self.tile(1, ".advice"), "Etikett ersetzen")])
        self.acknowledge(1)

    def a_device_that_fails_until_the_line_stops(self):
        serial = self.serials[BROKEN[0] - 1]
        self.begin(2, BROKEN[0] - 1)
        self.until_state(2, "failed")
        self.until_said("device", [(self.tile(2, ".word"), "FAIL"), (self.tile(2, ".advice"), "red bin")],
                        [(self.tile(2, ".advice"), "rote Kiste")])
        self.open(2)
        self.assertEqual(self.browser.run("document.activeElement.dataset.key"), "d", "Enter twice changes nothing")
        self.keys("a")
        self.gone(self.tile(2) + ".ack")
        self.retest(2)
        self.keys("Enter")
        self.failed(serial, 2)
        self.retest(2)  # beyond the limit: an engineer beside them, with a reason
        self.keys("Enter")
        self.until("#ask-who", "Engineer")
        self.keys("F1")
        self.browser.scan(BADGE)
        self.gone("#ask")
        self.failed(serial, 3)  # and is one unit of those in a row
        self.acknowledge(2)
        for slot, n in ((4, BROKEN[1] - 1), (7, BROKEN[2] - 1)):
            self.begin(slot, n)
            self.failed(self.serials[n], 1)
        self.the_line_stops(serial)

    def retest(self, slot):
        self.open(slot)
        self.until("#slot-offers [data-key=t]", "Test again")  # as soon as the page knows
        self.keys("t")
        self.until("#ask-title", f"Test slot {slot} again?")

    def failed(self, serial, count):
        self.service.wait_for(lambda e: sum(u["serial"] == serial and u["outcome"] == "failed" for u in self.service.units) == count)

    def the_line_stops(self, serial):
        self.until("#over h2", "LINE STOPPED")
        self.until("#over .detail", serial)
        self.look("line-stopped", layout=False)
        self.keys("r")
        self.until("#ask-title", "Release the line?")
        self.browser.scan(BADGE)  # a reason first
        self.until("#ask-error", "Say why")
        self.keys("F2")
        self.browser.scan(BADGE_OF_LEA)
        self.until("#ask-error", "This takes an engineer")
        self.look("release", layout=False)
        self.browser.scan(BADGE)
        self.gone("#ask")
        self.gone("#over")
        self.assertEqual(self.text("#operator"), "lea")
        self.acknowledge(4)
        self.gone(self.tile(7) + ".ack")  # one key for all that was seen

    def what_is_not_the_units_fault(self):
        self.begin(3, 11)
        self.service.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["serial"] == self.serials[11])
        self.world.twins.ask("unplug", slot=3)
        self.until_state(3, "failed", "parked")
        self.until_said("link", [(self.tile(3, ".advice"), "lug it in again")], [(self.tile(3, ".advice"), "instecken")])
        self.world.road.close()
        self.begin(5, 12)
        self.until_state(5, "waits")
        self.until_said("ca", [("#banner", "THE CA DOES NOT ANSWER"), ("#ca", "down since"),
                               (self.tile(5, ".advice"), "Not the unit's fault")],
                        [("#banner", "DIE CA ANTWORTET NICHT"), (self.tile(5, ".advice"), "Nicht Schuld des Geräts")])
        self.world.road.open()
        self.until_state(5, "passed")
        os.rename(self.world.path("tokens"), self.world.path("hidden"))
        for pid in children_of(self.service.process.pid, "kiln-signer"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.begin(6, 13)
        self.until_state(6, "waits")
        self.until_said("hsm", [("#banner", "THE HSM DOES NOT ANSWER")], [("#banner", "DAS HSM ANTWORTET NICHT")])
        os.rename(self.world.path("hidden"), self.world.path("tokens"))
        self.until_state(6, "passed")
        self.gone("#banner")

    def what_lies_behind(self):
        self.open(8)
        self.keys("Enter")
        self.browser.wait_for('document.querySelectorAll("#drawer .bars li").length === 8')
        self.assertEqual(self.text("#drawer-serial"), self.text(self.tile(8, ".serial")))
        self.look("details", layout=False)
        self.save(self.text("#drawer-serial"))
        self.keys("Escape")
        self.gone("#drawer")
        self.focus(2)
        self.keys("d")
        self.browser.wait_for('document.querySelector("#drawer .why .advice") !== null')
        self.look("details-failed", layout=False)
        self.keys("Escape")
        self.gone("#drawer")
        self.keys("t")
        self.until("#trend-bottleneck", "Bottleneck: ")
        self.look("trend", layout=False)
        self.keys("Escape")
        self.gone("#trend")

    def save(self, serial):
        with tempfile.TemporaryDirectory() as folder:
            self.browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
            self.keys("d")
            path, end = os.path.join(folder, serial + "-evidence.tar"), time.monotonic() + PATIENCE_S
            while not os.path.exists(path):
                self.assertLess(time.monotonic(), end, os.listdir(folder))
                time.sleep(0.05)
            with tarfile.open(path) as tar:
                self.assertIn(serial + "/cert.pem", tar.getnames())

    def the_station_dies_and_comes_back(self):
        self.open(8)
        self.keys("p")
        self.browser.wait_for('import("/station.js").then(({ station }) => station.snapshot.slots[7].paused)')
        self.begin(1, BROKEN[3] - 1)
        self.until(self.tile(1, ".now"), "Press A")
        self.service.kill()
        self.until("#over h2", "NO SIGNAL")
        self.look("no-signal", layout=False)
        for slot in range(1, 9):
            self.world.twins.ask("unplug", slot=slot)
        self.service = self.world.start("wrong-eku")
        self.gone("#over")
        self.until("#banner strong", "SIGN ON TO BEGIN")  # nobody is on any more
        self.until_state(8, "paused")
        self.until(self.tile(1, ".now"), "Press A")  # nor has anybody seen it
        self.keys("o")
        self.browser.wait_for('document.activeElement.id === "who-name"')
        self.browser.type("max")
        self.keys("Tab")
        self.browser.type(PIN_OF_MAX)
        self.keys("Enter")
        self.until("#operator", "max")
        self.acknowledge(1)
        self.begin(1, 14)
        self.until_state(1, "failed")
        self.until_said("certificate", [(self.tile(1, ".advice"), "Stop the line")], [(self.tile(1, ".advice"), "Linie anhalten")])
        self.world.twins.ask("plug", slot=8, serial=self.serials[15])
        self.service.wait_for(lambda e: e["event"] == "held" and e["slot"] == "8" and e["why"] == "pause")
        self.open(8)
        self.keys("p")
        self.until_state(8, "scan")

    def the_disk_fails(self):
        self.disk.fail("write", "records.db")
        self.browser.scan("SN:" + self.serials[15])
        self.until("#over h2", "STATION FAULT")
        self.look("station-fault", layout=False)
        self.assertEqual(self.service.wait(), STATION, self.service.stderr)
        self.until("#over h2", "STATION FAULT")
        self.disk.mend()

    def accounts(self):
        """Of the browser, the printer and the records."""
        hosts = {urlsplit(url).netloc for url in self.browser.requests if not url.startswith(("data:", "about:", "blob:"))}
        self.assertEqual(hosts, {self.console.host}, "a request off the host")
        # A refusal is a status of HTTP, and Chromium's log has it.
        self.assertEqual([c for c in self.browser.complaints if "409 (Conflict)" not in c], [])
        log = self.world.log()
        by = [(e["what"], e["detail"]["by"]) for e in log if e["event"] == "station" and
              e["what"] in ("signed-on", "line-released", "acknowledged", "paused", "resumed")]
        self.assertEqual(by, [("signed-on", "lea"), *[("acknowledged", "lea")] * 3, ("line-released", "eva"),
                              *[("acknowledged", "lea")] * 2, ("paused", "lea"), ("signed-on", "max"), ("acknowledged", "max"),
                              ("resumed", "max")])
        self.assertEqual(len(self.printer.labels), sum(e["event"] == "end" and e["outcome"] == "passed" for e in log))
        check_promises(self, self.world)


if __name__ == "__main__":
    done = unittest.main(verbosity=2, exit=False).result
    if done.skipped:
        print("SKIP: " + ", ".join(sorted({why for _, why in done.skipped})))
    sys.exit(77 if done.skipped and done.wasSuccessful() else not done.wasSuccessful())
