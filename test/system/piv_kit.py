"""What the tests of the emulated PIV card share: the card, a host that sends it APDUs, and pcscd with its virtual reader."""

import os
import shutil
import socket
import subprocess
import time

BIN = os.environ["KILN_BIN"]
CARD = os.path.join(BIN, "..", "test", "kiln-vpcd")
PCSCD_SOCKET = "/run/pcscd/pcscd.comm"
VPCD = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
PATIENCE_S = 60

SELECT = bytes.fromhex("00a4040005a000000308")
# variant -> algorithm of the management key, OpenSSL's name of the cipher, length of a block, of the key
MANAGEMENT = {
    "token": (0x03, "-des-ede3", 8, 24),
    "reader": (0x03, "-des-ede3", 8, 24),
    "yubico": (0x0A, "-aes-192-ecb", 16, 24),
    "plain": (0x08, "-aes-128-ecb", 16, 16),
    "p384": (0x0C, "-aes-256-ecb", 16, 32),
}


def until(what, condition):
    """Waits for the condition's value."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {PATIENCE_S} s")
        time.sleep(0.05)


def run(*arguments, **options):
    """A command that succeeds; what it wrote, on both of its outputs."""
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_S, **options)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: {done.returncode}: {done.stdout.decode(errors='replace')}")
    return done.stdout


class Card:
    """kiln-vpcd on a folder of its own."""

    def __init__(self, folder, address, variant="token", serial="20000001", *more):
        self.process = subprocess.Popen(
            [CARD, "--dir", folder, "--variant", variant, "--serial", serial, *more, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ready(self):
        line = self.process.stdout.readline()
        if line != b"ready\n":
            raise AssertionError(f"the card said {line}")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def tlv(tag, value):
    head = bytes([len(value)]) if len(value) < 128 else b"\x82" + len(value).to_bytes(2, "big")
    return bytes.fromhex(tag) + head + value


class Refused(Exception):
    def __init__(self, status):
        super().__init__(f"{status:04x}")
        self.status = status


class Host:
    """The reader's side of vpcd's protocol: APDUs to a card, without pcscd."""

    def __init__(self, folder, variant="token", *more):
        self.variant = variant
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(PATIENCE_S)
            self.card = Card(folder, f"vpcd:127.0.0.1:{server.getsockname()[1]}", variant, "20000001", *more)
            self.link, _ = server.accept()
        self.link.settimeout(PATIENCE_S)
        self.link.sendall(b"\x00\x01\x01")
        self.ask(SELECT)

    def receive(self, length):
        got = b""
        while len(got) < length:
            part = self.link.recv(length - len(got))
            if not part:
                raise AssertionError("the card left")
            got += part
        return got

    def exchange(self, apdu):
        self.link.sendall(len(apdu).to_bytes(2, "big") + apdu)
        return self.receive(int.from_bytes(self.receive(2), "big"))

    def ask(self, apdu):
        """All of the answer's data."""
        answer = self.exchange(apdu)
        data = answer[:-2]
        while answer[-2] == 0x61:
            answer = self.exchange(bytes.fromhex("00c0000000"))
            data += answer[:-2]
        if answer[-2:] != b"\x90\x00":
            raise Refused(int.from_bytes(answer[-2:], "big"))
        return data

    def say(self, head, data):
        """A command with much data, chained."""
        head = bytes.fromhex(head)
        while len(data) > 255:
            self.ask(bytes([0x10]) + head + b"\xff" + data[:255])
            data = data[255:]
        return self.ask(bytes([0x00]) + head + bytes([len(data)]) + data)

    def cipher(self, way, block):
        _, name, length, key = MANAGEMENT[self.variant]
        text = (bytes(range(1, 9)) * 4)[:key].hex()
        return subprocess.run(
            ["openssl", "enc", name, way, "-nopad", "-K", text], input=block, capture_output=True, check=True
        ).stdout[:length]

    def authenticate(self):
        algorithm, _, length, _ = MANAGEMENT[self.variant]
        head = f"87{algorithm:02x}9b"
        witness = self.say(head, bytes.fromhex("7c028000"))[4:]
        ours = os.urandom(length)
        answer = self.say(head, tlv("7c", tlv("80", self.cipher("-d", witness)) + tlv("81", ours)))
        if answer != tlv("7c", tlv("82", self.cipher("-e", ours))):
            raise AssertionError("the card does not know the management key")

    def generate(self, slot, algorithm):
        return self.say(f"4700{slot}", bytes.fromhex(f"ac0380 01{algorithm}"))

    def put(self, tag, value):
        self.say("db3fff", tlv("5c", bytes.fromhex(tag)) + tlv("53", value))

    def close(self):
        self.link.close()
        self.card.stop()


class Pcscd:
    """pcscd in the foreground with one virtual reader, on a port nobody else uses."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        config = os.path.join(folder, "reader.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f'FRIENDLYNAME "kiln"\nDEVICENAME /dev/null:{self.port}\nLIBPATH {VPCD}\nCHANNELID {self.port}\n')
        self.log = open(os.path.join(folder, "pcscd.log"), "wb")
        self.process = subprocess.Popen(
            ["pcscd", "--foreground", "--config", config], stdout=self.log, stderr=subprocess.STDOUT
        )
        self.environment = dict(os.environ, HOME=folder, XDG_CACHE_HOME=folder)
        until("pcscd listens", lambda: self.is_alive() and is_listening())
        until("pcscd has its reader", lambda: b"kiln" in self.readers())

    def is_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"pcscd ended, see {self.log.name}")
        return True

    def readers(self):
        return subprocess.run(["opensc-tool", "--list-readers"], env=self.environment, capture_output=True).stdout

    def has_card(self):
        rows = [line.split() for line in self.readers().decode().splitlines()]
        return any(row[:2] == ["0", "Yes"] for row in rows)

    def insert(self, folder, variant="token", *more):
        """The reader is empty before: pcscd must not take one card for another."""
        until("the reader is empty", lambda: not self.has_card())
        card = Card(folder, f"vpcd:127.0.0.1:{self.port}", variant, "20000001", *more)
        card.ready()
        until("pcscd sees the card", self.has_card)
        return card

    def tool(self, *arguments):
        return run(*arguments, env=self.environment)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def is_listening():
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(PCSCD_SOCKET)
        except OSError:
            return False
    return True


def missing():
    """Why there can be no pcscd of ours with the card in it."""
    tools = ("pcscd", "yubico-piv-tool", "opensc-tool", "piv-tool", "pkcs11-tool", "openssl")
    lacks = [name for name in tools if shutil.which(name) is None]
    if not os.path.exists(VPCD):
        lacks.append("vsmartcard-vpcd")
    if not os.path.exists(CARD):
        lacks.append("kiln-vpcd")
    if not lacks and os.geteuid() != 0:
        lacks.append("root, to start pcscd")
    if not lacks and is_listening():
        lacks.append("a machine on which no pcscd runs already")
    return lacks
