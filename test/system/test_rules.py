"""What a failure asks of people: so many stop the line, one is made again so often and no more, each is seen;
and what the station says of itself: its alarms, its first passes, its disk."""

import json
import os
import shutil
import signal
import socket
import unittest

from station_kit import INPUT, PASSED, World, check_promises, kiln
from test_disk import FaultyDisk
from test_service import ask, passed, run, snapshot


def fails(*devices):
    """These devices make a CSR that no judge takes, each time."""
    return [f"bad-csr-signature@{n}" for n in devices]


class Line(World):
    """A station with rules."""

    def __init__(self, rules, **options):
        super().__init__(**options)
        self.text += f"rules: {{ {rules} }}\n"
        self.set_label(None)


def is_held(why, slot="1"):
    return lambda e: e["event"] == "held" and e["slot"] == slot and e["why"] == why


def says(what):
    return lambda e: e["event"] == "station" and e["what"] == what


def said(world, *whats):
    return [e for e in world.log() if e["event"] == "station" and e["what"] in whats]


def request(world, do, **members):
    """What a console has the station do, by whoever is signed on: "ok", or the code of the refusal."""
    with socket.socket(socket.AF_UNIX) as s, s.makefile("rw") as lines:
        s.connect(world.path("state/control.sock"))
        s.settimeout(60)
        lines.readline()
        lines.write(json.dumps({"id": 1, "via": "console", "do": do, **members}) + "\n")
        lines.flush()
        answer = json.loads(lines.readline())
    return "ok" if "ok" in answer else answer["err"]["code"]


