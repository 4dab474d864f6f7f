"""Outage: the CA is gone while every slot waits for it, and comes back."""

import os
import time

from figures import floor
from outage_kit import Road, wait_until_all_wait
from rig import Hands, Station, cores, cpu_s, family_of

SLOTS = 64
PATIENT = "min_s: 1, max_s: 4, default_s: 1, patience_s: 3600"


class Parked(Hands):
    """Keeps what its slots wait for too."""
    keeps_steps = True


class RoadStation(Station):
    """Its CA is behind a road that can be closed."""

    def set_label(self, label):
        self.road = Road(self.ca.hello["url"])
        self.text = self.text.replace("URL", self.road.url)
        super().set_label(label)

    def close(self):
        if hasattr(self, "road"):
            self.road.stop()
        super().close()


def busy_of(station):
    return {s["serial"]: s["busy_us"] / 1e6 for s in station.twins.ask("list")["slots"] if s.get("serial")}


def drain(station, hands, before, slots):
    """The rate from the CA's first answer on, to that of the floor: what the devices had left to do, and what that
    took the emulators. And the floor's bound."""
    emulators_s = sum(station.emulators_used().values())
    hands.wait()
    emulators_s = sum(station.emulators_used().values()) - emulators_s
    accounts, units = station.accounts(), hands.passages()
    for u, unit in zip(hands.units, units):
        unit.device = accounts[u["serial"]]["busy_us"] / 1e6 - before[u["serial"]]
    first = min(e["_at"] for e in hands.events if e["event"] == "step" and e["step"] == "enrol" and
                e["outcome"] == "ok")
    first -= min(u.ca for u in units)
    least = floor(units, slots, emulators_s, os.cpu_count())
    return least.seconds / (max(u["_at"] for u in hands.units) - first), least.bound


def round(context, board):
    slots = context.slots((SLOTS,))[0]
    seconds = 2 if context.tiny else 10 if context.quick else 60
    with RoadStation(slots, 1, 2.0, shim_folder=context.shim, retry=PATIENT) as station:
        hands = Parked(station)
        hands.wait_for(lambda e: e["event"] == "arrived")
        station.road.close()
        wait_until_all_wait(hands, "enrol", slots)
        pids, before = family_of(hands.process.pid), busy_of(station)
        begun, used = time.monotonic(), cpu_s(pids)
        time.sleep(seconds)
        share = (cpu_s(pids) - used) / (time.monotonic() - begun)
        station.road.open()
        hands.wait_for(lambda e: e.get("what") == "ca-up")
        in_use = cores()
        rate, bound = drain(station, hands, before, slots)
        in_use = [after - begun for begun, after in zip(in_use, cores())]
    board.tell("outage.cpu", 100 * share, f"CA down, {slots} slots wait: CPU of one core", unit="%", bar=("<=", 1))
    board.tell("outage.drain", rate, "CA back: drain to the floor's rate", bar=(">=", 0.9), digits=3,
               bound=bound)
    board.tell("outage.cores", 100 * in_use[0] / in_use[1], "  all cores were in use", unit="%", digits=0)
