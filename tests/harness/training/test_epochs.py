"""Rows on disk as they happen."""

import math

from fits_of import epochs_of, with_

from harness.training.epochs import EpochWriter, read_epochs


def test_what_was_written_is_read_back_not_a_number_included(tmp_path):
    rows = [*epochs_of([0.5, 0.6])]
    rows[1] = with_(rows[1], train_loss=math.nan, validation_loss=math.inf)
    with EpochWriter(tmp_path / "epochs.arrow") as writer:
        for row in rows:
            writer.add(row)
    found = read_epochs(tmp_path / "epochs.arrow")
    assert found[0] == rows[0]
    assert math.isnan(found[1].train_loss)
    assert found[1].validation_loss == math.inf


def test_every_epoch_is_on_disk_before_the_next(tmp_path):
    path = tmp_path / "epochs.arrow"
    with EpochWriter(path) as writer:
        for number, row in enumerate(epochs_of([0.5, 0.6, 0.7]), 1):
            writer.add(row)
            assert len(read_epochs(path)) == number


def test_a_file_cut_off_anywhere_keeps_its_whole_epochs(tmp_path):
    path = tmp_path / "epochs.arrow"
    sizes = []
    with EpochWriter(path) as writer:
        for row in epochs_of([0.5, 0.6, 0.7]):
            writer.add(row)
            sizes.append(path.stat().st_size)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        assert len(read_epochs(path)) == sum(whole <= size for whole in sizes)


def test_no_file_is_no_epochs(tmp_path):
    assert read_epochs(tmp_path / "none.arrow") == ()
