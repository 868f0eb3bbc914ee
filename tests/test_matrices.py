"""Matrices and arrays as programs write them: what stands around a map is left out, or refused."""

import contextlib

import numpy as np
import pytest
import scipy.io

from polarnet.anatomy import disc_mask
from polarnet.readers.arrays import read_arrays
from polarnet.readers.mapfiles import read_maps, read_numbers
from polarnet.readers.profiles import Reading, load_profile

READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")
SIDE = 16
# Rows 1.00 1.01 1.02 ...: no row or column is a count of whole numbers.
PICTURE = np.round(1 + np.arange(SIDE * SIDE).reshape(SIDE, SIDE) / 100, 2)


def written(path, *above, picture=PICTURE, row=None, column=None):
    """A text matrix, below some lines; with indices on top and at the left where asked."""
    rows = [[f"{value}" for value in line] for line in picture]
    if column is not None:
        rows = [[str(k), *line] for k, line in zip(column, rows, strict=True)]
    lines = [*above, *([",".join(map(str, row))] if row else []), *map(",".join, rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def only(path):
    (numbers,) = read_numbers(path, READING)
    assert not numbers.problem
    return numbers


def refusal(path):
    try:
        found, problems = read_maps(path, READING)
    except ValueError as error:
        return str(error)
    assert not found
    return "; ".join(problems)


def test_lines_above_a_matrix_are_left_out_and_never_repeated(tmp_path):
    path = written(tmp_path / "S1_rest.csv", "Imaginary map,MUELLER HANS", "rest MBF (ml/min/g)")
    numbers = only(path)
    assert np.array_equal(numbers.values, PICTURE)
    assert (numbers.map_type, numbers.unit, numbers.note) == ("rest", "ml/min/g", "")


@pytest.mark.parametrize(
    ("title", "message"),
    [("stress MBF", "its name says rest, its content stress"),
     ("rest (kBq/ml)", "unit 'kBq/ml' is not known"), ("rest SD", "a matrix of sd")],
)  # fmt: skip
def test_a_title_that_speaks_against_the_map_refuses_it(tmp_path, title, message):
    assert message in refusal(written(tmp_path / "S1_rest.csv", title))


def test_a_table_of_patients_is_no_matrix(tmp_path):
    items = ",".join(f"J{k // 2}{k % 2}" for k in range(SIDE))
    for names in ("age,mass,pulse,a,b,c,d,e,f,g,h,i,k,l,m,n", items):
        assert "is neither a matrix" in refusal(written(tmp_path / "S1_rest.csv", names))


@pytest.mark.parametrize("empty", ["", "nan", "NaN"])
def test_cells_outside_the_disc_may_be_empty(tmp_path, empty):
    disc = disc_mask(SIDE)
    cells = np.where(disc, PICTURE.astype(str), empty)
    path = written(tmp_path / "S1_rest.csv", picture=cells)
    (found,), problems = read_maps(path, READING)
    assert not problems
    np.testing.assert_allclose(found.values[disc], PICTURE[disc], rtol=1e-6)
    cells[8, 8] = empty
    message = refusal(written(tmp_path / "S2_rest.csv", picture=cells))
    assert message == "has NaN or infinite values inside the disc"


def test_empty_rows_outside_the_disc_are_put_back(tmp_path):
    """A disc of 12 rows in a raster of 16: two empty rows above and two below."""
    cells = np.full((SIDE, SIDE), "", dtype="U8")
    inner = np.zeros((SIDE, SIDE), dtype=bool)
    inner[2:14, 2:14] = disc_mask(12)
    cells[inner] = PICTURE[inner].astype(str)
    path = written(tmp_path / "S1_rest.csv", picture=cells)
    # Cells at the end of rows are dropped too, so that the raster has 14 columns.
    values = only(path).values
    assert values[:, 2:14][~np.isnan(values[:, 2:14])].tolist() == PICTURE[inner].tolist()


def test_indices_of_rows_and_columns_are_left_out_with_a_note(tmp_path):
    path = written(tmp_path / "a_rest.csv", row=range(SIDE))
    assert np.array_equal(only(path).values, PICTURE)
    assert only(path).note == "its first row only counts and was left out"
    path = written(tmp_path / "b_rest.csv", row=["", *range(SIDE)], column=range(SIDE))
    assert np.array_equal(only(path).values, PICTURE)
    path = written(
        tmp_path / "c_rest.csv", row=["Slice\\Angle", *range(0, 160, 10)], column=range(1, 17)
    )
    assert np.array_equal(only(path).values, PICTURE)
    assert only(path).note == "its first row and column only count and were left out"


def test_a_gradient_of_whole_numbers_keeps_all_its_rows(tmp_path):
    gradient = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    assert only(written(tmp_path / "a_rest.csv", picture=gradient)).values.shape == (SIDE, SIDE)


def test_named_columns_of_a_matrix_are_left_out(tmp_path):
    path = written(tmp_path / "S1_rest.csv", ",".join(f"V{k}" for k in range(1, 17)))
    assert np.array_equal(only(path).values, PICTURE)


def test_a_word_within_a_matrix_is_still_told_by_place(tmp_path):
    cells = PICTURE.astype("U8")
    cells[3, 4] = "x"
    path = written(tmp_path / "S1_rest.csv", "Imaginary map", picture=cells)
    assert refusal(path) == "row 5 column 5 is not a number"


def test_maps_within_structures_are_found_by_name(tmp_path):
    path = tmp_path / "S1.mat"
    stress = {"mbf": 2 * PICTURE, "sd": PICTURE / 10, "limits": [0, 4], "comment": "fine"}
    scipy.io.savemat(path, {"result": {"rest": {"mbf": PICTURE}, "stress": stress}})
    found = {numbers.map_type: numbers.values for numbers in read_numbers(path, READING)}
    assert set(found) == {"rest", "stress"}
    assert np.array_equal(found["rest"], PICTURE)
    assert np.array_equal(found["stress"], 2 * PICTURE)


def test_scalars_beside_a_map_are_left_out(tmp_path):
    path = tmp_path / "S1_stress.mat"
    scipy.io.savemat(path, {"map": PICTURE, "pixelsize": 2.5, "window": [0.0, 4.0]})
    assert np.array_equal(only(path).values, PICTURE)


@pytest.mark.parametrize("names", [("MBF_rest", "MBF_stress"), ("restMBF", "stress_mbf")])
def test_arrays_are_known_by_a_word_in_their_name(tmp_path, names):
    path = tmp_path / "S1.npz"
    np.savez(path, **{names[0]: PICTURE, names[1]: 2 * PICTURE})
    found = {numbers.map_type: numbers.values for numbers in read_numbers(path, READING)}
    assert np.array_equal(found["stress"], 2 * found["rest"])


def test_arrays_of_other_quantities_are_no_flow(tmp_path):
    np.savez(tmp_path / "S1.npz", rest_sd=PICTURE)
    assert "holds arrays of sd, and none of flow" in refusal(tmp_path / "S1.npz")
    np.savez(tmp_path / "S2.npz", rest_k1=PICTURE, rest_mbf=2 * PICTURE)
    assert np.array_equal(only(tmp_path / "S2.npz").values, 2 * PICTURE)


def test_two_arrays_for_one_map_are_refused(tmp_path):
    np.savez(tmp_path / "S1.npz", rest_1=PICTURE, rest_2=2 * PICTURE)
    assert "holds 2 arrays for rest" in refusal(tmp_path / "S1.npz")


def test_a_stack_of_maps_is_refused_with_what_to_do(tmp_path):
    np.save(tmp_path / "S1_rest.npy", np.stack([PICTURE] * 3, axis=2))
    message = refusal(tmp_path / "S1_rest.npy")
    assert "is a stack of 16 x 16 x 3" in message
    assert "save each map as an array of its own" in message


def test_a_square_that_goes_on_into_its_corners_is_warned_of(tmp_path):
    """Rings x sectors of equal number look like this."""
    np.savetxt(tmp_path / "S1_rest.csv", 1 + np.arange(1024).reshape(32, 32) / 1024, delimiter=",")
    reading = Reading((load_profile("square"),), "mL/min/g")
    (found,), _ = read_maps(tmp_path / "S1_rest.csv", reading)
    assert "has values in its corners" in found.note


@pytest.mark.parametrize("n_bytes", [1, 8, -8])
def test_an_array_with_bytes_put_in_or_taken_out_is_refused(tmp_path, n_bytes):
    path = tmp_path / "S1_rest.npy"
    np.save(path, PICTURE)
    data = path.read_bytes()
    path.write_bytes(
        data[:1000] + bytes(n_bytes) + data[1000:] if n_bytes > 0 else data[:1000] + data[1008:]
    )
    told = f"{abs(n_bytes)} bytes {'more' if n_bytes > 0 else 'fewer'}"
    assert refusal(path) == f"has {told} than its array of 16 x 16 takes"


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


def test_arrays_of_times_and_truths_are_no_map(tmp_path):
    for kind in ("m8[s]", "M8[s]", "?"):
        np.save(tmp_path / "S1_rest.npy", np.ones((16, 16)).astype(kind))
        assert refusal(tmp_path / "S1_rest.npy") == "holds no array of real numbers"
