"""Devices that can be opened, and stations that die at a step: what the tests of recovery share."""

import json
import signal
import time

from station_kit import World


def existing(policy, seal=False):
    def edit(text):
        text = text.replace("existing: refuse", f"existing: {policy}")
        return text.replace("seal: false", "seal: true") if seal else text
    return edit


class Fixture(World):
    """A world whose devices can be opened."""

    def flash_path(self, serial):
        return self.path("devices", "device", serial, "flash.json")

    def flash(self, serial):
        try:
            with open(self.flash_path(serial), encoding="utf-8") as file:
                return json.load(file)
        except (FileNotFoundError, json.JSONDecodeError):
            return {"pairs": [{"private": ""}], "sealed": False}

    def key(self, serial):
        return self.flash(serial)["pairs"][0]["private"]

    def set_key(self, serial, pair=None):
        """The device loses its key, or gets another one. It must not be plugged in."""
        flash = self.flash(serial)
        flash["pairs"][0] = pair or dict(flash["pairs"][0], private="", asym=0)
        with open(self.flash_path(serial), "w", encoding="utf-8") as file:
            json.dump(flash, file)

    def unplug(self, slot=1):
        self.twins.ask("unplug", slot=slot)

    def plug(self, serial, slot=1):
        self.twins.ask("plug", slot=slot, serial=serial)

    def kill_at(self, step, outcome="start", row=1, slot=1):
        """A station that dies where a step begins (its row-th time), and the device is taken out."""
        batch = self.batch(swap=False)
        batch.wait_for(lambda e: e["event"] == "step" and e["step"] == step and e["outcome"] == outcome and
                       [x for x in batch.events if x["event"] == "step" and x["step"] == step and
                        x["outcome"] == outcome].index(e) + 1 == row)
        batch.kill()
        self.unplug(slot)

    def kill_once(self, batch, question):
        """The station stands still until the device has done it, and dies before it hears of it."""
        for _ in range(20):
            batch.process.send_signal(signal.SIGSTOP)
            end = time.monotonic() + 3
            while not question() and time.monotonic() < end:
                time.sleep(0.01)
            if question():
                break
            batch.process.send_signal(signal.SIGCONT)  # it had not asked yet
            time.sleep(0.05)
        batch.kill()
        self.unplug()
        if not question():
            raise AssertionError("it never came to that")

    def again(self, serial, slot=1, **options):
        """The unit in a new station; the exit code and its units."""
        self.plug(serial, slot)
        code, batch = self.run("--count", 1, swap=False, **options)
        self.unplug(slot)
        return code, batch

    def jobs(self, serial):
        """The ends of the unit's jobs: outcome, or the code of what ended it."""
        return [e["error"]["code"] if "error" in e else e["outcome"]
                for e in self.log(serial) if e["event"] == "end"]
