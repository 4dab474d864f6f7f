"""kiln run: the station as a service, and who asks it: status, watch, stop, start."""

import json
import os
import signal
import socket
import stat
import subprocess
import time
import unittest

from station_kit import INPUT, KILN, LOCKED, PASSED, World, check_promises, kiln


def ready(service):
    service.wait_for(lambda e: e["event"] == "station" and e["what"] == "ready")


def run(world, **options):
    service = world.batch(command="run", **options)
    ready(service)
    return service


def end(test, service):
    service.process.send_signal(signal.SIGTERM)
    test.assertEqual(service.wait(), PASSED, service.stderr)


def ask(world, verb, *more):
    return kiln(verb, "--config", world.config, *more)


def snapshot(world):
    done = ask(world, "status", "--json")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def passed(service, count):
    service.wait_for(lambda e: sum(u["outcome"] == "passed" for u in service.units) >= count)


def children(service):
    """The names of its processes."""
    with open(f"/proc/{service.process.pid}/task/{service.process.pid}/children", encoding="ascii") as file:
        pids = file.read().split()
    names = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                names.append(file.read().strip())
        except FileNotFoundError:
            pass
    return names


class Service(unittest.TestCase):
    def test_units_are_made_until_it_is_told_to_end_and_who_watches_hears_all(self):
        with World(devices=4, slots=2) as world:
            service = run(world)
            watch = subprocess.Popen([KILN, "watch", "--config", world.config, "--json"], stdout=subprocess.PIPE,
                                     text=True)
            passed(service, 4)
            state = snapshot(world)
            end(self, service)
            heard = [json.loads(line) for line in watch.stdout]
            watch.stdout.close()
            self.assertEqual(watch.wait(30), 0)
            self.assertEqual(state["state"], "running")
            self.assertEqual(state["counters"]["passed"], 4)
            self.assertEqual(state["health"]["ca"]["state"], "up")
            self.assertEqual([s["name"] for s in state["slots"]], ["1", "2"])
            self.assertTrue(state["test"], "a throw-away CA is told")
            numbers = [e["n"] for e in heard]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "each event once")
            self.assertEqual([{k: v for k, v in e.items() if k != "n"} for e in heard],
                             service.events[numbers[0] - 1:][:len(heard)])
            check_promises(self, world)

    def test_a_stopped_station_begins_nothing_and_goes_on_with_what_waits(self):
        with World(devices=3, slots=2, keygen_ms=1500) as world:
            service = run(world, swap=False)
            service.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            self.assertEqual(ask(world, "stop").returncode, INPUT, "why it is stopped has to be said")
            done = ask(world, "stop", "--reason", "the label printer is out of paper")
            self.assertEqual(done.returncode, 0, done.stderr)
            again = ask(world, "stop", "--reason", "x")
            self.assertIn("station.state", again.stderr)
            passed(service, 2)
            world.twins.ask("swap", slot=1)
            service.wait_for(lambda e: e["event"] == "held" and e["slot"] == "1")
            state = snapshot(world)
            self.assertEqual(state["state"], "stopped")
            self.assertEqual(state["stop"]["reason"], "the label printer is out of paper")
            self.assertEqual(state["slots"][0]["state"], "held")
            self.assertIn("the label printer", ask(world, "status").stdout)
            self.assertEqual(len(service.units), 2)
            self.assertEqual(ask(world, "start").returncode, 0)
            passed(service, 3)
            end(self, service)
            actions = [e for e in world.log() if e["event"] == "station" and e["what"] in ("stopped", "started")]
            self.assertEqual([(a["what"], a["detail"]["by"]) for a in actions],
                             [("stopped", "root"), ("started", "root")] if os.geteuid() == 0 else
                             [(w, actions[0]["detail"]["by"]) for w in ("stopped", "started")])
            check_promises(self, world)

    def test_a_device_that_is_only_opening_is_stopped_too(self):
        with World(devices=1, slots=1) as world:
            world.environment["KILN_FAILPOINT"] = "kiln-slot:stem.born:1:sleep=5000"
            service = run(world, swap=False)
            service.wait_for(lambda e: e["event"] == "arrived")
            done = ask(world, "stop", "--reason", "the wrong tray")
            self.assertEqual(done.returncode, 0, done.stderr)
            service.wait_for(lambda e: e["event"] == "held" and e["slot"] == "1")
            self.assertEqual(snapshot(world)["slots"][0]["state"], "held")
            while "kiln-slot" in children(service):
                time.sleep(0.02)
            self.assertEqual([e for e in service.events if e["event"] in ("step", "unit")], [])
            self.assertEqual(ask(world, "start").returncode, 0)
            passed(service, 1)
            end(self, service)
            check_promises(self, world)

    def test_a_restart_does_not_forget_a_stop(self):
        with World(devices=2, slots=1, order=("WO-7", 9)) as world:
            service = run(world, swap=False)
            passed(service, 1)
            self.assertEqual(ask(world, "stop", "--reason", "the clamp \"what\":\"started\" is loose").returncode, 0)
            world.twins.ask("swap", slot=1)
            service.wait_for(lambda e: e["event"] == "held")
            before = snapshot(world)["stop"]
            service.kill()
            for again in (True, False):  # what it heard from its records it does not forget either
                service = run(world, swap=False)
                service.wait_for(lambda e: e["event"] == "held" and e["slot"] == "1")
                state = snapshot(world)
                self.assertEqual((state["state"], state["slots"][0]["state"]), ("stopped", "held"))
                self.assertEqual((state["order"]["made"], state["counters"]["passed"]), (1, 0))
                for key in ("by", "reason"):
                    self.assertEqual(state["stop"][key], before[key])
                self.assertLess(state["stop"]["at"], service.events[0]["time"])
                self.assertIn(before["reason"], ask(world, "status").stdout)
                self.assertIn("station.state", ask(world, "stop", "--reason", "again").stderr)
                if again:
                    end(self, service)
            self.assertEqual(ask(world, "start").returncode, 0)
            passed(service, 1)
            self.assertEqual(snapshot(world)["order"], {"id": "WO-7", "quantity": 9, "made": 2})
            service.kill()
            service = run(world, swap=False)
            self.assertEqual(snapshot(world)["state"], "running")
            end(self, service)
            check_promises(self, world)

    def test_nobody_listens(self):
        with World(devices=1, slots=1) as world:
            done = ask(world, "status")
            self.assertEqual(done.returncode, INPUT)
            self.assertIn("kiln run", done.stderr)

    def test_the_socket_is_the_users_own_and_another_station_is_refused(self):
        with World(devices=1, slots=1) as world:
            service = run(world)
            mode = os.stat(world.path("state/control.sock")).st_mode
            self.assertTrue(stat.S_ISSOCK(mode))
            self.assertEqual(stat.S_IMODE(mode), 0o600)
            second = world.batch(command="run")
            self.assertEqual(second.wait(), LOCKED, second.stderr)
            self.assertEqual(snapshot(world)["state"], "running")
            end(self, service)
            self.assertFalse(os.path.exists(world.path("state/control.sock")))

    def test_a_killed_stations_socket_is_replaced_and_its_unit_continued(self):
        with World(devices=1, slots=1, keygen_ms=1500) as world:
            service = run(world, swap=False)
            service.wait_for(lambda e: e["event"] == "step" and e["step"] == "keygen")
            service.kill()
            self.assertTrue(os.path.exists(world.path("state/control.sock")))
            service = run(world)
            passed(service, 1)
            end(self, service)
            check_promises(self, world)

    def test_the_service_manager_is_told(self):
        with World(devices=1, slots=1) as world:
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(world.path("notify.sock"))
            manager.settimeout(60)
            world.environment |= {"NOTIFY_SOCKET": world.path("notify.sock"), "WATCHDOG_USEC": "400000"}
            service = run(world)
            told = []
            while not any("READY=1" in line for line in told) or told[-1] != "WATCHDOG=1":
                told.append(manager.recv(4096).decode())
            self.assertEqual({line.split("\n")[0] for line in told}, {"READY=1", "WATCHDOG=1"})
            end(self, service)
            rest = []
            manager.settimeout(1)
            try:
                while True:
                    rest.append(manager.recv(4096).decode())
            except socket.timeout:
                pass
            manager.close()
            self.assertTrue(any("STOPPING=1" in line for line in rest), rest)

    def test_many_who_watch_and_do_not_read_hold_nothing_up(self):
        with World(devices=12, slots=4) as world:
            service = run(world)
            deaf = []
            for _ in range(50):
                s = socket.socket(socket.AF_UNIX)
                s.connect(world.path("state/control.sock"))
                s.sendall(b'{"id":1,"do":"subscribe"}\n')
                deaf.append(s)
            passed(service, 12)
            self.assertEqual(snapshot(world)["counters"]["passed"], 12)
            for s in deaf:
                s.close()
            end(self, service)
            check_promises(self, world)


if __name__ == "__main__":
    unittest.main()
