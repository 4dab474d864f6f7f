"""Cost: processor, memory, durable writes, bytes and signatures of a unit."""

import os
import subprocess

from rig import Hands, Station, family_of, pss_kib, run
from wire import der_bytes, least_bytes, objects

SLOTS = 64


def cpu(context, board, slots):
    each = context.count(8, 4)
    with Station(slots, each, 0.5) as station:
        hands = run(station)
        count = len(hands.units)
    board.tell("cost.cpu", 1000 * hands.cpu_s() / count, f"CPU of 1,000 units, {slots} slots, TLS kept alive",
               unit="s", bar=("<=", 5))
    for name, seconds in hands.programs_cpu_s().items():
        board.tell(f"cost.cpu.{name}", 1000 * seconds / count, f"  of it {name}", unit="s")
    board.tell("cost.cpu.emulators", 1000 * hands.emulators_s() / count, "CPU of the emulators, per 1,000 units",
               unit="s")
    for name, seconds in hands.emulators_cpu_s().items():
        board.tell(f"cost.cpu.emulators.{name}", 1000 * seconds / count, f"  of it {name}", unit="s")
    board.tell("cost.cores", 100 * hands.cores_used(), "all cores were in use", unit="%", digits=0)


def cpu_with_handshakes(context, board, slots):
    with Station(slots, context.count(4, 2), 0.5, label="close") as station:
        hands = run(station)
        per_unit = hands.cpu_s() / len(hands.units)
    board.tell("cost.cpu.handshake", 1000 * per_unit, "CPU of 1,000 units, a TLS handshake each", unit="s", bar=("<=", 10))


class Weighed(Hands):
    """Looks at the memory while every slot has a device at work."""
    pss = None

    def weigh(self):
        self.wait_for(lambda e: sum(x["event"] == "arrived" for x in self.events) >= self.world.options["slots"])
        samples = []
        while self.process.poll() is None and not self.units:
            samples.append(pss_kib(family_of(self.process.pid)))
        self.pss = max((s for s in samples if s is not None), default=None)


def memory(context, board, slots):
    with Station(slots, 1, 2.0) as station:
        hands = Weighed(station)
        hands.weigh()
        hands.wait()
    if hands.pss is None:
        board.note("memory: not measured, /proc/PID/smaps_rollup of hardened programs needs root")
        return
    board.tell("cost.memory", hands.pss / 1024, f"memory of all programs, {slots} slots (PSS)", unit="MiB",
               bar=("<=", slots + 48), digits=1)


def durable_writes(station, hands):
    """From the first arrival to the last end; a station's own beginning and end are none of a unit's."""
    with open(station.path("strace"), encoding="utf-8") as file:
        times = [float(line.split()[1]) for line in file if "sync(" in line and "resumed" not in line]
    ended_wall = hands.begun_wall + hands.ended - hands.begun
    return sum(hands.begun_wall <= at <= ended_wall for at in times)


def details(context, board, slots):
    """What is counted, not timed: once a round, in a run of its own."""
    each = context.count(2, 1)
    with Station(slots, each, 0.5, shim_folder=context.shim) as station:
        hands = run(station)
        signatures = len(station.hsm_times()) / len(hands.units)
        accounts = station.accounts().values()
        line = sum(a["in"] + a["out"] for a in accounts) / len(hands.units)
        der = objects(station)
    board.tell("cost.signatures", signatures, "HSM signatures of a unit", digits=2)
    board.tell("cost.line", line, "bytes of a unit on the line", digits=0)
    board.tell("cost.line.ratio", line / least_bytes(*der), "  to its objects' DER with framing", bar=("<=", 1.15),
               digits=3)
    board.tell("cost.line.der", line / der_bytes(*der), "  to its objects' DER alone", digits=2)


def syncs(board, slots, each):
    with Station(slots, each, 0.5) as station:
        trace = ("strace", "-f", "-ttt", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-o", station.path("strace"))
        hands = run(station, wrap=trace)
        board.tell(f"cost.fsyncs.{slots}", durable_writes(station, hands) / len(hands.units),
                   f"durable writes of a unit, {slots} slot{'s' * (slots > 1)}", digits=2)


def round(context, board):
    slots = context.slots((SLOTS,))[0]
    cpu(context, board, slots)
    cpu_with_handshakes(context, board, slots)
    memory(context, board, slots)
    details(context, board, slots)
    if subprocess.run(["strace", "-V"], capture_output=True).returncode != 0:
        board.note("durable writes: not counted, strace is missing")
        return
    syncs(board, 1, 4)
    syncs(board, slots, context.count(2, 1))
