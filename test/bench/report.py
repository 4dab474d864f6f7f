"""The bench's table and its plot."""

import html
import math

HEADS = ("", "median", "worst", "bar", "", "the floor is made by")
COLOURS = {"floor": "#888888", "kiln": "#0b6e4f", "script, parallel": "#c05621", "script": "#7b341e"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 80, 190, 20, 50


def number(value, digits):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def row(figure):
    unit = " " + figure.unit if figure.unit else ""
    bar = f"{figure.bar[0]} {figure.bar[1]:g}{unit}" if figure.bar else ""
    return (figure.what, number(figure.median(), figure.digits) + unit, number(figure.worst(), figure.digits) + unit,
            bar, {True: "met", False: "MISSED", None: ""}[figure.met()], figure.bound() or "")


def table(board):
    rows = [HEADS] + [row(f) for f in board.figures.values()]
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEADS))]
    lines = []
    for r in rows:
        cells = [r[0].ljust(widths[0])] + [r[i].rjust(widths[i]) for i in (1, 2, 3)] + [r[4].ljust(widths[4]), r[5]]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines + [""] + ["  " + note for note in board.notes])


def conditions(whole):
    """What the figures were measured on, in a line."""
    of = whole["machine"]
    return (f"{of['cpu']}, {of['cores']} cores, Linux {of['kernel']}; {whole['rounds']} rounds"
            f"{', --quick' if whole['quick'] else ''}; the median counts, beside it the worst round.")


def markdown(board, whole):
    """The table for a README."""
    lines = [conditions(whole), "", "| | median | worst | bar | | the floor is made by |", "|---|--:|--:|--:|---|---|"]
    for r in (row(f) for f in board.figures.values()):
        what = ("&nbsp;&nbsp;" if r[0].startswith(" ") else "") + r[0].strip().replace("|", "\\|").replace("<", "&lt;")
        lines.append("| " + " | ".join((what, *r[1:4], "**missed**" if r[4] == "MISSED" else r[4], r[5])) + " |")
    return "\n".join(lines + [f"\n{note}" for note in board.notes]) + "\n"


def decades(low, high):
    out, value = [], 1
    while value < high * 10:
        if value * 10 > low:
            out.append(value)
        value *= 10
    return out


def spread(points):
    """Axes that hold all points, logarithmic both: (min, max) of x and y."""
    xs = [x for line in points.values() for x, _ in line]
    ys = [y for line in points.values() for _, y in line if y > 0]
    return (min(xs), max(max(xs), min(xs) * 2)), (min(ys) / 1.5, max(ys) * 1.5)


class Axes:
    """Logarithmic both, over all points."""

    def __init__(self, series):
        (self.x0, self.x1), (self.y0, self.y1) = spread(series)
        self.slots = sorted({x for line in series.values() for x, _ in line})

    def x(self, x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / self.x0) / math.log(self.x1 / self.x0)

    def y(self, y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / self.y0) / math.log(self.y1 / self.y0)

    def draw(self):
        out = []
        for y in (d * m for d in decades(self.y0, self.y1) for m in (1, 2, 5)):
            if self.y0 <= y <= self.y1:
                out += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.y(y):.1f}" y2="{self.y(y):.1f}" '
                        'stroke="#e4e4e4"/>',
                        f'<text x="{LEFT - 8}" y="{self.y(y) + 4:.1f}" text-anchor="end">{y:,}</text>']
        for x in self.slots:
            out += [f'<line x1="{self.x(x):.1f}" x2="{self.x(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
                    'stroke="#e4e4e4"/>',
                    f'<text x="{self.x(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x}</text>']
        middle = (TOP + HEIGHT - BOTTOM) / 2
        return out + [f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">slots</text>',
                      f'<text x="18" y="{middle:.0f}" transform="rotate(-90 18 {middle:.0f})" text-anchor="middle">'
                      'units per hour</text>']


def curve(axes, name, line):
    colour, dash = COLOURS.get(name, "#444"), ' stroke-dasharray="6 4"' if name == "floor" else ""
    path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in line)
    out = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>']
    return out + [f'<circle cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3.5" fill="{colour}"/>' for x, y in line]


def names(axes, series):
    """Each beside its curve's end with the rate there, none over another."""
    out, above = [], -math.inf
    for y, name, rate in sorted((axes.y(line[-1][1]) + 4, name, line[-1][1]) for name, line in series.items()):
        above = max(y, above + 17)
        out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{above:.1f}" fill="{COLOURS.get(name, "#444")}">'
                   f'{html.escape(name)}</text>'
                   f'<text x="{WIDTH - 10}" y="{above:.1f}" text-anchor="end" fill="#666">{rounded(rate)}</text>')
    return out


def rounded(rate):
    """To two digits: a picture is no table."""
    unit = 10 ** max(0, int(math.log10(rate)) - 1)
    return f"{round(rate / unit) * unit:,}"


def plot(series):
    """Units per hour against slots as SVG: series maps a name to its [(slots, units per hour)]."""
    axes = Axes(series)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="13" fill="#222">', '<title>Units per hour against slots</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>', *axes.draw()]
    for name, line in series.items():
        out += curve(axes, name, line)
    return "\n".join([*out, *names(axes, series), "</svg>"]) + "\n"
