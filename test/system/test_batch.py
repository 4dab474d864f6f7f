"""kiln batch against real ttys, a real CA over TLS and real tokens: lists, orders, exit codes, signals."""

import os
import signal
import subprocess
import unittest

from station_kit import (ABORTED, INPUT, LOCKED, PASSED, PENDING, PINS, SOURCE, STATION, UNITS, USAGE, World, check_promises,
                         kiln)


class Lists(unittest.TestCase):
    def test_units_that_are_listed_pass_and_the_rest_is_refused_before_a_key_is_made(self):
        with World(devices=3) as world:
            first, second, third = world.serials()
            world.write("units.csv", f"serial,label,model\n{first},Pump 1,IP3-A\n{third},,\n")
            code, batch = world.run("--list", world.path("units.csv"))
            self.assertEqual(code, UNITS, batch.stderr)
            by_serial = {u["serial"]: u for u in batch.units}
            self.assertEqual(by_serial[first]["outcome"], "passed")
            self.assertEqual(by_serial[third]["outcome"], "passed")
            self.assertEqual((by_serial[second]["outcome"], by_serial[second]["code"]), ("refused", "list.unlisted"))
            self.assertFalse([e for e in world.log(second) if e["event"] == "intent"])
            self.assertEqual(batch.summary(), {**batch.summary(), "event": "summary", "passed": 2, "failed": 0,
                                               "refused": 1, "pending": 0, "missing": 0})
            check_promises(self, world)

    def test_a_listed_unit_of_another_model_is_refused(self):
        with World(devices=1, slots=1) as world:
            world.write("units.csv", f"serial,model\n{world.serials()[0]},IP3-B\n")
            code, batch = world.run("--list", world.path("units.csv"))
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "list.model"))

    def test_a_listed_unit_that_never_came_is_reported(self):
        with World(devices=1, slots=1) as world:
            world.write("units.csv", f"serial,label\n{world.serials()[0]},\nIP39999999,Pump 9\n")
            batch = world.batch("--list", world.path("units.csv"))
            batch.wait_for(lambda e: e["event"] == "unit")
            batch.process.send_signal(signal.SIGINT)
            self.assertEqual(batch.wait(), UNITS)
            missing = [e for e in batch.events if e["event"] == "missing"]
            self.assertEqual([(m["serial"], m["label"]) for m in missing], [("IP39999999", "Pump 9")])

    def test_a_bad_list_is_refused_with_its_place(self):
        with World(devices=1, slots=1) as world:
            for text, place in [("serial\nA\nA\n", "twice"), ("serial,labe\nA,b\n", ":1:8: "), ("label\nA\n", ":1:1: "),
                                ("serial,label\nA\n", ":2:"), ("serial\nBAD-1\n", "BAD-1"),
                                ("serial,model\nIP30000001,X9\n", "X9"), ('serial\n"A\n', ":2:1: "), ("", "empty")]:
                world.write("units.csv", text)
                code, batch = world.run("--list", world.path("units.csv"))
                self.assertEqual(code, INPUT, text)
                self.assertIn(place, batch.stderr, text)


class Orders(unittest.TestCase):
    def test_I6_an_order_bounds_what_is_claimed(self):
        with World(devices=4, order=("WO-7", 2)) as world:
            code, batch = world.run("--count", 4)
            outcomes = sorted(u["outcome"] for u in batch.units)
            self.assertEqual((code, outcomes), (UNITS, ["passed", "passed", "refused", "refused"]), batch.stderr)
            self.assertEqual({u["code"] for u in batch.units if u["outcome"] == "refused"}, {"claim.quota"})
            self.assertEqual(len([p for p in world.posts() if p.get("certificate_sha256")]), 2)
            check_promises(self, world)

    def test_a_count_ends_the_batch(self):
        with World(devices=4) as world:
            code, batch = world.run("--count", 2)
            self.assertEqual(code, PASSED, batch.stderr)
            self.assertEqual(batch.summary()["passed"], 2)


