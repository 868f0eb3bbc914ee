"""Matrices and arrays as programs write them: what stands around a map is left out, or refused."""

import contextlib

import numpy as np
import pytest
import scipy.io

import polarnet as pn
from polarnet.anatomy import disc_mask
from polarnet.readers.arrays import read_arrays
from polarnet.readers.mapfiles import read_maps, read_numbers
from polarnet.readers.profiles import Reading, load_profile
from polarnet.readers.units import conversion

READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")
SIDE = 16
# Rows 1.00 1.01 1.02 ...: no row or column is a count of whole numbers.
PICTURE = np.round(1 + np.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 100, 2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "S1_rest.csv"


def written(path, *above, picture=PICTURE, row=None, column=None):
    """A text matrix, below some lines; with indices on top and at the left where asked."""
    rows = [[f"{value}" for value in line] for line in picture]
    if column is not None:
        rows = [[str(k), *line] for k, line in zip(column, rows, strict=True)]
    lines = [*above, *([",".join(map(str, row))] if row else []), *map(",".join, rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def only(path, reading=READING):
    (numbers,) = read_numbers(path, reading)
    assert not numbers.problem
    return numbers


def refusal(path, reading=READING):
    found, problems = read_maps(path, reading)
    assert not found
    assert path.stem.split("_")[0] not in "; ".join(problems)
    return "; ".join(problems)


# === Text ===


def test_lines_above_a_matrix_are_left_out_and_never_repeated(path):
    numbers = only(written(path, "Imaginary map,MUELLER HANS", "rest MBF (ml/min/g)"))
    assert np.array_equal(numbers.values, PICTURE)
    assert (numbers.map_type, numbers.unit, numbers.note) == ("rest", "ml/min/g", "")


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("stress MBF", "its name says rest, its content stress"),
        ("rest (kBq/ml)", "unit 'kBq/ml' is not known"),
        ("rest SD", "a matrix of sd"),
        # A table of patients is no matrix.
        ("age,mass,pulse,a,b,c,d,e,f,g,h,i,k,l,m,n", "is neither a matrix"),
        (",".join(f"J{k // 2}{k % 2}" for k in range(SIDE)), "is neither a matrix"),
    ],
)
def test_a_title_that_speaks_against_the_map_refuses_it(path, title, message):
    assert message in refusal(written(path, title))


@pytest.mark.parametrize("empty", ["", "nan", "NaN"])
def test_cells_outside_the_disc_may_be_empty(path, empty):
    disc = disc_mask(SIDE)
    cells = np.where(disc, PICTURE.astype(str), empty)
    (found,), problems = read_maps(written(path, picture=cells), READING)
    assert not problems
    np.testing.assert_allclose(found.values[disc], PICTURE[disc], rtol=1e-6)
    cells[8, 8] = empty
    assert refusal(written(path, picture=cells)) == "has NaN or infinite values inside the disc"


@pytest.mark.parametrize(
    ("indices", "note"),
    [
        ({"row": range(SIDE)}, "its first row only counts and was left out"),
        ({"row": ["", *range(SIDE)], "column": range(SIDE)},
         "its first row and column only count and were left out"),
        ({"row": ["Slice\\Angle", *range(0, 160, 10)], "column": range(1, 17)},
         "its first row and column only count and were left out"),
        ({"row": [f"V{k}" for k in range(1, 17)]}, ""),
    ],
)  # fmt: skip
def test_indices_and_names_of_rows_and_columns_are_left_out(path, indices, note):
    numbers = only(written(path, **indices))
    assert np.array_equal(numbers.values, PICTURE)
    assert numbers.note == note


def test_a_gradient_of_whole_numbers_keeps_all_its_rows(path):
    gradient = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    assert only(written(path, picture=gradient)).values.shape == (SIDE, SIDE)


def test_a_word_within_a_matrix_is_told_by_place(path):
    cells = PICTURE.astype("U8")
    cells[3, 4] = "x"
    said = refusal(written(path, "Imaginary map", picture=cells))
    assert said == "row 5 column 5 is not a number"


@pytest.mark.parametrize(
    ("counts", "is_read"),
    [([6, 12, 12, 24], True), ([24, 12, 6], True), ([1, 9, 18, 32], True), ([6, 12, 12, 23], False),
     ([6, 24, 12], False), ([5, 12, 12], False), ([1, 36, 36, 35], False),
     ([12] * 9 + [24], False)],
)  # fmt: skip
def test_rings_that_lost_a_cell_are_refused(tmp_path, path, counts, is_read):
    """From ring to ring sectors stay or are multiples of the fewest; ECAT 7 has its own numbers."""
    (tmp_path / "rings.yaml").write_text("layout: rings\n")
    reading = Reading((load_profile(tmp_path / "rings.yaml"),), "mL/min/g")
    rings = [[f"{1 + n / 10 + k / 100:.2f}" for k in range(c)] for n, c in enumerate(counts)]
    path.write_text("\n".join(map(",".join, rings)))
    if is_read:
        assert [len(ring) for ring in only(path, reading).values] == counts
    else:
        assert "as no rings have: a cell is lost or one too many" in refusal(path, reading)


@pytest.mark.parametrize("unit", ["cm3/min/g", "cc/min/g", "cm3.min-1.g-1", "L/min/kg"])
def test_flow_in_cubic_centimetres_is_flow_in_millilitres(unit):
    """1 cm3 is 1 mL; 1 L/min/kg is 1 mL/min/g."""
    assert conversion(unit) == ("mL/min/g", 1.0)


def test_a_square_that_goes_on_into_its_corners_is_warned_of(path):
    """Rings x sectors of equal number look like this."""
    np.savetxt(path, 1 + np.arange(1024).reshape(32, 32) / 1024, delimiter=",")
    (found,), _ = read_maps(path, Reading((load_profile("square"),), "mL/min/g"))
    assert "has values in its corners" in found.note


# === Arrays ===


def test_maps_within_structures_are_found_by_name(tmp_path):
    stress = {"mbf": 2 * PICTURE, "sd": PICTURE / 10, "limits": [0, 4], "comment": "fine"}
    result = {"rest": {"mbf": PICTURE}, "stress": stress}
    # Scalars and limits beside a map are left out.
    scipy.io.savemat(tmp_path / "S1.mat", {"result": result, "size": 2.5, "window": [0.0, 4.0]})
    found = {n.map_type: n.values for n in read_numbers(tmp_path / "S1.mat", READING)}
    assert set(found) == {"rest", "stress"}
    assert np.array_equal(found["rest"], PICTURE)
    assert np.array_equal(found["stress"], 2 * PICTURE)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"MBF_rest": 1, "MBF_stress": 2}, {"rest": 1, "stress": 2}),
        ({"restMBF": 1, "stress_mbf": 2}, {"rest": 1, "stress": 2}),
        ({"rest_k1": 1, "rest_mbf": 2}, {"rest": 2}),
        ({"rest_sd": 1}, "holds arrays of sd, and none of flow"),
        ({"rest_1": 1, "rest_2": 2}, "holds 2 arrays for rest"),
    ],
)
def test_arrays_are_known_by_words_in_their_names(tmp_path, arrays, expected):
    path = tmp_path / "S1.npz"
    np.savez(path, **{name: factor * PICTURE for name, factor in arrays.items()})
    if isinstance(expected, str):
        assert expected in refusal(path)
        return
    found = {n.map_type: n.values for n in read_numbers(path, READING)}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[m], factor * PICTURE) for m, factor in expected.items())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.stack([PICTURE] * 3, axis=2),
         "is a stack of 16 x 16 x 3, whose order is not known: save each map as an array of its "
         "own, named rest, stress or reserve"),
        *[(np.ones((16, 16)).astype(kind), "holds no array of real numbers")
          for kind in ("m8[s]", "M8[s]", "?")],
    ],
)  # fmt: skip
def test_an_array_that_is_no_map_is_refused_with_what_to_do(tmp_path, array, message):
    np.save(tmp_path / "S1_rest.npy", array)
    assert refusal(tmp_path / "S1_rest.npy") == message


