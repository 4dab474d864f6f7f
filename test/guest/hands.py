"""Hands at the fixture: they plug, pull and reseat devices while the station is at a step, as its events say."""

import time

STEPS = ["identify", "keygen", "request", "enrol", "install", "readback", "prove"]
DEVICES_MAX = 4  # of one walk, where a step was over before the hand was there
PLUGS_MAX = 30   # of one device: more is a station that makes no progress


class Watch:
    """The events of one slot, each looked at once."""

    def __init__(self, batch, slot):
        self.batch, self.slot, self.at = batch, str(slot), len(batch.events)

    def next(self, wanted, patience=60):
        """Goes on behind the next event that satisfies wanted; that event and what was passed over."""
        passed, end = [], time.monotonic() + patience
        with self.batch.seen:
            while True:
                while self.at < len(self.batch.events):
                    event = self.batch.events[self.at]
                    self.at += 1
                    if event.get("slot") != self.slot:
                        continue
                    if wanted(event):
                        return event, passed
                    passed.append(event)
                left = end - time.monotonic()
                if self.batch.code is not None or left <= 0 or not self.batch.seen.wait(left):
                    raise AssertionError(f"slot {self.slot} waits for an event that does not come; exit "
                                         f"{self.batch.code}, last events {self.batch.events[-5:]}")


def is_step(event, step, outcome):
    return event["event"] == "step" and event["step"] == step and event["outcome"] == outcome


def is_pass(event):
    return event["event"] == "unit" and event["outcome"] == "passed"


class Walk:
    """One device after another in a slot, each to PASS, disturbed at every step in turn. reseat: it is back before
    the station has looked, else it comes back when the station has seen it leave."""

    def __init__(self, link, batch, slot, serials, reseat=False, steps=STEPS):
        self.link, self.watch, self.slot, self.serials = link, Watch(batch, slot), slot, list(serials)
        self.reseat, self.left = reseat, list(steps)
        self.caught, self.late, self.passed = [], [], []

    def disturb(self, step, serial):
        self.link.unplug(self.slot)
        if self.reseat:
            self.link.plug(self.slot, serial)
        _, before = self.watch.next(lambda e: e["event"] == "left")
        late = any(is_step(e, step, "ok") or is_pass(e) for e in before)
        (self.late if late else self.caught).append(step)
        if not late:
            self.left.remove(step)
        if any(is_pass(e) for e in before):
            return True
        if not self.reseat:
            if not any(e["event"] == "unit" for e in before):
                _, more = self.watch.next(lambda e: e["event"] == "unit")
            self.link.plug(self.slot, serial)
        return False

    def run_device(self, serial):
        self.link.plug(self.slot, serial)
        for _ in range(PLUGS_MAX):
            event, _ = self.watch.next(
                lambda e: is_pass(e) or any(is_step(e, step, "start") for step in self.left))
            if is_pass(event) or self.disturb(event["step"], serial):
                self.passed.append(serial)
                return
        raise AssertionError(f"{serial} was plugged {PLUGS_MAX} times and has not passed")

    def run(self):
        for serial in self.serials[:DEVICES_MAX]:
            self.run_device(serial)
            self.link.unplug(self.slot)
            if not self.left:
                return self
        raise AssertionError(f"steps {self.left} were over each time before the hand was there; caught {self.caught}")


def serve_all(link, batch, devices, patience=300):
    """Until every device ({slot: serial}) has passed; their serials. One whose link failed is reseated, as the screen
    says: on a busy machine two dozen processes may not all be open in time."""
    left, at, end = dict(devices), 0, time.monotonic() + patience
    while left:
        with batch.seen:
            while at == len(batch.events):
                if batch.code is not None or not batch.seen.wait(max(0, end - time.monotonic())):
                    raise AssertionError(f"{left} have not passed; exit {batch.code}, last events {batch.events[-5:]}")
            event = batch.events[at]
        at += 1
        slot = int(event.get("slot", 0))
        if is_pass(event) and left.get(slot) == event["serial"]:
            del left[slot]
        elif event["event"] == "unit" and event.get("domain") == "link":
            link.unplug(slot)
            link.plug(slot, devices[slot])
        elif event["event"] in ("unit", "slot-closed"):
            raise AssertionError(f"{event}")
    return list(devices.values())
