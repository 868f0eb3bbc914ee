"""Numbers read back from pictures of screens that the tests draw themselves."""

import io
import sys
from functools import lru_cache
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom.pixels import apply_color_lut

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.readers.geometry import resampled
from polarnet.readers.screenlayout import find_bar
from polarnet.readers.screens import MOST_FILLED, recover_map

DICOM_TABLES = {"hot iron": 1, "pet": 2, "hot metal blue": 3, "pet 20 step": 4}
"""Last number of the UID of the palettes in DICOM PS3.6, which pydicom carries."""

BLACK, WHITE = (0, 0, 0), (255, 255, 255)
GROUNDS = {"dark": (BLACK, WHITE), "light": (WHITE, BLACK)}
"""Background, and ink on it."""

ALLOWED = 1.5
"""Mean error in percent of full scale, outside overlays, that the project asks for."""


@lru_cache
def colour_table(name):
    """256 colours, (256, 3) uint8."""
    if name in DICOM_TABLES:
        uid = f"1.2.840.10008.1.5.{DICOM_TABLES[name]}"
        return apply_color_lut(np.arange(256, dtype=np.uint8), palette=uid)
    return mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]


def draw_screen(
    values, table="hot iron", *, size=256, ground=BLACK, ink=WHITE, high=4.0, reach=1.0,
    lines=True, has_frame=True, horizontal=False,
):  # fmt: skip
    """A screen with a title, a map with wall names, segment lines and vessels, and a bar.

    Parameters
    ----------
    values
        Square map; its ventricle has the radius `reach` as a share of half its side.
    high
        Value at the high end of the bar; the low end is 0.

    Returns
    -------
    The picture, the disc and the bar as drawn, and the pixels that lines and text cover.
    """
    colours = colour_table(table)
    text = WHITE if sum(ground) < 384 else BLACK
    picture = np.full((int(1.75 * size), 2 * size, 3), ground, np.uint8)
    top, left, length = size // 4, size // 5, int(0.8 * size)
    index = np.clip(resampled(values, size, reach) / high * 256, 0, 255).astype(int)
    inside = disc_mask(size)
    picture[top : top + size, left : left + size][inside] = colours[index[inside]]
    strip = colours[np.arange(length) * 256 // length]
    if horizontal:
        bar = (int(1.5 * size), left, int(1.5 * size) + 18, left + length)
        picture[bar[0] : bar[2], bar[1] : bar[3]] = strip[None]
    else:
        bar = (top, int(1.5 * size), top + length, int(1.5 * size) + 20)
        picture[bar[0] : bar[2], bar[1] : bar[3]] = strip[::-1, None]
    centre, radius = (top + size / 2 - 0.5, left + size / 2 - 0.5), size / 2

    image = Image.fromarray(picture)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size=14)
    pen.text((8, 6), "Stress MBF [mL/min/g]", fill=text, font=font)
    for place, word in {
        (left + radius - 14, top - 20): "ANT", (left + radius - 12, top + size + 4): "INF",
        (left - 34, top + radius - 8): "SEP", (left + size + 6, top + radius - 8): "LAT",
    }.items():  # fmt: skip
        pen.text(place, word, fill=text, font=font)
    if has_frame:
        pen.rectangle((bar[1] - 1, bar[0] - 1, bar[3], bar[2]), outline=text)
    if not horizontal:
        for k in range(5):
            row = bar[2] - 1 - k * (length - 1) / 4
            pen.line((bar[3] + 1, row, bar[3] + 5, row), fill=text)
            pen.text((bar[3] + 9, row - 8), f"{k * high / 4:.2f}", fill=text, font=font)
    if lines:
        draw_segments(pen, centre, radius, ink, font)
    drawn = np.asarray(image)
    return drawn, (*centre, radius), bar, (drawn != picture).any(axis=2)


