"""kiln-devca over the wire: Python's own TLS and HTTP, openssl(1), curl and strongSwan are the clients."""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
import warnings
from pathlib import Path

from devca_kit import certificates_of, Devca, lines_of, make_csr, MARK, openssl, PKCS10, PROGRAM, run, spki_of, text_of, WithCa


class Start(WithCa):
    def test_greeting(self):
        self.assertEqual(self.ca.hello["hello"], "kiln-devca")
        self.assertRegex(self.ca.hello["build"], "^[0-9a-f]{16}$")
        self.assertRegex(self.ca.url, r"^https://127\.0\.0\.1:\d+/\.well-known/est$")

    def test_files(self):
        for name in ("root.pem", "issuing.pem", "tls-anchor.pem"):
            text = openssl("x509", "-in", self.ca.path("ca/" + name), "-noout", "-text").decode()
            self.assertIn("DRY RUN NOT FOR PRODUCTION", text)
            self.assertRegex(text, MARK.replace(".", r"\.") + r": *\n")  # there, and not critical
            self.assertIn("CA:TRUE", text)
        self.assertEqual(sorted(os.listdir(self.ca.path("ca"))), ["chain.pem", "issuing.pem", "root.pem", "tls-anchor.pem"])
        openssl("verify", "-x509_strict", "-CAfile", self.ca.path("ca/root.pem"), self.ca.path("ca/issuing.pem"))
        self.assertEqual(Path(self.ca.path("ca/chain.pem")).read_text(),
                         Path(self.ca.path("ca/issuing.pem")).read_text() + Path(self.ca.path("ca/root.pem")).read_text())

    def test_no_key_is_written(self):
        for name in os.listdir(self.ca.path("ca")):
            self.assertNotIn("PRIVATE", Path(self.ca.path("ca/" + name)).read_text())

    def test_life_is_a_day(self):
        root = self.ca.path("ca/root.pem")
        openssl("x509", "-in", root, "-noout", "-checkend", str(23 * 3600))
        self.assertNotEqual(subprocess.run(["openssl", "x509", "-in", root, "-noout", "-checkend", str(25 * 3600)],
                                           capture_output=True).returncode, 0)

    def test_station_certificates(self):
        for name, usage in (("ra", "TLS Web Client Authentication, CMC Registration Authority"),
                            ("attest", "2.25.68629715217242208355951711419449564622.3")):
            pem = Path(self.ca.path(name + ".pem")).read_text()
            self.assertEqual(pem.count("BEGIN CERTIFICATE"), 2)
            self.assertTrue(pem.endswith(Path(self.ca.path("ca/issuing.pem")).read_text()))
            text = openssl("x509", "-in", self.ca.path(name + ".pem"), "-noout", "-text").decode()
            self.assertIn(usage + "\n", text)
            self.assertIn(f"Subject: CN = station {name} DRY RUN, O = Example", text)
            self.assertIn(MARK, text)
            openssl("verify", "-x509_strict", "-purpose", "any", "-CAfile", self.ca.path("ca/root.pem"),
                    "-untrusted", self.ca.path("ca/issuing.pem"), self.ca.path(name + ".pem"))

    def test_loopback_only(self):
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", self.ca.port), 5)


