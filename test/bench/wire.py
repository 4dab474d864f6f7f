"""The least that crosses an spdm device's line: its objects' DER, each in the one message that carries it.

Framing is what SPDM, MCTP and the serial line put around them: the agreement that a connection begins with and the
proof is over (version, capabilities, algorithms), heads of messages, packets and frames. The public key is an object
too: no message of SPDM tells it but a CSR, and the one that is asked for by name must show it. Who the device is, its
measurements, its key pair and the command to make a key are none: they are the margin of the bar."""

import math
import sqlite3
import subprocess

PACKET = 64           # payload of a packet (DSP0236)
AROUND = 4 + 6        # its MCTP header; flag, revision, count, FCS, flag (DSP0253)
CHAIN_HEAD = 4 + 32   # length and hash of the root (DSP0274)
VENDOR_HEAD = 15      # profiles/spdm/README.md
DIGEST = 32
# Of the bench's device and profile: the CSR that shows its key, and the CertificationRequestInfo that it is then sent.
KEY_CSR, INFO = 312, 274

CONNECTION = ((4, 10), (20, 20), (32, 36))
CHALLENGE = ((4 + 32 + 8, 4 + 32 + 32 + 2 + 8 + 64),) # nonce and context; hash, nonce, no opaque data, context, signature


def framed(message, *objects):
    """A message of so many bytes and these objects, with its MCTP type, on the line. Two values are escaped there."""
    payload = 1 + message + sum(len(o) for o in objects)
    escapes = sum(o.count(b"\x7e") + o.count(b"\x7d") for o in objects)
    return payload + escapes + AROUND * math.ceil(payload / PACKET)


def least_bytes(csr, chain, anchors):
    carried = (framed(8), framed(8 + KEY_CSR), framed(8 + INFO), framed(8, csr),        # GET_CSR
               framed(4 + CHAIN_HEAD, chain), framed(4),                                # SET_CERTIFICATE
               framed(VENDOR_HEAD + 8, anchors), framed(VENDOR_HEAD),                   # PUT_ANCHORS
               framed(8), framed(8 + CHAIN_HEAD, chain),                                # GET_CERTIFICATE
               framed(VENDOR_HEAD), framed(VENDOR_HEAD + 4 + DIGEST))                   # GET_ANCHORS
    return sum(carried) + sum(framed(up) + framed(down) for up, down in CONNECTION + CHALLENGE)


def der_bytes(csr, chain, anchors):
    """The objects alone, without a byte around them: the request down, chain and anchors up and the chain down again."""
    return len(csr) + 2 * len(chain) + len(anchors)


def objects(station):
    with sqlite3.connect(f"file:{station.path('records.db')}?mode=ro", uri=True) as db:
        csr, chain = db.execute("SELECT c.bytes, k.bytes FROM job JOIN blob c ON c.sha256 = job.csr JOIN blob k ON "
                                "k.sha256 = job.chain").fetchone()
    db.close()
    root = subprocess.run(["openssl", "x509", "-in", station.path("ca/root.pem"), "-outform", "DER"], check=True,
                          capture_output=True).stdout
    return csr, chain, root
