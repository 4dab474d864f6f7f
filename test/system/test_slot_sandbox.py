"""kiln-slot as it runs at a station: in its sandbox once a device is open, bound to its parent and its channel."""

import os
import select
import subprocess
import sys
import tty
import unittest

from slot_kit import BIN, SOURCE, Gone, Refused, Slot, b64

PROFILE = os.path.join(SOURCE, "profiles/linux-shell/openssl.yaml")
CANARY = "password-canary-4711"


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        return dict(line.rstrip("\n").split(":\t", 1) for line in text if ":\t" in line)


class Pty:
    def __init__(self):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)

    def close(self):
        os.close(self.master)
        os.close(self.slave)


class TestSlotSandbox(unittest.TestCase):
    def setUp(self):
        self.pty = Pty()
        self.slot = Slot(stderr=subprocess.PIPE)

    def tearDown(self):
        self.slot.close()
        self.slot.process.stderr.close()
        self.pty.close()

    def test_it_greets(self):
        self.assertEqual(self.slot.hello["hello"], "kiln-slot")

    def test_the_sandbox_closes_with_open(self):
        before = status_of(self.slot.process.pid)
        self.assertEqual(before["Seccomp"], "0")
        self.slot.open(self.pty.path, PROFILE)
        after = status_of(self.slot.process.pid)
        self.assertEqual(after["Seccomp"], "2")
        self.assertEqual(after["NoNewPrivs"], "1")

    def test_it_holds_its_device_and_nothing_else(self):
        self.slot.open(self.pty.path, PROFILE)
        folder = f"/proc/{self.slot.process.pid}/fd"
        held = {fd: os.readlink(os.path.join(folder, fd)) for fd in os.listdir(folder)}
        self.assertEqual(held.pop("0"), "/dev/null")
        self.assertEqual(held.pop("1"), "/dev/null")
        held.pop("2")
        self.assertTrue(held.pop("3").startswith("socket:"))
        self.assertEqual(list(held.values()), [self.pty.path])

    def test_a_refused_open_can_be_repeated(self):
        with self.assertRaises(Refused) as refused:
            self.slot.open("/nonexistent", PROFILE)
        self.assertEqual(refused.exception.code, "link.absent")
        self.assertEqual(status_of(self.slot.process.pid)["Seccomp"], "0")
        self.slot.open(self.pty.path, PROFILE)

    def test_one_device_for_each_process(self):
        self.slot.open(self.pty.path, PROFILE)
        with self.assertRaises(Refused) as refused:
            self.slot.open(self.pty.path, PROFILE)
        self.assertEqual(refused.exception.code, "slot.open")

    def test_a_port_is_for_one_slot(self):
        self.slot.open(self.pty.path, PROFILE)
        second = Slot()
        with self.assertRaises(Refused) as refused:
            second.open(self.pty.path, PROFILE)
        self.assertEqual(refused.exception.code, "link.locked")
        second.close()

    def test_a_silent_device_ends_at_the_deadline(self):
        self.slot.open(self.pty.path, PROFILE)
        with self.assertRaises(Refused) as refused:
            self.slot.op("identify", seconds=0.5)
        self.assertEqual(refused.exception.code, "shell.silent")
        self.assertEqual(refused.exception.error["domain"], "link")

    def test_an_unplugged_device_is_said(self):
        self.slot.open(self.pty.path, PROFILE)
        os.close(self.pty.master)
        self.pty.master = os.open("/dev/null", os.O_RDONLY)
        with self.assertRaises(Refused) as refused:
            self.slot.op("identify")
        self.assertEqual(refused.exception.code, "link.gone")

    def test_hanging_up_ends_it(self):
        self.slot.open(self.pty.path, PROFILE)
        self.assertEqual(self.slot.close(), 0)

    def test_it_does_not_outlive_its_parent(self):
        kit = os.path.dirname(os.path.abspath(__file__))
        script = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                  "from slot_kit import Slot\n"
                  "slot = Slot()\n"
                  "print(slot.process.pid, flush=True); sys.stdin.read()")
        parent = subprocess.Popen([sys.executable, "-B", "-c", script, kit], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        pid = int(parent.stdout.readline())
        watch = os.pidfd_open(pid)
        parent.kill()
        parent.communicate()
        ended, _, _ = select.select([watch], [], [], 60)
        os.close(watch)
        self.assertTrue(ended)

    def test_no_core_and_no_stranger(self):
        self.slot.open(self.pty.path, PROFILE)
        with open(f"/proc/{self.slot.process.pid}/limits", encoding="ascii") as text:
            core = next(line for line in text if line.startswith("Max core file size"))
        self.assertEqual(core.split()[4:6], ["0", "0"])

    def test_a_secret_stays_inside(self):
        self.slot.open(self.pty.path, PROFILE, secret=b64(CANARY.encode()))
        with self.assertRaises(Refused) as refused:
            self.slot.op("identify", seconds=0.3)
        self.assertNotIn(CANARY, str(refused.exception.error))
        for name in ("cmdline", "environ"):
            with open(f"/proc/{self.slot.process.pid}/{name}", "rb") as text:
                self.assertNotIn(CANARY.encode(), text.read())

    def test_arguments_are_refused(self):
        done = subprocess.run([os.path.join(BIN, "kiln-slot"), "--help"], capture_output=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"takes no arguments", done.stderr)

    def test_a_broken_line_ends_it(self):
        self.slot.file.write("no json\n")
        self.slot.file.flush()
        with self.assertRaises(Gone):
            self.slot.read()
        self.assertEqual(self.slot.process.wait(60), 1)


if __name__ == "__main__":
    unittest.main()
