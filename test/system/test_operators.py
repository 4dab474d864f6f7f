"""People at a station: what they pause, who they are, and what they may do."""

import json
import os
import pwd
import socket
import unittest

from console_kit import Console
from station_kit import INPUT, PATIENCE_S, USAGE, World, check_promises, kiln
from test_service import ask, end, passed, run, snapshot
from test_slots import quick


def held(service, slot, why):
    return service.wait_for(lambda e: e["event"] == "held" and e["slot"] == slot and e["why"] == why)


BADGE, PIN_OF_EVA, PIN_OF_MAX = "canary-badge-0815", "canary-pin-eva", "canary-pin-max"
USER = "unix:" + pwd.getpwuid(os.geteuid()).pw_name


class Asker:
    """Somebody at the control socket; via a console, unless it is said otherwise."""

    def __init__(self, world, via="console"):
        self.via = {"via": via} if via else {}
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(world.path("state/control.sock"))
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.id = 0

    def ask(self, do, **members):
        """What is answered: "ok" or the error's code."""
        self.id += 1
        self.socket.sendall(json.dumps({"id": self.id, "do": do, **self.via, **members}).encode() + b"\n")
        answer = json.loads(self.lines.readline())
        self.message = answer.get("err", {}).get("message")
        return answer["ok"] if "ok" in answer else answer["err"]["code"]

    def close(self):
        self.lines.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def operator(world, *arguments, stdin=""):
    return kiln("operator", *arguments, "--config", world.config, stdin=stdin)


def with_operators(world, required=True, idle_s=900):
    """eva is an engineer with badge and PIN, max an operator with a PIN."""
    world.text += f"operators: {{ file: operators.yaml, required: {str(required).lower()}, idle_s: {idle_s} }}\n"
    world.set_label(None)
    for arguments, said in [(("eva", "--role", "engineer", "--badge", "--pin"), f"{BADGE}\n{PIN_OF_EVA}\n"),
                            (("max", "--role", "operator", "--pin"), f"{PIN_OF_MAX}\n")]:
        done = operator(world, "add", *arguments, stdin=said)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
    return world


def told(service, what, **members):
    return service.wait_for(lambda e: e["event"] == "station" and e["what"] == what and
                            all(e.get(k) == v for k, v in members.items()))


class Pause(unittest.TestCase):
    def test_one_place_or_all_begins_nothing_until_it_is_resumed_through_restarts(self):
        with World(devices=2, slots=2) as world:
            service = run(world, swap=False)
            passed(service, 2)
            self.assertEqual(ask(world, "resume").returncode, INPUT, "nothing is paused")
            self.assertIn("slot.unknown", ask(world, "pause", "--slot", "9").stderr)
            done = ask(world, "pause", "--slot", "2")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("station.state", ask(world, "pause", "--slot", "2").stderr)
            world.twins.ask("unplug", slot=2)
            world.twins.ask("plug", slot=2, serial=world.serials()[1])
            held(service, "2", "pause")
            state = snapshot(world)
            self.assertEqual([s["paused"] for s in state["slots"]], [False, True])
            self.assertEqual((state["paused"], state["state"], state["slots"][1]["state"]), (False, "running", "held"))
            with Asker(world) as page:
                for slot in (2, None, ["2"], False):
                    self.assertEqual(page.ask("resume", slot=slot), "json", "it is not the whole station that is meant")
                    self.assertEqual(page.ask("pause", slot=slot), "json")
                self.assertEqual(page.ask("stop", reason=1), "json")
                self.assertEqual(page.ask("trend", hours="1"), "json")
            self.assertEqual(ask(world, "pause").returncode, 0)
            end(self, service)
            service = run(world, swap=False)
            held(service, "2", "pause")
            held(service, "1", "pause")
            state = snapshot(world)
            self.assertTrue(state["paused"] and state["slots"][1]["paused"])
            self.assertEqual(ask(world, "resume").returncode, 0)
            service.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "1")
            self.assertFalse(snapshot(world)["paused"])
            self.assertEqual(ask(world, "resume", "--slot", "2").returncode, 0)
            service.wait_for(lambda e: e["event"] == "unit" and e["slot"] == "2")
            end(self, service)
            words = [(e["what"], e["detail"].get("slot")) for e in world.log()
                     if e["event"] == "station" and e["what"] in ("paused", "resumed")]
            self.assertEqual(words, [("paused", "2"), ("paused", None), ("resumed", None), ("resumed", "2")])
            check_promises(self, world)

    def test_a_slot_that_its_failures_closed_is_opened_by_resume(self):
        with World(devices=4, slots=1, faults=[f"stall:identify@{n}" for n in (1, 2, 3)], edit_profile=quick) as world:
            service = run(world, swap=False)
            for count, serial in enumerate(world.serials()[1:3], 1):
                service.wait_for(lambda e, n=count: len(service.units) >= n)
                world.twins.ask("unplug", slot=1)
                world.twins.ask("plug", slot=1, serial=serial)
            service.wait_for(lambda e: e["event"] == "slot-closed")
            self.assertEqual(snapshot(world)["slots"][0]["state"], "closed")
            world.twins.ask("unplug", slot=1)
            world.twins.ask("plug", slot=1, serial=world.serials()[3])
            self.assertEqual(ask(world, "resume", "--slot", "1").returncode, 0)
            passed(service, 1)
            end(self, service)


