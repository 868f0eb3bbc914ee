"""Runs side by side on the same test patients, from folders written by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from polarnet.cli import main
from polarnet.evaluation import compare_runs, delong_test
from polarnet.evaluation.comparison import _FLAGS, _NUMBERS, _WORDS

IDS = [f"S{k:02}" for k in range(40)]
LABELS = np.arange(40) % 2


@pytest.fixture
def make_run(tmp_path):
    def make(name, seed, ids=IDS, labels=LABELS, trait="sex"):
        folder = tmp_path / name
        folder.mkdir()
        scores = np.random.default_rng(seed).random(len(ids)).round(3)
        table = pd.DataFrame({"study_id": ids, trait: scores})
        table.to_csv(folder / "scores_test.csv", index=False)
        known = pd.DataFrame({"study_id": ids, "part": "test", trait: labels})
        known.to_csv(folder / "labels.csv", index=False)
        row = (
            dict.fromkeys(_WORDS, "") | dict.fromkeys(_NUMBERS, 0.5) | dict.fromkeys(_FLAGS, False)
        )
        row |= {"data": "cohort", "map_type": "stress", "trait": trait, "model": "network",
                "n_pos": 20, "n_neg": 20, "auroc": roc_auc_score(labels, scores)}  # fmt: skip
        pd.DataFrame([row]).to_csv(folder / "metrics.csv", index=False)
        return folder, scores

    return make


def test_the_first_run_is_compared_with_each_other_one_patient_by_patient(make_run):
    (first, of_first), (second, of_second) = make_run("a", 1), make_run("b", 2)
    table = compare_runs([first, second]).set_index("run")
    areas = [roc_auc_score(LABELS, scores) for scores in (of_first, of_second)]
    assert table["auroc"].to_list() == pytest.approx(areas)
    assert np.isnan(table.loc["a", "difference"])
    assert table.loc["b", "difference"] == pytest.approx(areas[0] - areas[1])
    expected = delong_test(LABELS, of_first, of_second)
    assert table.loc["b", "difference_p"] == pytest.approx(expected.p_value)


def test_the_order_of_the_studies_in_a_file_does_not_matter(make_run):
    first, second = make_run("a", 1)[0], make_run("b", 2)[0]
    before = compare_runs([first, second])
    for name in ("scores_test.csv", "labels.csv"):
        turned = pd.read_csv(second / name).iloc[::-1]
        turned.to_csv(second / name, index=False)
    pd.testing.assert_frame_equal(compare_runs([first, second]), before)


def test_runs_that_cannot_be_compared_are_refused_with_the_reason(make_run):
    first = make_run("a", 1)[0]
    others = make_run("b", 2, ids=[*IDS[:-1], "S99"])[0]
    with pytest.raises(ValueError, match=r"other patients \(2 are in one of them alone\)"):
        compare_runs([first, others])
    with pytest.raises(ValueError, match="other labels of sex"):
        compare_runs([first, make_run("c", 2, labels=1 - LABELS)[0]])
    with pytest.raises(ValueError, match="no trait in common"):
        compare_runs([first, make_run("d", 2, trait="diabetes")[0]])
    for runs in ([first], [first, first]):
        with pytest.raises(ValueError, match="two runs or more"):
            compare_runs(runs)
    (first / "labels.csv").unlink()
    with pytest.raises(FileNotFoundError, match="holds no labels"):
        compare_runs([first, others])


def test_the_command_writes_one_table_and_one_forest_plot(make_run, tmp_path, capsys):
    runs = [str(make_run(name, seed)[0]) for name, seed in (("a", 1), ("b", 2))]
    out = tmp_path / "compared"
    assert main(["compare", *runs, "--out", str(out)]) == 0
    assert "AUROC of a minus that of the run, paired DeLong" in capsys.readouterr().out
    assert {p.name for p in out.iterdir()} == {"comparison.csv", "forest.svg", "forest.png"}
    assert "a" in (out / "forest.svg").read_text(encoding="utf-8")
    assert main(["compare", *runs, "--out", str(out)]) == 2
    assert main(["compare", runs[0]]) == 2