def draw_segments(pen, centre, radius, ink, font):
    row, column = centre
    for share in (0.25, 0.5, 0.75):
        r = share * radius
        pen.ellipse((column - r, row - r, column + r, row + r), outline=ink)
    spokes = [(a, 0.5, 1) for a in range(0, 360, 60)] + [
        (a, 0.25, 0.5) for a in (45, 135, 225, 315)
    ]
    for angle, first, last in spokes:
        x, y = radius * np.cos(np.radians(angle)), -radius * np.sin(np.radians(angle))
        ends = [(column + share * x, row + share * y) for share in (first, last)]
        pen.line(ends, fill=ink)
    for word, x, y in (("LAD", -0.06, -0.45), ("LCX", 0.55, -0.06), ("RCA", -0.4, 0.55)):
        pen.text((column + x * radius, row + y * radius), word, fill=ink, font=font)


def saved(picture, how):
    """The picture as it comes back from a file: "png", or the quality of a JPEG (4:2:0)."""
    file = io.BytesIO()
    how = {"format": "PNG"} if how == "png" else {"format": "JPEG", "quality": how}
    Image.fromarray(picture).save(file, **how)
    return np.asarray(Image.open(file).convert("RGB"))


def errors_in_percent(recovered, values, covered, disc, high=4.0, reach=1.0):
    """Absolute error in percent of full scale, outside and inside overlays."""
    size = len(recovered.values)
    row, column, radius = disc
    place = ((np.argwhere(covered) - (row, column)) / radius + 1) * size / 2
    place = place[((place >= 0) & (place < size)).all(axis=1)].astype(int)
    under = np.zeros((size, size), bool)
    under[tuple(place.T)] = True
    error = 100 * np.abs(recovered.values - resampled(values, size, reach)) / high
    inside = disc_mask(size)
    return error[inside & ~under], error[inside & under]


@pytest.fixture(scope="module")
def smooth():
    """A map of 64 x 64 between 0.4 and 2.9 mL/min/g with a defect; no noise."""
    radius, angle = polar_coordinates(64)
    wall = 2.4 + 0.5 * np.cos(np.radians(angle - 90)) * radius
    return wall - 1.8 * np.exp(-((radius - 0.6) ** 2 / 0.06 + ((angle - 250) / 40) ** 2))


@pytest.fixture(scope="module")
def plain_screen(smooth):
    """A screen without lines on the map: picture, disc and bar."""
    return SimpleNamespace(
        **dict(zip(("picture", "disc", "bar"), draw_screen(smooth, lines=False)[:3], strict=True))
    )


def test_a_colour_a_fifth_along_the_bar_is_a_fifth_of_the_scale():
    """By hand: the bar runs from blue (0, 0, 255) to red (255, 0, 0) over 0 to 10.

    (51, 0, 204) is 51 / 255 = 1/5 of the way: 2. (204, 0, 51) is 4/5 of the way: 8.
    """
    picture = np.full((120, 200, 3), 255, np.uint8)
    red = np.linspace(0, 255, 100).round().astype(np.uint8)
    picture[10:110, 170:182] = np.stack([red, 0 * red, 255 - red], axis=1)[::-1, None]
    rows, columns = np.indices((120, 200))
    inside = np.hypot(rows - 60, columns - 70) <= 45
    picture[inside] = (51, 0, 204)
    picture[inside & (columns > 70)] = (204, 0, 51)

    found = recover_map(picture, low=0, high=10, size=16)

    assert found.values[8, 3] == pytest.approx(2, abs=0.05)
    assert found.values[8, 12] == pytest.approx(8, abs=0.05)
    assert found.bar == (10, 170, 110, 182)
    assert found.disc == pytest.approx((60, 70, 45), abs=0.5)
    assert found.filled < 0.01


