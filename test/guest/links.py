"""The cables between devices and the guest's USB: how a device comes onto each, and off it again."""

import os
import shutil
import subprocess
import tempfile
import threading

import station_kit
from world import Program

# A shell script: until no path matches.
GONE = 'while ls -d $1 >/dev/null 2>&1; do usleep 10000; done'
GADGETS = "/sys/kernel/config/usb_gadget"


def twin_words(world, family, folder, slots, devices, *more):
    return ["kiln-twin", "--family", family, "--dir", folder, "--devices", devices, "--slots", slots, "--seed", 7,
            "--model", world.model, "--serial", world.serial, *more]


class Link:
    """plug and unplug take and say what a hand does; one thing at a time."""
    slots = 2
    modules = qemu = ()
    profile, edit = "spdm/infusion-pump.yaml", None
    family = "spdm"
    # a hand needs a moment at each step, however fast the machine is
    unhurried = [word for step in ("request", "install", "readback", "prove") for word in ("--fault", f"busy:{step}")]

    def __init__(self):
        self.lock, self.plugs, self.say = threading.RLock(), 0, lambda text: None

    def plug(self, slot, serial):
        with self.lock:
            self.plugs += 1
            self.say(f"plug {serial} into slot {slot}")
            self.put(slot, serial)

    def unplug(self, slot):
        with self.lock:
            self.say(f"unplug slot {slot}")
            self.take(slot)

    def close(self):
        pass


class Acm(Link):
    """A device with USB of its own: the kernel's CDC-ACM gadget on dummy_hcd, a kiln-twin behind its port."""
    modules = ["cdc_acm", "libcomposite", "usb_f_acm", "dummy_hcd num=4 is_high_speed=1"]

    def __init__(self, machine, world, slots, devices, *more):
        super().__init__()
        self.machine = machine
        machine.shell("mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config")
        machine.shell('mkdir -p "$1"', "/tmp/devices")
        self.twins = Program(machine, *twin_words(world, self.family, "/tmp/devices", slots, devices, *more))
        self.serials = self.twins.hello["serials"]
        self.ports, self.bridges = {}, {}
        for slot in range(1, slots + 1):
            self.twins.ask("unplug", slot=slot)
            self.ports[slot] = self.make_gadget(slot)

    def make_gadget(self, slot):
        """Its serial port on the device's side."""
        return "/dev/ttyGS" + self.machine.shell(
            'mkdir -p "$1/strings/0x409" "$1/configs/c.1" "$1/functions/acm.0"; cd "$1"; echo 0x0525 >idVendor;'
            'echo 0xa4a7 >idProduct; echo kiln >strings/0x409/manufacturer; echo twin >strings/0x409/product;'
            'ln -s functions/acm.0 configs/c.1/; cat functions/acm.0/port_num', f"{GADGETS}/g{slot}").strip()

    def addresses(self):
        return {slot: f'place: "platform-dummy_hcd.{slot - 1}/usb2/1"' for slot in self.ports}

    def put(self, slot, serial):
        self.twins.ask("plug", slot=slot, serial=serial)
        self.bridges[slot] = self.machine.start("guest_bridge", f"/tmp/devices/port/{slot}", self.ports[slot])
        self.machine.shell('echo "$3" >"$1/strings/0x409/serialnumber"; echo "dummy_udc.$2" >"$1/UDC"',
                           f"{GADGETS}/g{slot}", slot - 1, serial)

    def take(self, slot):
        self.machine.shell('echo "" >"$1/UDC"', f"{GADGETS}/g{slot}")
        self.twins.ask("unplug", slot=slot)
        self.bridges.pop(slot).finish()


def place(slot):
    """A port of QEMU's xHCI (machine.py)."""
    return f'place: "pci-0000:00:10.0/usb2/{slot}"'


