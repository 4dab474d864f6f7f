"""Devices that can be opened, and stations that die at a step: what the tests of recovery share."""

import json
import os
import struct
import time
import zlib

from station_kit import World

BANK, MAGIC = 1 << 20, 0x314b4c46


def existing(policy, seal=False):
    def edit(text):
        text = text.replace("existing: refuse", f"existing: {policy}")
        return text.replace("seal: false", "seal: true") if seal else text
    return edit


class Fixture(World):
    """A world whose devices can be opened."""

    def flash_path(self, serial):
        return self.path("devices", "device", serial, "flash")

    def banks(self, serial):
        """The whole records of the two banks (twin_bank.h), by their number."""
        try:
            with open(self.flash_path(serial), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return {}
        found = {}
        for start in (0, BANK):
            magic, number, size, check = struct.unpack("<4I", data[start:start + 16].ljust(16, b"\0"))
            content = data[start + 16:start + 16 + size]
            if magic == MAGIC and zlib.crc32(data[start + 4:start + 12] + content) == check:
                found[number] = content
        return found

    def flash(self, serial):
        banks = self.banks(serial)
        return json.loads(banks[max(banks)]) if banks else {"pairs": [{"private": ""}], "sealed": False}

    def set_flash(self, serial, flash):
        number = max(self.banks(serial), default=0) + 1
        content = json.dumps(flash).encode()
        counted = struct.pack("<2I", number, len(content))
        os.makedirs(os.path.dirname(self.flash_path(serial)), exist_ok=True)
        with open(self.flash_path(serial), "r+b" if number > 1 else "wb") as file:
            file.seek(number % 2 * BANK)
            file.write(struct.pack("<I", MAGIC) + counted + struct.pack("<I", zlib.crc32(counted + content)) + content)

    def key(self, serial):
        return self.flash(serial)["pairs"][0]["private"]

    def set_key(self, serial, pair=None):
        """The device loses its key, or gets another one. It must not be plugged in."""
        flash = self.flash(serial)
        flash["pairs"][0] = pair or dict(flash["pairs"][0], private="", asym=0)
        self.set_flash(serial, flash)

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

    def kill_asked(self, slot=1):
        """A station that dies while the CA is asked, and the device is taken out."""
        before = self.intents("enrol")
        self.set_label("slow")
        batch = self.batch(swap=False)
        self.wait_until(lambda: self.intents("enrol") > before)
        batch.kill()
        self.set_label(None)
        self.unplug(slot)

    def intents(self, kind):
        return len([e for e in self.log() if e["event"] == "intent" and e["kind"] == kind])

    def wait_until(self, question, patience=60):
        end = time.monotonic() + patience
        while not question():
            if time.monotonic() > end:
                raise AssertionError("it never came to that")
            time.sleep(0.01)

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