class SignOn(unittest.TestCase):
    def no_secret(self, world, service):
        """Neither in what was told nor in any file."""
        texts = {"told": json.dumps(service.events), "stderr": service.stderr}
        for folder, _, names in os.walk(world.folder):
            for path in (os.path.join(folder, name) for name in names):
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        texts[path] = file.read().decode("latin-1")
        for where, text in texts.items():
            for secret in (BADGE, PIN_OF_EVA, PIN_OF_MAX, "canary-wrong"):
                self.assertNotIn(secret, text, where)

    def test_units_wait_for_an_operator_who_is_in_their_claims(self):
        with World(devices=3, slots=1) as world:
            first, second, _ = with_operators(world).serials()
            service = run(world, swap=False)
            held(service, "1", "operator")
            self.assertEqual(snapshot(world)["operators"], {"required": True, "operator": None})
            with Asker(world) as page:
                self.assertIn("(nobody is signed on)", ask(world, "status").stdout)
                self.assertEqual(page.ask("stop", reason="x"), "operator.needed")
                self.assertEqual(page.ask("operator", badge="canary-wrong"), "operator.unknown")
                message = page.message
                self.assertEqual(page.ask("operator", name="max", pin="canary-wrong"), "operator.unknown")
                self.assertEqual(page.message, message)
                self.assertEqual(page.ask("operator", badge=BADGE), {"name": "eva", "role": "engineer"})
                passed(service, 1)
                self.assertEqual(page.ask("operator", name="max", pin=PIN_OF_MAX), {"name": "max", "role": "operator"})
                told(service, "signed-off", by="eva", why="replaced")
                state = snapshot(world)["operators"]["operator"]
                self.assertEqual((state["name"], state["role"]), ("max", "operator"))
                self.assertIn("operator: max, operator since", ask(world, "status").stdout)
                world.twins.ask("swap", slot=1)
                passed(service, 2)
                self.assertEqual(page.ask("operator", off=True), {})
                self.assertEqual(page.ask("operator", off=True), "operator.off")
                world.twins.ask("swap", slot=1)
                service.wait_for(lambda e: e["event"] == "held" and sum(u["event"] == "held" for u in service.events) > 1)
            end(self, service)
            log = world.log()
            people = [(e["what"], e["detail"].get("by"), e["detail"].get("why")) for e in log
                      if e["event"] == "station" and e["what"].startswith("sign")]
            self.assertEqual(people, [("sign-on-refused", None, None)] * 2 + [
                ("signed-on", "eva", None), ("signed-off", "eva", "replaced"), ("signed-on", "max", None),
                ("signed-off", "max", "asked")])
            claims = {e["serial"]: e["operator"] for e in log if e["event"] == "claim"}
            self.assertEqual(claims, {first: "eva", second: "max"})
            report = json.loads(kiln("report", "--config", world.config, "--json").stdout)
            self.assertEqual({row["name"] for row in report["operators"]}, {"eva", "max"})
            self.no_secret(world, service)
            check_promises(self, world)

    def test_one_request_as_somebody_else_and_the_command_line_as_itself(self):
        with World(devices=1, slots=1) as world:
            service = run(with_operators(world, required=False), swap=False)
            passed(service, 1)
            with Asker(world) as page, Asker(world, via=None) as line:
                self.assertEqual(page.ask("pause"), "operator.needed")
                self.assertEqual(page.ask("pause", **{"as": {"name": "eva", "pin": PIN_OF_EVA}}), {})
                self.assertIsNone(snapshot(world)["operators"]["operator"], "nobody is signed on by that")
                self.assertEqual(page.ask("operator", name="max", pin=PIN_OF_MAX)["name"], "max")
                self.assertEqual(page.ask("resume"), {})
                for wrong in ({"name": "eva"}, {"badge": BADGE, "pin": PIN_OF_EVA}, {}, "eva"):
                    self.assertEqual(page.ask("pause", **{"as": wrong}), "operator.credential")
                self.assertEqual(page.ask("stop", reason="r", **{"as": {"badge": BADGE}}), {})
                self.assertEqual(line.ask("start"), {})
                self.assertEqual(page.ask("pause", **{"as": {"badge": "canary-wrong"}}), "operator.unknown")
            self.assertEqual(ask(world, "pause").returncode, 0)
            self.assertEqual(snapshot(world)["operators"]["operator"]["name"], "max")
            end(self, service)
            acts = [(e["what"], e["detail"]["by"]) for e in world.log() if e["event"] == "station" and
                    e["what"] in ("paused", "resumed", "stopped", "started")]
            self.assertEqual(acts, [("paused", "eva"), ("resumed", "max"), ("stopped", "eva"), ("started", USER),
                                    ("paused", USER)])
            service = run(world, swap=False)
            self.assertIsNone(snapshot(world)["operators"]["operator"], "a restart signs off")
            end(self, service)
            self.no_secret(world, service)

    def test_a_browser_is_not_the_command_line_though_its_console_runs_as_the_same_user(self):
        with World(devices=1, slots=1) as world:
            service = run(with_operators(world), swap=False)
            console = Console(world)
            page = console.session()

            def do(**members):
                status, _, text = console.request("POST", "/do", page, json.dumps(members))
                answer = json.loads(text)
                return status, answer["ok"] if "ok" in answer else answer["err"]["code"]

            self.assertEqual(do(do="pause"), (409, "operator.needed"))
            self.assertEqual(do(do="pause", via="unix")[1], "console.unknown")
            self.assertEqual(do(do="operator", badge=BADGE), (200, {"name": "eva", "role": "engineer"}))
            passed(service, 1)
            self.assertEqual(do(do="pause"), (200, {}))
            self.assertEqual(do(do="operator", off=True), (200, {}))
            end(self, service)
            self.no_secret(world, service)

    def test_what_a_page_scans_is_a_badge_where_it_is_no_label(self):
        with World(devices=1, slots=1) as world:
            serial = with_operators(world).serials()[0]
            world.text += "scan: { order: after, label: '(IP[0-9]+)' }\n"
            world.set_label(None)
            service = run(world, swap=False)
            with Asker(world) as page, Asker(world, via=None) as line:
                self.assertEqual(page.ask("scan", text="canary-wrong"), "operator.unknown")
                self.assertEqual(page.ask("scan", text=serial), "operator.needed")
                self.assertEqual(page.ask("scan", text="x" * 5000), "operator.credential")
                self.assertEqual(page.ask("scan", text=BADGE), {"name": "eva", "role": "engineer"})
                service.wait_for(lambda e: e.get("code") == "scan.needed")
                self.assertEqual(line.ask("scan", text=BADGE), "scan.label")
                self.assertEqual(page.ask("scan", text=serial), {"serial": serial, "slot": "1"})
                passed(service, 1)
            end(self, service)
            self.assertEqual([e["scanned_by"] for e in world.log(serial) if e["event"] == "claim"], ["eva"])
            self.no_secret(world, service)
            check_promises(self, world)

    def test_whoever_does_nothing_is_signed_off(self):
        with World(devices=2, slots=1) as world:
            service = run(with_operators(world, idle_s=1), swap=False)
            with Asker(world) as page:
                self.assertEqual(page.ask("operator", badge=BADGE)["name"], "eva")
                told(service, "signed-off", by="eva", why="idle")
                self.assertEqual(page.ask("pause"), "operator.needed")
            passed(service, 1)
            world.twins.ask("swap", slot=1)
            service.wait_for(lambda e: e["event"] == "held" and sum(u["event"] == "held" for u in service.events) > 1)
            end(self, service)
            self.assertEqual([e["detail"]["why"] for e in world.log() if e["event"] == "station" and
                              e["what"] == "signed-off"], ["idle"])

    def test_the_file_is_changed_while_the_station_runs_and_judged_when_it_starts(self):
        with World(devices=1, slots=1) as world:
            service = run(with_operators(world, required=False))
            with Asker(world) as page:
                self.assertEqual(operator(world, "remove", "eva").returncode, 0)
                self.assertEqual(page.ask("operator", badge=BADGE), "operator.unknown")
                os.chmod(world.path("operators.yaml"), 0o644)
                self.assertEqual(page.ask("operator", name="max", pin=PIN_OF_MAX), "file.mode")
            end(self, service)
            refused = world.batch(command="run")
            self.assertEqual(refused.wait(), INPUT)
            self.assertIn("chmod 600", refused.stderr)
            os.chmod(world.path("operators.yaml"), 0o600)
            world.write("operators.yaml", world.read("operators.yaml").replace("role: operator", "role: boss"), 0o600)
            refused = world.batch(command="run")
            self.assertEqual(refused.wait(), INPUT)
            self.assertRegex(refused.stderr, r"operators.yaml:5:\d+: role is")
            os.remove(world.path("operators.yaml"))
            refused = world.batch(command="run")
            self.assertEqual(refused.wait(), INPUT)
            self.assertIn("kiln operator add", refused.stderr)

    def test_without_operators_nobody_signs_on(self):
        with World(devices=1, slots=1) as world:
            service = run(world)
            passed(service, 1)
            with Asker(world) as page:
                self.assertIsNone(snapshot(world)["operators"])
                self.assertEqual(page.ask("operator", badge=BADGE), "operator.none")
                self.assertEqual(page.ask("pause", **{"as": {"badge": BADGE}}), "operator.none")
                self.assertEqual(page.ask("pause"), {})
            end(self, service)
            self.assertEqual([e["detail"]["by"] for e in world.log() if e.get("what") == "paused"], [USER[5:]])
            self.assertNotIn("operator", next(e for e in world.log() if e["event"] == "claim"))


