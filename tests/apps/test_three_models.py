"""three_models: what the three timelines show, whatever the times are."""

import re
import unittest

from support import on_both_backends, run

MODELS = ("one after another", "on three threads", "interleaved on one thread by the event loop")


@on_both_backends
class ThreeModels:
    @classmethod
    def timelines(cls):
        """Name of the model -> the three rows; run once for each backend."""
        if "shown" not in cls.__dict__:
            status, output, errors = run("three_models", "--backend", cls.backend)
            if status != 0:
                raise AssertionError(errors)
            text = output.decode()
            heading = r"^({}): (\d+) ms, peak memory (\d+\.\d) MiB\n".format("|".join(MODELS))
            cls.shown = {
                match[1]: (int(match[2]), float(match[3]), match[4].splitlines())
                for match in re.finditer(heading + r"((?:  job \d \|.*\|\n){3})", text, re.MULTILINE)
            }
        return cls.shown

    def rows(self, model):
        return [re.fullmatch(r"  job \d \|(.*)\|", line)[1] for line in self.timelines()[model][2]]

    def span(self, row):
        """First and last column in which a job is under way."""
        return len(row) - len(row.lstrip()), len(row.rstrip()) - 1

    def test_each_model_has_a_total_its_memory_and_three_rows(self):
        self.assertEqual(tuple(self.timelines()), MODELS)
        for total, memory, _ in self.timelines().values():
            # Each job waits four times for 60 ms, so no model can take less; and no process has no memory.
            self.assertGreaterEqual(total, 240)
            self.assertGreater(memory, 0.5)

    def test_each_job_works_and_waits_in_each_model(self):
        for model in MODELS:
            for row in self.rows(model):
                with self.subTest(model=model, row=row):
                    self.assertRegex(row, r"^ *[#.]+ *$")
                    self.assertIn("#", row)
                    self.assertIn(".", row)

    def test_one_after_another_each_begins_when_the_one_before_has_ended(self):
        spans = [self.span(row) for row in self.rows(MODELS[0])]
        for (_, before), (after, _) in zip(spans, spans[1:]):
            self.assertGreaterEqual(after, before)

    def test_the_others_run_at_the_same_time(self):
        for model in MODELS[1:]:
            spans = [self.span(row) for row in self.rows(model)]
            with self.subTest(model=model):
                self.assertLess(max(first for first, _ in spans), min(last for _, last in spans))


if __name__ == "__main__":
    unittest.main()
