from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.errors import DataError
from surefoot.tasks.data import download, idx
from surefoot.tasks.data import mnist as source
from surefoot.tasks.data.mnist import mnist, mnist_small

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_mnist_small.py"


def _files(seed=0):
    """Four IDX files of 12 and 6 images, by the published names."""
    random = np.random.default_rng(seed)
    contents = {}
    for name in source.FILES:
        count = 12 if name.startswith("train") else 6
        shape, top = ((count, 28, 28), 256) if "images" in name else ((count,), 10)
        contents[name] = idx.pack(random.integers(0, top, shape, dtype=np.uint8))
    return contents


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The published files replaced by small ones, and an empty cache."""
    contents = _files()
    published = {name: (len(plain), hashlib.sha256(plain).hexdigest()) for name, plain in contents.items()}
    monkeypatch.setattr(source, "FILES", published)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SUREFOOT_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return contents


def _mirror(folder, contents):
    folder.mkdir(parents=True)
    for name, plain in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(plain, mtime=0))
    return folder.as_uri()


def _dead_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def half_server(tiny):
    """A mirror that promises the whole file and hangs up in the middle."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = gzip.compress(tiny[self.path.split("/")[-1].removesuffix(".gz")])
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _cached_names(tmp_path):
    folder = tmp_path / "cache" / "surefoot" / "mnist"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# The excerpt in the package


def test_excerpt_is_the_beginning_of_mnist():
    split = mnist_small()
    assert split.x.shape == (10_000, 1, 28, 28)
    assert split.xv.shape == (2_000, 1, 28, 28)
    assert split.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert split.yv[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (split.x.dtype, split.y.dtype) == (torch.float32, torch.int64)
    assert (split.kind, split.classes) == ("classes", 10)


def test_excerpt_is_scaled_by_the_mean_and_deviation_of_mnist():
    x = mnist_small(flat=True).x
    assert x.shape == (10_000, 784)
    assert x.min().item() == pytest.approx(-0.1307 / 0.3081, abs=1e-6)
    assert x.max().item() == pytest.approx((1 - 0.1307) / 0.3081, abs=1e-6)
    assert abs(x.mean().item()) < 0.005
    assert abs(x.std().item() - 1) < 0.005


def test_excerpt_is_written_the_same_twice(tmp_path, monkeypatch, tiny):
    spec = importlib.util.spec_from_file_location("make_mnist_small", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "TARGET", tmp_path / "out")
    monkeypatch.setattr(script, "FIRST", {"train": 5, "t10k": 3})
    for name, plain in tiny.items():
        (tmp_path / name).write_bytes(plain)
    script.main(tmp_path)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    script.main(tmp_path)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    images = idx.read(tmp_path / "out" / "train-images-idx3-ubyte.gz")
    assert np.array_equal(images, idx.unpack(tiny["train-images-idx3-ubyte"], "whole")[:5])


# IDX


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 2**32 - 1), st.booleans())
def test_idx_round_trip(shape, seed, zipped):
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    packed = idx.pack(array)
    content = gzip.compress(packed) if zipped else packed
    back = idx.unpack(idx.unzip(content, "file"), "file")
    assert back.dtype == np.uint8
    assert np.array_equal(back, array)


