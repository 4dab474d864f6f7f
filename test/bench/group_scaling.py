"""Scaling: as many 2 s devices as slots, all plugged at once, as a needle-bed does it."""

from rig import Station, run

SLOTS = (1, 2, 4, 8, 16, 32, 64, 128)
BARS = {64: ("<=", 1.10), 128: ("<=", 1.20)}
DEVICE_S = 2.0


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
