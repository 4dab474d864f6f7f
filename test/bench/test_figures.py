"""The bench's own arithmetic."""

import unittest
import xml.dom.minidom

import report
from figures import Board, Figure, Unit, efficiency, floor, median, quantile
from wire import der_bytes, framed, least_bytes


class Quantiles(unittest.TestCase):
    def test_quantile_is_a_value_that_was_measured(self):
        self.assertEqual(quantile([5], 0.99), 5)
        self.assertEqual(quantile(list(range(1, 101)), 0.99), 99)
        self.assertEqual(quantile(list(range(1, 102)), 0.99), 100)
        self.assertEqual(quantile([3, 1, 2], 0.5), 2)
        self.assertEqual(quantile([3, 1, 2], 0), 1)

    def test_median(self):
        self.assertEqual(median([3, 1, 2]), 2)
        self.assertEqual(median([4, 1, 2, 3]), 2.5)


class Floors(unittest.TestCase):
    def test_units_of_a_slot_come_one_after_the_other(self):
        units = [Unit(1, 0, 0, device=2)] * 5
        self.assertEqual(floor(units, 2).seconds, 6)
        self.assertEqual(floor(units, 5).seconds, 2)

    def test_path_has_device_ca_and_hsm(self):
        self.assertAlmostEqual(floor([Unit(1, 0, 0, device=2, ca=0.5, hsm=0.25)], 1).seconds, 2.75)

    def test_ca_and_hsm_do_one_thing_at_a_time(self):
        self.assertAlmostEqual(floor([Unit(i, 0, 0, device=1, ca=0.5) for i in range(8)], 8).seconds, 4)
        self.assertAlmostEqual(floor([Unit(i, 0, 0, device=1, hsm=0.75) for i in range(8)], 8).seconds, 6)

    def test_emulators_share_the_cores(self):
        units = [Unit(i, 0, 4, device=1) for i in range(8)]
        least = floor(units, 8, emulators_s=6, cores=2)
        self.assertEqual((least.seconds, least.bound), (3, "the emulators' CPU"))
        self.assertAlmostEqual(efficiency(units, 8, emulators_s=6, cores=2), 0.75)
        self.assertEqual(floor(units, 8, emulators_s=6, cores=8).bound, "slots")

    def test_efficiency_is_of_the_slowest_slot_without_its_hands(self):
        units = [Unit(1, 0, 2, device=1), Unit(1, 10, 12, device=1), Unit(2, 0, 1, device=1), Unit(2, 1, 2, device=1)]
        self.assertAlmostEqual(efficiency(units, 2), 0.5)

    def test_overhead_is_what_nobody_else_took(self):
        self.assertAlmostEqual(Unit(1, 10, 12, device=1, ca=0.25, hsm=0.25).overhead, 0.5)


class Figures(unittest.TestCase):
    def test_worst_is_by_the_bar(self):
        self.assertEqual(Figure("a", "a", bar=(">=", 2), rounds=[3, 1, 2]).worst(), 1)
        self.assertEqual(Figure("a", "a", bar=("<=", 2), rounds=[3, 1, 2]).worst(), 3)
        self.assertEqual(Figure("a", "a", rounds=[3, 1, 2]).worst(), 3)
        self.assertEqual(Figure("a", "a", rounds=[3, 1, 2], rate=True).worst(), 1)

    def test_the_median_meets(self):
        self.assertIs(Figure("a", "a", bar=("<=", 2), rounds=[3, 1, 2]).met(), True)
        self.assertIs(Figure("a", "a", bar=("<=", 1), rounds=[3, 1, 2]).met(), False)
        self.assertIsNone(Figure("a", "a", rounds=[1]).met())

    def test_samples_of_all_rounds_count_together(self):
        figure = Figure("a", "a", bar=("<=", 9), q=0.5, rounds=[[1, 1, 1], [9]])
        self.assertEqual((figure.median(), figure.worst()), (1, 9))

    def test_board_keeps_rounds_apart(self):
        board = Board()
        for value in (1, 2, 9):
            board.tell("a", value, "what", bar=("<=", 2))
            board.point("kiln", 8, value)
        described = board.describe()
        self.assertEqual(described["figures"][0]["rounds"], [1, 2, 9])
        self.assertEqual(described["figures"][0]["median"], 2)
        self.assertEqual(described["plot"], {"kiln": [(8, 2)]})


class Wire(unittest.TestCase):
    def test_framing_of_packets(self):
        self.assertEqual(framed(4), 15) # GET_VERSION (DSP0253)
        self.assertEqual(framed(63), 74)
        self.assertEqual(framed(64), 85)
        self.assertEqual(framed(4, b"\x7e\x7d\x7c"), 20)

    def test_what_was_seen_on_the_line(self):
        # a unit's messages of the spdm family that carry objects, counted by hand
        self.assertEqual(framed(8 + 282 - 8), 333)
        self.assertEqual(framed(15 + 36), 62)

    def test_chain_goes_both_ways(self):
        csr, chain, anchors = bytes(100), bytes(640), bytes(500)
        more = least_bytes(csr, chain + bytes(640), anchors) - least_bytes(csr, chain, anchors)
        self.assertEqual(more, 2 * (640 + 100))
        self.assertEqual(der_bytes(csr, chain, anchors), 100 + 2 * 640 + 500)


class Report(unittest.TestCase):
    def test_table_says_what_is_missed(self):
        board = Board()
        board.tell("a", 0.5, "efficiency", bar=(">=", 0.9))
        board.tell("b", 5000, "rate")
        board.note("a note")
        text = report.table(board)
        self.assertRegex(text, r"efficiency +0.50 +0.50 +>= 0.9 +MISSED\n")
        self.assertRegex(text, r"rate +5,000 +5,000\n")
        self.assertIn("a note", text)

    def test_what_made_the_floor_is_beside_it(self):
        board = Board()
        for bound in ("slots", "CA", "CA"):
            board.tell("a", 0.95, "efficiency", bar=(">=", 0.9), bound=bound)
        board.tell("b", 1, "  of it <kiln>", unit="s")
        self.assertRegex(report.table(board), r">= 0.9 +met +CA\n")
        text = report.markdown(board, {"machine": {"cpu": "C", "cores": 2, "kernel": "6"}, "rounds": 3, "quick": True})
        self.assertIn("C, 2 cores, Linux 6; 3 rounds, --quick;", text)
        self.assertIn("| efficiency | 0.95 | 0.95 | >= 0.9 | met | CA |\n", text)
        self.assertIn("| &nbsp;&nbsp;of it &lt;kiln> | 1.00 s | 1.00 s |  |  |  |\n", text)

    def test_plot_is_svg_with_every_series(self):
        text = report.plot({"kiln": [(1, 7000), (64, 400000)], "floor": [(1, 7200), (64, 460000)],
                            "script <1>": [(1, 3000)]})
        labels = [t.firstChild.data for t in xml.dom.minidom.parseString(text).getElementsByTagName("text")]
        self.assertTrue({"kiln", "floor", "script <1>", "slots"} <= set(labels), labels)


if __name__ == "__main__":
    unittest.main()