def test_low_is_the_low_end_of_the_bar(smooth, plain_screen):
    """The same picture on 1 to 3 instead of 0 to 4: v becomes 1 + v / 2."""
    base = recover_map(plain_screen.picture, low=0, high=4)
    moved = recover_map(plain_screen.picture, low=1, high=3)
    inside = disc_mask(64)
    np.testing.assert_allclose(moved.values[inside], 1 + base.values[inside] / 2, atol=1e-5)


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("how", ["png", 75])
@pytest.mark.parametrize("table", ["hot iron", "pet"])
def test_smooth_map_comes_back(smooth, table, how, ground):
    back, ink = GROUNDS[ground]
    picture, disc, bar, covered = draw_screen(smooth, table, ground=back, ink=ink)
    found = recover_map(saved(picture, how), low=0, high=4)
    outside, under = errors_in_percent(found, smooth, covered, disc)
    assert outside.mean() < (0.3 if how == "png" else 1.0)
    assert under.mean() < 2.5
    assert found.disc == pytest.approx(disc, abs=0.5)
    assert found.bar == (bar if how == "png" else pytest.approx(bar, abs=1))
    share = (covered & _disc_pixels(covered.shape, disc)).sum() / (np.pi * disc[2] ** 2)
    assert 0.8 * share < found.filled < MOST_FILLED


def _disc_pixels(shape, disc):
    rows, columns = np.indices(shape)
    return np.hypot(rows - disc[0], columns - disc[1]) <= disc[2]


@pytest.mark.realdata
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("how", ["png", 75])
@pytest.mark.parametrize("table", ["hot iron", "pet", "hot metal blue"])
def test_real_maps_come_back_within_one_and_a_half_percent(ottawa, table, how, ground):
    """One table: all four maps, whose ventricle fills 19.6 of 24 pixels; errors in mL/min/g."""
    back, ink = GROUNDS[ground]
    for name in ("study773_rest", "study773_stress", "study4494_rest", "study4494_stress"):
        values = np.loadtxt(ottawa / f"{name}.csv", delimiter=",")
        picture, disc, _, covered = draw_screen(
            values, table, ground=back, ink=ink, size=320, reach=0.8167
        )
        found = recover_map(saved(picture, how), low=0, high=4)
        outside, under = errors_in_percent(found, values, covered, disc, reach=0.8167)
        told = [
            f"{part.mean() * 0.04:.3f} (max {part.max() * 0.04:.2f})" for part in (outside, under)
        ]
        sys.stdout.write(
            f"{name:17} {table:14} {how!s:4} {ground:5} outside {told[0]}, under lines {told[1]} "
            f"mL/min/g, filled {100 * found.filled:.1f} %\n"
        )
        assert outside.mean() < ALLOWED
        assert outside.max() < (6 if how == "png" else 12)
        assert under.mean() < 3
        assert found.filled < MOST_FILLED


@pytest.mark.realdata
def test_piece_of_the_map_between_lines_is_no_bar(ottawa):
    """White lines on a white background cut out a rectangle of smooth colours."""
    values = np.loadtxt(ottawa / "study4494_stress.csv", delimiter=",")
    picture, _, bar, _ = draw_screen(values, "pet", ground=WHITE, ink=WHITE, size=400, reach=0.8167)
    assert recover_map(picture, low=0, high=4).bar == bar


@pytest.mark.realdata
@pytest.mark.parametrize("table", ["pet 20 step", "jet", "gray"])
def test_other_tables_on_real_maps(ottawa, table):
    values = np.loadtxt(ottawa / "study4494_stress.csv", delimiter=",")
    picture, disc, _, covered = draw_screen(values, table, size=320, reach=0.8167)
    found = recover_map(saved(picture, 90), low=0, high=4)
    outside, _ = errors_in_percent(found, values, covered, disc, reach=0.8167)
    assert outside.mean() < ALLOWED
    steps = "the bar has about 20 colours: steps of 0.2"
    assert (steps in found.note) == (table == "pet 20 step")


@pytest.mark.parametrize("ground", [BLACK, WHITE, (40, 40, 60)])
@pytest.mark.parametrize("table", ["jet", "gray", "hot iron"])
@pytest.mark.parametrize(("size", "quality"), [(250, 75), (256, 90)])
def test_frame_is_told_from_bar_in_jpeg(smooth, table, ground, size, quality):
    """4:2:0 smears the colours of a frame, one pixel thick, over the end of the bar."""
    picture, disc, bar, _ = draw_screen(smooth, table, ground=ground, size=size, lines=False)
    found = find_bar(saved(picture, quality), disc)
    assert found.has_frame
    assert found.box[::2] == pytest.approx(bar[::2], abs=1)


