"""Numbers of stored pixels, worked by hand."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from polarnet.readers.dicom import map_type_of, numbers_of_frame, origin, series_keys

STORED = np.array([[10, 20], [30, 40]], dtype=np.uint16)
WORDS = {"rest": ("rest", "ruhe"), "stress": ("stress",), "reserve": ("mfr", "flow reserve")}


def item(**attributes):
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, Sequence(value) if keyword.endswith("Sequence") else value)
    return dataset


def code(value, scheme, meaning="x"):
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def mapping(unit="ml/min/g", first=0, last=65535, **others):
    facts = {"RealWorldValueSlope": 0.1, "RealWorldValueIntercept": 1.0} | others
    return item(
        MeasurementUnitsCodeSequence=[code(unit, "UCUM")],
        RealWorldValueFirstValueMapped=first,
        RealWorldValueLastValueMapped=last,
        **facts,
    )


def test_a_mapping_works_on_stored_values_and_wins_over_rescaling():
    """0.1 * 10 + 1 = 2; the rescaling, of 5, is for another quantity."""
    header = item(
        RealWorldValueMappingSequence=[mapping()], RescaleSlope=5, RescaleIntercept=0,
        Units="BQML",
    )  # fmt: skip
    values, unit, *_ = numbers_of_frame(header, STORED, 0, "")
    np.testing.assert_allclose(values, [[2, 3], [4, 5]])
    assert unit == "ml/min/g"


def test_values_outside_a_mapping_stand_for_nothing():
    header = item(RealWorldValueMappingSequence=[mapping(first=20, last=30)])
    values = numbers_of_frame(header, STORED, 0, "")[0]
    np.testing.assert_array_equal(np.isnan(values), [[True, False], [False, True]])


def test_a_table_of_real_world_values_begins_at_its_first_value():
    """Entries for the stored values 10 to 40."""
    entries = [float(k) / 8 for k in range(31)]
    header = item(
        RealWorldValueMappingSequence=[mapping(first=10, last=40, RealWorldValueLUTData=entries)]
    )
    np.testing.assert_allclose(numbers_of_frame(header, STORED, 0, "")[0], [[0, 1.25], [2.5, 3.75]])


def test_a_frame_has_its_own_mapping_before_that_of_all():
    frames = [
        item(RealWorldValueMappingSequence=[mapping(RealWorldValueIntercept=float(k))])
        for k in range(2)
    ]
    header = item(
        PerFrameFunctionalGroupsSequence=frames,
        SharedFunctionalGroupsSequence=[item(RealWorldValueMappingSequence=[mapping()])],
    )
    assert numbers_of_frame(header, STORED, 0, "")[0][0, 0] == pytest.approx(1)
    assert numbers_of_frame(header, STORED, 1, "")[0][0, 0] == pytest.approx(2)
    assert numbers_of_frame(header, STORED, 2, "")[0][0, 0] == pytest.approx(2)


def test_of_two_mappings_the_one_of_flow_counts():
    two = [mapping("Bq/ml", RealWorldValueSlope=7.0), mapping()]
    header = item(RealWorldValueMappingSequence=two)
    assert numbers_of_frame(header, STORED, 0, "")[0][0, 0] == pytest.approx(2)


def test_two_mappings_that_differ_in_slope_alone_are_not_chosen_from():
    two = [mapping(), mapping(RealWorldValueSlope=0.05)]
    with pytest.raises(ValueError, match="several real world value mappings"):
        numbers_of_frame(item(RealWorldValueMappingSequence=two), STORED, 0, "")


@pytest.mark.parametrize(
    ("units", "unit"), [("MLMING", "ml/min/g"), ("MLMINML", "ml/min/ml"), ("NONE", "1")]
)
def test_units_of_a_pt_image_go_with_its_rescaling(units, unit):
    """0.05 * 20 + 0.5 = 1.5."""
    header = item(Units=units, RescaleSlope="0.05", RescaleIntercept="0.5")
    values, found, *_ = numbers_of_frame(header, STORED, 0, "")
    assert (values[0, 1], found) == (pytest.approx(1.5), unit)


def test_without_a_unit_in_the_file_the_user_states_it():
    header = item(RescaleSlope=0.05, RescaleIntercept=0)
    with pytest.raises(ValueError, match="says no unit of flow"):
        numbers_of_frame(header, STORED, 0, "")
    values, unit, *_ = numbers_of_frame(header, STORED, 0, "mL/min/g")
    assert (values[0, 1], unit) == (pytest.approx(1.0), "")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (item(Units="BQML", RescaleSlope=1), "has the unit BQML, which is no unit of flow"),
        (item(Units="MLMING"), "has no rescale slope"),
        (item(Units="MLMING", RescaleSlope="0"), "rescale slope of 0, expected more than 0"),
        (item(Units="MLMING", RescaleSlope="-1"), "rescale slope of -1"),
        (
            item(RealWorldValueMappingSequence=[mapping("Bq/ml")]),
            "maps its values to a unit that is none of flow",
        ),
        (item(RealWorldValueMappingSequence=[mapping(first=9, last=1)]), "mapping of no values"),
        (
            item(RealWorldValueMappingSequence=[mapping(LUTLabel="a"), mapping(LUTLabel="b")]),
            "several real world value mappings",
        ),
        (
            item(RealWorldValueMappingSequence=[mapping(RealWorldValueLUTData=[1.0, 2.0])]),
            "table of another length",
        ),
    ],
)
def test_numbers_that_mean_nothing_are_refused(header, message):
    with pytest.raises(ValueError, match=message):
        numbers_of_frame(header, STORED, 0, "mL/min/g" if "Units" not in header else "")


@pytest.mark.parametrize("text", ["abc", "4,5e-05", "nan", "1e400", ""])
def test_a_slope_that_is_no_number_is_refused(text):
    """pydicom hands these out as text, or as infinity, without a warning."""
    header = Dataset()
    header.Units, header.RescaleIntercept = "MLMING", 0
    header._dict[0x00281053] = type(header["Units"])(0x00281053, "LO", text)
    with pytest.raises(ValueError, match=r"slope that is no number|has no rescale slope"):
        numbers_of_frame(header, STORED, 0, "")


def test_rest_and_stress_by_code_then_by_words():
    coded = item(AcquisitionContextSequence=[item(ConceptCodeSequence=[code("128975004", "SCT")])])
    assert map_type_of(coded, 0, "", False, WORDS) == "rest"
    old = item(AcquisitionContextSequence=[item(ConceptCodeSequence=[code("F-01604", "SRT")])])
    assert map_type_of(old, 0, "", False, WORDS) == "rest"
    described = item(SeriesDescription="MBF Stress (ml/g/min)")
    assert map_type_of(described, 0, "", False, WORDS) == "stress"
    assert map_type_of(item(SeriesDescription="Restored"), 0, "", False, WORDS) == ""
    assert map_type_of(item(SeriesDescription="stress flow reserve"), 0, "MFR", False, WORDS) == (
        "reserve"
    )
    assert map_type_of(described, 0, "", True, WORDS) == "reserve"


def test_the_unit_tells_a_reserve_from_the_flow_that_it_is_named_with():
    """Numbers without unit are no flow, and numbers in mL/min/g no reserve."""
    header = item(SeriesDescription="MFR stress")
    assert map_type_of(header, 0, "", False, WORDS, "1") == "reserve"
    assert map_type_of(header, 0, "", False, WORDS, "ml/min/g") == "stress"
    with pytest.raises(ValueError, match="described as reserve and stress at once"):
        map_type_of(header, 0, "", False, WORDS)


def test_contradictions_are_never_guessed():
    coded = item(
        AcquisitionContextSequence=[item(ConceptCodeSequence=[code("128975004", "SCT")])],
        SeriesDescription="stress",
    )
    with pytest.raises(ValueError, match="coded as rest and described as stress"):
        map_type_of(coded, 0, "", False, WORDS)
    with pytest.raises(ValueError, match="described as rest and stress at once"):
        map_type_of(item(SeriesDescription="Rest/Stress"), 0, "", False, WORDS)


def test_origin_holds_program_tracer_and_agent_and_no_person():
    header = item(
        PatientName="Mustermann^Erika", InstitutionName="Klinik", Manufacturer="Maker",
        ManufacturerModelName="M1", SoftwareVersions=["2.1", "b"],
        RadiopharmaceuticalInformationSequence=[
            item(RadiopharmaceuticalCodeSequence=[code("129503007", "SCT", "Rubidium chloride")])
        ],
        InterventionDrugInformationSequence=[
            item(InterventionDrugCodeSequence=[code("432062000", "SCT", "A2")])
        ],
    )  # fmt: skip
    assert origin(header) == {
        "manufacturer": "Maker", "model": "M1", "software_version": "2.1 b", "tracer": "Rb-82",
        "stress_agent": "A2A agonist",
    }  # fmt: skip


def test_a_series_is_called_by_uid_description_or_number():
    header = item(SeriesInstanceUID="1.2.3", SeriesDescription="MBF  One", SeriesNumber=7)
    assert series_keys(header) == ["1.2.3", "mbf one", "7"]
