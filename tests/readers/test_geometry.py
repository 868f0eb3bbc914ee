"""Maps rewritten as other programs would write them, and read back."""

import sys

import numpy as np
import openpyxl
import pytest

import polarnet as pn
from polarnet.readers.geometry import (
    resampled,
    rings_to_disc,
    segments_to_disc,
    square_to_disc,
    upright,
)
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Profile, Reading, load_profile

SIDE = 48


@pytest.fixture(params=["study773", "study4494"])
def real(request, ottawa):
    """Stress flow of a real study, its ventricle filling the disc; flow goes on beyond.

    64 x 64, as the maps it is compared with: 17 means of a steep map change by up to 1.2 % between
    rasters of 48 and 64 pixels, because pixels at the border of segments change sides.
    """
    values = np.loadtxt(ottawa / f"{request.param}_stress.csv", delimiter=",")
    return resampled(values, 64, 0.8167)


def sampled(picture, radius, angle):
    """Bilinear values of a picture at shares of the radius and degrees; the test's own writer."""
    side = len(picture)
    x = (side - 1) / 2 + radius * side / 2 * np.cos(np.radians(angle))
    y = (side - 1) / 2 - radius * side / 2 * np.sin(np.radians(angle))
    left, top = (np.clip(np.floor(v).astype(int), 0, side - 2) for v in (x, y))
    fx, fy = np.clip(x - left, 0, 1), np.clip(y - top, 0, 1)
    rows = [picture[top + k, left] * (1 - fx) + picture[top + k, left + 1] * fx for k in (0, 1)]
    return rows[0] * (1 - fy) + rows[1] * fy


def ring_values(picture, n_rings, n_sectors, first=90, way=1):
    """Rings from the apex; sector 0 has its middle at `first` degrees."""
    radius = ((np.arange(n_rings) + 0.5) / n_rings)[:, None]
    angle = first + way * np.arange(n_sectors) * 360 / n_sectors
    return sampled(picture, radius, angle)


def difference(found, real):
    """Largest difference of segment means, as a share of the mean of the map."""
    ours, theirs = pn.anatomy.segment_means(found), pn.anatomy.segment_means(real)
    return np.abs(ours - theirs).max() / theirs.mean()


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("anterior", "septum", "rewrite"),
    [
        ("top", "left", lambda m: m),
        ("top", "right", lambda m: m[:, ::-1]),
        ("left", "bottom", lambda m: np.rot90(m, 1)),
        ("bottom", "right", lambda m: np.rot90(m, 2)),
        ("right", "top", lambda m: np.rot90(m, 3)),
        ("left", "top", lambda m: m.T),
        ("bottom", "left", lambda m: m[::-1]),
        ("right", "bottom", lambda m: np.rot90(m, 2).T),
    ],
)
def test_turned_and_mirrored_pictures_come_back(real, anterior, septum, rewrite):
    profile = Profile(name="imaginary", layout="square", anterior=anterior, septum=septum)
    assert np.array_equal(upright(rewrite(real), profile), real)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("first", "direction", "first_ring"),
    [(90, "counterclockwise", "apex"), (258, "clockwise", "base"), (0, "clockwise", "apex")],
)
def test_rings_and_sectors_keep_the_segments_within_one_percent(real, first, direction, first_ring):
    way = 1 if direction == "counterclockwise" else -1
    rings = ring_values(real, 20, 36, first, way)
    profile = Profile(
        name="imaginary", layout="rings", first_sector_deg=first, direction=direction,
        first_ring=first_ring,
    )  # fmt: skip
    found = rings_to_disc(list(rings if first_ring == "apex" else rings[::-1]), profile)
    assert difference(found, real) < 0.01


@pytest.mark.realdata
def test_ragged_rings_keep_the_segments_within_one_percent(real):
    """Fewer sectors towards the apex, as ECAT 7 allows."""
    counts = [6, 12, 18, 24, *[36] * 18]
    rings = [
        sampled(real, (k + 0.5) / len(counts), 90 + np.arange(n) * 360 / n)
        for k, n in enumerate(counts)
    ]
    found = rings_to_disc(rings, Profile(name="imaginary", layout="rings"))
    assert difference(found, real) < 0.01


