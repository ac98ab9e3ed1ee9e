import numpy as np
import pyarrow as pa

from harness.judge.numbers.accuracy import accuracy, in_common, predictions, shares
from harness.judge.numbers.trial_rows import RowColumns


def rows(*given):
    """(payload, label, predicted) of answers; None where nothing is known."""
    names = ("payload", "label", "predicted")
    columns = {name: pa.array([row[number] for row in given], pa.int64()) for number, name in enumerate(names)}
    return RowColumns(pa.table({**columns, "request_class": [0] * len(given)}))


def test_every_payload_counts_once_however_often_it_was_asked():
    found = accuracy([predictions(rows((0, 1, 1), (0, 1, 1), (0, 1, 1), (1, 2, 0), (2, 0, 0), (2, 0, 1)))])
    assert found.value == (1 + 0 + 0.5) / 3
    assert (found.payloads, found.answers) == (3, 6)


def test_answers_that_were_not_looked_at_tell_nothing():
    looked_at = predictions(rows((0, 1, None), (1, None, 1), (2, 0, 0)))
    assert [part.tolist() for part in looked_at] == [[2], [1], [1]]
    assert accuracy([predictions(rows((0, 1, None)))]) is None
    assert accuracy([]) is None


def test_trials_are_put_together_and_the_interval_is_for_the_payloads():
    right, wrong = [(number, 1, 1) for number in range(90)], [(number, 1, 0) for number in range(90, 100)]
    found = accuracy([predictions(rows(*right, *wrong)), predictions(rows(*right, *wrong))])
    assert found.value == 0.9
    assert np.allclose([found.low, found.high], [0.8256, 0.9448], atol=1e-4)  # Wilson, 90 of 100


def test_the_same_payload_of_a_class_is_one_though_loads_number_the_class_otherwise():
    alone = predictions(rows((0, 1, 1), (1, 1, 1)), ("explain",))
    first_of_two = predictions(rows((0, 1, 1), (1, 1, 1)), ("predict", "explain"))
    assert accuracy([alone, alone]).payloads == 2
    assert accuracy([alone, first_of_two]).payloads == 4
    assert in_common([shares([alone]), shares([first_of_two])])[0].size == 0
