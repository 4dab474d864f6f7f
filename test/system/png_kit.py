"""A page's picture in 256 colours and no more bytes than that takes, with what Python has."""

import collections
import struct
import zlib

COLOURS = 256
NEAR = 12  # of one channel: nobody tells them apart


def chunks(data):
    at = 8
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        yield data[at + 4:at + 8], data[at + 8:at + 8 + length]
        at += length + 12


def paeth(a, b, c):
    x, y, z = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    return a if x <= y and x <= z else b if y <= z else c


def unfilter(kind, line, above, depth):
    """One line of bytes without its filter (PNG, 9.2)."""
    if kind == 2:
        return bytearray((x + b) & 255 for x, b in zip(line, above))
    out = bytearray(line)
    for i in range(len(out) if kind else 0):
        a = out[i - depth] if i >= depth else 0
        c = above[i - depth] if i >= depth else 0
        out[i] = (out[i] + (a if kind == 1 else (a + above[i]) // 2 if kind == 3 else paeth(a, above[i], c))) & 255
    return out


def read(path):
    """Width and lines of (red, green, blue) of a picture of 8 bits for each channel."""
    with open(path, "rb") as file:
        parts = list(chunks(file.read()))
    width, height, bits, kind = struct.unpack(">IIBB", parts[0][1][:10])
    depth = {2: 3, 6: 4}[kind]
    if bits != 8:
        raise ValueError(path)
    data = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    above, lines, step = bytearray(width * depth), [], width * depth + 1
    for at in range(0, height * step, step):
        above = unfilter(data[at], data[at + 1:at + step], above, depth)
        lines.append(list(zip(above[0::depth], above[1::depth], above[2::depth])))
    return width, lines


def distance(a, b):
    return sum((x - y) ** 2 for x, y in zip(a, b))


def palette_of(lines):
    """The colours most used that are not nearly each other, and which of them each colour becomes."""
    used = collections.Counter(colour for line in lines for colour in line)
    palette = []
    for near in (NEAR, 0):
        for colour, _ in used.most_common():
            if len(palette) < COLOURS and all(distance(colour, other) > near * near for other in palette):
                palette.append(colour)
    return palette, {c: min(range(len(palette)), key=lambda i: distance(c, palette[i])) for c in used}


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def reduce(path):
    """Written anew with a palette; how many bytes it has then."""
    width, lines = read(path)
    palette, index = palette_of(lines)
    body = b"".join(b"\0" + bytes(index[colour] for colour in line) for line in lines)
    data = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(lines), 8, 3, 0, 0, 0)) +
            chunk(b"PLTE", bytes(v for colour in palette for v in colour)) + chunk(b"IDAT", zlib.compress(body, 9)) +
            chunk(b"IEND", b""))
    with open(path, "wb") as file:
        file.write(data)
    return len(data)