def test_nothing_outside_the_disc_is_kept(plain_screen):
    found = recover_map(plain_screen.picture, low=1, high=5)
    outside = ~disc_mask(64)
    assert (found.values[outside] == 0).all()
    assert (found.values[~outside] > 1).all()
    assert found.values.dtype == np.float32


@pytest.mark.parametrize("horizontal", [False, True])
def test_bar_without_a_frame_is_followed_to_where_it_fades(smooth, horizontal):
    picture, _, bar, _ = draw_screen(smooth, "hot iron", has_frame=False, horizontal=horizontal)
    found = recover_map(saved(picture, 90), low=0, high=4)
    assert found.bar == pytest.approx(bar, abs=1)
    assert "the low end of the bar fades into the background" in found.note


def test_stated_disc_and_bar_are_used_where_several_are(smooth, plain_screen):
    twice = np.concatenate([plain_screen.picture, plain_screen.picture])
    found = recover_map(twice, low=0, high=4, disc=plain_screen.disc, bar=plain_screen.bar)
    assert (found.disc, found.bar) == (plain_screen.disc, plain_screen.bar)
    assert np.abs(found.values - smooth)[disc_mask(64)].mean() < 0.01


def test_screen_in_a_panel_and_a_map_in_a_frame(smooth, plain_screen):
    picture = plain_screen.picture.copy()
    pen = ImageDraw.Draw(image := Image.fromarray(picture))
    pen.rectangle((8, 8, picture.shape[1] - 9, picture.shape[0] - 9), outline=(128, 128, 128))
    row, column, radius = plain_screen.disc
    pen.line((8, row, column - radius, row), fill=(128, 128, 128))
    desktop = np.full((700, 900, 3), 200, np.uint8)
    desktop[50 : 50 + picture.shape[0], 60 : 60 + picture.shape[1]] = np.asarray(image)
    found = recover_map(desktop, low=0, high=4)
    assert found.disc == pytest.approx((row + 50, column + 60, radius), abs=0.5)
    assert np.abs(found.values - smooth)[disc_mask(64)].mean() < 0.01


def test_thick_lines_are_filled(smooth, plain_screen):
    """Four pixels thick and yellow, a colour of the table Hot Iron."""
    row, column, radius = (int(number) for number in plain_screen.disc)
    picture = plain_screen.picture.copy()
    picture[row : row + 4, column - radius : column + radius] = colour_table("hot iron")[230]
    found = recover_map(picture, low=0, high=4, disc=plain_screen.disc)
    assert np.abs(found.values - smooth)[disc_mask(64)].max() < 0.1


def test_mark_across_the_bar_is_not_of_the_table(smooth, plain_screen):
    """Half way up, where the table Hot Iron is orange, two rows are white."""
    top, left, bottom, right = plain_screen.bar
    picture = plain_screen.picture.copy()
    middle = (top + bottom) // 2
    picture[middle : middle + 2, left:right] = WHITE
    found = recover_map(picture, low=0, high=3, size=64)
    plain = recover_map(plain_screen.picture, low=0, high=3)
    np.testing.assert_allclose(found.values, plain.values, atol=0.04)


def test_circle_drawn_around_the_map_is_not_its_edge(smooth, plain_screen):
    row, column, radius = plain_screen.disc
    image = Image.fromarray(plain_screen.picture)
    r = radius + 10
    box = (column - r, row - r, column + r, row + r)
    ImageDraw.Draw(image).ellipse(box, outline=WHITE, width=3)
    found = recover_map(np.asarray(image), low=0, high=4)
    assert found.disc == pytest.approx(plain_screen.disc, abs=0.5)


def test_map_in_two_pieces_is_one_disc(plain_screen):
    row, column, radius = plain_screen.disc
    image, r = Image.fromarray(plain_screen.picture), radius / 2
    box = (column - r, row - r, column + r, row + r)
    ImageDraw.Draw(image).ellipse(box, outline=BLACK, width=8)
    found = recover_map(np.asarray(image), low=0, high=4)
    assert found.disc == pytest.approx(plain_screen.disc, abs=0.5)