class Exits(unittest.TestCase):
    def test_usage(self):
        for arguments in [["batch"], ["batch", "--count", "x", "--config", "f"], ["nothing"], ["hsm", "dance"],
                          ["verify"], ["rework", "X"], []]:
            self.assertEqual(kiln(*arguments).returncode, USAGE, arguments)
        for arguments in [["operator", "add", "eva", "--help"], ["help", "operator"], ["operator", "--help"]]:
            done = kiln(*arguments)
            self.assertEqual((done.returncode, done.stderr), (PASSED, ""), arguments)
            self.assertTrue(done.stdout.startswith("usage: kiln operator add"), done.stdout)
        self.assertEqual(kiln("unit", "--config", "/nowhere.yaml", "--", "--help").returncode, INPUT)  # a serial
        for arguments, missing in [(["status"], True), (["operator", "list"], True), (["profile"], False),
                                   (["operator", "add", "--config", "f"], False), (["log", "--records"], False)]:
            self.assertEqual("no --config was given" in kiln(*arguments).stderr, missing, arguments)

    def test_a_wrong_configuration_is_refused_with_its_place(self):
        with World(devices=1, slots=1) as world:
            for old, new, place in [("accept_test_ca", "accept_tests", "bad.yaml:7:3: "),
                                    ("token: tls", "token: attestation", "different tokens"),
                                    ("URL", "http://127.0.0.1/x", "https://")]:
                world.write("bad.yaml", world.text.replace(old, new).replace("URL", world.ca.hello["url"]))
                code, batch = world.run(config=world.path("bad.yaml"))
                self.assertEqual(code, INPUT, new)
                self.assertIn(place, batch.stderr)

    def test_a_second_station_on_the_same_records_is_locked_out(self):
        with World(devices=2, slots=1, faults=["stall:prove@1"]) as world:
            first = world.batch("--count", 2)
            first.wait_for(lambda e: e["event"] == "step")
            second, batch = world.run()
            self.assertEqual(second, LOCKED, batch.stderr)
            self.assertIn(f"(process {first.process.pid})", batch.stderr)  # who has it
            first.process.send_signal(signal.SIGINT)
            first.process.send_signal(signal.SIGINT)
            first.wait()

    def test_the_first_interrupt_finishes_and_the_second_ends(self):
        with World(devices=2, slots=1, keygen_ms=1500) as world:
            batch = world.batch("--count", 2)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            batch.process.send_signal(signal.SIGTERM)
            self.assertEqual(batch.wait(), UNITS, batch.stderr)
            self.assertEqual((batch.summary()["passed"], batch.summary()["missing"]), (1, 1))
            batch = world.batch("--count", 1)
            batch.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            for _ in range(2):
                batch.process.send_signal(signal.SIGINT)
                batch.wait_for(lambda e: e["event"] == "station" and e["what"] == "draining")
            self.assertEqual(batch.wait(), ABORTED)
            self.assertEqual([u["code"] for u in batch.units], ["batch.interrupted"])
            self.assertEqual(batch.summary()["pending"], 1)
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[1])
            code, batch = world.run("--count", 1)
            self.assertEqual(code, PASSED, batch.units)
            check_promises(self, world)

    def test_a_station_without_its_ca_does_not_begin(self):
        with World(devices=1, slots=1) as world:
            world.ca.stop()
            world.programs.remove(world.ca)
            code, batch = world.run("--count", 1)
            self.assertEqual(code, STATION)
            self.assertIn("CA desk", batch.stderr)
            self.assertFalse([e for e in world.log() if e["event"] == "claim"])