class StartAlone(unittest.TestCase):
    """Without a channel: from a terminal."""

    def start(self, *arguments):
        folder = tempfile.mkdtemp(prefix="kiln-devca-")
        self.addCleanup(shutil.rmtree, folder)
        return folder, subprocess.Popen([PROGRAM, "--dir", folder + "/ca", *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def test_runs_until_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            _, ca = self.start()
            self.assertIn("url", json.loads(ca.stdout.readline()))
            ca.send_signal(number)
            out, errors = ca.communicate(timeout=20)
            self.assertEqual((ca.returncode, out, errors), (0, b"", b""))

    def test_port(self):
        _, first = self.start()
        port = json.loads(first.stdout.readline())["url"].split(":")[2].split("/")[0]
        _, second = self.start("--port", port)
        _, errors = second.communicate(timeout=20)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"listening on 127.0.0.1:{port}".encode(), errors)
        first.terminate()
        first.communicate(timeout=20)

    def test_bad_station_request(self):
        folder = tempfile.mkdtemp(prefix="kiln-devca-")
        self.addCleanup(shutil.rmtree, folder)
        good = bytearray(make_csr(folder, "x", "/CN=x"))
        good[-1] ^= 1
        Path(folder + "/bad.csr").write_bytes(good)
        _, ca = self.start("--sign-ra", f"{folder}/bad.csr:{folder}/out.pem")
        out, errors = ca.communicate(timeout=20)
        self.assertEqual((ca.returncode, out), (1, b""))
        self.assertIn(b"signing " + folder.encode() + b"/bad.csr: the request's signature does not verify", errors)
        self.assertFalse(os.path.exists(folder + "/out.pem"))

    def test_usage(self):
        for wrong in ([], ["--dir"], ["--dir", "d", "--port", "65536"], ["--dir", "d", "--hours", "0"],
                      ["--dir", "d", "--address", "0.0.0.0"], ["--dir", "d", "--sign-ra", "no-colon"],
                      ["--dir", "d", "--leaf-days", "1", "--no-expiry"], ["--dir", "d", "more"]):
            done = subprocess.run([PROGRAM, *wrong], capture_output=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout), (2, b""), wrong)
            self.assertIn(b"usage: kiln-devca", done.stderr)

    def test_dies_with_its_parent(self):
        code = ("import os, socket, sys, time\n"
                "ours, theirs = socket.socketpair()\n"
                "os.set_inheritable(ours.fileno(), True)\n"  # the channel stays open: only the death of the parent counts
                "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,\n"
                "    file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)])\n"
                "ours.recv(4096)\n"
                "print(pid, flush=True)\n"
                "time.sleep(60)\n")
        folder = tempfile.mkdtemp(prefix="kiln-devca-")
        self.addCleanup(shutil.rmtree, folder)
        with subprocess.Popen(["python3", "-c", code, PROGRAM, "--dir", folder + "/ca"],
                              stdout=subprocess.PIPE) as parent:
            pid = int(parent.stdout.readline())
            parent.kill()
            parent.wait()
        for _ in range(200):
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except FileNotFoundError:
                return
            if state == "Z":
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        self.fail("kiln-devca outlived its parent")


class Tls(WithCa):
    def refused(self, operation="simpleenroll", **how):
        """The handshake or the first read fails: TLS 1.3 clients learn of a refusal late."""
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.ca.ask("POST", operation, lines_of(self.csr), PKCS10, **how)

    def test_anonymous_may_read_but_not_enrol(self):
        self.assertEqual(self.ca.ask("GET", "cacerts", certificate=None)[0], 200)
        status, _, body = self.ca.post("", self.csr, certificate=None)
        self.assertEqual(status, 403)
        self.assertIn(b"client certificate", body)

    def test_a_device_is_no_ra(self):
        device = self.assert_issued(self.ca.post("", self.csr))
        Path(self.ca.path("device.pem")).write_text(ssl.DER_cert_to_PEM_cert(device))
        status, _, body = self.ca.post("", self.csr, certificate="device")
        self.assertEqual(status, 403)
        self.assertIn(b"cmcRA", body)

    def test_foreign_and_unfit_client_certificates(self):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=foreign",
                "-addext", "extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28", "-keyout", self.ca.path("foreign.key"),
                "-out", self.ca.path("foreign.pem"))
        before = self.ca.posts()
        self.refused(certificate="foreign")
        self.refused(certificate="attest")  # no clientAuth
        self.assertEqual(self.ca.posts(), before)

    def test_ra_without_its_issuer_is_enough(self):
        one = Path(self.ca.path("ra.pem")).read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        Path(self.ca.path("lone.pem")).write_text(one)
        shutil.copy(self.ca.path("ra.key"), self.ca.path("lone.key"))
        self.assert_issued(self.ca.post("", self.csr, certificate="lone"))

    def test_tls_anchor_is_apart_from_the_issuing_root(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.ca.ask("GET", "cacerts", anchor="root.pem")

    def test_versions(self):
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS 1.1, which is refused here
        for version, works in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
            context = self.ca.client()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            connection = http.client.HTTPSConnection("127.0.0.1", self.ca.port, context=context, timeout=20)
            if works:
                connection.request("POST", "/.well-known/est/simpleenroll", lines_of(self.csr), PKCS10)
                self.assertEqual(connection.getresponse().status, 200)
            else:
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    connection.connect()
            connection.close()

    def test_plain_http_and_noise_do_no_harm(self):
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 1000, b"\x16\x03\x01\xff\xff" + b"a" * 300, b""):
            with socket.create_connection(("127.0.0.1", self.ca.port), 5) as sock:
                sock.sendall(noise)
        self.assert_issued(self.ca.post("", self.csr))