class Command(unittest.TestCase):
    def test_the_list_is_kept(self):
        with World(devices=1, slots=1) as world:
            self.assertIn("operator.section", operator(world, "list").stderr)
            with_operators(world)
            listed = operator(world, "list").stdout
            self.assertEqual([line.split() for line in listed.splitlines()],
                             [["engineer", "badge", "PIN", "eva"], ["operator", "PIN", "max"]])
            self.assertIn("2 operators", operator(world, "check").stdout)
            for arguments, said, code in [
                    (("add", "eva", "--role", "operator", "--pin"), "123456\n", "operator.exists"),
                    (("add", "ida", "--role", "operator", "--pin"), "123\n", "operator.pin"),
                    (("add", "ida", "--role", "operator", "--pin"), "\n", "secret"),
                    (("add", "ida", "--role", "operator", "--badge"), f"{BADGE}\n", "operator.badge"),
                    (("add", "unix:root", "--role", "operator", "--pin"), "123456\n", "operator.name"),
                    (("remove", "ida"), "", "operator.absent")]:
                done = operator(world, *arguments, stdin=said)
                self.assertEqual(done.returncode, INPUT, arguments)
                self.assertIn(f"[{code}]", done.stderr)
                self.assertNotIn(BADGE, done.stderr)
            for arguments in (("add", "ida", "--role", "boss", "--pin"), ("add", "ida", "--role", "operator"),
                              ("add", "ida", "--pin"), ("list", "ida"), ("remove",), ()):
                self.assertEqual(operator(world, *arguments).returncode, USAGE, arguments)
            self.assertEqual(operator(world, "list").stdout, listed)
            self.assertEqual(os.stat(world.path("operators.yaml")).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
