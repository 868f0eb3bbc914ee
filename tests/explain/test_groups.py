import numpy as np
import pandas as pd
import pytest

from polarnet.anatomy import TERRITORIES, disc_mask, segment_basis, segment_map
from polarnet.explain.groups import (
    average_seeds,
    compare_groups,
    drawn_patients,
    segment_attribution,
    territory_shares,
)

TRAIT = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0])


def _nine_patients():
    """x of the R commands below: nine patients, 17 segments."""
    i, j = np.arange(1, 10)[:, None], np.arange(1, 18)
    x = (7 * i + 3 * j * j + i * i * j) % 11 / 10
    x[:4, 6] += 1.0
    x[:4, 12] += 0.6
    return x


def _sixty_patients():
    """Trait and one share of 60 patients, as in the R commands below."""
    i = np.arange(1, 61)
    trait = (i % 3 == 0).astype(float)
    age = 50 + 10 * np.sin(i) + 8 * trait
    share = 0.06 + 0.0005 * (age - 50) + 0.006 * trait + 0.01 * np.sin(i * i)
    return np.tile(share[:, None], 17), trait


def test_patients_are_drawn_by_the_seed_with_their_first_study_in_order():
    patients = np.repeat(np.arange(50), 2)  # studies 0, 2, 4, ... are the first
    drawn = [drawn_patients(patients, 10, seed=seed) for seed in range(200)]
    for rows in drawn:
        assert (rows % 2 == 0).all()
        assert len(rows) == 10
        assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(drawn[3], drawn_patients(patients, 10, seed=3))
    # Each of 50 patients is drawn with probability 1/5: 40 of 200 times, SD 5.7.
    times = np.bincount(np.concatenate(drawn), minlength=100)[::2]
    assert 15 < times.min() <= times.max() < 65
    assert drawn_patients(patients, None, seed=0).tolist() == list(range(0, 100, 2))
    assert drawn_patients(patients, 70, seed=0).tolist() == list(range(0, 100, 2))


EVEN = np.full(17, 1 / 17)


@pytest.mark.parametrize(
    ("heat", "expected"),
    [(np.full((32, 32), 3.0), EVEN), (np.where(segment_map(32) == 7, 2.0, 0), np.eye(17)[6]),
     (np.where(segment_map(32) == 7, -0.1, 0), np.eye(17)[6]),
     (np.where(disc_mask(32), 1.0, 9.0), EVEN), (np.zeros((32, 32)), np.full(17, np.nan))],
    ids=["even", "one segment", "negative and weak", "outside the disc", "zeros"],
)  # fmt: skip
def test_shares_are_of_the_mean_absolute_attribution_within_the_disc(heat, expected):
    """Beside an even map, whose shares stay its own."""
    shares = segment_attribution(np.stack([heat, np.ones((32, 32))]).astype(np.float32))
    np.testing.assert_allclose(shares, [expected, EVEN], rtol=1e-6)
    assert territory_shares(shares).isna().all(axis=1).tolist() == [np.isnan(expected[0]), False]
    np.testing.assert_allclose(territory_shares(shares).iloc[1], 1 / 3, rtol=1e-6)


def test_territory_shares_are_corrected_for_the_number_of_segments():
    """By hand: twice the density in the seven LAD segments is 2 / (2 + 1 + 1), not 14 / 24."""
    segments = np.ones((1, 17))
    segments[0, np.array(TERRITORIES["LAD"]) - 1] = 2
    assert territory_shares(segments).iloc[0].to_dict() == {"LAD": 0.5, "RCA": 0.25, "LCx": 0.25}


def test_maps_that_are_not_finite_or_not_stacked_are_refused():
    heat = np.ones((3, 32, 32))
    heat[1, 16, 16] = np.nan
    with pytest.raises(ValueError, match=r"1 of 3 maps .* row 1"):
        segment_attribution(heat)
    with pytest.raises(ValueError, match=r"\(32, 32\).*heat\[None\]"):
        segment_attribution(heat[0])


def test_a_seed_with_stronger_gradients_weighs_no_more_in_the_mean():
    one, other = (np.where(segment_map(32) == k, 1.0, 0.0)[None] for k in (1, 2))
    mean = average_seeds([1000 * one, other])
    assert mean.dtype == np.float32
    assert mean[one > 0].sum() == pytest.approx(0.5, abs=1e-6)
    assert mean[other > 0].sum() == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(ValueError, match="of one shape"):
        average_seeds([one, np.repeat(one, 2, axis=0)])
    with pytest.raises(ValueError, match="at least one seed"):
        average_seeds([])


def test_effect_equals_the_worked_example_of_borenstein():
    """Borenstein et al., Introduction to Meta-Analysis, 2009, chapter 4: means 103 and 100, SD
    5.5 and 4.5, 50 in each group: g = 0.5924.
    """
    shape = np.linspace(-1, 1, 50)
    shape /= shape.std(ddof=1)
    values = np.concatenate([103 + 5.5 * shape, 100 + 4.5 * shape])
    table = compare_groups(np.tile(values[:, None], 17), np.repeat([1, 0], 50), permutations=999)
    assert table["effect"].to_numpy() == pytest.approx(0.5924, abs=5e-5)
    assert table.loc[0, ["mean_pos", "mean_neg", "n_pos", "n_neg"]].tolist() == pytest.approx(
        [103, 100, 50, 50]
    )