def write_routes(folder, pictures):
    """Rest and stress of one study as each product would write it: route -> (study, profile)."""
    tables = {m: pn.anatomy.segment_means(picture) for m, picture in pictures.items()}
    mine = folder.parent / "imaginary.yaml"
    mine.write_text(
        "layout: square\nanterior: left\nseptum: top\n"
        "files: 'Nr(?P<study>[0-9]+) (?P<map>[A-Z]+)'\nmap_words: {rest: [ruhe], stress: [last]}\n",
        encoding="utf-8",
    )
    counts = [6, 12, 18, 24, *[36] * 18]
    for m, picture in pictures.items():
        word = {"rest": "RUHE", "stress": "LAST"}[m]
        np.savetxt(folder / f"Nr7 {word}.csv", picture.T, delimiter=";", fmt="%.4f")
        np.savetxt(
            folder / f"pmod_{m}.tsv", ring_values(picture, 20, 36), delimiter="\t", fmt="%.4f"
        )
        rows = [
            sampled(picture, (k + 0.5) / len(counts), 90 + np.arange(n) * 360 / n)
            for k, n in enumerate(counts)
        ]
        ragged = "\n".join(",".join(f"{v:.4f}" for v in row) for row in rows)
        (folder / f"ragged_{m}.csv").write_text(ragged, encoding="utf-8")
        one = "".join(f"{k},{v:.4f}\n" for k, v in enumerate(tables[m], 1))
        (folder / f"point_{m}.csv").write_text(
            f"segment,{m} (mL/min/g)\n{one}", encoding="utf-8-sig"
        )
    both = list(enumerate(zip(tables["rest"], tables["stress"], strict=True), 1))
    comma = "".join(f"{k};{r:.4f};{s:.4f}\n" for k, (r, s) in both).replace(".", ",")
    (folder / "comma.csv").write_text(
        f"Segment;Ruhe;Belastung\n;ml/min/100g;ml/min/100g\n{_hundredfold(comma)}",
        encoding="utf-16",
    )
    named = "".join(f"{pn.anatomy.SEGMENTS[k - 1]}\t{r:.4f}\t{s:.4f}\n" for k, (r, s) in both)
    (folder / "named.txt").write_text(
        f"AHA-Größe\tRest [cc/min/g]\tStress [cc/min/g]\n{named}LAD\t1\t2\nGlobal\t1\t2\n",
        encoding="cp1252",
    )
    book = openpyxl.Workbook()
    book.active.append(["study_id", *[f"{m} seg {k}" for m in tables for k in range(1, 18)]])
    book.active.append(["row", *[float(v) for values in tables.values() for v in values]])
    book.save(folder / "all.xlsx")
    ragged_profile = folder.parent / "ragged.yaml"
    ragged_profile.write_text("layout: rings\n", encoding="utf-8")
    return {
        "turned and mirrored picture": ("7", mine),
        "20 x 36": ("pmod", "pmod-20x36"),
        "ragged rings": ("ragged", ragged_profile),
        "segments, point, UTF-8": ("point", "aha17"),
        "segments, comma, UTF-16, mL/min/100g": ("comma", "aha17"),
        "segments, tab, names, cp1252": ("named", "aha17"),
        "segments, XLSX, a row a study": ("row", "aha17"),
    }


def _hundredfold(text):
    """Numbers with a decimal comma, times 100."""
    rows = [row.split(";") for row in text.splitlines()]
    return "\n".join(
        ";".join(
            [k, *[f"{100 * float(v.replace(',', '.')):.2f}".replace(".", ",") for v in values]]
        )
        for k, *values in rows
    )


