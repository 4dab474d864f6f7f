"""An artificial /sys and /dev for unmodified programs: a folder, and umockdev's preloaded library.

One controller: bus 1 is its USB 2 root hub, bus 2 its USB 3 one. A device that is plugged is there at once.
"""

import ctypes.util
import os
import shutil
import sys
import tempfile

CONTROLLER = "sys/devices/pci0000:00/0000:00:14.0"
PRELOAD = "libumockdev-preload.so.0"
USB2, USB3 = "pci-0000:00:14.0/usb2/", "pci-0000:00:14.0/usb3/"
MCTP, CCID, ACM = 0x14, 0x0b, 0x02


def need_umockdev():
    if shutil.which("umockdev-wrapper") is None or ctypes.util.find_library("umockdev-preload") is None:
        print("SKIP: umockdev is not installed")
        sys.exit(77)


class Machine:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="kiln-sysfs-")
        os.chmod(self.folder, 0o755)
        self.numbers = {1: 1, 2: 1}
        self.write(f"{CONTROLLER}/usb1/version", " 2.00\n")
        self.write(f"{CONTROLLER}/usb2/version", " 3.00\n")
        os.symlink("../../../bus/pci", self.path(CONTROLLER, "subsystem"))
        os.makedirs(self.path("sys/bus/usb/devices"))
        for root in ("usb1", "usb2"):
            os.symlink(f"../../../devices/pci0000:00/0000:00:14.0/{root}", self.path("sys/bus/usb/devices", root))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def plug(self, name, interfaces=(MCTP,), hub=False, peer=None, driver=None, mode=0o666, **texts):
        """name: the kernel's, "1-3.1". interfaces: classes; ACM brings a tty named by texts["tty"]."""
        bus = int(name[0])
        self.numbers[bus] += 1
        number = self.numbers[bus]
        folder = f"{CONTROLLER}/usb{bus}/{name}"
        for key, value in {"dev": f"189:{(bus - 1) * 128 + number - 1}", "busnum": bus, "devnum": number,
                           "idVendor": "1209", "idProduct": "0001", "bDeviceClass": "09" if hub else "00",
                           "speed": texts.get("speed", "480")}.items():
            self.write(f"{folder}/{key}", f"{value}\n")
        for key in ("manufacturer", "product", "serial"):
            if key in texts:
                self.write(f"{folder}/{key}", texts[key] + "\n")
        for i, kind in enumerate(() if hub else interfaces):
            at = f"{folder}/{name}:1.{i}"
            for key, value in {"bInterfaceNumber": i, "bInterfaceClass": kind, "bInterfaceSubClass": 0,
                               "bInterfaceProtocol": 1}.items():
                self.write(f"{at}/{key}", f"{value:02x}\n")
            if kind == ACM:
                self.write(f"{at}/tty/{texts['tty']}/dev", "166:0\n")
                self.write(f"dev/{texts['tty']}", "", mode)
            if driver and i == 0:
                os.makedirs(self.path("sys/bus/usb/drivers", driver), exist_ok=True)
                os.symlink(f"../../../../../../bus/usb/drivers/{driver}", self.path(at, "driver"))
        if peer:
            os.makedirs(self.path(folder, "port"))
            os.symlink(peer, self.path(folder, "port/peer"))
        self.write(f"dev/bus/usb/{bus:03}/{number:03}", "", mode)
        os.symlink(f"../../../devices/pci0000:00/0000:00:14.0/usb{bus}/{name}", self.path("sys/bus/usb/devices", name))

    def unplug(self, name):
        os.unlink(self.path("sys/bus/usb/devices", name))
        shutil.rmtree(self.path(CONTROLLER, f"usb{name[0]}", name))

    def environment(self):
        return {**os.environ, "UMOCKDEV_DIR": self.folder, "LD_PRELOAD": PRELOAD,
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def close(self):
        shutil.rmtree(self.folder)
