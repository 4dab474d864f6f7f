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


def frames(path, display_filter):
    """How many frames of the recording tshark's filter lets through."""
    env = {**os.environ, "WIRESHARK_CONFIG_DIR": os.path.dirname(path)}
    done = subprocess.run([tshark(), "-n", "-r", path, "-Y", display_filter, "-T", "fields", "-e", "frame.number"],
                          capture_output=True, text=True, env=env)
    if done.returncode != 0:
        raise AssertionError(f"tshark {display_filter}: {done.stderr}")
    return len(done.stdout.split())
