"""What a run in the guest leaves in the preset's build folder: guest-LINK.log, guest-LINK.pcap, and usb.txt."""

import os
import threading
import time

BUILD = os.path.dirname(os.environ["KILN_BIN"])
ORDER = ["acm", "ftdi", "usbip", "many", "ccid", "dry-run"]


def path(name):
    return os.path.join(BUILD, name)


class Log:
    """guest-LINK.log: the console, which QEMU appends, and beside it what the station and the hands do."""

    def __init__(self, link):
        self.path = path(f"guest-{link}.log")
        open(self.path, "w", encoding="utf-8").close()
        self.file = open(self.path, "a", buffering=1, encoding="utf-8")  # not where QEMU writes
        self.lock, self.began = threading.Lock(), time.monotonic()

    def seconds(self):
        return time.monotonic() - self.began

    def say(self, who, text):
        with self.lock:
            self.file.write(f"{self.seconds():7.1f} {who}: {text}\n")

    def close(self):
        self.file.close()


def write(link, lines):
    """Replaces the link's part of usb.txt."""
    os.makedirs(path("guest"), exist_ok=True)
    with open(path(f"guest/{link}.txt"), "w", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in lines))
    parts = [path(f"guest/{name}.txt") for name in ORDER]
    with open(path("usb.txt"), "w", encoding="utf-8") as file:
        for part in parts:
            if os.path.exists(part):
                with open(part, encoding="utf-8") as text:
                    file.write(text.read())
