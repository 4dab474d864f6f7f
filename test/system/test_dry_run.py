"""kiln dry-run as a newcomer meets it, and with everything that can go wrong on either side."""

import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from station_kit import ABORTED, BIN, INPUT, KILN, PASSED, PENDING, SOURCE, UNITS, kiln


def running(folder):
    """kiln programs whose arguments or working files lie in the folder, or whose parent was one of them."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
            with open(f"/proc/{pid}/environ", "rb") as file:
                line += file.read()
        except OSError:
            continue
        if folder.encode() in line and int(pid) != os.getpid():
            found.append((pid, line[:80]))
    return found


def token_missing():
    """What the device with a PKCS#11 token needs and is not installed."""
    lacks = [name for name in ("pkcs11-tool", "certtool") if shutil.which(name) is None]
    if not glob.glob("/usr/lib/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/*/softhsm/libsofthsm2.so"):
        lacks.append("softhsm2")
    return ", ".join(lacks)


class Bench:
    """A folder, a dry run in it, and its events."""

    def setUp(self):
        self.base = tempfile.mkdtemp(prefix="kiln-dry-")
        self.folder = os.path.join(self.base, "run")

    def tearDown(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def run_it(self, *arguments):
        done = kiln("dry-run", "--dir", self.folder, "--keygen-ms", 10, "--json", *arguments)
        self.events = [json.loads(line) for line in done.stdout.splitlines()]
        self.units = [e for e in self.events if e["event"] == "unit"]
        return done.returncode, done.stderr

    def verify(self):
        done = kiln("verify", "--config", os.path.join(self.folder, "station.yaml"))
        return done.returncode, done.stdout + done.stderr


class Rehearsal(Bench, unittest.TestCase):
    def test_eight_devices_in_four_slots_pass(self):
        code, text = self.run_it()
        self.assertEqual(code, PASSED, text)
        self.assertEqual(self.events[-1]["event"], "summary")
        self.assertEqual([self.events[-1][k] for k in ("passed", "failed", "refused", "pending")], [8, 0, 0, 0])
        self.assertEqual({u["slot"] for u in self.units}, {"1", "2", "3", "4"})
        for event in self.events:
            self.assertIn("time", event)
            if event["event"] == "step":
                self.assertLessEqual({"slot", "serial", "step", "outcome", "ms"}, set(event))
        code, text = self.verify()
        self.assertEqual(code, 0, text)
        self.assertIn("passed 8", text)
        self.assertFalse(running(self.folder))

    def test_people_see_a_line_for_each_unit_and_the_figures(self):
        done = kiln("dry-run", "--dir", self.folder, "--devices", 2, "--slots", 1, "--keygen-ms", 1)
        self.assertEqual(done.returncode, PASSED, done.stderr)
        self.assertEqual(done.stdout.count("PASS "), 2)
        for text in ("p50 ms", "p95 ms", "device", "CA", "HSM", "station", "units per hour", "NOT FOR PRODUCTION",
                     f"{KILN} verify --config {self.folder}/station.yaml"):
            self.assertIn(text, done.stdout)
        self.assertNotIn("\033", done.stdout)

    def test_people_are_told_of_an_outage_and_of_what_may_be_taken_out(self):
        done = kiln("dry-run", "--dir", self.folder, "--devices", 1, "--slots", 1, "--keygen-ms", 1, "--ca-fault",
                    "throttle-once")
        self.assertEqual(done.returncode, PASSED, done.stderr)
        for text in ("station: ca-down: the CA asks us to wait", "units wait and go on by themselves, next try in ",
                     "-> call the CA desk", "station: ca-up: the CA answers again after "):
            self.assertIn(text, done.stdout)
        done = kiln("dry-run", "--dir", self.folder + "2", "--devices", 1, "--slots", 1, "--keygen-ms", 1, "--ca-fault",
                    "pending")
        self.assertEqual(done.returncode, PASSED, done.stderr)
        self.assertRegex(done.stdout, r"PENDING slot 1 .*the device may be taken out meanwhile")
        self.assertNotIn("ca-down", done.stdout)

    def test_everything_it_makes_says_what_it_is(self):
        code, text = self.run_it("--devices", 1, "--slots", 1)
        self.assertEqual(code, PASSED, text)
        for name in ("ca/root.pem", "ca/issuing.pem", "tls.pem", "attestation.pem"):
            subject = subprocess.run(["openssl", "x509", "-in", os.path.join(self.folder, name), "-noout", "-subject"],
                                     capture_output=True, text=True, check=True).stdout
            self.assertIn("NOT FOR PRODUCTION", subject.upper(), name)

    def test_a_folder_is_not_used_twice(self):
        self.assertEqual(self.run_it("--devices", 1, "--slots", 1)[0], PASSED)
        code, text = self.run_it()
        self.assertEqual(code, INPUT)
        self.assertIn("name another folder", text)

    def test_it_leaves_nothing_running_after_an_interrupt(self):
        for kills in (1, 2):
            folder = os.path.join(self.base, f"run{kills}")
            process = subprocess.Popen([KILN, "dry-run", "--dir", folder, "--keygen-ms", "700", "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            for line in process.stdout:
                if json.loads(line).get("step") == "keygen":
                    break
            for _ in range(kills):
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
            for _ in process.stdout:
                pass
            process.stdout.close()
            self.assertEqual(process.wait(timeout=30), PASSED if kills == 1 else ABORTED)
            self.assertFalse(running(folder))

    def test_it_leaves_nothing_running_when_it_is_killed(self):
        process = subprocess.Popen([KILN, "dry-run", "--dir", self.folder, "--keygen-ms", "700", "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in process.stdout:
            if json.loads(line).get("step") == "keygen":
                break
        process.kill()
        process.stdout.close()
        process.wait()
        end = time.monotonic() + 10
        while running(self.folder) and time.monotonic() < end:
            time.sleep(0.05)
        self.assertFalse(running(self.folder))

    def test_it_says_what_is_wrong_with_a_profile(self):
        path = os.path.join(self.base, "bad.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("product: x\nproduct: y\n")
        code, text = self.run_it("--profile", path)
        self.assertEqual(code, INPUT)
        self.assertIn("bad.yaml:2:1", text)

    def test_profile_and_usb_fit_each_other(self):
        profiles = os.path.join(SOURCE, "profiles", "spdm")
        code, text = self.run_it("--profile", os.path.join(profiles, "infusion-pump-usb.yaml"))
        self.assertEqual(code, INPUT)
        self.assertIn("infusion-pump-usb.yaml are on USB: add --usb", text)
        code, text = self.run_it("--usb", "--profile", os.path.join(profiles, "infusion-pump.yaml"))
        self.assertEqual(code, INPUT)
        self.assertIn("run it without --usb", text)

    @unittest.skipIf(os.path.exists("/sys/devices/platform/vhci_hcd.0"), "this machine can")
    def test_usb_where_the_machine_can_not_says_what_is_missing(self):
        code, text = self.run_it("--usb")
        self.assertEqual(code, INPUT)
        self.assertIn("kiln-twin: ", text)
        self.assertIn("modprobe vhci-hcd", text)

    def test_a_fault_that_can_not_strike_is_refused_at_once(self):
        code, text = self.run_it("--twin-fault", "wrong-serial:request")
        self.assertEqual(code, INPUT)
        self.assertIn('can not strike at step "request"', text)

    def test_every_shipped_profile_passes(self):
        shipped = [("spdm/infusion-pump.yaml", "1.3"), ("spdm/infusion-pump.yaml", "1.3-reset"),
                   ("spdm/infusion-pump.yaml", "1.3-chunk"), ("spdm/infusion-pump-1.2.yaml", "1.2"),
                   ("spdm/infusion-pump-p384.yaml", "p384"), ("linux-shell/openssl.yaml", "openssl"),
                   ("linux-shell/pkcs11.yaml", "pkcs11")]
        for profile, variant in shipped:
            if variant == "pkcs11" and token_missing():
                with self.subTest(profile):
                    self.skipTest("not installed: " + token_missing())
                continue
            self.folder = os.path.join(self.base, profile.replace("/", "-") + variant)
            code, text = self.run_it("--devices", 2, "--slots", 2, "--twin-variant", variant, "--profile",
                                     os.path.join(SOURCE, "profiles", profile))
            self.assertEqual(code, PASSED, (profile, variant, text, self.units))
            code, text = self.verify()
            self.assertEqual(code, 0, text)


CA_FAULTS = {
    # label: (exit code, the unit's outcome, its code)
    "pending": (PASSED, "passed", None), "deny": (PENDING, "parked", "ca.denied"),
    "unauthorized": (PENDING, "parked", "ca.denied"), "reject": (UNITS, "failed", "ca.rejected"),
    "throttle": (PENDING, "parked", "ca.throttled"), "throttle-once": (PASSED, "passed", None),
    "http500": (PENDING, "parked", "ca.unknown"), "redirect": (PENDING, "parked", "ca.denied"),
    "drop": (PENDING, "parked", "ca.unknown"), "drop-after-issue": (PENDING, "parked", "ca.unknown"),
    "drop-once": (PASSED, "passed", None), "truncate": (PENDING, "parked", "ca.unknown"),
    "slow": (PASSED, "passed", None), "crlf": (PASSED, "passed", None), "oneline": (PASSED, "passed", None),
    "chunked": (PASSED, "passed", None), "html": (PENDING, "parked", "ca.unknown"),
    "huge": (PENDING, "parked", "ca.unknown"), "pem": (PASSED, "passed", None),
    "trailing": (PENDING, "parked", "ca.unknown"), "no-certs": (PENDING, "parked", "ca.unknown"),
    "two-certs": (UNITS, "failed", "cert.unusable"), "extra-chain": (PASSED, "passed", None),
    "wrong-key": (UNITS, "failed", "cert.unusable"), "other-subject": (UNITS, "failed", "cert.subject"),
    "drop-san": (UNITS, "failed", "cert.san"), "wrong-ku": (UNITS, "failed", "cert.ku"),
    "wrong-eku": (UNITS, "failed", "cert.eku"), "ca-true": (UNITS, "failed", "cert.bc"),
    "no-aki": (UNITS, "failed", "cert.aki"), "short-serial": (UNITS, "failed", "cert.serial"),
    "short-life": (UNITS, "failed", "cert.validity"), "expired": (UNITS, "failed", "cert.validity"),
    "not-yet": (UNITS, "failed", "cert.validity"), "critical-extension": (UNITS, "failed", "cert.extra"),
    "wrong-issuer": (UNITS, "failed", "cert.signature"),
}

TWIN_FAULTS = {
    # fault: (exit code, the unit's last outcome, its code); drop, corrupt and reset recover
    "drop:prove": (PASSED, "passed", None), "corrupt:request": (PASSED, "passed", None),
    "reset:keygen": (PASSED, "passed", None), "reset:install": (PASSED, "passed", None),
    "busy:request": (PASSED, "passed", None), "short-portions": (PASSED, "passed", None),
    "garbage": (PASSED, "passed", None), "lying-readback": (UNITS, "failed", "readback.differs"),
    "wrong-key": (UNITS, "failed", "proof.signature"), "wrong-nonce": (UNITS, "failed", "proof.signature"),
    "wrong-serial": (UNITS, "failed", None), "refuse:keygen": (UNITS, "failed", "device.refused"),
    "refuse:install": (UNITS, "failed", "device.refused"), "other-csr-subject": (UNITS, "failed", "csr.subject"),
    "bad-csr-signature": (UNITS, "failed", "csr.pop"), "stall:keygen": (PENDING, "parked", "link.timeout"),
}


class Faults(Bench, unittest.TestCase):
    def check_unit(self, code, want):
        exit_code, outcome, reason = want
        unit = self.units[-1]
        self.assertEqual((code, unit["outcome"]), (exit_code, outcome), unit)
        if reason:
            self.assertEqual(unit["code"], reason)
        if outcome != "passed":
            self.assertTrue(unit["message"] and unit["advice"])
        code, text = self.verify()
        self.assertEqual(code, 0, text)


def add_fault_tests():
    def ca_test(label, want):
        def test(self):
            code, _ = self.run_it("--devices", 1, "--slots", 1, "--ca-fault", label)
            self.check_unit(code, want)
        return test

    def twin_test(fault, want):
        def test(self):
            code, _ = self.run_it("--devices", 1, "--slots", 1, "--twin-fault", fault)
            self.check_unit(code, want)
        return test

    for label, want in CA_FAULTS.items():
        setattr(Faults, f"test_ca_{label}", ca_test(label, want))
    for fault, want in TWIN_FAULTS.items():
        setattr(Faults, f"test_device_{fault}", twin_test(fault, want))


add_fault_tests()


class Labels(unittest.TestCase):
    def test_every_label_of_the_issue_is_there_and_expected(self):
        text = subprocess.run([os.path.join(BIN, "kiln-devca"), "--labels"], capture_output=True, text=True,
                              check=True).stdout
        offered = {line.split()[0] for line in text.splitlines()}
        self.assertLessEqual(set(CA_FAULTS), offered)


if __name__ == "__main__":
    unittest.main(verbosity=2)