class Rules(unittest.TestCase):
    def end(self, service):
        service.process.send_signal(signal.SIGTERM)
        self.assertEqual(service.wait(), PASSED, service.stderr)

    def refused(self, code, world, verb, *more):
        done = ask(world, verb, *more)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"[{code}]", done.stderr)
        return done.stderr

    def granted(self, world, verb, *more):
        done = ask(world, verb, *more)
        self.assertEqual(done.returncode, 0, done.stderr)

    def units(self, service, *outcomes):
        service.wait_for(lambda e: len(service.units) >= len(outcomes))
        self.assertEqual([u["outcome"] for u in service.units], list(outcomes), service.units)

    def test_so_many_in_a_row_stop_the_line_until_an_engineer_releases_it(self):
        with Line("stop_after: { in_a_row: 2 }", devices=6, slots=1, faults=fails(2, 3, 6)) as world:
            bad = world.serials()[1:3]
            service = run(world)
            stopped = service.wait_for(says("line-stopped"))
            self.assertIn("kiln release", stopped["advice"])
            service.wait_for(is_held("line"))
            self.units(service, "passed", "failed", "failed")
            state = snapshot(world)
            self.assertEqual((state["state"], state["slots"][0]["state"]), ("running", "held"))
            self.assertEqual((state["line"]["rule"], state["line"]["units"]), ("2 units in a row failed", bad[::-1]))
            self.assertEqual(state["rates"]["first_pass_ppm"], 333333)
            self.assertEqual(state["alarm"], {"what": ["line-stopped"], "seen": None})
            self.assertIn(bad[0], ask(world, "status").stdout)
            self.assertIn("(a rule has stopped the line: kiln release)", ask(world, "status").stdout)
            self.granted(world, "acknowledge")
            self.refused("acknowledge.nothing", world, "acknowledge")
            by = snapshot(world)["alarm"]["seen"]["by"]
            service.kill()

            service = run(world)  # nobody but an engineer takes it back
            service.wait_for(is_held("line"))
            again = snapshot(world)
            self.assertEqual({k: again["line"][k] for k in ("rule", "units")},
                             {k: state["line"][k] for k in ("rule", "units")})
            self.assertEqual((again["alarm"]["what"], again["alarm"]["seen"]["by"]), (["line-stopped"], by))
            self.refused("station.reason", world, "release")
            self.granted(world, "release", "--reason", "a new cable")
            service.wait_for(lambda e: len(service.units) == 3)
            self.units(service, "passed", "passed", "failed")  # and the rule counts anew
            state = snapshot(world)
            self.assertEqual((state["line"], state["alarm"]), (None, None))
            self.refused("line.runs", world, "release", "--reason", "x")
            self.end(service)
            service = run(world)
            self.assertIsNone(snapshot(world)["line"])
            self.end(service)
            events = said(world, "line-stopped", "line-released", "acknowledged")
            self.assertEqual([e["what"] for e in events], ["line-stopped", "acknowledged", "line-released"])
            self.assertEqual(events[0]["detail"], {"rule": "2 units in a row failed", "units": bad[::-1]})
            self.assertEqual(events[2]["detail"], {"by": by, "reason": "a new cable", "rule": "2 units in a row failed"})
            check_promises(self, world)

    def test_so_many_of_the_last_ones_stop_it_also_over_a_crash(self):
        with Line('stop_after: { of: "2/3" }', devices=4, slots=1, faults=fails(1, 3)) as world:
            world.environment["KILN_FAILPOINT"] = "kiln:job.tell:3:kill"  # it is durable that it failed
            service = world.batch(command="run")
            self.assertEqual(service.wait(), -signal.SIGKILL)
            self.assertEqual([u["outcome"] for u in service.units], ["failed", "passed"])
            del world.environment["KILN_FAILPOINT"]
            service = run(world)
            service.wait_for(is_held("line"))
            line = snapshot(world)["line"]
            self.assertEqual(line["rule"], "2 of the last 3 units failed")
            self.assertEqual(line["units"], [world.serials()[2], world.serials()[0]])
            self.end(service)
            self.assertEqual(len(said(world, "line-stopped")), 1)
            check_promises(self, world)

    def test_what_is_in_flight_goes_on(self):
        with Line("stop_after: { in_a_row: 1 }", devices=2, slots=2, faults=["refuse:identify@1"],
                  keygen_ms=4000) as world:
            world.twins.ask("unplug", slot=1)
            service = run(world, swap=False)
            service.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen" and e["slot"] == "2")
            world.twins.ask("plug", slot=1, serial=world.serials()[0])
            passed(service, 1)
            told = [e.get("what", e["event"]) for e in service.events if e["event"] == "unit" or says("line-stopped")(e)]
            self.assertEqual(told, ["unit", "line-stopped", "unit"])  # it never got as far as a job, and counts
            self.end(service)
            check_promises(self, world)

    def test_a_unit_is_made_again_so_often_and_once_more_where_an_engineer_allows_it(self):
        with Line("retests: 1", devices=2, slots=1, faults=fails(1)) as world:
            serial = world.serials()[0]
            service = run(world, swap=False)
            self.units(service, "failed")
            self.refused("retest.which", world, "retest")
            self.refused("slot.unknown", world, "retest", "--slot", "9")
            self.refused("retest.needless", world, "retest", "--serial", serial, "--reason", "r")
            self.granted(world, "retest", "--slot", "1")  # without being unplugged
            self.units(service, "failed", "failed")
            why = self.refused("station.reason", world, "retest", "--slot", "1")  # and no more without a reason
            self.assertIn(f"unit {serial} has failed as often as rules.retests allows", why)
            none = kiln("evidence", serial, "--dir", world.path("evidence"), "--config", world.config)
            self.assertEqual((none.returncode, "[evidence.none]" in none.stderr), (INPUT, True), none.stderr)
            self.assertFalse(os.path.exists(world.path("evidence")))
            world.twins.ask("unplug", slot=1)
            service.wait_for(lambda e: e["event"] == "left")
            self.refused("retest.slot", world, "retest", "--slot", "1", "--reason", "r")
            world.twins.ask("plug", slot=1, serial=serial)
            self.units(service, "failed", "failed", "refused")
            unit = service.units[-1]
            self.assertEqual(unit["code"], "claim.retests")
            self.assertIn("failed 2 times", unit["message"])
            self.assertIn("kiln retest", unit["advice"])
            self.refused("station.reason", world, "retest", "--serial", serial)
            self.refused("unit.unknown", world, "retest", "--serial", "nobody", "--reason", "r")
            self.granted(world, "retest", "--serial", serial, "--reason", "a new cable")
            self.refused("retest.again", world, "retest", "--serial", serial, "--reason", "r")
            self.granted(world, "retest", "--slot", "1")  # which is allowed now
            self.units(service, "failed", "failed", "refused", "failed")
            self.granted(world, "retest", "--slot", "1", "--reason", "a new probe")
            self.units(service, "failed", "failed", "refused", "failed", "failed")
            world.twins.ask("swap", slot=1)
            passed(service, 1)
            self.refused("retest.slot", world, "retest", "--slot", "1", "--reason", "r")
            self.assertEqual(snapshot(world)["rates"]["first_pass_ppm"], 500000)
            self.end(service)
            log = world.log(serial)
            self.assertEqual([e["reason"] for e in log if e["event"] == "retest"], ["a new cable", "a new probe"])
            self.assertTrue(all(e["by"] for e in log if e["event"] == "retest"))
            self.assertEqual(len([e for e in log if e["event"] == "claim"]), 4)
            self.assertEqual([e["detail"]["serial"] for e in said(world, "retest")], [serial] * 3)
            check_promises(self, world)

    def test_a_failure_is_seen_before_the_next_unit_begins(self):
        with Line("acknowledge_failures: true", devices=3, slots=2, faults=fails(1)) as world:
            service = run(world, swap=False)
            service.wait_for(lambda e: len(service.units) == 2)
            self.assertEqual([s["ack"] for s in snapshot(world)["slots"]], [True, False])
            self.refused("acknowledge.nothing", world, "acknowledge", "--slot", "2")
            self.refused("acknowledge.nothing", world, "acknowledge")  # it is no alarm of the station's
            world.twins.ask("swap", slot=1)
            service.wait_for(is_held("acknowledge"))
            slot = snapshot(world)["slots"][0]
            self.assertEqual((slot["state"], slot["ack"], slot["serial"]), ("held", True, world.serials()[0]))
            self.assertIn("to be acknowledged", ask(world, "status").stdout)
            service.kill()

            service = run(world, swap=False)  # nobody has seen it meanwhile
            service.wait_for(is_held("acknowledge"))
            self.assertEqual([s["ack"] for s in snapshot(world)["slots"]], [True, False])
            self.granted(world, "acknowledge", "--slot", "1")
            service.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "1")
            self.assertFalse(snapshot(world)["slots"][0]["ack"])
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[0])
            service.wait_for(lambda e: e["event"] == "unit" and e["outcome"] == "failed")
            self.granted(world, "retest", "--slot", "1")  # whoever does that has seen it
            service.wait_for(lambda e: sum(u["outcome"] == "failed" for u in service.units) == 2)
            self.granted(world, "acknowledge", "--slot", "1")
            self.end(service)
            service = run(world, swap=False)
            self.assertEqual([s["ack"] for s in snapshot(world)["slots"]], [False, False])
            self.end(service)
            self.assertEqual([e["detail"]["slot"] for e in said(world, "acknowledged", "retest")], ["1"] * 3)
            check_promises(self, world)

    def test_what_an_operator_may_not_an_engineer_beside_them_may(self):
        with Line("retests: 0, stop_after: { in_a_row: 1 }", devices=1, slots=1, faults=fails(1)) as world:
            world.text += "operators: { file: operators.yaml, required: true }\n"
            world.set_label(None)
            for name, role, pin in (("eve", "operator", "1234"), ("mei", "engineer", "5678")):
                done = kiln("operator", "add", name, "--role", role, "--pin", "--config", world.config, stdin=pin + "\n")
                self.assertEqual(done.returncode, 0, done.stderr)
            mei = {"name": "mei", "pin": "5678"}
            service = run(world, swap=False)
            self.assertEqual(request(world, "release", reason="r"), "operator.needed")
            self.assertEqual(request(world, "operator", name="eve", pin="1234"), "ok")
            service.wait_for(says("line-stopped"))
            self.assertEqual(request(world, "acknowledge"), "ok")
            self.assertEqual(request(world, "release", reason="r"), "operator.role")
            self.assertEqual(request(world, "release", **{"as": mei}), "station.reason")
            self.assertEqual(request(world, "release", reason="a new cable", **{"as": mei}), "ok")
            self.assertEqual(request(world, "retest", slot="1"), "operator.role")  # beyond the limit
            self.assertEqual(request(world, "retest", slot="1", **{"as": mei}), "station.reason")
            self.assertEqual(request(world, "retest", slot="1", reason="a new probe", **{"as": mei}), "ok")
            self.units(service, "failed", "failed")
            serial = world.serials()[0]
            self.assertEqual(request(world, "retest", serial=serial, reason="r"), "operator.role")
            self.assertEqual(request(world, "retest", serial=serial, reason="r", **{"as": mei}), "ok")
            self.end(service)
            self.assertEqual([(e["what"], e["detail"]["by"]) for e in said(world, "acknowledged", "line-released", "retest")],
                             [("acknowledged", "eve"), ("line-released", "mei"), ("retest", "mei")])
            self.assertEqual([e["by"] for e in world.log(serial) if e["event"] == "retest"], ["mei", "mei"])
            check_promises(self, world)

    @unittest.skipUnless(shutil.which("cc"), "a C compiler at run time")
    def test_a_disk_that_fills_up_is_told_before_it_is_full(self):
        with World(devices=1, slots=1) as world:
            disk = FaultyDisk(world)
            service = run(world)
            self.assertEqual(snapshot(world)["health"]["disk"]["state"], "up")
            self.assertGreater(snapshot(world)["health"]["disk"]["free_bytes"], 0)
            disk.fail("low", "records.db")
            self.assertIn("make room", service.wait_for(says("disk-low"))["advice"])
            state = snapshot(world)
            self.assertEqual((state["health"]["disk"]["state"], state["alarm"]), ("low", None))
            self.assertEqual(state["health"]["disk"]["free_bytes"] >> 20, 100)
            disk.fail("space", "records.db")
            service.wait_for(says("disk-down"))
            self.assertEqual(snapshot(world)["alarm"], {"what": ["disk-down"], "seen": None})
            self.granted(world, "acknowledge")
            self.assertIsNotNone(snapshot(world)["alarm"]["seen"])
            disk.mend()
            service.wait_for(says("disk-up"))
            self.assertIsNone(snapshot(world)["alarm"])
            self.end(service)


if __name__ == "__main__":
    unittest.main(verbosity=2)
