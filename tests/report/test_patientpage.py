"""One patient's page: measured things first, harmless names, honest words."""

import numpy as np
import pytest

import polarnet as pn
from polarnet.cli import main
from polarnet.cohort import Study
from polarnet.report.pages import Picture, render
from polarnet.report.patientpage import flow_table, page_facts

HOSTILE = "<script>alert(1)</script>"
RCA = (3, 4, 9, 10, 15)
"""Its segments: Cerqueira et al. 2002."""

IMPAIRED = {"is_of_person": False,
            "trait": "impaired MFR", "score": 0.8, "spread": 0.05, "auroc": "0.77 [0.66, 0.85]",
            "n": "36 with / 97 without", "note": ""}  # fmt: skip
OPINION = {"map_type": "stress", "has_impaired": True, "readings": [IMPAIRED], "n_members": 3,
           "facts": [], "warnings": [], "trait": "impaired MFR", "heat": None,
           "is_phantom": False}  # fmt: skip


@pytest.fixture
def study(make_cohort):
    def make(rest=1.0, stress=2.0, *, low=(), at=("rest", "stress"), kept=None, study_id="S1"):
        """Even maps, but for segments that are `low`, at 40 %, in the maps `at`."""
        disc, where = pn.anatomy.disc_mask(64), np.isin(pn.anatomy.segment_map(64), list(low))
        maps = {"rest": rest, "stress": stress, "reserve": stress / rest}
        maps = {name: np.where(where & (name in at), 0.4, 1.0) * np.where(disc, level, 0.0)
                for name, level in maps.items() if kept in (None, name)}  # fmt: skip
        cohort = make_cohort(n=2, size=64)
        return Study(study_id, "P1", maps, cohort.traits.iloc[0], cohort.clinical.iloc[0],
                     "mL/min/g")  # fmt: skip

    return make


@pytest.fixture
def words_alone(monkeypatch):
    """Pages whose words are looked at, without the time that drawing takes."""
    for drawn in ("_draw_map", "plot_overlays"):
        monkeypatch.setattr(f"polarnet.report.patientpage.{drawn}", lambda *_, **__: None)
    empty = Picture("data:image/png;base64,", 1, 1)
    monkeypatch.setattr("polarnet.report.patientpage.picture_of", lambda _: empty)


def rendered(study, *, of_phantom=False, **changes):
    facts = page_facts(study, OPINION | changes)
    return render("patient", **facts, is_phantom=of_phantom, is_recovered=False)


@pytest.mark.parametrize(
    ("given", "noted"),
    [({}, []), ({"low": RCA}, ["RCA"]), ({"low": RCA[:1]}, []),
     ({"low": RCA, "at": ("stress",)}, [])],
    ids=["even", "low at rest and stress", "a single segment", "low at stress alone"],
)  # fmt: skip
def test_flow_is_that_of_the_pixels_and_matched_low_flow_a_possible_scar(study, given, noted):
    one = study(rest=1.0, stress=2.5, **given)
    table = flow_table(one)
    assert list(table.index) == ["global", "LAD", "RCA", "LCx"]
    assert list(table.index[table["note"] == "matched low flow, possible scar"]) == noted
    if "at" not in given:  # a scar leaves the reserve as it is
        np.testing.assert_allclose(table.loc[["LAD", "RCA", "LCx"], "MFR"], 2.5, rtol=1e-6)


@pytest.mark.usefixtures("words_alone")
def test_measured_flow_stands_before_any_score_and_traits_only_when_asked_for(study):
    page = rendered(study(stress=3.9))
    assert page.index("Measured") < page.index("What the network says") < page.index("0.80")
    for words in ("Redundant here", "0.77 [0.66, 0.85]", "not a confidence", "36 with / 97",
                  "Nothing is clipped"):  # fmt: skip
        assert words in page
    assert "never for care</th>" not in page
    assert page.index("Global MFR ") < page.index("<table")
    assert page.count("No matched low flow.") == 2  # in the summary, and beside the rule
    assert page.count('class="banner') == 1
    own = rendered(study(low=RCA), readings=[IMPAIRED | {"trait": "known CAD", "is_own": True}])
    assert "<th>known CAD, an outcome of your own</th>" in own
    assert own.count("Matched low flow, at rest and at stress: RCA.") == 2
    assert "traits of a person alone" not in own
    assert "traits of a person alone" in rendered(study(), readings=[])
    trait = IMPAIRED | {
        "trait": "Sex",
        "is_of_person": True,
        "auroc": "",
        "note": "fewer than 10 patients",
    }
    page = rendered(study(stress=4.5), readings=[IMPAIRED, trait])
    assert "stress: 100.0% of the map above 4" in page
    assert "Sex, never for care" in page
    assert "not reported" in page


