"""kiln-usb-bed itself, with a small libusb program in kiln's place: what later tests build on."""

import os
import signal
import subprocess
import tempfile
import unittest

from usb_kit import BED, CLIENT, Client, TemporaryBed, preloaded, skip_unless_there

GET_VERSION = "1ab4000d010008c90510840000"
VERSION = "1ab40013010809c1051004000000020012" + "0013"
CAPABILITIES = "1ab4001d010008c90513e1000000000000000000000012000000120000"
ALGORITHMS = "1ab40029010008c90513e3000020000112100000000100000000000000000000000000000000000000"
RESET = "1ab40018010008c90513fe0000040004d97e000002000105"
FIRST = ("open=1.1", "claim")


class Bed(unittest.TestCase):
    def start(self, *arguments, **options):
        self.bed = TemporaryBed(*arguments, **options)
        self.addCleanup(lambda: self.assertEqual(self.bed.stop(), 0))
        return self.bed

    def run_client(self, *words):
        return Client(self.bed, *words).rest()

    def client(self, *words):
        client = Client(self.bed, *words)
        self.addCleanup(lambda: client.process.poll() is None and client.process.kill())
        return client

    def expect(self, client, *lines):
        for line in lines:
            self.assertEqual(client.line(), line)

    def test_places_and_speeds(self):
        bed = self.start(slots=10, devices=10)
        self.assertEqual(bed.places[0], "pci-0000:00:14.0/usb2/1.1")
        self.assertEqual(bed.places[9], "pci-0000:00:14.0/usb2/2.2")
        lines = self.run_client("list")
        self.assertEqual(sorted(lines[:-1]), sorted(f"device 1.{p.split('/')[2]} speed 3" for p in bed.places))
        self.assertEqual([slot["place"] for slot in bed.ask("list")["slots"]], bed.places)

    def test_full_speed(self):
        self.start("--usb-speed", "full", slots=1, devices=1)
        self.assertEqual(self.run_client("list")[0], "device 1.1.1 speed 2")

    def test_all_ports(self):
        self.start(slots=48, devices=48)
        self.assertEqual(len(self.run_client("list")), 49)

    def test_a_device_answers(self):
        self.start()
        self.assertEqual(self.run_client(*FIRST, "serial", f"out={GET_VERSION}", "in=512"),
                         ["open ok", "claim ok", "serial IP30000001", "out ok", f"in ok {VERSION}"])
        self.assertEqual([entry[0] for entry in self.bed.log()], ["plug", "plug"])

    def test_a_timeout_loses_nothing(self):
        self.start()
        self.assertEqual(self.run_client(*FIRST, "timeout=50", "in=512", f"out={GET_VERSION}", "timeout=2000", "in=512")[2:],
                         ["in LIBUSB_ERROR_TIMEOUT", "out ok", f"in ok {VERSION}"])

    def test_stall_and_clear(self):
        self.start("--fault", "usb-stall:1")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512", "in=512", "clear", "in=512")[3:],
                         ["in LIBUSB_ERROR_PIPE", "in LIBUSB_ERROR_PIPE", "clear ok", f"in ok {VERSION}"])

    def test_babble(self):
        self.start("--fault", "usb-babble:1")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512", f"out={GET_VERSION}", "in=512")[3:],
                         ["in LIBUSB_ERROR_OVERFLOW", "out ok", "in ok " + VERSION.replace("09c1", "09d1")])
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=10")[3], "in LIBUSB_ERROR_OVERFLOW")

    def test_short_packet(self):
        self.start("--fault", "usb-short:1")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512", "in=512")[3:],
                         [f"in ok {VERSION[:18]}", f"in ok {VERSION[18:]}"])

    def test_unplug_in_the_middle(self):
        bed = self.start("--fault", "usb-unplug:1@1")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512")[3], "in LIBUSB_ERROR_NO_DEVICE")
        bed.wait_for(lambda: bed.ask("list")["slots"][0].get("serial") is None)
        self.assertEqual(self.run_client("list"), ["device 1.1.2 speed 3", "listed"])
        bed.ask("plug", slot=1, serial="IP30000001")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512")[3], f"in ok {VERSION}")

    def test_unplug_under_a_transfer(self):
        bed = self.start()
        client = self.client(*FIRST, "wait", "timeout=60000", "in=512", "in=512", f"out={GET_VERSION}", "claim")
        self.expect(client, "open ok", "claim ok")
        client.go_on()
        bed.ask("unplug", slot=1)
        self.expect(client, "in LIBUSB_ERROR_NO_DEVICE", "in LIBUSB_ERROR_NO_DEVICE", "out LIBUSB_ERROR_NO_DEVICE")
        client.rest()
        self.assertEqual(client.process.returncode, 0)  # the preload aborts nobody

    def test_a_swapped_device_has_another_node(self):
        bed = self.start(devices=3)
        first = bed.node()
        bed.ask("swap", slot=1)
        self.assertNotEqual(bed.node(), first)
        self.assertFalse(os.path.exists(first))
        self.assertEqual(self.run_client(*FIRST, "serial")[2], "serial IP30000003")

    def test_addresses_go_around(self):
        bed = self.start(slots=1, devices=1)
        for _ in range(122):  # a bus has 127, some are the hubs'
            bed.ask("unplug", slot=1)
            bed.ask("plug", slot=1, serial="IP30000001")
        self.assertEqual(self.run_client(*FIRST, f"out={GET_VERSION}", "in=512")[3], f"in ok {VERSION}")

    def test_reset_and_resume(self):
        bed = self.start()
        lines = self.run_client(*FIRST, f"out={GET_VERSION}", "in=512", f"out={CAPABILITIES}", "in=512",
                                f"out={ALGORITHMS}", "in=512", f"out={RESET}", "in=512")
        self.assertIn("02000185", lines[-1])  # its last word is heard
        bed.wait_for(lambda: len(bed.log()) == 4)
        self.assertEqual([entry[:2] for entry in bed.log()[2:]], [["unplug", "1"], ["plug", "1"]])
        self.assertEqual(self.run_client(*FIRST, "serial", f"out={GET_VERSION}", "in=512")[2:],
                         ["serial IP30000001", "out ok", f"in ok {VERSION}"])

    def test_a_client_that_is_killed_leaves_the_device(self):
        self.start()
        client = self.client(*FIRST, "wait", "timeout=60000", "in=512")
        self.expect(client, "open ok", "claim ok")
        self.assertEqual(self.run_client(*FIRST)[1], "claim LIBUSB_ERROR_BUSY")
        client.go_on()
        client.process.send_signal(signal.SIGKILL)
        client.close()
        self.bed.wait_for(lambda: self.run_client(*FIRST, f"out={GET_VERSION}", "in=512")[3:] == [f"in ok {VERSION}"])

    def test_what_a_host_should_not_do_is_noted(self):
        self.start()
        self.run_client(*FIRST, "reset")
        self.assertIn(["reset", "1"], self.bed.log())

    def test_a_command_under_the_preload(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [BED, "--family", "spdm", "--dir", folder, "--slots", "1", "--devices", "1", "--model", "M", "--serial", "S1",
                 "--", "sh", "-c", f"{CLIENT} list; exit 7"], capture_output=True, text=True, env=preloaded("", os.environ))
        self.assertEqual((done.returncode, done.stdout), (7, "device 1.1.1 speed 3\nlisted\n"), done.stderr)


if __name__ == "__main__":
    skip_unless_there()
    unittest.main(verbosity=2)
