"""What lies behind a tile, and the trend, in Debian's Chromium beside a real station. KILN_PICTURES=DIR keeps what it
looked like."""

import os
import sys
import tarfile
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from browser_kit import PATIENCE_S, Browser, find
from console_kit import Console, run
from station_kit import World
from test_console_page import CONTRAST, NAMES

SIZES = [(1280, 800), (1920, 1080), (800, 1280)]

# The dialog is on the screen, scrolls only downwards, and nothing in it is cut off at the side or too small to touch.
LAYOUT = """(() => {
    const wrong = [];
    const box = document.querySelector("dialog[open]").getBoundingClientRect();
    if (box.left < -1 || box.right > innerWidth + 1 || box.top < -1 || box.bottom > innerHeight + 1)
        wrong.push("the dialog is beside the screen " + JSON.stringify(box));
    for (const scroll of document.querySelectorAll("dialog[open] .scroll"))
        if (scroll.scrollWidth > scroll.clientWidth + 1) wrong.push("it scrolls to the side");
    for (const part of document.querySelectorAll("dialog[open] :is(h2, h3, dd, dt, li, p, span, code, text, button)")) {
        const at = part.getBoundingClientRect();
        if (at.width > 0 && (at.left < box.left - 1 || at.right > box.right + 1))
            wrong.push("cut off: " + part.textContent.slice(0, 40) + " " + JSON.stringify(at));
    }
    for (const button of document.querySelectorAll("dialog[open] button")) {
        const at = button.getBoundingClientRect();
        if (at.width > 0 && (at.height < 44 || at.width < 44)) wrong.push("a button for small fingers: " + button.textContent);
    }
    return wrong;
})()"""

TILE = 'document.querySelector(".tile[data-state={state}] .name")'
FOCUSED = 'document.activeElement.closest("dialog")?.id ?? document.activeElement.className'