def test_p_values_equal_those_of_all_126_groupings():
    """R 4.2.2; y is TRAIT, x as in _nine_patients:
    tt <- function(y) sapply(1:17, function(j)
      abs(t.test(x[y==1,j], x[y==0,j], var.equal=TRUE)$statistic))
    t0 <- tt(y)
    all <- apply(combn(9, 4), 2, function(k) { z <- rep(0, 9); z[k] <- 1; tt(z) })
    praw <- rowMeans(all >= t0 - 1e-9)
    o <- order(-t0); p <- numeric(17)
    for (k in 1:17) p[k] <- mean(apply(all[o[k:17],,drop=FALSE], 2, max) >= t0[o[k]] - 1e-9)
    pmax <- numeric(17); pmax[o] <- cummax(p)
    praw; pmax; p.adjust(praw, "BH")
    """
    p_raw = [
        .7380952, .7142857, .04761905, .4285714, .01587302, .3412698, .007936508, .08730159,
        .6349206, .8174603, .547619, .7380952, .03174603, .04761905, .4285714, .01587302, .3412698,
    ]  # fmt: skip
    p_max_t = [
        .9761905, .9761905, .2936508, .968254, .06349206, .8968254, .03174603, .531746,
        .9761905, .9761905, .9761905, .9761905, .2619048, .2936508, .968254, .06349206, .8968254,
    ]  # fmt: skip
    p_bh = [
        .7842262, .7842262, .1349206, .6623377, .08994709, .6446208, .08994709, .2120181,
        .7842262, .8174603, .7757937, .7842262, .1349206, .1349206, .6623377, .08994709, .6446208,
    ]  # fmt: skip
    table = compare_groups(_nine_patients(), TRAIT, permutations=99_999)
    # Four standard errors of a p-value of 0.5 from 99,999 permutations are 0.006.
    assert table["p_raw"].to_numpy() == pytest.approx(p_raw, abs=0.006)
    assert table["p_max_t"].to_numpy() == pytest.approx(p_max_t, abs=0.006)
    assert table["p_bh"].to_numpy() == pytest.approx(p_bh, abs=0.015)


def test_the_interval_of_an_effect_is_that_of_a_bootstrap_within_classes():
    """R 4.2.2, A and B being the shares of those with and without the trait, g as hedges_g:
    set.seed(1); bb <- replicate(50000, g(sample(A, replace=TRUE), sample(B, replace=TRUE)))
    g(A, B) 1.28531715350694; quantile(bb, c(.025, .975)) 0.712444 2.029939
    """
    segments, trait = _sixty_patients()
    row = compare_groups(segments, trait, permutations=999).iloc[4]
    assert row["effect"] == pytest.approx(1.28531715350694, abs=1e-12)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.712444, 2.029939), abs=0.06)


def test_a_planted_difference_is_found_in_its_segments_only():
    rng = np.random.default_rng(5)
    labels = np.repeat([1.0, 0.0], [60, 140])
    weights = rng.gamma(4.0, size=(200, 17))
    weights[:60, [6, 12]] *= 1.8
    heat = np.einsum("ns,sij->nij", weights, segment_basis(32))
    table = compare_groups(segment_attribution(heat), labels, permutations=1999)
    strongest = table.sort_values("effect").iloc[-2:]
    assert set(strongest["segment"]) == {7, 13}
    assert set(strongest["name"]) == {"mid anterior", "apical anterior"}
    assert (strongest["p_max_t"] < 0.01).all()
    assert (strongest["ci_low"] > 0).all()


def test_without_any_difference_max_t_rarely_finds_one():
    """At 5 %, 60 cohorts give 3 on average; more than 9 in one of a thousand (binomial)."""
    rng = np.random.default_rng(8)
    found = 0
    for _ in range(60):
        table = compare_groups(rng.dirichlet(np.ones(17), 24), np.arange(24) % 2, permutations=999)
        found += table["p_max_t"].min() < 0.05
    assert found <= 9


def test_only_the_first_recorded_study_of_a_patient_counts():
    x = _nine_patients()
    expected = compare_groups(x, TRAIT, permutations=999)
    segments = np.concatenate([x[:1] * 5, x, x[:4] * 7, x[4:5] * np.nan])
    labels = [np.nan, *TRAIT, 1, 1, 1, 1, 0]
    patients = [*"AABCDEFGHI", *"ABCD", "J"]
    found = compare_groups(segments, labels, patients=patients, permutations=999)
    pd.testing.assert_frame_equal(found, expected)
    back = compare_groups(x, 1 - TRAIT, permutations=999)
    np.testing.assert_allclose(back["effect"], -expected["effect"])


def test_a_segment_without_spread_has_no_p_value_and_leaves_the_others_alone():
    x = _nine_patients()
    x[:, 0] = 0.05
    table = compare_groups(x, TRAIT, permutations=999)
    assert table.loc[0, ["effect", "ci_low", "p_raw", "p_max_t", "p_bh"]].isna().all()
    assert table.loc[1:, ["effect", "p_raw", "p_max_t", "p_bh"]].notna().all(axis=None)


ONE = [1, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("n_segments", "labels", "settings", "told"),
    [(17, ONE, {}, "1 have the trait and 8 have not"), (17, TRAIT + 1, {}, "Labels must be 0 or 1"),
     (17, TRAIT[:8], {}, "one label per study"), (16, TRAIT, {}, r"give \(n, 17\)"),
     (17, TRAIT, {"permutations": 99}, "99 permutations"),
     (17, TRAIT, {"patients": [*"ABCDEFGH", None]}, "need a patient each")],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_with_numbers(n_segments, labels, settings, told):
    with pytest.raises(ValueError, match=told):
        compare_groups(_nine_patients()[:, :n_segments], labels, **settings)
