"""A USB for tests: kiln-usb-bed plugs emulated devices into a mocked machine, which programs under umockdev's
preload see and nobody else. Says SKIP where umockdev is missing."""

import json
import os
import subprocess
import tempfile
import threading
import time

from recovery_kit import Fixture

BIN = os.environ["KILN_BIN"]
BED = os.path.join(os.path.dirname(os.path.abspath(BIN)), "test", "kiln-usb-bed")
CLIENT = os.path.join(os.path.dirname(BED), "usb_client")
PRELOAD = "libumockdev-preload.so.0"
PATIENCE_S = 60


def skip_unless_there():
    if not os.path.exists(BED):
        print("SKIP: umockdev and libusb (libumockdev-dev, libusb-1.0-0-dev) when kiln was built")
        raise SystemExit(77)


def preloaded(root, environment=None):
    """The environment of a program that sees the mocked machine at root."""
    made = dict(environment or os.environ, LD_PRELOAD=PRELOAD, UMOCKDEV_DIR=root)
    if "KILN_SANITIZE" in os.environ:
        made["ASAN_OPTIONS"] = made.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return made


def place_of(slot):
    """Of the bed's slot, from 1: there are hubs of eight ports."""
    return f"pci-0000:00:14.0/usb2/{(slot - 1) // 8 + 1}.{(slot - 1) % 8 + 1}"


class Bed:
    """kiln-usb-bed with its channel. hello has "places" beside "serials"."""

    def __init__(self, folder, *arguments, model="IP3-A", serial="IP30000001", family="spdm", devices=2, slots=2):
        self.folder = folder
        self.process = subprocess.Popen(
            [BED, "--family", family, "--dir", folder, "--devices", str(devices), "--slots", str(slots), "--model", model,
             "--serial", serial, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=preloaded("", os.environ))
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"kiln-usb-bed {arguments} did not start")
        self.hello = json.loads(line)
        self.places = self.hello["places"]
        self.root = os.readlink(os.path.join(folder, "umockdev"))
        self.environment = preloaded(self.root)
        self.id = 0

    def ask(self, do, **members):
        self.id += 1
        self.process.stdin.write(json.dumps({"id": self.id, "do": do, **members}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "ok" not in answer:
            raise AssertionError(f"{do} {members}: {answer}")
        return answer["ok"]

    def log(self):
        """What happened to the devices: ["plug", "1", "/dev/bus/usb/001/008"], ..."""
        with open(os.path.join(self.folder, "usb.log"), encoding="utf-8") as file:
            return [line.split() for line in file]

    def node(self, slot=1):
        """The device node of what was plugged last into the slot, as a path of this machine."""
        path = [entry[2] for entry in self.log() if entry[:2] == ["plug", str(slot)]][-1]
        return self.root + path

    def wait_for(self, what, patience=PATIENCE_S):
        end = time.monotonic() + patience
        while not what():
            if time.monotonic() > end:
                raise AssertionError(f"it did not happen; {self.log()[-8:]}")
            time.sleep(0.01)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
        code = self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        return code


class Client:
    """usb_client: one word after the other with the device, each answered by a line. umockdev loses an ioctl's
    answer once in some thousand times; nothing wakes its caller then, so it is ended."""

    def __init__(self, bed, *words):
        self.process = subprocess.Popen([CLIENT, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=bed.environment)
        self.limit = threading.Timer(PATIENCE_S, self.process.kill)
        self.limit.daemon = True
        self.limit.start()

    def line(self):
        return self.process.stdout.readline().strip()

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def rest(self):
        lines = self.process.stdout.read().splitlines()
        self.close()
        return lines

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(PATIENCE_S)
        self.limit.cancel()
        self.process.stdout.close()
        return code


class TemporaryBed(Bed):
    def __init__(self, *arguments, **options):
        self.temporary = tempfile.TemporaryDirectory(prefix="kiln-bed-")
        super().__init__(os.path.join(self.temporary.name, "bed"), *arguments, **options)

    def stop(self):
        code = super().stop()
        self.temporary.cleanup()
        return code


class UsbWorld(Fixture):
    """A station whose slots are places in the bed's USB; its programs see that machine and no other."""

    def __init__(self, *, speed="high", profile="spdm/infusion-pump-usb.yaml", **options):
        self.speed = speed
        super().__init__(profile=profile, **options)

    def where(self, slot):
        return f'place: "{place_of(slot)}"'

    def start_twins(self, first=None, env=None):
        o = self.options
        arguments = ["--keygen-ms", o["keygen_ms"], "--seed", 7, "--usb-speed", self.speed]
        arguments += ["--variant", o["variant"]] if o["variant"] else []
        for fault in o["faults"]:
            arguments += ["--fault", fault]
        self.twins = Bed(self.path("devices"), *arguments, model=self.model, serial=first or self.serial,
                         family=o["family"], devices=o["devices"], slots=o["slots"])
        self.programs.append(self.twins)
        self.environment = preloaded(self.twins.root, self.environment)

    def touched(self):
        """What the station did to devices that it must not do of its own accord."""
        return [entry for entry in self.twins.log() if entry[0] not in ("plug", "unplug", "leaves")]