class RequestForms(WithCa):
    """Table 2.2: what real servers accept, this one accepts all of it."""

    def test_bodies(self):
        armour = b"-----BEGIN %s-----\n%s-----END %s-----\n"
        plain, new = b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"
        bodies = {
            "64 columns, LF": lines_of(self.csr),
            "64 columns, LF, none at the end": lines_of(self.csr)[:-1],
            "64 columns, CRLF": lines_of(self.csr, 64, "\r\n"),
            "76 columns, CRLF": lines_of(self.csr, 76, "\r\n"),
            "one line": base64.b64encode(self.csr),
            "one line, LF": base64.b64encode(self.csr) + b"\n",
            "blanks around": b" \r\n" + lines_of(self.csr) + b"\n \n",
            "PEM": armour % (plain, lines_of(self.csr), plain),
            "PEM, NEW": armour % (new, lines_of(self.csr), new),
            "PEM, CRLF": (armour % (plain, lines_of(self.csr), plain)).replace(b"\n", b"\r\n"),
            "PEM, text before": b"a comment\n" + armour % (plain, lines_of(self.csr), plain),
            "DER": self.csr,
        }
        for name, body in bodies.items():
            with self.subTest(name):
                self.assert_issued(self.ca.ask("POST", "simpleenroll", body, PKCS10))

    def test_headers(self):
        for name, headers in {
            "no content type": {},
            "parameter": {"Content-Type": "application/pkcs10; charset=us-ascii"},
            "case": {"Content-Type": "Application/PKCS10"},
            "x-": {"Content-Type": "application/x-pkcs10"},
            "octet-stream": {"Content-Type": "application/octet-stream"},
            "CTE base64": {**PKCS10, "Content-Transfer-Encoding": "base64"},
            "CTE binary, which it is not": {**PKCS10, "Content-Transfer-Encoding": "binary"},
            "Accept": {**PKCS10, "Accept": "*/*"},
        }.items():
            with self.subTest(name):
                self.assert_issued(self.ca.ask("POST", "simpleenroll", lines_of(self.csr), headers))
        self.assert_issued(self.ca.ask("POST", "simpleenroll", self.csr, {**PKCS10, "Content-Transfer-Encoding": "binary"}))

    def test_chunked(self):
        body = lines_of(self.csr)
        parts = [body[at:at + 100] for at in range(0, len(body), 100)]
        connection = self.ca.connect()
        connection.request("POST", "/.well-known/est/simpleenroll", iter(parts), PKCS10, encode_chunked=True)
        answer = connection.getresponse()
        self.assert_issued((answer.status, answer.headers, answer.read()))
        connection.close()

    def test_expect_continue(self):
        body = lines_of(self.csr)
        with socket.create_connection(("127.0.0.1", self.ca.port), 20) as raw:
            with self.ca.client().wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
                             b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
                self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 100 "))
                sock.sendall(body)
                self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200 "))

    def test_both_operations_and_both_places_of_a_label(self):
        self.assert_issued(self.ca.ask("POST", "simplereenroll", lines_of(self.csr), PKCS10))
        connection = self.ca.connect()
        connection.request("POST", "/oneline/.well-known/est/simpleenroll", lines_of(self.csr), PKCS10)
        answer = connection.getresponse()
        self.assert_issued((answer.status, answer.headers, answer.read()))
        connection.close()

    def test_key_algorithms(self):
        for name, key in {"p384": ("ec", "ec_paramgen_curve:P-384"), "rsa3072": ("rsa:3072", None),
                          "ed25519": ("ed25519", None)}.items():
            with self.subTest(name):
                csr = make_csr(self.ca.folder, name, "/CN=" + name, key=key)
                self.assert_issued(self.ca.post("", csr), csr)