@pytest.mark.parametrize("n_bytes", [1, 8, -8])
def test_an_array_with_bytes_put_in_or_taken_out_is_refused(tmp_path, n_bytes):
    path = tmp_path / "S1_rest.npy"
    np.save(path, PICTURE)
    data = path.read_bytes()
    path.write_bytes(data[:1000] + bytes(max(n_bytes, 0)) + data[1000 + max(-n_bytes, 0) :])
    told = "has more bytes than its array takes" if n_bytes > 0 else "is not a readable .npy file"
    assert refusal(path) == told


def test_a_damaged_header_of_an_array_raises_nothing_but_value_errors(tmp_path):
    """Every byte of the header, exchanged for each of some others."""
    path = tmp_path / "S1_rest.npy"
    np.save(path, PICTURE)
    data = path.read_bytes()
    for place in range(128):
        for byte in (b"\x00", b"(", b"'", b"9", b"\xff"):
            path.write_bytes(data[:place] + byte + data[place + 1 :])
            with contextlib.suppress(ValueError):
                read_arrays(path)


# === The exports of Medviso Segment: AHA segments, slices by sectors, and a smoothed picture ===

ANY_UNIT = Reading(READING.profiles)
FLOWS = [f"{1 + k / 10:.1f}" for k in range(17)]


