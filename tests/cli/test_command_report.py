from __future__ import annotations

import shutil
import subprocess
import sys


def test_a_saved_record_is_drawn_again_without_torch(searched, tmp_path):
    shutil.copy(searched / "found.json", tmp_path / "mine.json")
    code = (
        f"import sys; from surefoot.cli.main import main; code = main(['report', {str(tmp_path / 'mine.json')!r}]);"
        "sys.exit(9 if 'torch' in sys.modules else code)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"mine.json", "find.html", "find.png", "members.png"}
    assert (tmp_path / "find.html").read_text() == (searched / "find.html").read_text()
    assert "Train iris at a rate of" in ran.stdout.replace("\n", " ")


def test_the_folder_can_be_named_and_the_summary_left_out(surefoot, searched, tmp_path):
    said = surefoot("report", searched / "found.json", "--out", tmp_path / "new", "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")
    assert (tmp_path / "new" / "find.html").exists()


def test_a_record_without_a_page_is_refused(surefoot, tmp_path):
    from surefoot.records import Recipe

    Recipe(lr=0.1).save(tmp_path / "recipe.json")
    said = surefoot("report", tmp_path / "recipe.json")
    assert said.code == 2
    assert "a found or run or sweep record is needed" in said.err
