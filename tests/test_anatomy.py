import numpy as np
import pytest

from polarnet import anatomy


def test_walls_are_where_cerqueira_puts_them():
    """Anterior up, inferior down, septum left, lateral right (Circulation 2002;105:539)."""
    segments = anatomy.segment_map(64)
    assert segments[2, 32] == 1
    assert segments[61, 32] == 4
    assert set(segments[28:36, 2]) == {2, 3}
    assert set(segments[28:36, 61]) == {5, 6}
    assert segments[32 - 12, 32] == 13
    assert segments[32, 32 - 12] == 14


def test_numbering_runs_counter_clockwise_from_the_anterior_wall():
    radius, angle = anatomy.polar_coordinates(64)
    basal = (radius > 0.8) & (radius < 0.95)
    for segment, middle in zip(range(1, 7), (90, 150, 210, 270, 330, 30), strict=True):
        at = np.argmin(np.where(basal, np.abs((angle - middle + 180) % 360 - 180), 999))
        assert anatomy.segment_map(64).ravel()[at] == segment


def test_ring_areas_follow_their_radii():
    """Rings end at 1/4, 1/2, 3/4, 1: areas 1/16, 3/16, 5/16, 7/16 of the disc."""
    segments = anatomy.segment_map(512)
    areas = [np.isin(segments, k).sum() for k in (17, range(13, 17), range(7, 13), range(1, 7))]
    shares = np.array(areas) / anatomy.disc_mask(512).sum()
    assert shares == pytest.approx([1 / 16, 3 / 16, 5 / 16, 7 / 16], abs=2e-3)


def test_every_segment_belongs_to_one_territory():
    listed = sorted(k for segments in anatomy.TERRITORIES.values() for k in segments)
    assert listed == list(range(1, 18))


def test_segment_means_of_maps_with_one_lit_segment_are_one_hot():
    lit = np.stack([(anatomy.segment_map(48) == k + 1).astype(float) for k in range(17)])
    np.testing.assert_array_equal(anatomy.segment_means(lit), np.eye(17))
    assert anatomy.segment_means(lit[7]).tolist() == np.eye(17)[7].tolist()


def test_segment_means_refuses_what_is_not_square():
    with pytest.raises(ValueError, match=r"received \(47, 48\)"):
        anatomy.segment_means(np.ones((47, 48)))


def test_outside_the_disc_does_not_count():
    values = np.where(anatomy.disc_mask(48), 2.0, 1e6)
    assert anatomy.disc_mean(values) == 2.0
    np.testing.assert_allclose(anatomy.segment_means(values), 2.0)