def test_black_lines_on_black_do_not_part_the_map(smooth):
    picture, disc, _, _ = draw_screen(smooth, ink=BLACK)
    assert recover_map(picture, low=0, high=4).disc == pytest.approx(disc, abs=0.5)


@pytest.mark.parametrize("how", ["png", 75])
@pytest.mark.parametrize(("box", "ink"), [(BLACK, WHITE), (WHITE, BLACK)])
def test_label_on_the_map_is_filled(smooth, plain_screen, how, box, ink):
    """A box is no thin line, and black and white both lie on the table Hot Iron."""
    row, column, _ = (int(number) for number in plain_screen.disc)
    image = Image.fromarray(plain_screen.picture)
    pen = ImageDraw.Draw(image)
    pen.rectangle((column + 20, row - 60, column + 90, row - 40), fill=box)
    pen.text((column + 24, row - 57), "S7: 1.24", fill=ink, font=ImageFont.load_default(size=14))
    found = recover_map(saved(np.asarray(image), how), low=0, high=4)
    assert np.abs(found.values - smooth)[disc_mask(64)].max() < 0.25
    assert 0.025 < found.filled < 0.09


def test_map_partly_black_on_black_is_one_disc(smooth):
    """A scar without flow at the edge, 100 degrees wide, looks like the background."""
    _, angle = polar_coordinates(64)
    scar = np.where(np.abs(angle - 220) < 50, 0, smooth)
    picture, disc, _, _ = draw_screen(scar, "gray", lines=False)
    found = recover_map(picture, low=0, high=4)
    assert found.disc == pytest.approx(disc, abs=0.5)
    assert found.values[48, 10] < 0.05


def test_saturated_part_is_told(smooth):
    picture, *_ = draw_screen(smooth, lines=False, high=2.0)
    note = recover_map(picture, low=0, high=2).note
    assert "of the disc is at the high end of the scale, perhaps beyond" in note
    assert "low end" not in note


def test_no_bar_is_refused(plain_screen):
    top, left, bottom, right = plain_screen.bar
    picture = plain_screen.picture.copy()
    picture[top - 5 : bottom + 5, left - 5 : right + 5] = 0
    with pytest.raises(ValueError, match="no colour bar was found"):
        recover_map(picture, low=0, high=4)


def test_no_disc_is_refused(plain_screen):
    row, column, radius = (int(number) for number in plain_screen.disc)
    picture = plain_screen.picture.copy()
    picture[row : row + radius + 2, column - radius : column + radius + 2] = 0
    with pytest.raises(ValueError, match="no disc was found"):
        recover_map(picture, low=0, high=4)


def test_two_discs_are_refused(plain_screen):
    other = plain_screen.picture.copy()
    other[:, plain_screen.bar[1] - 5 :] = 0
    with pytest.raises(ValueError, match=r"several discs \(2\).*say which by disc"):
        recover_map(np.concatenate([plain_screen.picture, other], axis=1), low=0, high=4)


def test_two_bars_are_refused(plain_screen):
    top, left, bottom, right = plain_screen.bar
    picture = np.concatenate([plain_screen.picture, np.zeros_like(plain_screen.picture)], axis=1)
    picture[top:bottom, left + 300 : right + 300] = picture[top:bottom, left:right]
    with pytest.raises(ValueError, match=r"several colour bars \(2\).*say which by bar"):
        recover_map(picture, low=0, high=4)


def test_more_than_a_tenth_drawn_over_is_refused(plain_screen):
    """Lines of 1 pixel every 8 cover an eighth of the disc; every 16, a sixteenth."""
    row, column, radius = (int(number) for number in plain_screen.disc)
    every = {}
    for step in (8, 16):
        picture = plain_screen.picture.copy()
        picture[row - radius : row + radius : step, column - radius : column + radius] = WHITE
        every[step] = picture
    assert recover_map(every[16], low=0, high=4, disc=plain_screen.disc).filled == pytest.approx(
        1 / 16, abs=0.01
    )
    with pytest.raises(ValueError, match=r"1\d% of the disc is drawn over.*above 10%"):
        recover_map(every[8], low=0, high=4, disc=plain_screen.disc)


