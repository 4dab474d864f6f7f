"""Scaling: as many 2 s devices as slots, all plugged at once, as a needle-bed does it."""

import os

from figures import floor
from rig import Station, run

SLOTS = (1, 2, 4, 8, 16, 32, 64, 128)
BARS = {64: ("<=", 1.10), 128: ("<=", 1.20)}
DEVICE_S = 2.0


def tell_limits(board, slots, first, hands):
    """Why no more: what would be left of the wall if the station took nothing."""
    least = floor(hands.passages(), slots, hands.emulators_s(), os.cpu_count())
    board.tell(f"scaling.floor.{slots}", least.seconds / first, f"  the floor of {slots} slots to one's wall", digits=3,
               bound=least.bound)
    board.tell(f"scaling.cores.{slots}", 100 * hands.cores_used(), "  all cores were in use", unit="%", digits=0)


def round(context, board):
    first = None
    for slots in context.slots(SLOTS):
        with Station(slots, 1, DEVICE_S if not context.tiny else 0.5) as station:
            hands = run(station)
            took = [u["_at"] - hands.begun for u in hands.units]
            first = first or max(took)
            if slots > 1:
                board.tell(f"scaling.{slots}", max(took) / first, f"wall of {slots} slots to that of one",
                           bar=BARS.get(slots), digits=3)
            if slots >= 64:
                board.tell(f"scaling.spread.{slots}", max(took) / min(took), f"  slowest to fastest of {slots} slots",
                           bar=("<=", 1.15), digits=3)
                tell_limits(board, slots, first, hands)
