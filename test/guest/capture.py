"""USB traffic of the guest, recorded by the kernel (usbmon) and read by tshark."""

import os
import shutil
import subprocess

FILE = "/tmp/usb.pcap"


class Capture:
    def __init__(self, machine):
        self.machine = machine
        self.channel = machine.start("tcpdump", "-Z", "root", "-i", "usbmon0", "-U", "-w", FILE)
        machine.shell('until [ -s "$1" ]; do usleep 50000; done', FILE)

    def stop(self, path):
        """Leaves the recording at path, on the host."""
        self.machine.shell("kill -INT $(pidof tcpdump)")
        self.channel.finish()
        with open(path, "wb") as file:
            file.write(self.machine.read(FILE))


def tshark():
    return shutil.which("tshark")


def read(path, display_filter, *fields):
    """The fields of each frame of the recording that tshark's filter lets through."""
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": os.path.dirname(path)}
    wanted = [word for field in ("frame.number", *fields) for word in ("-e", field)]
    done = subprocess.run([tshark(), "-n", "-r", path, "-Y", display_filter, "-T", "fields", *wanted],
                          capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise AssertionError(f"tshark {display_filter}: {done.stderr}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def frames(path, display_filter):
    """How many frames of the recording tshark's filter lets through."""
    return len(read(path, display_filter))


def rests(path):
    """Frames that go on with a CCID message. The station asks for an answer's first packet and then for its rest, and
    tshark takes each transfer for a message of its own."""
    found, left = set(), {}
    for frame, device, size, length in read(
            path, "usb.transfer_type == 3 && usb.endpoint_address.direction == 1 && usb.urb_type == 67 && "
                  "usb.data_len > 0 && usb.bInterfaceClass == 11",
            "usb.device_address", "usb.data_len", "usbccid.dwLength"):
        if left.get(device, 0) > 0:
            found.add(frame)
            left[device] -= int(size)
        else:
            left[device] = 10 + int(length or 0) - int(size)
    return found


def malformed(path):
    """Numbers of the frames in which a dissector finds something wrong."""
    wrong = {frame for frame, in read(path, "_ws.malformed")}
    return sorted(wrong - rests(path)) if wrong else []