def test_colours_that_are_not_on_the_bar_are_refused(plain_screen):
    row, column, _ = (int(number) for number in plain_screen.disc)
    picture = plain_screen.picture.copy()
    box = picture[row - 60 : row + 60, column - 60 : column + 60]
    box[:] = (0, 160, 0)
    with pytest.raises(ValueError, match="drawn over or not in the colours of the bar"):
        recover_map(picture, low=0, high=4)


@pytest.mark.parametrize(
    ("low", "high"), [(np.nan, 4), (0, np.nan), (0, np.inf), (-np.inf, 4), (4, 0), (2, 2)]
)
def test_scale_that_is_none_is_refused(plain_screen, low, high):
    with pytest.raises(ValueError, match=r"the scale from .* is none"):
        recover_map(plain_screen.picture, low=low, high=high)


def test_table_that_shows_colours_twice_is_refused(smooth):
    picture, *_ = draw_screen(smooth, "flag", lines=False)
    with pytest.raises(ValueError, match="colours that the bar shows twice"):
        recover_map(picture, low=0, high=4)


def test_steps_without_a_frame_are_refused(smooth):
    """The lowest step of this table is black: on black it cannot be seen that the bar has it."""
    picture, _, bar, _ = draw_screen(smooth, "pet 20 step", has_frame=False)
    with pytest.raises(ValueError, match="the bar has steps and no frame"):
        recover_map(picture, low=0, high=4)
    found = recover_map(picture, low=0, high=4, bar=bar)
    assert np.abs(found.values - smooth)[disc_mask(64)].mean() < 0.05


def test_bar_that_passes_through_the_background_is_refused(smooth):
    picture, *_ = draw_screen(smooth, "gray", ground=(30, 30, 30), has_frame=False)
    with pytest.raises(ValueError, match="passes through the colour of the background"):
        recover_map(picture, low=0, high=4)


@pytest.mark.parametrize(
    ("disc", "bar", "match"),
    [
        ((10, 10, 160), None, "the disc .* does not lie on the screen"),
        ((np.nan, 200, 160), None, "the disc .* does not lie on the screen"),
        ((240, 200, 5), None, "radius is below 24"),
        (None, (0, 0, 9999, 20), "the bar .* does not lie on the screen"),
        (None, (20, 20, 10, 10), "the bar .* does not lie on the screen"),
        (None, (0, 0, 12, 4), "too small to read"),
        (None, (40, 10, 100, 16), "hardly changes its colour"),
        ((415, 60, 28), None, "more than 50% of the disc is at the low end"),
    ],
)
def test_disc_or_bar_in_the_wrong_place_is_refused(plain_screen, disc, bar, match):
    with pytest.raises(ValueError, match=match):
        recover_map(plain_screen.picture, low=0, high=4, disc=disc, bar=bar)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((100, 100), np.uint8),
        np.zeros((100, 100, 4), np.uint8),
        np.zeros((100, 100, 3)),
        np.zeros((0, 0, 3), np.uint8),
    ],
    ids=["grey", "rgba", "float", "empty"],
)
def test_what_is_no_rgb_picture_is_refused(picture):
    with pytest.raises(ValueError, match="convert the picture to RGB"):
        recover_map(picture, low=0, high=4)


def _photograph():
    """Soft coloured blotches, then the grain of a sensor."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((1280, 960), Image.Resampling.BICUBIC))
    return np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def _letter():
    image = Image.new("RGB", (1000, 800), "white")
    pen = ImageDraw.Draw(image)
    for row in range(10, 790, 16):
        pen.text(
            (10, row), "Perfusion at rest and stress is normal in all 17 segments. " * 2, fill=0
        )
    return np.asarray(image)


@pytest.mark.parametrize("draw", [_photograph, _letter, lambda: np.zeros((3, 3, 3), np.uint8)])
def test_pictures_of_something_else_are_refused_in_one_line(draw):
    with pytest.raises(ValueError, match=r"^no disc was found on the screen: say where") as refusal:
        recover_map(draw(), low=0, high=4)
    assert "\n" not in str(refusal.value)
