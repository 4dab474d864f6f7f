"""Every fault label of kiln-devca does what it says, and the CA keeps up."""

import base64
import hashlib
import http.client
import socket
import ssl
import subprocess
import threading
import time

from devca_kit import certificates_of, Devca, lines_of, make_csr, MARK, openssl, PKCS10, PROGRAM, run, SANITIZED, spki_of, text_of, WithCa


class Labels(WithCa):
    def last(self):
        return self.ca.posts()[-1]

    def fresh(self):
        """Another CSR over the same key: a first POST again."""
        key = self.ca.path("device.key")
        number = len(self.ca.posts())
        return openssl("req", "-new", "-key", key, "-subj", f"/CN=SN{number:04}", "-outform", "DER",
                       "-addext", "subjectAltName=URI:urn:x", "-addext", "extendedKeyUsage=clientAuth")

    def leaf_of(self, label):
        csr = self.fresh()
        status, _, body = self.ca.post(label, csr)
        self.assertEqual(status, 200)
        found = certificates_of(base64.b64decode(body))
        self.assertEqual(len(found), 1)
        self.assertEqual(self.last()["certificate_sha256"], hashlib.sha256(found[0]).hexdigest())
        self.assertIn(MARK, text_of(found[0]))
        return csr, found[0]

    def test_every_label_is_here(self):
        listed = [line.split()[0] for line in
                  subprocess.run([PROGRAM, "--labels"], capture_output=True, check=True).stdout.decode().splitlines()]
        for name in ("pending deny throttle http500 drop-after-issue truncate wrong-key two-certs extra-chain crlf oneline html "
                     "chunked drop-san short-life wrong-eku slow").split():
            self.assertIn(name, listed)
        tested = {name[5:].replace("_", "-") for name in dir(self)}
        self.assertEqual([name for name in listed if name not in tested], [])

    def refused_always(self, label, expected, answer, retry_after=None):
        csr = self.fresh()
        for number in (1, 2):
            status, headers, _ = self.ca.post(label, csr)
            self.assertEqual((status, headers["Retry-After"]), (expected, retry_after))
            self.assertEqual((self.last()["answer"], self.last()["post_number"], self.last()["serial"]), (answer, number, None))

    def refused_once(self, label, expected, answer):
        csr = self.fresh()
        status, headers, _ = self.ca.post(label, csr)
        self.assertEqual((status, self.last()["answer"], self.last()["serial"]), (expected, answer, None))
        self.assert_issued(self.ca.post(label, csr), csr)
        self.assertEqual((self.last()["answer"], self.last()["post_number"]), ("issued", 2))
        return headers

    def test_pending(self):
        self.assertEqual(self.refused_once("pending", 202, "pending")["Retry-After"], "1")
        self.assertEqual(self.ca.post("pending", self.fresh())[0], 202)  # another CSR waits by itself

    def test_pending_date(self):
        self.assertRegex(self.refused_once("pending-date", 202, "pending")["Retry-After"],
                         r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_throttle_once(self):
        self.assertEqual(self.refused_once("throttle-once", 429, "throttled")["Retry-After"], "1")

    def test_busy_once(self):
        self.assertEqual(self.refused_once("busy-once", 503, "throttled")["Retry-After"], "1")

    def test_throttle(self):
        self.refused_always("throttle", 429, "throttled", "1")

    def test_deny(self):
        self.refused_always("deny", 403, "denied")

    def test_unauthorized(self):
        self.refused_always("unauthorized", 401, "denied")
        self.assertIn("Basic", self.ca.post("unauthorized", self.fresh())[1]["WWW-Authenticate"])

    def test_reject(self):
        self.refused_always("reject", 400, "rejected")

    def test_http500(self):
        self.refused_always("http500", 500, "failed")

    def test_http500_after_issue(self):
        self.assertEqual(self.ca.post("http500-after-issue", self.fresh())[0], 500)
        self.assertEqual((self.last()["answer"], self.last()["status"]), ("issued", 500))
        self.assertRegex(self.last()["certificate_sha256"], "^[0-9a-f]{64}$")

    def test_redirect(self):
        status, headers, _ = self.ca.post("redirect", self.fresh())
        self.assertEqual((status, headers["Location"]), (302, "/.well-known/est/simpleenroll"))

    def dropped(self, label, csr):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.ca.post(label, csr)

    def test_drop(self):
        self.dropped("drop", self.fresh())
        self.assertEqual((self.last()["answer"], self.last()["status"], self.last()["serial"]), ("dropped", 0, None))

    def test_drop_after_issue(self):
        csr = self.fresh()
        self.dropped("drop-after-issue", csr)
        self.dropped("drop-after-issue", csr)
        posts = self.ca.posts()[-2:]
        self.assertEqual([p["post_number"] for p in posts], [1, 2])
        self.assertEqual(len({p["certificate_sha256"] for p in posts}), 2)  # each POST made one: two orphans
        self.assertEqual(posts[0]["csr_sha256"], hashlib.sha256(csr).hexdigest())

    def test_drop_once(self):
        csr = self.fresh()
        self.dropped("drop-once", csr)
        self.assert_issued(self.ca.post("drop-once", csr), csr)
        self.assertEqual([p["answer"] for p in self.ca.posts()[-2:]], ["issued", "issued"])

    def test_truncate(self):
        connection = self.ca.connect()
        connection.request("POST", "/.well-known/est/truncate/simpleenroll", lines_of(self.fresh()), PKCS10)
        answer = connection.getresponse()
        announced = int(answer.headers["Content-Length"])
        with self.assertRaises(http.client.IncompleteRead) as caught:
            answer.read()
        self.assertEqual(len(caught.exception.partial), announced // 2)
        self.assertEqual(self.last()["answer"], "issued")

    def test_slow(self):
        begun = time.monotonic()
        others = []
        thread = threading.Thread(target=lambda: others.append(self.ca.post("slow", self.csr)))
        thread.start()
        fast = 0
        while thread.is_alive():  # the others are served meanwhile
            self.assertEqual(self.ca.ask("GET", "cacerts")[0], 200)
            fast += 1
        self.assert_issued(others[0])
        self.assertGreaterEqual(time.monotonic() - begun, 3)
        self.assertGreater(fast, 3)

    def test_crlf(self):
        body = self.ca.post("crlf", self.fresh())[2]
        self.assertEqual(body, lines_of(base64.b64decode(body), 76, "\r\n"))
        self.assertIn(b"\r\n", self.ca.ask("GET", "crlf/cacerts")[2])

    def test_oneline(self):
        body = self.ca.post("oneline", self.fresh())[2]
        self.assertEqual(body, base64.b64encode(base64.b64decode(body)))

    def test_chunked(self):
        csr = self.fresh()
        answer = self.ca.post("chunked", csr)
        self.assertEqual((answer[1]["Transfer-Encoding"], answer[1]["Content-Length"]), ("chunked", None))
        self.assert_issued(answer, csr)

    def test_close(self):
        csr = self.fresh()
        connection = self.ca.connect()
        connection.request("POST", "/.well-known/est/close/simpleenroll", lines_of(csr), PKCS10)
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Connection"]), (200, "close"))
        self.assert_issued((200, answer.headers, answer.read()), csr)

    def test_html(self):
        status, headers, body = self.ca.post("html", self.fresh())
        self.assertEqual((status, headers["Content-Type"], self.last()["answer"]), (200, "text/html", "issued"))
        self.assertTrue(body.startswith(b"<html>"))

    def test_huge(self):
        self.assertGreater(len(self.ca.post("huge", self.fresh())[2]), 1 << 20)

    def test_pem(self):
        csr = self.fresh()
        self.assertEqual(spki_of(ssl.PEM_cert_to_DER_cert(self.ca.post("pem", csr)[2].decode())), spki_of(csr, "req"))

    def test_trailing(self):
        self.assertTrue(base64.b64decode(self.ca.post("trailing", self.fresh())[2]).endswith(b"behind the end"))

    def test_no_certs(self):
        self.assertEqual(certificates_of(base64.b64decode(self.ca.post("no-certs", self.fresh())[2])), [])
        self.assertEqual(self.last()["answer"], "issued")

    def test_two_certs(self):
        csr = self.fresh()
        found = certificates_of(base64.b64decode(self.ca.post("two-certs", csr)[2]))
        self.assertEqual([spki_of(der) for der in found], [spki_of(csr, "req")] * 2)
        logged = [self.last()["certificate_sha256"], self.last()["others"][0]["certificate_sha256"]]
        self.assertEqual(logged, [hashlib.sha256(der).hexdigest() for der in found])

    def test_extra_chain(self):
        csr = self.fresh()
        found = certificates_of(base64.b64decode(self.ca.post("extra-chain", csr)[2]))
        self.assertEqual([spki_of(der) == spki_of(csr, "req") for der in found], [False, True, False])

    def test_wrong_key(self):
        csr, leaf = self.leaf_of("wrong-key")
        self.assertNotEqual(spki_of(leaf), spki_of(csr, "req"))
        self.assertTrue(self.ca.verify(leaf))

    def test_other_subject(self):
        self.assertIn("Subject: CN = SOMEBODY-ELSE\n", text_of(self.leaf_of("other-subject")[1]))

    def test_drop_san(self):
        self.assertNotIn("Alternative Name", text_of(self.leaf_of("drop-san")[1]))

    def test_wrong_ku(self):
        self.assertIn("Digital Signature, Key Agreement\n", text_of(self.leaf_of("wrong-ku")[1]))

    def test_wrong_eku(self):
        text = text_of(self.leaf_of("wrong-eku")[1])
        self.assertIn("TLS Web Server Authentication\n", text)
        self.assertNotIn("TLS Web Client", text)

    def test_ca_true(self):
        self.assertIn("CA:TRUE", text_of(self.leaf_of("ca-true")[1]))

    def test_no_ski(self):
        self.assertNotIn("Subject Key Identifier", text_of(self.leaf_of("no-ski")[1]))

    def test_no_aki(self):
        self.assertNotIn("Authority Key Identifier", text_of(self.leaf_of("no-aki")[1]))

    def test_dup_serial(self):
        self.leaf_of("dup-serial")
        first = self.last()["serial"]
        self.leaf_of("dup-serial")
        self.assertEqual(self.last()["serial"], first)

    def test_short_serial(self):
        self.leaf_of("short-serial")
        self.assertEqual(self.last()["serial"], "07")

    def ends_within(self, der, seconds):
        return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-checkend", str(seconds)], input=der,
                              capture_output=True).returncode != 0

    def test_short_life(self):
        leaf = self.leaf_of("short-life")[1]
        self.assertTrue(self.ends_within(leaf, 700))
        self.assertFalse(self.ends_within(leaf, 300))

    def test_expired(self):
        self.assertTrue(self.ends_within(self.leaf_of("expired")[1], 0))

    def test_not_yet(self):
        leaf = self.leaf_of("not-yet")[1]
        self.assertFalse(self.ca.verify(leaf))
        self.assertTrue(self.ca.verify(leaf, "-no_check_time"))

    def test_critical_extension(self):
        leaf = self.leaf_of("critical-extension")[1]
        self.assertFalse(self.ca.verify(leaf))
        self.assertTrue(self.ca.verify(leaf, "-ignore_critical"))

    def test_wrong_issuer(self):
        self.assertFalse(self.ca.verify(self.leaf_of("wrong-issuer")[1]))


class Load(WithCa):
    def test_kept_alive_rate(self):
        """TCP_NODELAY: without it each POST waits 40 ms for an acknowledgement."""
        count = 100 if SANITIZED else 400
        connection = self.ca.connect()
        body = lines_of(self.csr)
        begun = time.monotonic()
        for _ in range(count):
            connection.request("POST", "/.well-known/est/simpleenroll", body, PKCS10)
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            answer.read()
        rate = count / (time.monotonic() - begun)
        connection.close()
        print(f"{rate:.0f} certificates per second on one connection")
        posts = self.ca.posts()[-count:]
        self.assertEqual([p["post_number"] for p in posts], list(range(posts[0]["post_number"], posts[0]["post_number"] + count)))
        self.assertEqual(len({p["certificate_sha256"] for p in posts}), count)
        if not SANITIZED:
            self.assertGreater(rate, 100)

    def test_eight_at_a_time(self):
        failures = []

        def work(number):
            csr = make_csr(self.ca.folder, f"load{number}", f"/CN=load{number}")
            connection = self.ca.connect()
            for _ in range(10):
                connection.request("POST", "/.well-known/est/simpleenroll", lines_of(csr), PKCS10)
                answer = connection.getresponse()
                found = certificates_of(base64.b64decode(answer.read()))
                if answer.status != 200 or spki_of(found[0]) != spki_of(csr, "req"):
                    failures.append(number)
            connection.close()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_pipelined_and_left_alone(self):
        """Two requests in one write are both answered; who leaves before a slow answer does no harm."""
        body = lines_of(self.csr)
        one = (b"POST /.well-known/est/%ssimpleenroll HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
               b"Content-Length: %d\r\n\r\n%s")
        with socket.create_connection(("127.0.0.1", self.ca.port), 20) as raw:
            with self.ca.client().wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(one % (b"", len(body), body) * 2)
                got = b""
                while got.count(b"HTTP/1.1 200 OK") < 2:
                    part = sock.recv(65536)
                    self.assertTrue(part, got)
                    got += part
        with socket.create_connection(("127.0.0.1", self.ca.port), 20) as raw:
            with self.ca.client().wrap_socket(raw, server_hostname="127.0.0.1") as sock:
                sock.sendall(one % (b"slow/", len(body), body))
                while not any(p["label"] == "slow" for p in self.ca.posts()):
                    time.sleep(0.01)
        time.sleep(3.2)
        self.assert_issued(self.ca.post("", self.csr))

    def test_ends_while_an_answer_waits(self):
        ca = Devca()
        body = lines_of(self.csr)
        connection = ca.connect()
        connection.request("POST", "/.well-known/est/slow/simpleenroll", body, PKCS10)
        while not ca.posts():
            time.sleep(0.01)
        self.assertEqual(ca.stop(), 0)
        connection.close()


if __name__ == "__main__":
    run()