@pytest.mark.parametrize(("code", "kind"), [(0x09, ">i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_reads_every_type_into_the_order_of_the_machine(code, kind):
    values = np.array([[1, -2, 3], [4, 5, -6]]).astype(kind)
    array = idx.unpack(struct.pack(">HBB2I", 0, code, 2, 2, 3) + values.tobytes(), "file")
    assert array.tolist() == [[1, -2, 3], [4, 5, -6]]
    assert array.dtype.isnative


GOOD = idx.pack(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cut short in its header: 0 bytes"),
        (GOOD[:9], "cut short in its header: 9 of 12 bytes"),
        (GOOD[:-1], "cut short at byte 23: its header says 3 x 4, 12 bytes, but 11 follow"),
        (GOOD + b"!", "goes on after byte 24"),
        (b"\x89PNG1234", "no IDX file: it begins with bytes 89 50 4e 47"),
        (b"\0\0\x07\x01\0\0\0\0", "no IDX file"),
        (b"\0\0\x08\x00", "no IDX file"),
        (gzip.compress(GOOD, mtime=0)[:-12], "gzip stream breaks after"),
        (b"\x1f\x8b" + b"x" * 40, "gzip stream breaks after 0 unzipped bytes"),
    ],
)
def test_idx_says_where_a_file_is_damaged(tmp_path, content, said):
    path = tmp_path / "some-idx2-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        idx.read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_idx_refuses_a_flipped_bit_under_gzip_and_an_endless_stream():
    content = bytearray(gzip.compress(GOOD * 50, mtime=0))
    content[-6] ^= 1  # in the checksum at the end
    with pytest.raises(DataError, match="gzip stream breaks"):
        idx.unzip(bytes(content), "file")
    with pytest.raises(DataError, match="unzips to more than 1,000 bytes"):
        idx.unzip(gzip.compress(bytes(10**6)), "file", largest=1000)


def test_pack_takes_bytes_only():
    with pytest.raises(DataError, match="float64"):
        idx.pack(np.zeros(3))


# A folder of the user's own


@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize("form", ["plain", "gz", "dotted", "raw"])
def test_folder_is_read_in_every_spelling(tmp_path, monkeypatch, tiny, by, form):
    folder = tmp_path / "data"
    inner = folder / "MNIST" / "raw" if form == "raw" else folder
    inner.mkdir(parents=True)
    for name, plain in tiny.items():
        if form == "gz":
            (inner / f"{name}.gz").write_bytes(gzip.compress(plain))
        else:
            (inner / (name.replace("-idx", ".idx") if form == "dotted" else name)).write_bytes(plain)
    if by == "environment":
        monkeypatch.setenv("SUREFOOT_DATA", str(folder))
    split = mnist(folder if by == "argument" else None)
    images = idx.unpack(tiny["t10k-images-idx3-ubyte"], "images").astype(np.float64)
    expected = torch.from_numpy((images / 255 - 0.1307) / 0.3081).float().unsqueeze(1)
    torch.testing.assert_close(split.xv, expected, atol=1e-6, rtol=0)
    assert split.y.tolist() == list(tiny["train-labels-idx1-ubyte"][8:])
    assert _cached_names(tmp_path) == []


def test_missing_file_in_a_folder_names_the_ways_out(tmp_path, monkeypatch, tiny):
    with pytest.raises(DataError, match=r"`directory` is .* no train-images-idx3-ubyte") as caught:
        mnist(tmp_path)
    assert all(way in str(caught.value) for way in ("--data", "SUREFOOT_DATA", "`mnist-small`"))
    monkeypatch.setenv("SUREFOOT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"`SUREFOOT_DATA` is .*nowhere"):
        mnist()


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("train-images-idx3-ubyte", np.zeros((12, 27, 28), np.uint8), r"training images have shape \(12, 27, 28\)"),
        ("t10k-labels-idx1-ubyte", np.zeros(5, np.uint8), r"test labels have shape \(5,\) .* the 6 images"),
        ("train-labels-idx1-ubyte", np.full(12, 10, np.uint8), "hold 10 at position 0; allowed is 0 to 9"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path, tiny, name, array, said):
    for other, plain in tiny.items():
        (tmp_path / other).write_bytes(idx.pack(array) if other == name else plain)
    with pytest.raises(DataError, match=said):
        mnist(tmp_path)


def test_unreadable_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read") as caught:
        idx.read(tmp_path / "missing")
    assert "\n" not in str(caught.value)


# Download


def test_download_is_proved_kept_and_used_again(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(source, "MIRRORS", (_mirror(tmp_path / "mirror", tiny),))
    seen = []
    first = mnist(progress=lambda *told: seen.append(told))
    assert _cached_names(tmp_path) == sorted(f"{name}.gz" for name in tiny)  # and no temporary file
    assert [name for name, *_ in seen] == [f"{name}.gz" for name in tiny]
    assert all(done == total for _, done, total in seen)
    monkeypatch.setattr(source, "MIRRORS", ())
    again = mnist(progress=lambda *told: seen.append(told))
    assert len(seen) == 4
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.yv, again.yv)


def test_damaged_cache_is_fetched_anew(tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(source, "MIRRORS", (_mirror(tmp_path / "mirror", tiny),))
    first = mnist()
    kept = tmp_path / "cache" / "surefoot" / "mnist" / "t10k-images-idx3-ubyte.gz"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:100])
    assert torch.equal(mnist().xv, first.xv)
    assert kept.read_bytes() == whole


def test_wrong_checksum_is_refused_and_the_next_mirror_is_asked(tmp_path, monkeypatch, tiny):
    wrong = _mirror(tmp_path / "wrong", _files(seed=1))
    monkeypatch.setattr(source, "MIRRORS", (wrong,))
    with pytest.raises(DataError, match="checksum"):
        mnist()
    assert _cached_names(tmp_path) == []
    monkeypatch.setattr(source, "MIRRORS", (wrong, _mirror(tmp_path / "right", tiny)))
    assert mnist().y.tolist() == list(tiny["train-labels-idx1-ubyte"][8:])


def test_half_a_download_is_no_download(tmp_path, monkeypatch, tiny, half_server):
    monkeypatch.setattr(source, "MIRRORS", (half_server,))
    with pytest.raises(DataError) as caught:
        mnist()
    assert half_server in str(caught.value)
    assert "connection ended after" in str(caught.value) or "IncompleteRead" in str(caught.value)
    assert _cached_names(tmp_path) == []


def test_without_network_one_line_names_every_mirror_and_the_ways_out(tmp_path, monkeypatch, tiny):
    port = _dead_port()
    monkeypatch.setattr(source, "MIRRORS", (f"http://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}/b"))
    with pytest.raises(DataError) as caught:
        mnist()
    message = str(caught.value)
    assert "\n" not in message
    for part in (f":{port}/a", f":{port}/b", "refused", "--data", "SUREFOOT_DATA", "`mnist-small`"):
        assert part in message


def test_more_than_was_published_is_not_read_to_the_end(tmp_path, monkeypatch, tiny):
    folder = tmp_path / "mirror"
    mirror = _mirror(folder, tiny)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(os.urandom(10**6))
    monkeypatch.setattr(source, "MIRRORS", (mirror,))
    with pytest.raises(DataError, match="bytes were sent"):
        mnist()


def test_cache_that_cannot_be_written_costs_a_warning_only(tmp_path, monkeypatch, tiny):
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr(source, "MIRRORS", (_mirror(tmp_path / "mirror", tiny),))
    with pytest.warns(UserWarning, match="XDG_CACHE_HOME"):
        split = mnist()
    assert len(split.x) == 12


def test_interrupted_writing_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def stop(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(download.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        download.keep(b"new", target)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == b"old"