class Ftdi(Link):
    """QEMU's FTDI chip; its line ends at a kiln-twin of the host."""
    modules = ["ftdi_sio"]

    def __init__(self, machine, world, slots, devices, *more):
        super().__init__()
        self.machine, self.monitor = machine, machine.monitor
        self.folder = tempfile.mkdtemp(prefix="kiln-ftdi-")
        self.twins = station_kit.Program(*twin_words(world, self.family, self.folder, slots, devices, *more))
        self.serials = self.twins.hello["serials"]
        self.slots = range(1, slots + 1)
        for slot in self.slots:
            self.twins.ask("unplug", slot=slot)

    def addresses(self):
        return {slot: place(slot) for slot in self.slots}

    def put(self, slot, serial):
        self.twins.ask("plug", slot=slot, serial=serial)
        self.monitor.ask("chardev-add", id=f"line{slot}", backend={
            "type": "serial", "data": {"device": os.path.realpath(os.path.join(self.folder, "port", str(slot)))}})
        self.monitor.ask("device_add", driver="usb-serial", id=f"ftdi{slot}", chardev=f"line{slot}", bus="usb.0",
                         port=str(slot))

    def take(self, slot):
        # The chip leaves as its line ends. Not before: QEMU 7.2 dies of what arrives for a device that it deletes.
        self.twins.ask("unplug", slot=slot)
        self.machine.shell(GONE, f"/sys/devices/pci0000:00/0000:00:10.0/usb*/*-{slot}")
        self.monitor.delete(f"ftdi{slot}")
        self.monitor.ask("chardev-remove", id=f"line{slot}")

    def close(self):
        self.twins.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Usbip(Link):
    """Devices of kiln-twin on the kernel's virtual host controller: SPDM over MCTP over USB."""
    modules = ["vhci_hcd"]
    profile = "spdm/infusion-pump-usb.yaml"

    def __init__(self, machine, world, slots, devices, *more):
        super().__init__()
        self.machine = machine
        machine.shell("mkdir -p /tmp/devices")
        self.twins = Program(machine, *twin_words(world, self.family, "/tmp/devices", slots, devices, *more, "--skin",
                                                  "usbip"))
        self.serials, self.places = self.twins.hello["serials"], self.twins.hello["places"]
        for slot in range(1, slots + 1):
            self.twins.ask("unplug", slot=slot)

    def addresses(self):
        return {slot: f'place: "{text}"' for slot, text in enumerate(self.places, 1)}

    def put(self, slot, serial):
        self.twins.ask("plug", slot=slot, serial=serial)

    def take(self, slot):
        self.twins.ask("unplug", slot=slot)
        # vhci does not disable a port that is disconnected: if the next device is there before the hub has looked,
        # the kernel compares descriptors and takes it for the one before.
        controller, _, port = self.places[slot - 1].removeprefix("platform-").split("/")
        self.machine.shell(GONE, f"/sys/devices/platform/{controller}/usb*/*-{port}")


class Ccid(Link):
    """QEMU's CCID reader with a card in it that kiln-vpcd emulates on the host. The reader is what is plugged."""
    profile, unhurried = "piv/usb-token.yaml", []

    def __init__(self, machine, world, slots, devices, *more):
        super().__init__()
        self.monitor, self.more, self.slots, self.cards = machine.monitor, more, range(1, slots + 1), {}
        self.folder = tempfile.mkdtemp(prefix="kiln-ccid-")
        self.serials = [str(int(world.serial) + n) for n in range(devices)]

    def addresses(self):
        return {slot: place(slot) for slot in self.slots}

    def put(self, slot, serial):
        path = os.path.join(self.folder, f"card{slot}")
        self.monitor.ask("chardev-add", id=f"card{slot}", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
        self.monitor.ask("device_add", driver="usb-ccid", id=f"reader{slot}", bus="usb.0", port=str(slot))
        self.monitor.ask("device_add", driver="ccid-card-passthru", chardev=f"card{slot}", bus=f"reader{slot}.0")
        flash = os.path.join(self.folder, serial)
        os.makedirs(flash, exist_ok=True)
        program = os.path.join(station_kit.BIN, "../test/kiln-vpcd")
        self.cards[slot] = subprocess.Popen(
            [program, "--dir", flash, "--serial", serial, *map(str, self.more), f"vscard:{path}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def take(self, slot):
        # The card is silent before its reader goes, for the reason that FTDI's line is.
        card = self.cards.pop(slot)
        card.kill()
        card.communicate()
        self.monitor.wait_for_chardev(f"card{slot}", "disconnected")
        self.monitor.delete(f"reader{slot}")
        self.monitor.ask("chardev-remove", id=f"card{slot}")

    def close(self):
        for card in self.cards.values():
            card.kill()
            card.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)
