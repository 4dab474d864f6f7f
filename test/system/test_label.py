"""Labels: one for each PASS, by a printer that may be down, slow or a file; again by whom."""

import hashlib
import json
import os
import signal
import socket
import threading
import unittest

from station_kit import INPUT, PASSED, PATIENCE_S, SOURCE, World, check_promises, kiln
from test_operators import PIN_OF_MAX, Asker, with_operators

TEMPLATE = ("^XA^CI28\n^FO10,10^A0N,30^FH^FD{product} {serial}^FS\n"
            "^FO10,50^BXN,5,200,,,,\\^FH^FD\\10109501101530003{date.yymmdd}21{serial}^FS\n"
            "^FO10,90^FH^FD{certificate.serial} {certificate.fingerprint} {not_after} {model}^FS^XZ\n")


class Printer:
    """Port 9100 of a label printer: reads until the end, then closes; or as it is told."""

    def __init__(self, port=0, reads=True):
        self.labels, self.reads = [], reads
        self.seen = threading.Condition()
        self.held = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.open = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            if not self.open:
                peer.close()
                return
            if not self.reads:
                with self.seen:
                    self.held.append(peer)
                    self.seen.notify_all()
                continue
            self.read(peer)

    def read(self, peer):
        text = b""
        while part := peer.recv(4096):
            text += part
        peer.sendall(b"status nobody listens to\r\n")
        with self.seen:
            self.labels.append(text.decode())
            self.seen.notify_all()
        peer.close()

    def wait_for(self, wanted):
        with self.seen:
            if not self.seen.wait_for(lambda: wanted(self), PATIENCE_S):
                raise AssertionError(f"{self.labels}")

    def close(self):
        self.open = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(PATIENCE_S)
        for peer in self.held:
            peer.close()


def unused_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def with_labels(world, printer, template=TEMPLATE):
    world.write("label.zpl", template)
    world.write("station.yaml", world.read("station.yaml") +
                f"label: {{ template: label.zpl, printer: '{printer}' }}\n")


def run(world, **options):
    service = world.batch(command="run", **options)
    service.wait_for(lambda e: e["event"] == "station" and e["what"] == "ready")
    return service


def end(test, service):
    service.process.send_signal(signal.SIGTERM)
    test.assertEqual(service.wait(), PASSED, service.stderr)


def ask(world, verb, *more):
    return kiln(verb, *more, "--config", world.config)


def health(world):
    done = ask(world, "status", "--json")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)["health"]["printer"]


def printed(service, count, reprint=False):
    service.wait_for(lambda e: sum(e["event"] == "label" and e["outcome"] == "printed" and e["reprint"] == reprint
                                   for e in service.events) >= count)


def labels(world, serial=None):
    return [e for e in world.log(serial) if e["event"] == "label"]