def segments(parameter="Rest MBF", unit="ml/min/g"):
    names = [f"{name[0].upper()}{name[1:]} [{unit}]" for name in pn.anatomy.SEGMENTS]
    rows = [["Parameter", "StartSlice", "EndSlice", *names], [parameter, "3", "9", *FLOWS]]
    return "\n".join(map("\t".join, rows))


@pytest.mark.parametrize("parameter", ["Rest MBF", "MBF"])
def test_the_segments_of_one_study_are_read(tmp_path, parameter):
    (tmp_path / "P1_rest.txt").write_text(segments(parameter))
    (found,), problems = read_maps(tmp_path / "P1_rest.txt", ANY_UNIT)
    assert (found.study, found.map_type, found.unit, problems) == ("P1", "rest", "mL/min/g", [])
    means = pn.anatomy.segment_means(found.values.astype(float))
    np.testing.assert_allclose(means, list(map(float, FLOWS)), rtol=5e-3)


SMOOTHED = "\n".join(
    ["Wall thickness\tmm\t3\t9", "\t",
     *("\t".join(f"{1 + (9 * i + j) / 99:.4f}" for j in range(16)) for i in range(16))]
)  # fmt: skip
SECTORS = "\n".join(
    ["Parameter\tStartSlice\tEndSlice\tSlice\t" + "\t".join(f"Sector{s}" for s in range(6, 0, -1)),
     *(f"Rest MBF [ml/min/g]\t3\t5\t{k}\t" + "\t".join(["1.5"] * 6) for k in (1, 2, 3))]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("MUELLER_rest.txt", segments("Wall thickness", "mm"), "each row must be called"),
        ("MUELLER_rest.txt", segments("Transmurality", "%"),
         "each row must be called flow"),
        ("MUELLER_rest.txt", SECTORS, "where its first sector lies: export the 17 AHA segments"),
        ("MUELLER_rest.txt", SMOOTHED, "is a table or a smoothed picture of slices and sectors"),
        ("MUELLER_rest.bin", "x" * 1024,
         ".bin files do not say their rows and columns: export a table instead"),
    ],
)  # fmt: skip
def test_what_is_no_flow_or_has_no_place_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    assert message in refusal(tmp_path / name, ANY_UNIT)
