"""Against the floor: what the devices, their lines, the CA and the HSM took, by their own account, and what all that
is emulated takes of the cores."""

import os

from figures import efficiency, floor
from rig import Station, run, sync_times

BARS = {0.5: 0.90, 5.0: 0.97}
SLOTS = (1, 8, 64)
EACH = {0.5: 4, 5.0: 2}
PAUSE_S = 0.03


def tell_units(board, device_s, slots, hands):
    units = hands.passages()
    terms = (units, slots, hands.emulators_s(), os.cpu_count())
    least, share = floor(*terms), efficiency(*terms)
    board.tell(f"floor.efficiency.{device_s:g}s.{slots}", share,
               f"efficiency, {device_s:g} s devices, {slots} slot{'s' * (slots > 1)}", bar=(">=", BARS[device_s]),
               digits=3, bound=least.bound)
    board.tell(f"floor.cores.{device_s:g}s.{slots}", 100 * hands.cores_used(), "  all cores were in use", unit="%",
               digits=0)
    if slots == 1:
        overhead = [u.overhead * 1000 for u in units]
        board.tell(f"floor.overhead.{device_s:g}s.p50", overhead, f"overhead of a unit, {device_s:g} s devices, 1 slot",
                   unit="ms", bar=("<=", 10), q=0.5, digits=1)
        board.tell(f"floor.overhead.{device_s:g}s.p99", overhead, "  its p99", unit="ms", bar=("<=", 25), q=0.99,
                   digits=1)
    if device_s == min(BARS):
        board.point("kiln", slots, 3600 * len(units) * share / least.seconds)
        board.point("floor", slots, 3600 * len(units) / least.seconds)
        board.tell(f"floor.device.{slots}", sum(u.device for u in units) / len(units),
                   f"  what its device and line took, {slots} slot{'s' * (slots > 1)}", unit="s", digits=3)


def tell_disk(board, folder):
    """As it is between the steps of one unit, and where one follows the other."""
    times = [t * 1000 for t in sync_times(folder, 25, PAUSE_S)]
    board.tell("floor.fsync.p50", times, f"fsync of this disk, 4 KiB, after {1000 * PAUSE_S:.0f} ms of nothing",
               unit="ms", q=0.5)
    board.tell("floor.fsync.p99", times, "  its p99", unit="ms", q=0.99)
    board.tell("floor.fsync.hot", [t * 1000 for t in sync_times(folder)], "  one right after the other", unit="ms",
               q=0.5)


def round(context, board):
    for device_s in (0.5, 5.0):
        for slots in context.slots(SLOTS):
            each = EACH[device_s] if not context.tiny else 2
            if context.tiny and device_s > 1:
                continue
            with Station(slots, each, device_s, shim_folder=context.shim) as station:
                tell_units(board, device_s, slots, run(station))
                tell_disk(board, station.folder)
