"""A guest: QEMU without KVM, its console in a file, QEMU's own control socket, and programs started in it through
its agent (agent.c) over a forwarded port of loopback."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

import image

BOOT_S = 180
PATIENCE_S = 240


class Failed(Exception):
    """A command in the guest ended otherwise than it should."""


class Channel:
    """A program in the guest: what is written here is its standard input. exit is None until it has ended."""

    def __init__(self, port, words):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.sendall(b"".join(str(w).encode() + b"\0" for w in words) + b"\0")
        self.rest, self.exit = b"", None

    def send(self, data):
        self.socket.sendall(data)

    def end_input(self):
        self.socket.shutdown(socket.SHUT_WR)

    def fill(self):
        got = self.socket.recv(65536)
        self.rest += got
        return bool(got)

    def line(self):
        """The next line of its output without its end, or None after the last."""
        while b"\n" not in self.rest and b"\0" not in self.rest:
            if not self.fill():
                raise Failed("the guest hung up")
        line, _, rest = self.rest.partition(b"\n")
        if b"\0" in line:
            self.finish()
            return None
        self.rest = rest
        return line.decode(errors="replace")

    def finish(self):
        """All of its output that was not read, after it has ended."""
        while self.fill():
            pass
        output, mark, status = self.rest.rpartition(b"\0")
        if not mark:
            raise Failed("the guest hung up")
        self.rest, self.exit = b"\0" + status, int(status)
        self.socket.close()
        return output


class Monitor:
    """QEMU's machine protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8")
        self.events = []
        self.file.readline()
        self.ask("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        if not line:
            raise Failed("qemu has ended")
        return json.loads(line)

    def ask(self, execute, **arguments):
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.file.write(json.dumps({"execute": execute, "arguments": named}) + "\n")
        self.file.flush()
        while True:
            answer = self.read()
            if "event" in answer:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise Failed(f"{execute} {arguments}: {answer['error']}")
            return answer["return"]

    def wait_for(self, name, **data):
        """An event that came since the last one waited for, or comes now."""
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name and data.items() <= event.get("data", {}).items():
                    del self.events[:i + 1]
                    return event
            answer = self.read()
            if "event" in answer:
                self.events.append(answer)

    def delete(self, device):
        self.ask("device_del", id=device)
        self.wait_for("DEVICE_DELETED", device=device)

    def wait_for_chardev(self, label, state):
        """Until QEMU says of it that it is in that state."""
        while True:
            said = next(c["filename"] for c in self.ask("query-chardev") if c["label"] == label)
            if said.startswith(state):
                return
            time.sleep(0.005)

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    def __init__(self, console, *devices):
        began = time.monotonic()
        qemu = image.tool("qemu-system-x86_64")
        self.kernel, self.archive = image.make()
        self.made_s = time.monotonic() - began
        self.folder = tempfile.mkdtemp(prefix="kiln-guest-")
        self.port = free_port()
        self.console = console
        monitor = os.path.join(self.folder, "monitor")
        self.errors = open(os.path.join(self.folder, "qemu.err"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [qemu, "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "768", "-nodefaults",
             "-display", "none", "-no-reboot", "-kernel", self.kernel, "-initrd", self.archive,
             "-append", "console=ttyS0 quiet loglevel=5 panic=-1 mitigations=off random.trust_cpu=on nokaslr",
             "-chardev", f"file,id=console,path={console},append=on", "-serial", "chardev:console",
             "-qmp", f"unix:{monitor},server=on,wait=off",
             "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:7000",
             "-device", "virtio-net-pci,netdev=net,romfile=",
             "-device", "qemu-xhci,id=usb,addr=0x10,p2=8,p3=8", *devices],
            stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        self.monitor = None
        try:
            self.wait_for_boot(monitor)
        except BaseException:
            self.close()
            raise
        self.boot_s = time.monotonic() - began - self.made_s

    def alive(self):
        if self.process.poll() is not None:
            self.errors.seek(0)
            raise Failed(f"qemu ended with {self.process.returncode}: {self.errors.read()}")

    def is_up(self):
        with open(self.console, encoding="utf-8", errors="replace") as file:
            return "guest: listening" in file.read()

    def wait_for_boot(self, monitor):
        end = time.monotonic() + BOOT_S
        while True:
            self.alive()
            try:
                # not asked before its network is up: what is sent into the void is sent again seconds later
                if self.is_up():
                    self.monitor = Monitor(monitor)
                    self.run("true")
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                raise Failed(f"the guest did not come up; its console: {self.console}")
            time.sleep(0.1)

    def start(self, *words):
        return Channel(self.port, words)

    def run(self, *words, stdin=None, check=True):
        """(exit status, output as bytes)"""
        channel = self.start(*words)
        if stdin is not None:
            channel.send(stdin)
            channel.end_input()
        output = channel.finish()
        if check and channel.exit != 0:
            raise Failed(f"{words} ended with {channel.exit}: {output[-2000:]}")
        return channel.exit, output

    def shell(self, script, *arguments, check=True, stdin=None):
        """The output of a shell script, as text."""
        return self.run("sh", "-euc", script, "sh", *arguments, check=check, stdin=stdin)[1].decode()

    def write(self, path, data, mode=0o644):
        self.shell('umask 077; cat >"$1"; chmod "$2" "$1"', path, f"{mode:o}", stdin=data)

    def read(self, path):
        return self.run("cat", path)[1]

    def close(self):
        if self.monitor:
            self.monitor.close()
        self.process.kill()
        status = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read()
        if said or status != -signal.SIGKILL:
            print(f"qemu ended with {status}: {said}", flush=True)
        self.errors.close()
        subprocess.run(["rm", "-rf", self.folder], check=False)
