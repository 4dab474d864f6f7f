"""kiln-twin as a program: devices on ttys that come and go, its channel, and faults on the line."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty
import unittest

TWIN = os.path.join(os.environ.get("KILN_BIN", "build/dev/bin"), "kiln-twin")
DEADLINE_S = 20
SERVE_FD = 3


def fcs(data):
    """CRC-16 of DSP0253: reflected 8408, start FFFF, no complement."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value


def frame(packet):
    check = fcs(bytes([1, len(packet)]) + packet)
    escaped = packet.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e\x01" + bytes([len(packet)]) + escaped + check.to_bytes(2, "big") + b"\x7e"


def deframe(raw):
    """The packet of a whole frame, or None where its FCS is wrong."""
    body, check = raw[3:-3], int.from_bytes(raw[-3:-1], "big")
    packet = body.replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
    if raw[:2] != b"\x7e\x01" or raw[-1:] != b"\x7e" or len(packet) != raw[2]:
        raise AssertionError("no frame: " + raw.hex())
    return packet if check == fcs(bytes([1, len(packet)]) + packet) else None


class Line:
    """The station's end of a tty: SPDM messages of one packet each."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self.tag = 0
        self.buffer = b""

    def close(self):
        os.close(self.fd)

    def send(self, message, kind=5):
        self.tag = (self.tag + 1) % 8
        os.write(self.fd, frame(bytes([1, 0, 8, 0xC8 | self.tag, kind]) + bytes.fromhex(message)))

    def read_some(self, seconds):
        """What arrives within the time, None at a hang-up."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self.fd, 4096) or None
        except OSError:
            return None

    def read_frame(self, seconds=DEADLINE_S):
        end = time.monotonic() + seconds
        while True:
            start = self.buffer.find(b"\x7e\x01")
            need = start + self.buffer[start + 2] if start >= 0 and len(self.buffer) > start + 2 else None
            stop = self.buffer.find(b"\x7e", need) if need is not None else -1
            # an FCS byte may be a flag too: the frame ends where its packet is whole
            while stop >= 0 and len(self.buffer) > stop:
                try:
                    packet = deframe(self.buffer[start:stop + 1])
                except AssertionError:
                    stop = self.buffer.find(b"\x7e", stop + 1)
                    continue
                noise, self.buffer = self.buffer[:start], self.buffer[stop + 1:]
                return noise, packet
            data = self.read_some(end - time.monotonic()) if end > time.monotonic() else b""
            if data is None:
                raise EOFError
            if not data:
                raise TimeoutError
            self.buffer += data

    def read_message(self, seconds=DEADLINE_S):
        """A whole message in hex, put together from its packets."""
        message = b""
        while True:
            _, packet = self.read_frame(seconds)
            if packet is None:
                raise ValueError("a bad FCS")
            message += packet[4:]
            if packet[3] & 0x40:
                return message[1:].hex()

    def ask(self, message, kind=5, seconds=DEADLINE_S):
        self.send(message, kind)
        return self.read_message(seconds)

    def connect(self):
        self.ask("10840000")
        self.ask("13e1000000000000000000000012000000120000")
        return self.ask("13e3000020000112100000000100000000000000000000000000000000000000")


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] == "Z"
    except FileNotFoundError:
        return True


def wait_for(what):
    end = time.monotonic() + DEADLINE_S
    while not what():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.005)