class Refusals(WithCa):
    def refuse(self, status, text, method="POST", operation="simpleenroll", body=None, headers=None):
        before = self.ca.posts()
        got, _, answer = self.ca.ask(method, operation, lines_of(self.csr) if body is None else body,
                                     PKCS10 if headers is None else headers)
        self.assertEqual(got, status, answer)
        self.assertIn(text, answer.decode())
        for post in self.ca.posts()[len(before):]:
            self.assertIsNone(post["certificate_sha256"])

    def test_http(self):
        self.refuse(404, "no such path or label", operation="nolabel/simpleenroll")
        self.refuse(404, "no such path or label", operation="/simpleenroll")
        self.refuse(404, "no such EST operation", operation="deny/deny/simpleenroll")
        self.refuse(404, "no such path or label", operation="../est/simpleenroll")
        self.refuse(404, "no such EST operation", operation="serverkeygen")
        self.refuse(405, "other method", "GET", headers={})
        self.refuse(405, "other method", "PUT")
        self.refuse(405, "other method", operation="cacerts")
        self.refuse(415, "application/pkcs10", headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.refuse(415, "application/pkcs10", headers={"Content-Type": "application/pkcs10x"})

    def test_bodies(self):
        broken = bytearray(self.csr)
        broken[-1] ^= 1
        self.refuse(400, "empty", body=b"")
        self.refuse(400, "neither DER nor base64", body=b"not base64!")
        self.refuse(400, "neither DER nor base64", body=lines_of(self.csr)[:-3])
        self.refuse(400, "no END line", body=b"-----BEGIN CERTIFICATE REQUEST-----\n" + lines_of(self.csr))
        self.refuse(400, "not a PKCS#10", body=self.csr[:-1])
        self.refuse(400, "behind its end", body=self.csr + b"\0")
        self.refuse(400, "does not verify", body=lines_of(bytes(broken)))

    def test_too_large(self):
        """Refused by the announced length, so nothing of the body is sent: the connection closes behind the answer."""
        with socket.create_connection(("127.0.0.1", self.ca.port), 20) as raw:
            with self.ca.client().wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
                             b"Content-Length: %d\r\n\r\n" % (64 * 1024 + 1))
                self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 413 "))

    def test_what_a_device_may_not_be(self):
        for name, extension, text in (
                ("ca", "basicConstraints=critical,CA:TRUE", "can not become a CA"),
                ("signer", "keyUsage=critical,keyCertSign", "sign certificates"),
                ("crl", "keyUsage=critical,cRLSign,digitalSignature", "sign certificates"),
                ("cmcra", "extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28", "not for devices"),
                ("any", "extendedKeyUsage=anyExtendedKeyUsage", "not for devices"),
                ("ocsp", "extendedKeyUsage=OCSPSigning", "not for devices"),
                ("attestation", "extendedKeyUsage=2.25.68629715217242208355951711419449564622.3", "not for devices")):
            with self.subTest(name):
                self.refuse(400, text, body=lines_of(make_csr(self.ca.folder, name, "/CN=" + name, extension)))
        weak = make_csr(self.ca.folder, "weak", "/CN=weak", key=("rsa:1024", None))
        self.refuse(400, "bits of security", body=lines_of(weak))


class Answers(WithCa):
    def test_shape(self):
        status, headers, body = self.ca.post("", self.csr)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Transfer-Encoding"], "base64")
        self.assertEqual(int(headers["Content-Length"]), len(body))
        self.assertIn("GMT", headers["Date"])
        self.assertEqual(body, lines_of(base64.b64decode(body)))

    def test_certificate_is_what_was_asked(self):
        text = text_of(self.assert_issued(self.ca.post("", self.csr)))
        for expected in ("Version: 3", "Subject: CN = SN0001, serialNumber = SN0001, O = Example Medical",
                         "X509v3 Key Usage: critical\n                Digital Signature\n",
                         "X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n",
                         "X509v3 Basic Constraints: critical\n                CA:FALSE\n",
                         "X509v3 Subject Alternative Name: \n                othername: 1.3.6.1.5.5.7.8.4::<unsupported>,"
                         " URI:urn:uuid:6f0e5c0a-7b1d-4f4e-9f0a-0d6c3c1b2a11\n",
                         "Subject Key Identifier", "Authority Key Identifier", MARK, "ecdsa-with-SHA256"):
            self.assertIn(expected, text)

    def test_the_name_in_the_san_is_byte_for_byte(self):
        leaf = self.assert_issued(self.ca.post("", self.csr))
        at = self.csr.index(bytes.fromhex("06082b06010505070804"))  # id-on-hardwareModuleName
        self.assertIn(self.csr[at:at + 40], leaf)

    def test_serial_numbers(self):
        seen = set()
        for _ in range(20):
            leaf = self.assert_issued(self.ca.post("", self.csr))
            serial = openssl("x509", "-inform", "DER", "-noout", "-serial", stdin=leaf).decode().strip()
            self.assertRegex(serial, "^serial=[89A-F][0-9A-F]{31}$")
            seen.add(serial)
        self.assertEqual(len(seen), 20)

    def test_cacerts(self):
        status, headers, body = self.ca.ask("GET", "cacerts", certificate=None)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/pkcs7-mime; smime-type=certs-only"))
        self.assertEqual(body, lines_of(base64.b64decode(body)))
        expected = [ssl.PEM_cert_to_DER_cert(Path(self.ca.path(f"ca/{name}.pem")).read_text()) for name in ("issuing", "root")]
        self.assertEqual(certificates_of(base64.b64decode(body)), expected)
        self.assertEqual(self.ca.ask("GET", "deny/cacerts")[2], body)

    def test_csrattrs(self):
        status, headers, body = self.ca.ask("GET", "csrattrs")
        self.assertEqual((status, headers["Content-Type"], body), (200, "application/csrattrs", b"MAA=\n"))