@pytest.mark.realdata
@pytest.mark.parametrize("study", ["study773", "study4494"])
def test_every_route_brings_the_segments_back_within_one_percent(ottawa, study, tmp_path):
    """One table: route, largest difference of the 17 means at rest and stress in % of the mean."""
    pictures = {
        m: resampled(np.loadtxt(ottawa / f"{study}_{m}.csv", delimiter=","), 64, 0.8167)
        for m in ("rest", "stress")
    }
    folder = tmp_path / "exports"
    folder.mkdir()
    routes = write_routes(folder, pictures)
    lines = []
    for route, (name, profile) in routes.items():
        # Alone: the same pixels under two patients would be refused.
        alone = tmp_path / name
        alone.mkdir()
        for path in folder.glob(f"*{name}*") if name != "row" else [folder / "all.xlsx"]:
            path.rename(alone / path.name)
        cohort = pn.read_exports(alone, unit="mL/min/g", profiles=[profile], size=64, keep_ids=True)
        row = list(cohort.patients.index).index(name)
        errors = [difference(cohort.maps[m][row], pictures[m]) for m in pictures]
        lines.append(f"{study}  {route:40} {100 * errors[0]:.2f} {100 * errors[1]:.2f}\n")
        assert max(errors) < 0.01, (route, errors)
    sys.stdout.writelines(lines)


@pytest.mark.realdata
@pytest.mark.parametrize(("study", "mfr"), [("study773", 2.34), ("study4494", 1.73)])
def test_flowquant_maps_have_their_published_flow_reserve(ottawa, study, mfr):
    """2.34 and 1.73: means over the vessel mask of the source; see the data's own notes."""
    profile = load_profile("flowquant-48")
    (stress,), (rest,) = (
        read_maps(ottawa / f"{study}_{m}.csv", Reading((profile,)))[0] for m in ("stress", "rest")
    )
    disc = pn.anatomy.disc_mask(SIDE)
    found = stress.values[disc].mean() / rest.values[disc].mean()
    assert found == pytest.approx(mfr, abs=0.03)


@pytest.mark.realdata
def test_scar_of_the_right_coronary_artery_is_where_it_belongs(ottawa):
    profile = load_profile("flowquant-48")
    (stress,), _ = read_maps(ottawa / "study773_stress.csv", Reading((profile,)))
    segments = pn.anatomy.segment_means(stress.values)
    territories = {
        vessel: segments[np.array(numbers) - 1].mean()
        for vessel, numbers in pn.anatomy.TERRITORIES.items()
    }
    assert min(territories, key=territories.get) == "RCA"


@pytest.mark.realdata
def test_vessel_masks_agree_with_our_segments(ottawa):
    """FlowQuant's vessels (1 LAD, 2 and 3) through the profile, against the AHA territories."""
    mask = np.loadtxt(ottawa / "polar_map_mask_20_cart_final.csv", delimiter=",")
    profile = load_profile("flowquant-48")
    shares = {k: square_to_disc((mask == k).astype(float), profile) for k in (1, 2, 3)}
    segments = pn.anatomy.segment_map(SIDE)
    disc = pn.anatomy.disc_mask(SIDE)
    covered = sum(shares.values())[disc].mean()
    lines = [f"vessels of the source cover {covered:.3f} of our disc\n"]
    assert covered > 0.98
    for vessel, numbers in pn.anatomy.TERRITORIES.items():
        ours = np.isin(segments, numbers)
        dice = {
            k: 2 * (theirs * ours).sum() / (theirs.sum() + ours.sum())
            for k, theirs in shares.items()
        }
        best = max(dice, key=dice.get)
        lines.append(f"{vessel}: overlap (Dice) {dice[best]:.3f} with their vessel {best}\n")
        assert dice[best] > 0.9
        assert sorted(dice.values())[-2] < 0.2
    sys.stdout.writelines(lines)


def test_segment_maps_are_never_negative():
    values = np.full(17, 2.0)
    values[[3, 9]] = 0.0
    drawn = segments_to_disc(values)
    assert drawn.min() >= 0
    np.testing.assert_allclose(pn.anatomy.segment_means(drawn), values, atol=0.005)
