"""The bench's arithmetic: quantiles, the floor under a run, and figures with their bars."""

import dataclasses
import math
import operator

OPERATORS = {"<=": operator.le, ">=": operator.ge}


def quantile(values, q):
    """By nearest rank: a value that was measured, none in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


@dataclasses.dataclass
class Unit:
    """One unit's passage, in seconds: from where the station could find the device to where its end was told, and
    what others took of that."""
    slot: int
    begun: float
    ended: float
    device: float = 0
    ca: float = 0
    hsm: float = 0

    @property
    def path(self):
        return self.device + self.ca + self.hsm

    @property
    def overhead(self):
        return self.ended - self.begun - self.path


def mean_path(units):
    return sum(u.path for u in units) / len(units)


@dataclasses.dataclass
class Floor:
    """What no station can go below, and by what (reference: LB of the performance model)."""
    seconds: float
    bound: str


EMULATORS = "the emulators' CPU"


def floor(units, slots, emulators_s=0, cores=1):
    """No station is faster: each slot's units come one after the other, the CA and the HSM (one of each here) do one
    thing at a time. emulators_s: the processor time of what on a line would be no part of the station's machine, the
    devices, the CA, the hands; here it shares the cores with the station. The station's own is never in it."""
    terms = {"slots": math.ceil(len(units) / slots) * mean_path(units), "CA": sum(u.ca for u in units),
             "HSM": sum(u.hsm for u in units), EMULATORS: emulators_s / cores}
    bound = max(terms, key=terms.get)
    return Floor(terms[bound], bound)


def busy(units):
    """What the slowest slot took for its units. The hands that change them are not the station's, and not in it."""
    slots = {}
    for u in units:
        slots[u.slot] = slots.get(u.slot, 0) + u.ended - u.begun
    return slots


def efficiency(units, slots, emulators_s=0, cores=1):
    """The floor to what it took: the slowest slot; or where the emulators' processor time is the floor, which the
    hands' is part of, the whole run."""
    least = floor(units, slots, emulators_s, cores)
    whole = max(u.ended for u in units) - min(u.begun for u in units)
    return least.seconds / (whole if least.bound == EMULATORS else max(busy(units).values()))


@dataclasses.dataclass
class Figure:
    """A number of each round, or with q samples of each round of which that quantile counts."""
    id: str
    what: str
    unit: str = ""
    bar: tuple = None
    q: float = None
    digits: int = 2
    rate: bool = False  # more is better, where no bar says so
    rounds: list = dataclasses.field(default_factory=list)
    bounds: list = dataclasses.field(default_factory=list)

    def values(self):
        return [quantile(r, self.q) for r in self.rounds] if self.q else self.rounds

    def median(self):
        if self.q:
            return quantile([v for r in self.rounds for v in r], self.q)
        return median(self.rounds)

    def worst(self):
        more = self.bar[0] == ">=" if self.bar else self.rate
        return min(self.values()) if more else max(self.values())

    def met(self):
        """None where there is nothing to meet. The median counts; the worst round stands beside it."""
        return OPERATORS[self.bar[0]](self.median(), self.bar[1]) if self.bar else None

    def bound(self):
        """What the floor was made by, in most rounds."""
        return max(self.bounds, key=self.bounds.count) if self.bounds else None

    def describe(self):
        return {"id": self.id, "what": self.what, "unit": self.unit, "median": self.median(), "worst": self.worst(),
                "bar": f"{self.bar[0]} {self.bar[1]:g}" if self.bar else None, "met": self.met(),
                "floor": self.bound(), "rounds": self.values()}


class Board:
    """All figures, in the order in which they were first told."""

    def __init__(self):
        self.figures, self.series, self.notes = {}, {}, []

    def tell(self, id, value, what, bound=None, **more):
        """One round's value (or samples); bound: the floor's that is in it."""
        figure = self.figures.setdefault(id, Figure(id, what, **more))
        figure.rounds.append(value)
        if bound:
            figure.bounds.append(bound)

    def point(self, series, x, y):
        """One round's point of the plot."""
        self.series.setdefault(series, {}).setdefault(x, []).append(y)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def describe(self):
        return {"figures": [f.describe() for f in self.figures.values()], "notes": self.notes,
                "plot": {name: sorted((x, median(ys)) for x, ys in points.items())
                         for name, points in self.series.items()}}