class Labels(unittest.TestCase):
    def test_one_for_each_pass_and_none_for_a_fail_and_again_by_whom(self):
        printer = Printer()
        with World(devices=3, slots=1, faults=["wrong-key@2"]) as world:
            with_labels(world, f"tcp:127.0.0.1:{printer.port}")
            service = run(world)
            printed(service, 2)
            service.wait_for(lambda e: len(service.units) == 3)
            outcomes = {u["serial"]: u["outcome"] for u in service.units}
            good = [s for s, o in outcomes.items() if o == "passed"]
            bad = next(s for s, o in outcomes.items() if o != "passed")
            self.assertEqual(health(world), {"state": "up", "waiting": 0, "unprinted": [], "unprinted_count": 0})
            done = ask(world, "label", good[0], "--reason", "torn")
            self.assertEqual(done.returncode, 0, done.stderr)
            printed(service, 1, reprint=True)
            for wrong in (bad, "NOBODY", "^XA"):
                done = ask(world, "label", wrong)
                self.assertEqual(done.returncode, INPUT)
                self.assertIn("label.none", done.stderr)
            preview = ask(world, "label", "preview", good[0])
            end(self, service)
            self.assertEqual(len(printer.labels), 3)
            self.assertEqual(printer.labels[2], printer.labels[0], "a reprint is the same label")
            self.assertEqual(preview.stdout, printer.labels[0])
            for serial in good:
                log = world.log(serial)
                names = [e["event"] for e in log]
                self.assertGreater(names.index("label"), names.index("end"), "never before the PASS is durable")
                label = log[names.index("label")]
                self.assertEqual((label["reprint"], label.get("by"), label["printer"]),
                                 (False, None, f"tcp:127.0.0.1:{printer.port}"))
                self.assertIn(label["zpl"], [hashlib.sha256(t.encode()).hexdigest() for t in printer.labels])
            again = labels(world, good[0])[1]
            self.assertEqual((again["reprint"], again["reason"]), (True, "torn"))
            self.assertTrue(again["by"])
            self.assertEqual(labels(world, bad), [])
            enrol = next(e for e in world.log(good[0]) if e["event"] == "step" and e["step"] == "enrol")
            text = printer.labels[0]
            self.assertIn(f"{enrol['number']} {enrol['certificate']} ", text)
            self.assertIn(f"21{good[0]}^FS", text)
            self.assertIn("9999-12-31", text)
            self.assertEqual(kiln("report", "--config", world.config).returncode, 0)
            self.assertIn("torn", kiln("log", good[0], "--config", world.config).stdout)
            check_promises(self, world)
        printer.close()

    def test_a_printer_that_is_down_costs_no_unit_and_prints_when_it_is_back(self):
        port = unused_port()
        with World(devices=3, slots=1) as world:
            with_labels(world, f"tcp:127.0.0.1:{port}")
            doctor = kiln("doctor", "--config", world.config).stdout
            self.assertRegex(doctor, r"WARN +label +.*127\.0\.0\.1")
            service = run(world)
            service.wait_for(lambda e: len(service.units) == 3)
            self.assertEqual({u["outcome"] for u in service.units}, {"passed"})
            down = service.wait_for(lambda e: e["event"] == "station" and e["what"] == "printer-down")
            self.assertEqual(down["code"], "printer.gone")
            self.assertIn("printer", down["advice"])
            state = health(world)
            self.assertEqual((state["state"], state["code"], state["waiting"]), ("down", "printer.gone", 3))
            self.assertIn("printer: down", ask(world, "status").stdout)
            printer = Printer(port)
            service.wait_for(lambda e: e["event"] == "station" and e["what"] == "printer-up")
            printed(service, 3)
            self.assertEqual(health(world)["state"], "up")
            end(self, service)
            self.assertEqual(len(printer.labels), 3)
            self.assertEqual(len(labels(world)), 3)
            check_promises(self, world)
            printer.close()

    def test_a_printer_that_never_reads_holds_nothing_up_and_what_it_has_is_not_sent_again(self):
        printer = Printer(reads=False)
        with World(devices=3, slots=1) as world:
            with_labels(world, f"tcp:127.0.0.1:{printer.port}")
            service = run(world)
            service.wait_for(lambda e: len(service.units) == 3)
            self.assertEqual({u["outcome"] for u in service.units}, {"passed"})
            told = service.wait_for(lambda e: e.get("code") == "printer.busy" or e["event"] == "label")
            self.assertEqual(told["event"], "station")
            self.assertEqual(labels(world), [], "what it has not read is not printed")
            self.assertEqual(len(printer.held), 1)
            printer.reads = True
            printer.read(printer.held.pop())
            printed(service, 3)
            self.assertEqual(len(printer.labels), 3)
            self.assertEqual(health(world)["state"], "up")
            end(self, service)
            check_promises(self, world)
        printer.close()

    def test_units_whose_labels_were_not_printed_are_told_after_a_kill(self):
        port = unused_port()
        with World(devices=2, slots=1) as world:
            with_labels(world, f"tcp:127.0.0.1:{port}")
            service = run(world)
            service.wait_for(lambda e: len(service.units) == 2)
            service.kill()
            printer = Printer(port)
            service = run(world, swap=False)
            missing = service.wait_for(lambda e: e["event"] == "station" and e["what"] == "labels-missing")
            self.assertEqual(sorted(missing["serials"]), sorted(world.serials()))
            self.assertEqual(sorted(health(world)["unprinted"]), sorted(world.serials()))
            self.assertIn("without a label", ask(world, "status").stdout)
            self.assertEqual(printer.labels, [], "a person looks whether the device has one")
            self.assertEqual(ask(world, "label", world.serials()[0]).returncode, 0)
            printed(service, 1, reprint=True)
            self.assertEqual(health(world)["unprinted"], world.serials()[1:])
            end(self, service)
            service = run(world, swap=False)
            missing = service.wait_for(lambda e: e["event"] == "station" and e["what"] == "labels-missing")
            self.assertEqual(missing["serials"], world.serials()[1:])
            end(self, service)
            check_promises(self, world)
            printer.close()

    def test_who_may_print_again(self):
        with World(devices=1, slots=1) as world:
            os.mkdir(world.path("labels"))
            with_operators(world, required=False)
            with_labels(world, "file:labels/%s.zpl")
            service = run(world)
            printed(service, 1)
            serial = world.serials()[0]
            with Asker(world) as page:
                self.assertEqual(page.ask("label", serial=serial), "operator.needed")
                page.ask("operator", name="max", pin=PIN_OF_MAX)
                self.assertEqual(page.ask("label", serial=serial, reason="x" * 500), "station.reason")
                for wrong in ("", "x" * 65):
                    self.assertEqual(page.ask("label", serial=wrong), "label.none")
                for wrong in (7, None):
                    self.assertEqual(page.ask("label", serial=wrong), "json")
                self.assertEqual(page.ask("label", serial=serial)["serial"], serial)
            printed(service, 1, reprint=True)
            end(self, service)
            self.assertEqual([(e["reprint"], e.get("by")) for e in labels(world)], [(False, None), (True, "max")])
            check_promises(self, world)

    def test_a_file_for_each_unit(self):
        with World(devices=2, slots=1) as world:
            os.mkdir(world.path("labels"))
            with_labels(world, "file:labels/%s.zpl", "^XA^FH^FD{serial} {station}^FS^XZ")
            service = run(world)
            printed(service, 2)
            end(self, service)
            for serial in world.serials():
                self.assertEqual(world.read(f"labels/{serial}.zpl"), f"^XA^FH^FD{serial} line-1^FS^XZ")
            self.assertEqual(sorted(os.listdir(world.path("labels"))), sorted(f"{s}.zpl" for s in world.serials()))
            check_promises(self, world)

    def test_the_example_and_what_a_station_does_not_start_with(self):
        with World(devices=1, slots=1) as world:
            done = ask(world, "label", "preview", "--example")
            self.assertEqual(done.returncode, INPUT)
            self.assertIn("label.off", done.stderr)
            with open(os.path.join(SOURCE, "scripts/labels/pump.zpl"), encoding="utf-8") as file:
                with_labels(world, "tcp:127.0.0.1:9", file.read())
            done = ask(world, "label", "preview", "--example")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"SN {world.serial}^FS", done.stdout)
            for text, said in (("^XA^FD{serial}^FS^XZ", "label.zpl:1:7: write ^FH"),
                               ("^XA^FH^FD{order}^FS^XZ", "label.zpl:1:10: this unit has no {order}")):
                world.write("label.zpl", text)
                service = world.batch(command="run")
                self.assertEqual(service.wait(), INPUT)
                self.assertIn(said, service.stderr)
                self.assertIn(said, kiln("doctor", "--config", world.config).stdout)


if __name__ == "__main__":
    unittest.main()
