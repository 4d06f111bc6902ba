"""The fast reading of event files against the plain one, against the tensorboard package, and the checksum."""

import struct

import numpy as np
import pytest
from example_logs import files
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.logs.channels import Reading
from surefoot.logs.crc32c import crc32c, crc32c_rows, masked, masked_rows
from surefoot.logs.event import scalars_of, scalars_of_many
from surefoot.logs.sources import open_source
from surefoot.logs.tensorboard import read_event_file
from surefoot.logs.wire import WireError

EVENTS = [path for path in files() if "tfevents" in path.name]


def bodies(path):
    """The records of an event file, cut out in the most obvious way."""
    data, at, out = path.read_bytes(), 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        out.append(data[at + 12 : at + 12 + size])
        at += 16 + size
    return out


def test_the_checksum_gives_the_published_values():
    # RFC 3720, appendix B.4
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"123456789") == 0xE3069283


@given(st.lists(st.binary(min_size=13, max_size=13), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_checksums_of_many_rows_are_those_of_each(rows):
    matrix = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), 13)
    many = masked_rows(crc32c_rows(matrix))
    assert [int(one) for one in many] == [masked(crc32c(row)) for row in rows]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: "-".join(path.parts[-2:]))
def test_many_events_at_once_are_read_as_each_by_itself(path):
    found = read_event_file(open_source(path, path.name), Reading())
    fast = sorted(
        (tag, *row) for tag, blocks in found.tags.items() for block in blocks for row in zip(*block[1:], strict=True)
    )
    plain = []
    for body in bodies(path):
        one = scalars_of(body)
        plain += zip(one.tags, one.steps, one.times, one.values, strict=True)
    assert fast == sorted(plain)
    assert len(plain) > 5


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: "-".join(path.parts[-2:]))
def test_events_are_those_of_the_tensorboard_package(path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    theirs = [
        (value.tag, event.step, event.wall_time, float(make_ndarray(value.tensor)))
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.HasField("tensor")
    ]
    found = read_event_file(open_source(path, path.name), Reading())
    ours = [
        (tag, *row) for tag, blocks in found.tags.items() for block in blocks for row in zip(*block[1:], strict=True)
    ]
    assert sorted(ours) == sorted(theirs)


def event(step, value, tag=b"loss", time=1.0):
    """An event by hand: time, step, one value."""
    digits, rest = bytearray(), step
    while True:
        digits.append(rest & 0x7F | (0x80 if rest > 0x7F else 0))
        rest >>= 7
        if not rest:
            break
    one = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(one)]) + one
    return b"\x09" + struct.pack("<d", time) + b"\x10" + bytes(digits) + b"\x2a" + bytes([len(summary)]) + summary


@given(
    st.lists(
        st.tuples(st.integers(0, 2**40), st.floats(width=32), st.sampled_from([b"loss", b"rate", b"abcd"])),
        min_size=1,
        max_size=60,
    )
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_events_of_one_length_are_read_as_each_by_itself(triples):
    made = [event(step, value, tag) for step, value, tag in triples]
    size = len(made[0])
    made = [one for one in made if len(one) == size]
    groups, broken = scalars_of_many(np.frombuffer(b"".join(made), dtype=np.uint8).reshape(-1, size))
    assert broken == []
    fast = {
        int(row): (tag, int(s), float(v)) for tag, at, ss, _, vs in groups for row, s, v in zip(at, ss, vs, strict=True)
    }
    for place, one in enumerate(made):
        plain = scalars_of(one)
        tag, step, value = fast[place]
        assert (tag, step) == (plain.tags[0], plain.steps[0])
        np.testing.assert_equal(value, plain.values[0])


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_bytes_that_are_no_event_raise_only_that(data):
    try:
        scalars_of(data)
    except WireError:
        return
    assert isinstance(scalars_of(data).values, list)
