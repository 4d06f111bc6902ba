from __future__ import annotations

from test_page import HOSTILE, Page

from surefoot.records import Sweep


def test_a_search_shows_itself_in_a_notebook(make_found):
    card = make_found(task=HOSTILE)._repr_html_()
    page = Page(card)
    assert len(card) < 150_000
    assert [one["src"][:22] for one in page.of("img")] == ["data:image/png;base64,"]
    assert HOSTILE in page.of("img")[0]["alt"]
    assert not page.of("script")
    text = " ".join(page.texts)
    assert "Peak rate 0.1" in text
    assert f"Train {HOSTILE} at a peak rate of 0.1" in text
    assert len(page.of("tr")) == 11


def test_a_training_and_a_sweep_show_themselves(make_run):
    text = " ".join(Page(make_run()._repr_html_()).texts)
    assert "Training at rate 0.1" in text
    assert "The training of toy finished after 40 steps" in text
    text = " ".join(Page(Sweep(task="toy", runs=(make_run(), make_run(1.0)))._repr_html_()).texts)
    assert "2 runs, 80 steps in all." in text
