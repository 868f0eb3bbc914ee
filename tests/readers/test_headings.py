"""Names of segments and headings of columns."""

import pytest

from polarnet.readers.headings import segment_of


@pytest.mark.parametrize(
    ("label", "segment"),
    [("LVBasalAnterior", 1), ("Basal Anterior (LAD)", 1), ("Bas antsep", 2),
     ("BasalAnteroseptal_LAD", 2), ("basal ant.-sept.", 2), ("Basal inferior septum", 3),
     ("4. Basal inferior (RCA)", 4), ("LVMyoMidAnterior", 7), ("medial infsept", 9),
     ("Mid Inferolateral [LCX]", 11), ("médian inféro-latéral", 11), ("Mid lat ant", 12),
     ("Distal Anterior", 13), ("apicale settale", 14), ("Apic inf", 15), ("Apical Lat", 16),
     ("LVApex", 17), ("Apex (LAD)", 17), ("Ap Sept", 14), ("AP_INF", 15)],
)  # fmt: skip
def test_short_names_with_a_vessel_name_their_segment(label, segment):
    """Cerqueira et al., Circulation 2002;105:539-542."""
    assert segment_of(label) == segment


@pytest.mark.parametrize(
    "label",
    ["Apical", "Basal", "Lateral", "LAD", "Basal posterior", "Proximal anterior", "Distal apex",
     "Apical anteroseptal", "Mid septal", "Basal anterior inferior", "Basal antero", "BA",
     "Basal anterior anteroseptal", "Basal anterior (LAD/RCA)", "Mid basal anterior"],
)  # fmt: skip
def test_names_that_may_be_several_segments_or_none_name_none(label):
    assert segment_of(label) is None
