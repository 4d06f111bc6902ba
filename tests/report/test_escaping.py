from __future__ import annotations

import html
import json
import math

from hypothesis import given
from hypothesis import strategies as st

from surefoot.report.escaping import Markup, attribute, join, script_json, tag, text

HOSTILE = "</script><script>alert(1)</script>\"'&<!--"


@given(st.text())
def test_text_never_holds_markup_and_comes_back(value):
    shown = text(value)
    assert not set(shown) & set("<>\"'")
    plain = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in value)
    again = "".join(" " if ord(c) < 32 else c for c in html.unescape(shown).replace("\ufffd", " "))
    assert again == plain.replace("\ufffd", " ")


def test_markup_is_not_escaped_twice():
    assert text(Markup("<b>x</b>")) == "<b>x</b>"
    assert text(text("a & b")) == "a &amp; b"


def test_tag_escapes_content_and_attributes():
    made = tag("p", HOSTILE, tag("b", "x"), title=HOSTILE, class_="a", data_name="n", hidden=None)
    assert made.startswith('<p title="&lt;/script&gt;')
    assert "<b>x</b></p>" in made
    assert 'class="a"' in made
    assert 'data-name="n"' in made
    assert "hidden" not in made
    assert "<script" not in made
    assert attribute('"') == '"&quot;"'


def test_join_escapes_what_is_no_markup():
    assert join([tag("b", "x"), "<i>"], "&") == "<b>x</b>&amp;&lt;i&gt;"


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()))
def test_json_in_a_script_comes_back_and_holds_no_markup(value):
    written = script_json(value)
    assert not set(written) & set("<>&")
    assert json.loads(written) == value


def test_json_has_null_for_what_json_lacks():
    assert json.loads(script_json({"a": [math.nan, math.inf, -math.inf, 1.5], "b": "NaN"})) == {
        "a": [None, None, None, 1.5],
        "b": "NaN",
    }