class Twin:
    def __init__(self, folder, *options, slots=2, devices=3, with_socket=False):
        arguments = [TWIN, "--family", "spdm", "--dir", folder, "--slots", str(slots), "--devices",
                     str(devices), "--model", "IP3-A", "--serial", "IP30000009", *options]
        self.socket = None
        if with_socket:
            self.socket, theirs = socket.socketpair()
            number = theirs.fileno()

            def prepare():
                os.dup2(number, SERVE_FD)
                os.set_inheritable(SERVE_FD, True)

            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, close_fds=False,
                                            preexec_fn=prepare)
            theirs.close()
            self.input = self.output = self.socket.makefile("rw", buffering=1)
        else:
            self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True, bufsize=1)
            self.input, self.output = self.process.stdin, self.process.stdout
        self.hello = json.loads(self.output.readline())
        self.ports = self.hello["ports"]

    def do(self, name, **members):
        self.input.write(json.dumps({"id": 7, "do": name, **members}) + "\n")
        self.input.flush()
        answer = json.loads(self.output.readline())
        assert answer["id"] == 7
        return answer

    def children(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def close(self):
        """Ends its channel, which ends it: its exit status."""
        for file in {self.input, self.output}:
            file.close()
        if self.socket is not None:
            self.socket.close()
        return self.process.wait(DEADLINE_S)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.close()


class TwinTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, *options, **more):
        self.twin = Twin(self.folder.name, *options, **more)
        self.addCleanup(self.twin.kill)
        return self.twin

    def line(self, slot=1):
        line = Line(self.twin.ports[slot - 1])
        self.addCleanup(line.close)
        return line

    def wait_for_another(self, made):
        """Until the first port's link is another one than that of this time."""
        def is_there():
            try:
                return os.lstat(self.port()).st_ctime_ns != made
            except FileNotFoundError:
                return False
        wait_for(is_there)

    def port(self, slot=1):
        return os.path.join(self.folder.name, "port", str(slot))


