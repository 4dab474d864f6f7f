"""What the tests of kiln-devca share: a running CA, requests, and readings of what comes back."""

import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path

PROGRAM = os.path.join(os.environ["KILN_BIN"], "kiln-devca")
SANITIZED = "KILN_SANITIZE" in os.environ
MARK = "2.25.68629715217242208355951711419449564622.2"
PKCS10 = {"Content-Type": "application/pkcs10"}


def openssl(*arguments, stdin=None, check=True):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True)
    if check and done.returncode != 0:
        raise AssertionError(f"openssl {arguments}: {done.stderr.decode()}")
    return done.stdout


def make_csr(folder, name, subject, *extensions, key=("ec", "ec_paramgen_curve:P-256")):
    """A key and a CSR; returns the CSR's DER."""
    path = os.path.join(folder, name)
    config = os.path.join(folder, name + ".cnf")
    Path(config).write_text(
        "[req]\ndistinguished_name=dn\n[dn]\n[hw]\ntype=OID:1.3.6.1.4.1.32473.1\nserial=FORMAT:ASCII,OCT:SN0001\n")
    added = [argument for extension in extensions for argument in ("-addext", extension)]
    openssl("req", "-new", "-newkey", key[0], *(["-pkeyopt", key[1]] if key[1] else []), "-nodes", "-config", config,
            "-keyout", path + ".key", "-subj", subject, *added, "-outform", "DER", "-out", path + ".csr")
    return Path(path + ".csr").read_bytes()


def certificates_of(pkcs7_der):
    """The DERs inside a certs-only PKCS#7, in their order."""
    pem = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=pkcs7_der).decode()
    found, inside = [], None
    for line in pem.splitlines():
        if line.startswith("-----BEGIN"):
            inside = []
        elif line.startswith("-----END"):
            found.append(base64.b64decode("".join(inside)))
            inside = None
        elif inside is not None:
            inside.append(line)
    return found


def text_of(der):
    return openssl("x509", "-inform", "DER", "-noout", "-text", stdin=der).decode()


def spki_of(der, kind="x509"):
    return openssl(kind, "-inform", "DER", "-noout", "-pubkey", stdin=der)


def lines_of(der, width=64, end="\n"):
    text = base64.b64encode(der).decode()
    return "".join(line + end for line in textwrap.wrap(text, width)).encode()


def read_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        part = sock.recv(4096)
        if not part:
            raise AssertionError(f"closed after {got!r}")
        got += part
    return got


class Devca:
    """A running CA with its channel on descriptor 3."""

    def __init__(self, *arguments):
        self.folder = tempfile.mkdtemp(prefix="kiln-devca-")
        self.log = os.path.join(self.folder, "log")
        for name in ("ra", "attest"):
            make_csr(self.folder, name, f"/CN=station {name} DRY RUN/O=Example")
        self.channel, theirs = socket.socketpair()
        command = [PROGRAM, "--dir", self.path("ca"), "--log", self.log,
                   "--sign-ra", f"{self.path('ra.csr')}:{self.path('ra.pem')}",
                   "--sign-attestation", f"{self.path('attest.csr')}:{self.path('attest.pem')}", *arguments]
        self.pid = os.posix_spawn(PROGRAM, command, os.environ,
                                  file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])
        theirs.close()
        self.channel.settimeout(20)
        self.hello = json.loads(read_line(self.channel))
        self.url = self.hello["url"]
        self.port = int(self.url.split(":")[2].split("/")[0])

    def path(self, name):
        return os.path.join(self.folder, name)

    def client(self, certificate="ra", anchor="tls-anchor.pem"):
        context = ssl.create_default_context(cafile=self.path("ca/" + anchor))
        if certificate:
            context.load_cert_chain(self.path(certificate + ".pem"), self.path(certificate + ".key"))
        return context

    def connect(self, **how):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.client(**how), timeout=20)

    def ask(self, method, operation, body=None, headers=None, **how):
        """status, headers, body of one request on its own connection."""
        connection = self.connect(**how)
        try:
            connection.request(method, "/.well-known/est/" + operation, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def post(self, label, csr, **how):
        operation = f"{label}/simpleenroll" if label else "simpleenroll"
        return self.ask("POST", operation, lines_of(csr), PKCS10, **how)

    def posts(self):
        return [json.loads(line) for line in Path(self.log).read_text().splitlines()]

    def verify(self, der, *more):
        leaf = self.path("leaf.der")
        Path(leaf).write_bytes(der)
        done = subprocess.run(["openssl", "verify", "-CAfile", self.path("ca/root.pem"),
                               "-untrusted", self.path("ca/issuing.pem"), *more, leaf], capture_output=True)
        return done.returncode == 0

    def wait(self):
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def stop(self):
        self.channel.close()
        code = self.wait() if self.pid else None
        shutil.rmtree(self.folder)
        return code


class WithCa(unittest.TestCase):
    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.ca = Devca(*cls.arguments)
        cls.csr = make_csr(
            cls.ca.folder, "device", "/CN=SN0001/serialNumber=SN0001/O=Example Medical",
            "subjectAltName=otherName:1.3.6.1.5.5.7.8.4;SEQ:hw,URI:urn:uuid:6f0e5c0a-7b1d-4f4e-9f0a-0d6c3c1b2a11",
            "keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth")

    @classmethod
    def tearDownClass(cls):
        if cls.ca.stop() != 0:
            raise AssertionError("kiln-devca did not end well when its channel closed")

    def assert_issued(self, answer, csr=None):
        status, headers, body = answer
        self.assertEqual(status, 200, body)
        self.assertEqual(headers["Content-Type"], "application/pkcs7-mime; smime-type=certs-only")
        found = certificates_of(base64.b64decode(body))
        self.assertEqual(len(found), 1)
        self.assertEqual(spki_of(found[0]), spki_of(csr or self.csr, "req"))
        self.assertTrue(self.ca.verify(found[0]))
        return found[0]


def run():
    if not shutil.which("openssl"):
        print("SKIP: openssl(1)")
        raise SystemExit(77)
    unittest.main()