@pytest.mark.usefixtures("words_alone")
def test_a_hostile_name_is_text(study):
    page = rendered(
        study(study_id=HOSTILE), warnings=["</style><img src=x onerror=alert(1)>"],
        readings=[IMPAIRED, IMPAIRED | dict.fromkeys(("trait", "auroc", "n"), HOSTILE)
                  | {"note": "</style>"}],
        facts=[("map", "stress"), (HOSTILE, HOSTILE)],
    )  # fmt: skip
    assert "<script" not in page
    assert page.count("</style>") == 1
    assert "<img src=x" not in page


@pytest.mark.usefixtures("words_alone")
def test_a_model_of_a_phantom_is_said_to_be_one_and_a_patient_is_not(study):
    page = rendered(study(), is_phantom=True)
    assert "<h1>Study S1</h1>" in page
    assert "The model learnt from a phantom" in page
    assert "hold-out phantoms" in page
    assert "Map of rest (phantom" not in page
    assert "Phantom, not patients." in rendered(study(), of_phantom=True)


@pytest.mark.usefixtures("words_alone")
def test_what_cannot_be_known_from_a_reserve_map_alone_is_not_said(study):
    page = rendered(study(kept="reserve"), map_type="reserve")
    assert "mean of the reserve map" in page
    assert "Redundant" not in page
    assert "Matched low flow" not in page


def test_the_command_writes_the_page_of_one_study(finished_run, tmp_path, capsys):
    run, (_, _, test) = finished_run
    test.save(tmp_path / "cohort")
    page = tmp_path / "page.html"
    line = ["predict", str(run.folder), str(tmp_path / "cohort"), "--report", str(page)]
    assert main(line) == 2
    assert "name one by --study" in capsys.readouterr().err
    assert main([*line, "--study", "nobody"]) == 2
    assert main([*line, "--study", ""]) == 2  # and not the page of somebody else
    assert not page.exists()
    assert main([*line, "--study", test.patients.index[0], "--research-traits"]) == 0
    text = page.read_text(encoding="utf-8")
    for words in ("Phantom, not patients", "Global MFR ",
                  "sex, never for care"):  # fmt: skip
        assert words in text
    assert test.patients.iloc[0] not in text
    assert "in the training" not in text


def test_a_run_and_a_bundle_give_the_page_of_their_files(finished_run, phantom, tmp_path):
    run, (_, _, test) = finished_run
    file = pn.bundle.write_bundle(run.folder, phantom, tmp_path / "model.polarnet")
    study, out = test.patients.index[0], tmp_path / "p.html"

    def page(model):
        pn.report.write_patient_page(model, test, study, out, research_traits=True)
        return out.read_text(encoding="utf-8")

    assert page(run) == page(str(run.folder))
    loaded = pn.bundle.load_bundle(file)
    assert page(loaded).replace("bundle: ", "model.polarnet: ") == page(file)


@pytest.mark.usefixtures("words_alone")
@pytest.mark.parametrize(
    ("place", "said"), [(0, "was in the training of this model"), (1, "was in the validation")]
)
def test_the_page_of_a_training_patient_says_so(finished_run, tmp_path, place, said):
    run, parts = finished_run
    cohort, page = parts[place], tmp_path / "page.html"
    pn.report.write_patient_page(run.folder, cohort, cohort.patients.index[0], page)
    assert f"This patient {said}" in page.read_text(encoding="utf-8")