class Page(unittest.TestCase):
    def setUp(self):
        if find() is None:
            self.skipTest("chromium")

    def picture(self, browser, name):
        if folder := os.environ.get("KILN_PICTURES"):
            browser.picture(os.path.join(folder, name + ".png"))

    def judge(self, browser, name):
        for width, height in SIZES:
            browser.resize(width, height)
            browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            self.picture(browser, f"{name}-{width}x{height}")
            self.assertEqual(browser.run(LAYOUT), [], (name, width, height))
        self.assertEqual(browser.run(CONTRAST), [], name)
        self.assertEqual(browser.run(NAMES), [], name)
        browser.resize(*SIZES[0])

    def test_what_lies_behind_a_tile_and_the_trend(self):
        with World(devices=6, slots=4, keygen_ms=120, faults=["wrong-key@2"], order=("WO-2291", 5000)) as world:
            console = Console(world)
            service = run(world, swap=False)
            service.wait_for(lambda e: len(service.units) == 4)
            browser = Browser(*SIZES[0], motion=False)
            try:
                browser.go(console.url + "?lang=en")
                browser.wait_for('document.querySelectorAll(".tile[data-state=passed]").length === 3')
                self.drawer(browser)
                self.failure(browser)
                self.trend(world, service, browser)
                self.silence(service, browser)
                hosts = {urlsplit(url).netloc for url in browser.requests if not url.startswith(("data:", "about:", "blob:"))}
                self.assertEqual(hosts, {console.host}, "a request off the host")
            finally:
                browser.close()

    def drawer(self, browser):
        browser.run(TILE.format(state="passed") + ".focus()")
        serial = browser.run('document.activeElement.closest(".tile").querySelector(".serial").textContent')
        browser.press("Enter")
        browser.wait_for('document.getElementById("slot").open')
        browser.press("d")
        browser.wait_for('document.querySelectorAll("#drawer .bars li").length === 8')
        self.assertEqual(browser.run('document.getElementById("drawer-serial").textContent'), serial)
        self.assertEqual(browser.run('document.getElementById("drawer-state").textContent'), "PASS")
        self.assertEqual(browser.run('document.querySelectorAll("#drawer .checks li").length'), 7)
        self.assertIn(serial, browser.run('document.querySelector("#drawer .facts").textContent'))
        self.judge(browser, "drawer-passed")
        for _ in range(12):  # round and round: never out of it but to the browser's own
            browser.press("Tab")
            self.assertIn(browser.run(FOCUSED), ("drawer", ""))
        browser.press("s")
        self.assertFalse(browser.run('document.getElementById("ask").open'), "the keys of the page rest")
        self.download(browser, serial)
        browser.press("Escape")
        browser.wait_for('!document.getElementById("drawer").open')

    def open(self, browser, state):
        browser.run(TILE.format(state=state) + ".click()")
        browser.run('document.querySelector("#slot-offers [data-key=d]").click()')

    def download(self, browser, serial):
        with tempfile.TemporaryDirectory() as folder:
            browser.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=folder)
            browser.press("d")
            path, end = os.path.join(folder, serial + "-evidence.tar"), time.monotonic() + PATIENCE_S
            while not os.path.exists(path):
                self.assertLess(time.monotonic(), end, os.listdir(folder))
                time.sleep(0.05)
            with tarfile.open(path) as tar:
                self.assertIn(serial + "/cert.pem", tar.getnames())

    def failure(self, browser):
        self.open(browser, "failed")
        browser.wait_for('document.querySelector("#drawer .why") !== null')
        self.assertEqual(browser.run('document.querySelector("#drawer .why .advice").textContent'), "Put this unit into the red bin")
        self.assertEqual(browser.run('document.querySelector("#drawer .why code").textContent'), "proof.signature")
        self.assertIn("certificate on no device", browser.run('document.querySelector("#drawer .past").textContent'))
        self.judge(browser, "drawer-failed")
        browser.run('document.getElementById("drawer-body").scrollTop = 1e6')
        self.picture(browser, "drawer-failed-end")
        browser.run('document.getElementById("drawer-close").click()')
        browser.wait_for('!document.getElementById("drawer").open')

    def trend(self, world, service, browser):
        browser.press("t")
        browser.wait_for('document.querySelector("#trend .split .bars") !== null')
        said = browser.run('document.getElementById("trend-bottleneck").textContent')
        self.assertRegex(said, r"^Bottleneck: device, .* of each unit \(\d+ %\), most of it making its key\.$")
        self.assertEqual(browser.run('document.querySelector("#trend .reasons code").textContent'), "proof.signature")
        self.assertIn("3 passed, 1 failed", browser.run('document.querySelector("#trend .columns").getAttribute("aria-label")'))
        self.judge(browser, "trend")
        browser.press("Escape")
        browser.wait_for('!document.getElementById("trend").open')
        browser.press("l")
        browser.wait_for('document.documentElement.lang === "de"')
        browser.press("t")
        browser.wait_for('document.getElementById("trend-bottleneck").textContent.startsWith("Engpass: Gerät")')
        self.judge(browser, "trend-de")
        browser.press("Escape")
        browser.wait_for('!document.getElementById("trend").open')
        self.open(browser, "passed")
        browser.wait_for('document.querySelectorAll("#drawer .bars li").length === 8')
        self.judge(browser, "drawer-de")
        self.assertEqual(browser.complaints, [])

    def silence(self, service, browser):
        """What concerns the whole station is never behind a unit."""
        service.kill()
        browser.wait_for('!document.getElementById("over").hidden')
        browser.wait_for('!document.getElementById("drawer").open')

    def test_a_unit_in_work_goes_on_in_its_drawer(self):
        with World(devices=1, slots=1, keygen_ms=4000) as world:
            console = Console(world)
            browser = Browser(*SIZES[0], motion=False)
            try:
                browser.go(console.url + "?lang=en")
                run(world, swap=False)
                browser.wait_for('document.querySelector(".tile .serial")?.textContent')
                browser.run('document.querySelector(".tile .name").click()')
                browser.run('document.querySelector("#slot-offers [data-key=d]").click()')
                browser.wait_for('document.getElementById("drawer").open')
                browser.wait_for('document.getElementById("drawer-state").textContent === "PASS"')
                browser.wait_for('document.querySelectorAll("#drawer .bars li").length === 8')
            finally:
                browser.close()


if __name__ == "__main__":
    if find() is None:
        done = unittest.main(verbosity=2, exit=False).result
        print("SKIP: chromium")
        sys.exit(77 if done.wasSuccessful() else 1)
    unittest.main(verbosity=2)