class LongLife(WithCa):
    arguments = ("--leaf-days", "3650")

    def test_leaf_outlives_the_ca(self):
        leaf = self.assert_issued(self.ca.post("", self.csr))
        start, end = (openssl("x509", "-inform", "DER", "-noout", which, stdin=leaf).decode().split("=")[1].strip()
                      for which in ("-startdate", "-enddate"))
        self.assertEqual(ssl.cert_time_to_seconds(end) - ssl.cert_time_to_seconds(start), 3650 * 86400)


class Defaults(WithCa):
    """What a CA's profile adds for devices that can not ask; who asks gets what it asks."""
    arguments = ("--key-usage", "digitalSignature,keyAgreement", "--ext-key-usage", "critical,serverAuth")

    def test_for_who_asks_for_nothing(self):
        bare = make_csr(self.ca.folder, "bare", "/CN=bare")
        text = text_of(self.assert_issued(self.ca.post("", bare), bare))
        self.assertIn("X509v3 Key Usage: \n                Digital Signature, Key Agreement\n", text)
        self.assertIn("X509v3 Extended Key Usage: critical\n                TLS Web Server Authentication\n", text)

    def test_not_for_who_asks(self):
        text = text_of(self.assert_issued(self.ca.post("", self.csr)))
        self.assertIn("X509v3 Key Usage: critical\n                Digital Signature\n", text)
        self.assertIn("X509v3 Extended Key Usage: \n                TLS Web Client Authentication\n", text)
        self.assertNotIn("Web Server", text)

    def test_wrong_usage_is_this_cas_fault(self):
        ca = Devca("--key-usage", "nonsense")
        self.addCleanup(ca.stop)
        bare = make_csr(ca.folder, "bare", "/CN=bare")
        self.assertEqual(ca.post("", bare)[0], 500)
        self.assertEqual([p["answer"] for p in ca.posts()], ["failed"])


class NoExpiry(WithCa):
    arguments = ("--no-expiry",)

    def test_end_of_time(self):
        leaf = self.assert_issued(self.ca.post("", self.csr))
        self.assertIn(b"\x18\x0f99991231235959Z", leaf)


class OtherClients(WithCa):
    def test_curl(self):
        if not shutil.which("curl"):
            print("SKIP: curl")
            self.skipTest("curl")
        Path(self.ca.path("body")).write_bytes(lines_of(self.csr))
        done = subprocess.run(["curl", "-sS", "--cacert", self.ca.path("ca/tls-anchor.pem"), "--cert", self.ca.path("ra.pem"), "--key",
                               self.ca.path("ra.key"), "-H", "Content-Type: application/pkcs10", "--data-binary",
                               "@" + self.ca.path("body"), self.ca.url + "/simpleenroll"], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(self.ca.verify(certificates_of(base64.b64decode(done.stdout))[0]))

    def test_strongswan(self):
        """strongSwan 5.9.8 takes the line ends of base64 for digits: only the one-line answer is readable to it. It also
        writes its path before /.well-known."""
        if not shutil.which("pki") or b"--estca" not in subprocess.run(["pki", "--help"], capture_output=True).stdout:
            print("SKIP: strongswan-pki")
            self.skipTest("strongswan-pki")
        url = self.ca.url.replace("/.well-known/est", "/oneline")
        anchors = [a for name in ("tls-anchor", "root") for a in ("--cacert", self.ca.path(f"ca/{name}.pem"))]
        done = subprocess.run(["pki", "--estca", "--url", url, *anchors, "--caout", self.ca.path("swan-ca.pem"), "--outform",
                               "pem"], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn(b"Sub CA cert is trusted", done.stderr)
        csr = make_csr(self.ca.folder, "swan", "/CN=swan")
        single = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(
            Path(self.ca.path("ra.pem")).read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"))
        Path(self.ca.path("swan-ra.pem")).write_text(single)
        done = subprocess.run(["pki", "--est", "--url", url, *anchors, "--cacert", self.ca.path("ca/issuing.pem"), "--in",
                               self.ca.path("swan.csr"), "--cert", self.ca.path("swan-ra.pem"), "--key", self.ca.path("ra.key")],
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn(b"Issued certificate is trusted", done.stderr)
        self.assertEqual(spki_of(done.stdout), spki_of(csr, "req"))


if __name__ == "__main__":
    run()
