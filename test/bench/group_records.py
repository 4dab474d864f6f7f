"""Records: what their size costs. Look-ups and inserts are timed inside a program that is the station's own code
(records_probe), start-up and recovery from outside."""

import json
import os
import pty
import random
import select
import shutil
import sqlite3
import subprocess
import time
import tty

import records_make
from figures import median
from rig import KILN, Hands, Station, run

PROBE = os.path.join(os.environ["KILN_BIN"], "..", "test", "records_probe")
SIZES = ((10_000, "whole"), (1_000_000, "small"))
FULL = ((10_000, "whole"), (1_000_000, "whole"), (10_000_000, "state"))
TINY = ((100, "whole"), (200, "small"), (300, "state"))
HOLDS = {"whole": "all events and evidence", "small": "state tables, and small events",
         "state": "state tables alone"}


def probe(*arguments, stdin=None):
    done = subprocess.run([PROBE, *map(str, arguments)], capture_output=True, text=True, input=stdin or "")
    if done.returncode != 0:
        raise AssertionError(f"records_probe {arguments}: {done.stderr}")
    return [[int(word) for word in line.split()] for line in done.stdout.splitlines()]


def sizes(context):
    """What is made of each: {units: what they hold}."""
    return dict(TINY if context.tiny else FULL if context.full else SIZES)


def named(count):
    return f"{count:,} units"


def make_template(context):
    """Records in which one unit has passed."""
    path = os.path.join(context.folder, "template.db")
    with Station(1, 1, 0.5) as station:
        run(station)
        with sqlite3.connect(station.path("records.db")) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        shutil.copy(station.path("records.db"), path)
    return path


def records_of(context, count):
    template = context.once("template", lambda: make_template(context))
    path = os.path.join(context.folder, f"{count}.db")
    return context.once(path, lambda: records_make.make(path, template, count, sizes(context)[count]))


def serial_times(records, count):
    """Warm: each has been looked up before, so that the disk of the machine is not what is measured."""
    serials = [records_make.serial_of(random.randrange(records["units"])) + "\n" for _ in range(count)]
    return [us / 1000 for us, in probe("lookup", records["path"], stdin="".join(2 * serials))[count:]]


def key_times(records, count):
    with sqlite3.connect(f"file:{records['path']}?mode=ro", uri=True) as db:
        times = []
        for _ in range(count):
            key = records_make.spki_of(random.randrange(records["units"]))
            begun = time.perf_counter()
            found = db.execute("SELECT serial FROM device_key WHERE spki = ?", (key,)).fetchone()
            times.append(1000 * (time.perf_counter() - begun))
            assert found
    db.close()
    return times


def insert_times(context, records, count):
    context.kept["inserts"] = context.kept.get("inserts", 0) + 1
    return [us / 1000 for us, in probe("insert", records["path"], records["station"], records["profile"],
                                       f"NEW{context.kept['inserts']}-", count)]


