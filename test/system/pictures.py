"""The console's pictures for README.md: a dry world, a browser, and what it shows. Run by hand, not a test:

    KILN_BIN=build/release/bin KILN_SOURCE=. python3 test/system/pictures.py [DIR]
"""

import os
import shutil
import sys
import threading
import time

import png_kit
from browser_kit import Browser
from console_kit import Console, run
from station_kit import SOURCE, World, kiln
from test_disk import FaultyDisk

SIZE = 1280, 800
SLOTS = 8
MOST = 150 * 1000  # bytes, for a repository
BADGE = "4711-0815"
KEY = 'document.querySelectorAll(".tile[data-state={}]").length'


class Hands:
    """Take a unit out that has passed and plug the next one in, one slot after another, as hands do."""

    def __init__(self, world, service):
        self.world, self.service, self.done, self.at_work = world, service, 0, True
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while self.at_work:
            with self.service.seen:
                ended = self.service.units[self.done:]
            for unit in ended:
                time.sleep(0.7)
                if unit["outcome"] == "passed" and self.at_work:
                    self.world.twins.ask("swap", slot=int(unit["slot"]))
                self.done += 1
            time.sleep(0.1)

    def rest(self):
        self.at_work = False
        self.thread.join()


def furnish(world):
    """What a line has beside its slots."""
    shutil.copy(os.path.join(SOURCE, "scripts/labels/pump.zpl"), world.path("pump.zpl"))
    os.mkdir(world.path("labels"))
    world.text = world.text.replace("site: Testville", "site: Graz, line: A")
    world.text += (f'label: {{ template: pump.zpl, printer: "file:{world.path("labels")}/%s.zpl" }}\n'
                   "operators: { file: operators.yaml, required: true }\nrules: { retests: 3 }\n")
    world.set_label(None)
    done = kiln("operator", "add", "A. Meyer", "--role", "operator", "--badge", "--config", world.config, stdin=BADGE + "\n")
    if done.returncode != 0:
        raise AssertionError(done.stderr)


class Pictures:
    def __init__(self, folder):
        self.folder = folder
        self.browser = Browser(*SIZE, motion=False)

    def take(self, name):
        self.browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        path = os.path.join(self.folder, name + ".png")
        self.browser.picture(path)
        size = png_kit.reduce(path)
        print(f"{path}: {size} bytes{'' if size < MOST else ', TOO LARGE'}", flush=True)

    def line(self):
        """A line at work, until hands rest and each unit has ended."""
        faults = ["wrong-key@21", "lying-readback@26", "duplicate-serial@30"]
        with World(devices=42, slots=SLOTS, keygen_ms=9000, faults=faults, order=("WO-2291", 5000)) as world:
            furnish(world)
            console = Console(world)
            service = run(world, swap=False)
            self.browser.go(console.url + "?lang=en")
            self.browser.wait_for('document.getElementById("banner").checkVisibility()')
            self.browser.scan(BADGE)
            hands = Hands(world, service)
            service.wait_for(lambda e: len(service.units) >= 16)
            self.browser.wait_for(KEY.format("running") + f" === {SLOTS}")
            self.take("running")
            service.wait_for(lambda e: len(service.units) >= 30)
            hands.rest()
            self.browser.wait_for(" && ".join(KEY.format(state) + " > 0" for state in ("failed", "passed", "running")))
            self.take("mixed")
            self.rest(world)

    def rest(self, world):
        self.browser.wait_for(KEY.format("running") + " === 0")
        self.browser.press("l")
        self.browser.wait_for('document.documentElement.lang === "de"')
        self.take("german")
        self.browser.press("l")
        self.browser.run('document.querySelector(".tile[data-state=failed] .name").click()')
        self.browser.run('document.querySelector("#slot-offers [data-key=d]").click()')
        self.browser.wait_for('document.querySelectorAll("#drawer .bars li").length >= 4')
        self.take("detail")
        self.browser.press("Escape")
        self.browser.wait_for('!document.getElementById("drawer").open')
        self.browser.press("t")
        self.browser.wait_for('document.querySelector("#trend .split .bars") !== null')
        self.take("trend")
        path = world.path("report.html")
        done = kiln("report", "--config", world.config, "--html", path, "--by", "A. Meyer")
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        self.browser.go("file://" + path)
        self.take("report")

    def fault(self):
        """The disk breaks while units are in work."""
        with World(devices=SLOTS, slots=SLOTS, keygen_ms=3000) as world:
            disk = FaultyDisk(world)
            console = Console(world)
            self.browser.go(console.url + "?lang=en")
            run(world, swap=False)
            self.browser.wait_for(KEY.format("running") + f" === {SLOTS}")
            disk.fail("write", "records.db")
            self.browser.wait_for('document.getElementById("over").dataset.kind === "fault"')
            self.take("fault")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(SOURCE, "provision/console/pictures")
    os.makedirs(folder, exist_ok=True)
    pictures = Pictures(folder)
    try:
        pictures.line()
        pictures.fault()
    finally:
        pictures.browser.close()


if __name__ == "__main__":
    main()
