"""What must cross a device's line: its objects' DER, once each way they go, in MCTP packets on a serial line."""

import sqlite3
import subprocess

PACKET = 64                # payload of a packet (DSP0236)
AROUND = 4 + 6             # its MCTP header; flag, revision, count, FCS, flag (DSP0253)
ESCAPED = 1 + 2 / 256      # of random bytes two values are escaped
NONCE, SIGNATURE = 32, 64  # P-256


def framed(length):
    return length * (PACKET + AROUND) / PACKET * ESCAPED


def least_bytes(csr, chain, anchors):
    """The request down; chain and anchors up and, to be compared, down again; a nonce up and a signature down."""
    return framed(csr + 2 * chain + 2 * anchors + NONCE + SIGNATURE)


def least_line_bytes(station):
    with sqlite3.connect(f"file:{station.path('records.db')}?mode=ro", uri=True) as db:
        csr, chain = db.execute("SELECT avg(length(c.bytes)), avg(length(k.bytes)) FROM job JOIN blob c ON "
                                "c.sha256 = job.csr JOIN blob k ON k.sha256 = job.chain").fetchone()
    db.close()
    root = subprocess.run(["openssl", "x509", "-in", station.path("ca/root.pem"), "-outform", "DER"], check=True,
                          capture_output=True).stdout
    return least_bytes(csr, chain, len(root))