class Program(TwinTest):
    def test_greets(self):
        twin = self.start()
        self.assertEqual(twin.hello["hello"], "kiln-twin")
        self.assertEqual(twin.hello["serials"], ["IP30000009", "IP30000010", "IP30000011"])
        self.assertEqual(twin.ports, [os.path.realpath(self.folder.name) + "/port/1",
                                      os.path.realpath(self.folder.name) + "/port/2"])
        for slot in (1, 2):
            self.assertTrue(os.readlink(self.port(slot)).startswith("/dev/pts/"))
        self.assertEqual(twin.close(), 0)

    def test_port_is_raw(self):
        self.start()
        line = self.line()
        mode = tty.tcgetattr(line.fd)
        self.assertEqual(mode[tty.OFLAG] & 1, 0)
        self.assertEqual(mode[tty.LFLAG], mode[tty.LFLAG] & ~0o13)

    def test_usage(self):
        for arguments in ([], ["--family", "none"], ["--what"]):
            done = subprocess.run([TWIN, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn("usage: kiln-twin", done.stderr)
            self.assertEqual(done.stdout, "")
        done = subprocess.run([TWIN, "--help"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("usage: kiln-twin", done.stdout)

    def test_devices_come_and_go(self):
        twin = self.start()
        line = self.line()
        self.assertEqual(line.ask("10840000"), "100400000002" + "00120013")
        self.assertEqual(twin.do("swap", slot=1)["ok"], {"serial": "IP30000011"})
        self.assertIsNone(line.read_some(DEADLINE_S))
        self.assertEqual(self.line().ask("10840000")[:4], "1004")
        self.assertEqual(twin.do("swap", slot=2)["ok"], {"empty": True})
        self.assertFalse(os.path.lexists(self.port(2)))
        self.assertEqual(twin.do("unplug", slot=1)["ok"], {"serial": "IP30000011"})
        self.assertEqual(twin.do("unplug", slot=1)["ok"], {"empty": True})
        self.assertEqual(twin.do("plug", slot=2, serial="IP30000009")["ok"], {"serial": "IP30000009"})
        slots = twin.do("list")["ok"]["slots"]
        self.assertEqual([slot.get("serial") for slot in slots], [None, "IP30000009"])

    def test_a_device_leaves_in_the_middle_of_its_work(self):
        twin = self.start("--keygen-ms", "900")
        first = twin.children()
        line = self.line()
        line.connect()
        line.send("13fd0200010000000800000000")  # makes a key
        time.sleep(0.3)
        begun = time.monotonic()
        self.assertEqual(twin.do("swap", slot=1)["ok"], {"serial": "IP30000011"})
        self.assertLess(time.monotonic() - begun, 0.5)
        self.assertIsNone(line.read_some(DEADLINE_S))  # no answer any more
        self.assertEqual(self.line().ask("10840000")[:4], "1004")
        self.assertEqual(twin.children(), first)

    def test_account_of_a_device(self):
        log = os.path.join(self.folder.name, "log")
        twin = self.start("--log", log, "--baud", "11520")
        line = self.line()
        begun = time.clock_gettime(time.CLOCK_MONOTONIC)
        for _ in range(3):
            self.assertEqual(line.ask("10840000")[:4], "1004")
        took = time.clock_gettime(time.CLOCK_MONOTONIC) - begun
        twin.do("unplug", slot=1)
        self.assertEqual(twin.close(), 0)
        with open(log, encoding="utf-8") as file:
            first, second = map(json.loads, file.read().splitlines())
        self.assertEqual((first["serial"], first["slot"]), ("IP30000009", 1))
        sent = len(frame(bytes(9))) # GET_VERSION with its type in a packet
        self.assertEqual(first["in"], 3 * sent)
        # the line's time is its bytes' (each lump rounded down), whatever this machine added; and it was seen outside
        on_line = (first["in"] + first["out"]) * 10 * 1000000 // 11520
        self.assertTrue(on_line - 12 <= first["line_us"] <= on_line, first)
        self.assertGreaterEqual(took * 1000000, first["line_us"])
        self.assertGreaterEqual(first["busy_us"], first["line_us"])
        self.assertLessEqual(first["busy_us"], (took + 0.1) * 1000000)
        self.assertGreater(first["late_us"], 0)
        self.assertLess(first["plugged_us"], first["unplugged_us"])
        self.assertEqual((second["serial"], second["busy_us"], second["in"]), ("IP30000010", 0, 0))

    def test_refusals(self):
        twin = self.start()
        for request, code in (
                (("swap", {"slot": 0}), "twin.slot"), (("swap", {"slot": 3}), "twin.slot"),
                (("swap", {}), "json"), (("swap", {"slot": "1"}), "json"),
                (("plug", {"slot": 1, "serial": "IP30000011"}), "twin.slot"),
                (("dance", {}), "serve.unknown")):
            self.assertEqual(twin.do(request[0], **request[1])["err"]["code"], code, request)
        twin.do("unplug", slot=1)
        for serial in ("IP30000010", "IP3"):
            answer = twin.do("plug", slot=1, serial=serial)
            self.assertEqual(answer["err"]["code"], "twin.serial")

    def test_what_a_device_learned_survives(self):
        twin = self.start("--variant", "1.2")
        line = self.line()
        line.ask("10840000")
        line.ask("12e1000000000000000000000012000000120000")
        line.ask("12e3000020000102100000000100000000000000000000000000000000000000")
        public = line.ask("12ed000000000000")[16:]
        twin.do("unplug", slot=1)
        twin.do("plug", slot=1, serial="IP30000009")
        line = self.line()
        line.ask("10840000")
        line.ask("12e1000000000000000000000012000000120000")
        line.ask("12e3000020000102100000000100000000000000000000000000000000000000")
        again = line.ask("12ed000000000000")[16:]
        at = public.index("03420004")
        self.assertEqual(public[at:at + 136], again[at:at + 136])

    def test_ends_with_its_channel(self):
        for with_socket in (False, True):
            twin = self.start(with_socket=with_socket)
            children = twin.children()
            self.assertEqual(len(children), 2)
            self.assertEqual(twin.close(), 0)
            self.assertEqual(os.listdir(os.path.join(self.folder.name, "port")), [])
            for pid in children:
                self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_ends_with_sigterm(self):
        twin = self.start()
        twin.process.terminate()
        self.assertEqual(twin.process.wait(DEADLINE_S), 0)
        self.assertEqual(os.listdir(os.path.join(self.folder.name, "port")), [])

    def test_children_die_with_it(self):
        twin = self.start()
        line = self.line()
        children = twin.children()
        twin.process.kill()
        twin.process.wait()
        for pid in children:
            wait_for(lambda: is_gone(pid))
        self.assertIsNone(line.read_some(DEADLINE_S))
        self.start()  # what the killed one left is no hindrance
        self.assertEqual(self.line().ask("10840000")[:4], "1004")

    def test_children_have_no_channel(self):
        twin = self.start(with_socket=True)
        for pid in twin.children():
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    self.assertNotIn("socket", os.readlink(f"/proc/{pid}/fd/{fd}"))

    def test_a_dead_device_leaves_its_slot(self):
        twin = self.start()
        os.kill(twin.children()[0], signal.SIGKILL)
        wait_for(lambda: len(os.listdir(os.path.join(self.folder.name, "port"))) == 1)
        self.assertEqual(twin.do("list")["ok"]["slots"][0].get("serial"), None)

    def test_two_devices_claim_one_serial(self):
        self.start("--fault", "duplicate-serial")
        serials = []
        for slot in (1, 2):
            line = self.line(slot)
            line.connect()
            identity = bytes.fromhex(line.ask("13fe0000040004d97e000002000101"))
            at = identity.index(b"\x02\x0aIP3")
            serials.append(identity[at + 2:at + 12])
        self.assertEqual(serials, [b"IP30000009", b"IP30000009"])


class OnTheLine(TwinTest):
    KEYGEN = "13fd0200010006000800000000"

    def test_reset_brings_a_new_tty(self):
        self.start()
        line = self.line()
        line.connect()
        made = os.lstat(self.port()).st_ctime_ns
        self.assertEqual(line.ask("13fe0000040004d97e000002000105")[-8:], "02000185")
        self.assertIsNone(line.read_some(DEADLINE_S))
        self.wait_for_another(made)
        self.assertEqual(self.line().ask("10840000")[:4], "1004")

    def test_keygen_takes_its_time(self):
        self.start("--keygen-ms", "300", "--seed", "0")
        line = self.line()
        line.connect()
        begin = time.monotonic()
        answer = line.ask(self.KEYGEN)
        while answer[2:8] == "7f4200":
            time.sleep(0.02)
            answer = line.ask("13ff" + answer[10:14])
        self.assertEqual(answer, "137d0000")
        self.assertGreaterEqual(time.monotonic() - begin, 0.29)

    def test_pacing(self):
        self.start("--baud", "9600")
        line = self.line()
        begin = time.monotonic()
        line.connect()
        # more than 170 bytes at 960 a second
        self.assertGreater(time.monotonic() - begin, 0.17)

    def test_drop_is_once(self):
        self.start("--fault", "drop:identify")
        line = self.line()
        with self.assertRaises(TimeoutError):
            line.ask("10840000")
            line.ask("13e1000000000000000000000012000000120000")
            line.ask("13e3000020000112100000000100000000000000000000000000000000000000", seconds=0.3)
        self.assertEqual(line.connect()[:4], "1363")

    def test_corrupt_frame(self):
        self.start("--fault", "corrupt:identify")
        line = self.line()
        with self.assertRaises(ValueError):
            line.connect()
        self.assertEqual(line.connect()[:4], "1363")

    def test_corrupt_message(self):
        self.start("--fault", "corrupt-message:identify")
        line = self.line()
        first, second = line.connect(), line.connect()
        self.assertEqual(len(first), len(second))
        self.assertNotEqual(first, second)

    def test_stall_is_for_good(self):
        self.start("--fault", "stall:identify")
        line = self.line()
        for _ in range(2):
            line.ask("10840000")
            line.ask("13e1000000000000000000000012000000120000")
            with self.assertRaises(TimeoutError):
                line.ask("13e3000020000112100000000100000000000000000000000000000000000000",
                         seconds=0.2)

    def test_reset_instead_of_an_answer(self):
        self.start("--fault", "reset:keygen")
        line = self.line()
        line.connect()
        made = os.lstat(self.port()).st_ctime_ns
        with self.assertRaises(EOFError):
            line.ask(self.KEYGEN)
        self.wait_for_another(made)
        line = self.line()
        line.connect()
        self.assertIn(line.ask("13fc000001")[2:4], "7c")

    def test_boot_console_noise(self):
        self.start("--fault", "garbage")
        line = self.line()
        line.send("10840000")
        noise, packet = line.read_frame()
        self.assertIn(b"boot:", noise)
        self.assertEqual(packet[5:7].hex(), "1004")

    def test_uuid_by_control_message(self):
        self.start()
        answer = self.line().ask("8003", kind=0)
        self.assertEqual(answer[:6], "000300")
        self.assertEqual(len(answer), 6 + 32)
        self.assertEqual(answer[6 + 12], "8")


if __name__ == "__main__":
    if not os.access(TWIN, os.X_OK):
        print("SKIP: kiln-twin is not built")
        sys.exit(77)
    unittest.main()