def tables(context, board):
    inserts = {}
    for count, holds in sizes(context).items():
        records, times = records_of(context, count), context.count(2000, 500) if not context.tiny else 50
        board.tell(f"records.serial.{count}", serial_times(records, times),
                   f"look-up by serial, {named(count)}, warm, p99", unit="ms", bar=("<=", 1), q=0.99)
        board.tell(f"records.key.{count}", key_times(records, times), "  by key, p99", unit="ms", bar=("<=", 1), q=0.99)
        inserts[count] = insert_times(context, records, max(50, times // 10))
        board.tell(f"records.insert.{count}", inserts[count], "  durable insert of a claim, median", unit="ms", q=0.5)
        board.tell(f"records.size.{count}", records["bytes"] / count / 1024, f"  size of a unit: {HOLDS[holds]}",
                   unit="KiB", digits=1)
    small, large = min(inserts), max(inserts)
    board.tell("records.insert.ratio", median(inserts[large]) / median(inserts[small]),
               f"durable insert, {named(large)} to {named(small)}", bar=("<=", 1.5))


def first_byte_s(station, records):
    """From exec to the first byte on a port."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    port = station.path("devices/port/1")
    if os.path.lexists(port):
        os.unlink(port)
    os.symlink(os.ttyname(slave), port)
    text = station.read("station.yaml").replace("records: records.db", f"records: {records['path']}")
    station.write("station.yaml", text)
    begun = time.monotonic()
    process = subprocess.Popen([KILN, "batch", "--config", station.config, "--list", station.path("units.csv"),
                                "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    there = select.select([master], [], [], 120)[0]
    took = time.monotonic() - begun
    process.kill()
    said = process.communicate()[1]
    os.close(master)
    os.close(slave)
    if not there:
        raise AssertionError(f"nothing came on the port: {said.decode()}")
    return took


def start(context, board):
    """Most of it is programs, libraries and the HSM: what empty records take says how much."""
    with Station(1, 1, 0.5) as station:
        station.twins.stop()
        board.tell("records.start.empty", 1000 * first_byte_s(station, {"path": station.path("empty.db")}),
                   "start to the first byte on a port, empty records", unit="ms", digits=0)
    for count in sizes(context):
        with Station(1, 1, 0.5) as station:
            station.twins.stop()
            records = records_of(context, count)  # closed by the inserts
            clean, killed = first_byte_s(station, records), first_byte_s(station, records)
        board.tell(f"records.start.{count}", 1000 * clean, f"  {named(count)}",
                   unit="ms", bar=("<=", 150 if count <= 1_000_000 else 300), digits=0)
        board.tell(f"records.start.killed.{count}", 1000 * killed, "    after kill -9", unit="ms", digits=0)


class Watched(Hands):
    keeps_steps = True


def recover(context, board):
    """kill -9 with a job open in every slot; then until the last of them is known and goes on."""
    slots = context.slots((128,))[0] if context.slots((128,)) else 64
    with Station(slots, 1, 5.0) as station:
        killed = Watched(station)
        for slot in range(1, slots + 1):
            killed.wait_for(lambda e, s=str(slot): e["event"] == "step" and e["slot"] == s and
                            e["step"] == "keygen" and e["outcome"] == "start")
        killed.kill()
        begun = time.monotonic()
        again = Watched(station)
        last = 0
        for slot in range(1, slots + 1):
            event = again.wait_for(lambda e, s=str(slot): e["event"] == "step" and e["slot"] == s and
                                   e["step"] == "claim" and e["outcome"] == "ok")
            last = max(last, event["_at"])
        again.kill()
    board.tell("records.recovery", last - begun, f"kill -9, start, {slots} open jobs known", unit="s", bar=("<=", 1))


def verify(context, board):
    """The chain alone, of the most units; tables built from it and compared, of the fewest: that of a million takes
    a quarter of an hour. All of it with signatures, on records that are real."""
    whole = [count for count, holds in sizes(context).items() if holds == "whole"]
    large, small = records_of(context, max(whole)), records_of(context, min(whole))
    events, us = probe("chain", large["path"])[0]
    board.tell("records.chain", events / us * 1e6, f"verify, {named(large['units'])}: the chain alone",
               unit="events/s", bar=(">=", 100_000))
    events, us = probe("verify", small["path"])[0]
    board.tell("records.rebuild", events / us * 1e6, f"  {named(small['units'])}: chain, digests and tables",
               unit="events/s", rate=True)
    station = context.once("real", lambda: real_station(context))
    begun = time.monotonic()
    done = subprocess.run([KILN, "verify", "--config", station.config, "--json"], capture_output=True, text=True)
    took = time.monotonic() - begun
    if done.returncode != 0:
        raise AssertionError(f"kiln verify: {done.stdout}{done.stderr}")
    count = json.loads(done.stdout)["counts"]["checked_attestations"]
    events, us = probe("verify", station.path("records.db"))[0]
    board.tell("records.verify", count / took, "kiln verify with all signatures", unit="units/s", rate=True,
               digits=0)
    board.tell("records.verify.share", 100 * (1 - us / 1e6 / took), "  share of its time that is not tables and chain",
               unit="%", bar=(">=", 80), digits=0)


def real_station(context):
    station = Station(2 if context.tiny else 16, context.count(32, 8), 0.5)
    context.close_later(station)
    run(station)
    return station


def round(context, board):
    tables(context, board)
    start(context, board)
    recover(context, board)
    verify(context, board)