class Hsm(unittest.TestCase):
    def test_I8_no_secret_is_written_or_shown(self):
        with World(devices=2) as world:
            batch = world.batch("--count", 2)
            batch.wait_for(lambda e: e["event"] == "step")
            shown = b""
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    for name in ("cmdline", "environ"):
                        with open(f"/proc/{pid}/{name}", "rb") as file:
                            shown += file.read()
                except OSError:
                    continue
            self.assertEqual(batch.wait(), PASSED, batch.stderr)
            secrets = [*PINS.values(), "canary-so-4713"]
            for secret in secrets:
                self.assertNotIn(secret.encode(), shown)
            for folder, _, names in os.walk(world.folder):
                for name in names:
                    if name.endswith(".pin"):
                        continue
                    with open(os.path.join(folder, name), "rb") as file:
                        data = file.read()
                    for secret in secrets:
                        self.assertNotIn(secret.encode(), data, os.path.join(folder, name))

    def test_a_wrong_pin_is_used_once_across_restarts(self):
        with World(devices=1, slots=1, shim=True) as world:
            world.control()
            world.write("attestation.pin", "wrong-pin-0\n", 0o600)
            before = world.calls("kiln-signer", "C_Login")
            code, batch = world.run("--count", 1)
            self.assertEqual(code, STATION)
            self.assertIn("hsm.operator", batch.stderr)
            for _ in range(2):
                code, batch = world.run("--count", 1)
                self.assertEqual(code, STATION)
                self.assertIn("guard", batch.stderr)
            kiln("doctor", "--config", world.config)
            world.write("attestation.pin", PINS["attestation"] + "\n", 0o600)
            code, batch = world.run("--count", 1)
            self.assertEqual(code, STATION)
            self.assertIn("guard", batch.stderr)
            self.assertEqual(world.calls("kiln-signer", "C_Login") - before, 1)
            world.hsm("unblock", "attestation")
            code, batch = world.run("--count", 1)
            self.assertEqual(code, PASSED, batch.stderr)

    def test_a_pin_file_that_others_can_read_is_refused(self):
        with World(devices=1, slots=1) as world:
            os.chmod(world.path("tls.pin"), 0o644)
            code, batch = world.run("--count", 1)
            self.assertEqual(code, INPUT)
            self.assertIn("chmod 600", batch.stderr)


class Production(unittest.TestCase):
    def test_what_a_test_ca_made_is_refused(self):
        with World(devices=1, slots=1, production=True) as world:
            code, batch = world.run("--count", 1)
            self.assertEqual((code, batch.units[0]["code"]), (UNITS, "cert.test-ca"))
            self.assertEqual(len(world.orphans()), 1)
            check_promises(self, world)

    def test_a_unit_that_passed_is_refused_until_it_is_reworked(self):
        with World(devices=1, slots=1) as world:
            serial = world.serials()[0]
            code, batch = world.run("--count", 1, swap=False)
            self.assertEqual(code, PASSED, batch.stderr)
            for want, unit_code in [(UNITS, "claim.passed"), (PASSED, None)]:
                world.twins.ask("unplug", slot=1)
                world.twins.ask("plug", slot=1, serial=serial)
                code, batch = world.run("--count", 1, swap=False)
                self.assertEqual((code, batch.units[0].get("code")), (want, unit_code), batch.units)
                if want == UNITS:
                    done = kiln("rework", serial, "--reason", "board replaced", "--by", "eve", "--config", world.config)
                    self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(len(world.orphans()), 1)
            self.assertEqual(kiln("scrap", serial, "--reason", "dropped", "--by", "eve", "--config",
                                  world.config).returncode, 0)
            orphans = world.orphans()
            self.assertEqual(len(orphans), 2)
            done = kiln("orphans", "--config", world.config, "--revoked", orphans[0]["id"], "--by", "ca desk")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(sorted(o["revocation"] for o in world.orphans()), ["revoked", "unrevoked"])
            check_promises(self, world)

    def test_doctor_says_what_is_wrong(self):
        with World(devices=1, slots=1) as world:
            done = kiln("doctor", "--config", world.config)
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("FAIL", done.stdout)
            self.assertIn("none yet; the first start makes it", done.stdout)
            self.assertFalse(os.path.exists(world.path("records.db")))
            for old, new, said in [("accept_test_ca: true", "accept_test_ca: false", "cert.test-ca"),
                                   ("certificate: attestation.pem", "certificate: tls.pem", "attestation.certificate"),
                                   ("profile: profile.yaml", f"profile: {SOURCE}/profiles/spdm/infusion-pump.yaml",
                                    "cert.chain")]:
                world.write("other.yaml", world.read("station.yaml").replace(old, new))
                done = kiln("doctor", "--config", world.path("other.yaml"))
                self.assertNotEqual(done.returncode, 0, said)
                self.assertIn(said, done.stdout)
            os.rename(world.path("tokens"), world.path("gone"))
            done = kiln("doctor", "--config", world.config)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("FAIL  attestation module", done.stdout)
            os.rename(world.path("gone"), world.path("tokens"))
            world.ca.stop()
            world.programs.remove(world.ca)
            done = kiln("doctor", "--config", world.config)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("FAIL  CA connection", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
