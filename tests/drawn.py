"""What a figure shows: marks by name, texts, and whether texts overlap."""

from itertools import combinations

from matplotlib.text import Text


def marked(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def panels(figure):
    """Axes in the order drawn, without colour bars."""
    return [ax for ax in figure.axes if not ax.get_label().startswith("<colorbar")]


def corners(band):
    """Corners of a band as pairs, without the ones that matplotlib repeats."""
    return {tuple(corner) for corner in band.get_paths()[0].vertices.round(9)}


def extents(figure):
    """Extent in pixels of every text that is seen, after the layout was done."""
    figure.draw_without_rendering()  # at the figure's own dots per inch
    found = [t for t in figure.findobj(Text) if not t.axes or t.axes.axison]
    found += [t for ax in figure.axes if not ax.axison for t in (*ax.texts, ax.title)]
    for bar in set(figure.axes) - set(panels(figure)):
        found = [text for text in found if text.axes is not bar]  # a bar keeps hidden texts
    places = {t: t.get_window_extent() for t in found if t.get_text() and t.get_visible()}
    # A tick outside the limits is not drawn and has the extent of a point, or lies outside.
    ticks = {label for ax in panels(figure) for axis in (ax.xaxis, ax.yaxis)
             for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)
             if not ax.axison or not label.get_visible()
             or not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
             }  # fmt: skip
    return {t: box for t, box in places.items() if box.width > 1 and t not in ticks}


def assert_texts_stand_apart(figure, places=None):
    """No text overlaps another or leaves the figure."""
    places = extents(figure) if places is None else places
    whole = figure.bbox
    for text, box in places.items():
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1, text
    for (one, a), (two, b) in combinations(places.items(), 2):
        assert not a.overlaps(b), (one, two)
