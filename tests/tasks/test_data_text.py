from __future__ import annotations

import pytest
import torch

from surefoot.errors import InputError
from surefoot.tasks.data.tiny_text import alphabet, prose, tiny_text


def test_text_has_the_documented_size():
    assert len(prose()) == 20_345
    assert len(alphabet()) == 63
    assert prose().isascii()


@pytest.mark.parametrize(("length", "stride"), [(32, 8), (10, 3)])
def test_windows_are_the_text_and_its_next_characters(length, stride):
    split, symbols, text = tiny_text(length=length, stride=stride), alphabet(), prose()

    def spell(codes):
        return "".join(symbols[code] for code in codes)

    for index in (0, 1, len(split.x) - 1):
        start = index * stride
        assert spell(split.x[index]) == text[start : start + length]
        assert spell(split.y[index]) == text[start + 1 : start + length + 1]
    assert split.x.dtype == split.y.dtype == torch.int64
    assert (split.kind, split.classes) == ("sequence", 63)


def test_validation_shares_no_character_with_training():
    split, symbols, text = tiny_text(), alphabet(), prose()
    border = round(0.8 * len(text))
    last = (len(split.x) - 1) * 8 + 32  # place of the last training target
    assert last < border
    assert "".join(symbols[code] for code in split.xv[0]) == text[border : border + 32]
    assert torch.equal(split.xv[1:, 0], split.yv[:-1, -1])  # windows follow each other without overlap


def test_windows_refuse_by_name():
    with pytest.raises(InputError, match="`length` is 0"):
        tiny_text(length=0)
    with pytest.raises(InputError, match="`length` is 9999"):
        tiny_text(length=9999)
    with pytest.raises(InputError, match="`stride` is 0"):
        tiny_text(stride=0)
