"""Shared memory in slots: what one process writes another reads, and no two batches share a byte."""

import os

import numpy as np

from targets.pipeline.slots import Geometry, Slots, create_memory

GEOMETRY = Geometry(slots=3, rows=100, width=7)


def test_each_slot_and_each_half_is_its_own():
    descriptor = create_memory(GEOMETRY)
    writer, reader = Slots.attach(descriptor, GEOMETRY), Slots.attach(descriptor, GEOMETRY)
    os.close(descriptor)
    halves = [(slot, stage) for slot in range(3) for stage in range(2)]
    for number, (slot, stage) in enumerate(halves):
        writer.tensor(slot, stage, (100, 7))[:] = number
    for number, (slot, stage) in enumerate(halves):
        np.testing.assert_array_equal(reader.tensor(slot, stage, (100, 7)), number)


def test_what_a_stage_writes_is_what_the_next_one_reads():
    slots = Slots.attach(create_memory(GEOMETRY), GEOMETRY)
    slots.tensor(1, 2 + 1, (2, 3))[:] = [[1, 2, 3], [4, 5, 6]]  # the output of stage 2
    np.testing.assert_array_equal(slots.tensor(1, 3, (2, 3)), [[1, 2, 3], [4, 5, 6]])  # the input of stage 3
