from __future__ import annotations

import base64
import gzip
import hashlib
import html.parser
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import OutputError
from surefoot.records import Recipe, Sweep, float_series
from surefoot.report.packing import _PYTHON, ALPHABET, pack
from surefoot.report.page import page_of, write_page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
VOID = {"meta", "img", "br", "link"}


class Page(html.parser.HTMLParser):
    """A page taken apart: elements with attributes, text by element, and whether every element is closed."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.texts, self.scripts = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append([dict(attrs), ""])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a beginning"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1][1] += data
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)

    def charts(self):
        packed = next(text for attributes, text in self.scripts if attributes.get("id") == "charts")
        return json.loads(unpacked(packed))

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def unpacked(text):
    back = bytes.maketrans(ALPHABET.encode(), _PYTHON.encode())
    return gzip.decompress(base64.b85decode(text.encode().translate(back))).decode()


@pytest.fixture
def found_page(make_found):
    return Page(page_of(make_found()))


@settings(max_examples=40)
@given(st.text())
def test_packed_text_comes_back_in_harmless_characters(value):
    packed = pack(value)
    assert not set(packed) & set("<>&\"'\\")
    assert unpacked(packed) == value


def test_a_page_is_small_whole_and_fetches_nothing(make_found):
    source = page_of(make_found())
    page = Page(source)
    assert len(source.encode()) < 2_000_000
    fetching = [(tag, name) for tag, attributes in page.elements for name in attributes
                if name in ("src", "href", "srcset", "action", "background", "data", "poster")]  # fmt: skip
    assert fetching == []
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    assert "fetch(" not in page.scripts[-1][1]


def test_only_the_scripts_of_the_page_may_run(found_page):
    policy = next(one["content"] for one in found_page.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    runs = [text for attributes, text in found_page.scripts if attributes.get("type") != "text/plain"]
    library = unpacked(next(text for attributes, text in found_page.scripts if attributes.get("id") == "library"))
    assert "plotly.js" in library[:300]
    for script in [*runs, library]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]
    assert len(runs) == 1


def test_every_chart_has_a_place_a_sentence_and_a_table(found_page):
    charts = found_page.charts()
    assert [chart["name"] for chart in charts] == ["response", "members"]
    places = {one["id"]: one for one in found_page.of("div") if "plot" in one.get("class", "")}
    assert set(places) == {"plot-response", "plot-members"}
    assert places["plot-response"]["aria-label"].startswith("Response curve: Of 3 rates trained for 40 steps")
    assert len(found_page.of("table")) == 3
    text = " ".join(found_page.texts)
    assert "Of 10 members, 6 finished" in text
    assert "Peak rate 0.1" in text


def test_the_response_chart_draws_places_interval_and_divergence(found_page, make_found):
    chart = found_page.charts()[0]
    by_name = {trace["name"]: trace for trace in chart["traces"]}
    assert by_name["40 steps"]["x"] == [0.01, 0.1, 1.0]
    assert by_name["40 steps"]["y"] == pytest.approx([0.8, 0.5, 0.9])
    assert by_name["40 steps"]["error_y"]["array"] == pytest.approx([0.03, 0.025, 0.05])
    assert by_name["10 steps"]["x"] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert by_name["diverged"]["x"] == [10.0]
    kinds = [(shape["type"], shape["x0"], shape["x1"]) for shape in chart["layout"]["shapes"]]
    assert kinds == [("rect", 0.05, 0.2), ("line", 0.1, 0.1), ("line", 3.0, 3.0), ("line", 0, 1)]
    notes = [note["text"] for note in chart["layout"]["annotations"]]
    assert notes == ["rate 0.1", "diverges above 3", "before training"]


def test_every_member_is_drawn_in_the_colour_of_its_rate(found_page, make_found):
    traces = found_page.charts()[1]["traces"]
    lines = [trace for trace in traces if trace["mode"] == "lines"]
    assert len(lines) == len(make_found().runs)
    assert len({trace["line"]["color"] for trace in lines}) == len(lines)
    assert lines[-1]["line"]["dash"] == "dot"
    assert None in lines[-1]["y"]


def test_the_rules_of_a_range_test_are_marked(make_found):
    page = Page(page_of(make_found(rules={"valley": 0.01, "steep": None, "<b>": 0.5})))
    layout = page.charts()[0]["layout"]
    assert [note["text"] for note in layout["annotations"]][2:4] == ["valley", "&lt;b&gt;"]
    assert [shape["x0"] for shape in layout["shapes"]][-2:] == [0.01, 0.5]
    assert any("valley" in text for text in page.texts)


def test_hostile_text_is_shown_and_never_run(make_found):
    calm = Page(page_of(make_found()))
    found = make_found(task=HOSTILE, reason=HOSTILE, notes=(HOSTILE,), method=HOSTILE, rules={HOSTILE: 0.1})
    point = found.curve[0].__class__(**{**vars(found.curve[0]), "stage": HOSTILE})
    found = make_found(**{**vars(found), "curve": (point, *found.curve[1:])})
    page = Page(page_of(found))
    assert [tag for tag, _ in page.elements if tag in ("script", "img")] == ["script"] * len(calm.scripts)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    text = "".join(page.texts)
    assert text.count(HOSTILE) >= 5
    assert page.scripts[-1][1] == calm.scripts[-1][1]


def test_the_recipe_stands_on_the_page_as_code(found_page, make_found):
    text = "".join(found_page.texts)
    assert "torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)" in text
    assert "import pytorch_lightning as pl" in text
    assert "from transformers import Trainer" in text
    odd = Recipe(optimizer="a b:c", lr=0.1)
    assert "cannot be written as code" in page_of(make_found(recipe=odd))


def test_unknown_has_a_reason_and_no_code(make_found):
    page = Page(page_of(make_found(status="unknown", divergence_lr=None, curve=(), runs=())))
    text = " ".join(page.texts)
    assert "No rate can be recommended for toy" in text
    assert "No rate learns; check the data." in text
    assert "as code" not in text
    assert "unknown" in next(one["class"] for one in page.of("div") if one.get("class", "").startswith("answer"))


def test_a_training_has_a_chart_for_each_quantity(make_run):
    page = Page(page_of(make_run()))
    charts = {chart["name"]: chart for chart in page.charts()}
    assert list(charts) == ["loss", "metrics", "rate", "norm"]
    assert charts["loss"]["traces"][2]["y"] == [2.0, 1.0, 0.5]
    metrics = charts["metrics"]["traces"]
    assert [trace["name"] for trace in metrics] == ["accuracy", "accuracy, training"]
    assert metrics[1]["y"] == [None, 0.4, 0.8]
    bare = make_run(grad_norm=float_series(), val_metrics={}, train_metrics={})
    assert [chart["name"] for chart in Page(page_of(bare)).charts()] == ["loss", "rate"]


def test_a_sweep_names_its_best_run(make_run):
    sweep = Sweep(task="toy", runs=(make_run(0.1), make_run(1.0, val_loss=float_series([2.0, 1.0, 0.25]))))
    assert "The lowest validation loss was 0.25 at rate 1." in " ".join(Page(page_of(sweep)).texts)


def test_the_same_record_makes_the_same_page(make_found, tmp_path):
    path = write_page(make_found(), tmp_path / "find.html")
    assert path.read_text(encoding="utf-8") == page_of(make_found())
    with pytest.raises(OutputError, match=r"`.*nowhere/find.html` cannot be written"):
        write_page(make_found(), tmp_path / "nowhere" / "find.html")
