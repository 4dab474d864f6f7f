"""The bench's table and its plot."""

import html
import math

HEADS = ("", "median", "worst", "bar", "")
COLOURS = {"floor": "#888888", "kiln": "#0b6e4f", "script, parallel": "#c05621", "script": "#7b341e"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 80, 140, 20, 50


def number(value, digits):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}f}"


def row(figure):
    unit = " " + figure.unit if figure.unit else ""
    bar = f"{figure.bar[0]} {figure.bar[1]:g}{unit}" if figure.bar else ""
    return (figure.what, number(figure.median(), figure.digits) + unit, number(figure.worst(), figure.digits) + unit,
            bar, {True: "met", False: "MISSED", None: ""}[figure.met()])


def table(board):
    rows = [HEADS] + [row(f) for f in board.figures.values()]
    widths = [max(len(r[i]) for r in rows) for i in range(len(HEADS))]
    lines = []
    for r in rows:
        cells = [r[0].ljust(widths[0])] + [r[i].rjust(widths[i]) for i in (1, 2, 3)] + [r[4]]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines + [""] + ["  " + note for note in board.notes])


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


def plot(series):
    """Units per hour against slots as SVG: series maps a name to its [(slots, units per hour)]."""
    (x0, x1), (y0, y1) = spread(series)

    def x_of(x):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x0) / math.log(x1 / x0)

    def y_of(y):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / y0) / math.log(y1 / y0)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="13" fill="#222">', '<title>Units per hour against slots</title>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for y in (d * m for d in decades(y0, y1) for m in (1, 2, 5)):
        if y0 <= y <= y1:
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}" stroke="#ddd"/>'
                       f'<text x="{LEFT - 8}" y="{y_of(y) + 4:.1f}" text-anchor="end">{y:,}</text>')
    for x in sorted({x for line in series.values() for x, _ in line}):
        out.append(f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{x}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">slots</text>'
               f'<text x="18" y="{HEIGHT / 2:.0f}" transform="rotate(-90 18 {HEIGHT / 2:.0f})" text-anchor="middle">'
               'units per hour</text>')
    ends = []
    for name, line in series.items():
        colour, dash = COLOURS.get(name, "#444"), ' stroke-dasharray="5 4"' if name == "floor" else ""
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        ends.append([y_of(line[-1][1]) + 4, name, colour])
    ends.sort()
    for i, (y, name, colour) in enumerate(ends):
        if i and y < ends[i - 1][0] + 15:
            ends[i][0] = y = ends[i - 1][0] + 15
        out.append(f'<text x="{WIDTH - RIGHT + 10}" y="{y:.1f}" fill="{colour}">{html.escape(name)}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
