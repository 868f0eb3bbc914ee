"""One trait of one run explained: maps, groups, checks and the page about them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from polarnet.cohort import Cohort
from polarnet.csvfile import write_csv
from polarnet.explain import (
    Check,
    Level,
    average_seeds,
    check_faithful,
    check_not_edge,
    check_not_input,
    check_permuted,
    check_randomised,
    check_repeatable,
    compare_groups,
    random_pair_level,
    segment_attribution,
    territory_shares,
)
from polarnet.explain.attribution import METHODS, attribution
from polarnet.explain.checks import FAITHFUL, OTHER_SEEDS, SHUFFLED
from polarnet.explain.logits import check_trait
from polarnet.explain.occlusion import removal_curve, usual_segments
from polarnet.explain.randomisation import cascade
from polarnet.explain.verdicts import not_judged
from polarnet.folders import check_vacant, new_folder
from polarnet.network import Run, load_run, predict
from polarnet.network.inputs import input_maps
from polarnet.report.explanation import plot_difference_map, plot_group_bullseyes
from polarnet.report.explanationchecks import plot_cascade, plot_checks
from polarnet.report.explanationpage import write_explanation
from polarnet.report.overlays import plot_overlays
from polarnet.report.style import plain_text
from polarnet.report.tables import trait_name
from polarnet.rundata import parts_of, seen_note
from polarnet.suitability import check_prediction
from polarnet.traits import COMBINED

CHECKED: Final = 100
"""Patients on whom the checks are made (our choice)."""

RANDOM_ORDERS: Final = 3
"""Orders of the segments that stand for chance in `check_faithful` (our choice)."""

DIGITS: Final = "%.6g"
"""Of numbers in tables."""

SHOWN: Final = 2
"""Studies drawn with the highest scores, and with the lowest."""


def explain_run(
    run: str | Path,
    cohort: Cohort,
    out: str | Path,
    *,
    trait: str,
    method: str = "occlusion",
    other_seeds: Sequence[str | Path] = (),
    permuted: str | Path | None = None,
    command: str = "",
    seed: int = 0,
    show_progress: bool = True,
) -> list[Check]:
    """Explain one trait by one method, test the explanation, and write a folder about it.

    Parameters
    ----------
    run
        Folder of a finished training.
    cohort
        Studies to be explained; best those that the run was not trained on.
    out
        Folder to be made: attribution.npy (n, size, size), segments.csv (a row a study), groups.csv
        (where the trait is recorded), checks.csv, cascade.csv, figures/ and explanation.html.
    trait, method
        As for `attribution`.
    other_seeds
        Runs that differ in their seed alone: the groups are then compared by the mean map over
        seeds, and repeatability is checked.
    permuted
        A run trained on labels shuffled between patients, for that check.
    command
        The line by which the page can be made again.

    Returns
    -------
    The checks, with a verdict each.

    Raises
    ------
    ValueError: as for `attribution`.
    FileExistsError: `out` is not empty.
    """
    check_vacant(out)
    networks = [load_run(one) for one in (run, *other_seeds)]
    first, shuffled = networks[0], None if permuted is None else load_run(permuted)
    _check_networks([*networks, *([] if shuffled is None else [shuffled])], cohort, trait, method)
    cohort = cohort.with_traits([trait])
    with new_folder(out) as folder:
        heats = [
            attribution(network, cohort, trait, method, seed=seed, show_progress=show_progress)
            for network in networks
        ]
        few = np.flatnonzero(~cohort.patients.duplicated().to_numpy())[:CHECKED]
        checked = cohort.select(few)
        steps, forgot = cascade(
            first, checked, trait, method, heats[0][few], seed=seed, show_progress=show_progress
        )
        level = random_pair_level(heats[0][few], seed=seed)
        checks = [
            check_randomised(heats[0][few], forgot, level, seed=seed),
            _check_permuted(shuffled, checked, trait, method, heats[0][few], level, seed),
            _check_repeatable([heat[few] for heat in heats], seed),
            *_check_input(first, checked, heats[0][few], seed),
            _check_faithful(first, checked, trait, heats[0][few], seed),
        ]
        mean = average_seeds(heats) if len(heats) > 1 else heats[0]
        groups, figures, lacking = _groups(cohort, trait, mean, forgot, seed)
        figures |= _singles(first, cohort, trait, heats[0], few, forgot)
        figures["Agreement with networks that forgot, layer by layer"] = plot_cascade(
            steps, level=level
        )
        figures["What was checked"] = plot_checks(checks, method=method)
        np.save(folder / "attribution.npy", mean.astype(np.float32))
        tables = {"checks": pd.DataFrame(checks), "cascade": steps, "groups": groups}
        for name, table in tables.items():
            if table is not None:
                write_csv(table, folder / f"{name}.csv", float_format=DIGITS)
        segments = _segments(cohort, mean)
        write_csv(segments, folder / "segments.csv", index_label="study_id", float_format=DIGITS)
        (folder / "figures").mkdir()
        for k, figure in enumerate(figures.values(), start=1):
            plain_text(figure).savefig(folder / "figures" / f"{k}.png", dpi=150)
        write_explanation(
            folder / "explanation.html",
            figures=figures,
            tables={} if groups is None else {"Share of attribution by segment": groups},
            checks=checks,
            facts={
                "trait": trait_name(trait),
                "method": method,
                "maps": f"{first.config.map_type}, {len(cohort)} studies of "
                f"{cohort.patients.nunique()} patients",
                "networks": f"{len(heats)} ({first.config.mode}); checks on the first, "
                f"{len(few)} patients",
                "patients": seen_note(parts_of(run, cohort)) or "none of them of the training",
                **({"groups": lacking} if lacking else {}),
                "command": command,
            },
            is_phantom=cohort.is_phantom,
        )
    return checks


def _check_networks(networks: Sequence[Run], cohort: Cohort, trait: str, method: str) -> None:
    """Refuse at once what would otherwise be refused after minutes of work."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but '{method}' was given.")
    for network in networks:
        check_trait(network, trait)
        check_prediction(network.config, cohort)
        if method == "occlusion":
            usual_segments(network, trait)


def _check_permuted(
    shuffled: Run | None, cohort: Cohort, trait: str, method: str,
    heat: np.ndarray, level: Level, seed: int,
) -> Check:  # fmt: skip
    if shuffled is None:
        return not_judged(SHUFFLED, "no network trained on shuffled labels was given")
    other = attribution(shuffled, cohort, trait, method, seed=seed)
    return check_permuted(heat, other, level, seed=seed)


def _check_repeatable(heats: list[np.ndarray], seed: int) -> Check:
    if len(heats) < 2:
        return not_judged(OTHER_SEEDS, "no networks of other seeds were given")
    return check_repeatable(heats, seed=seed)


def _check_input(run: Run, cohort: Cohort, heat: np.ndarray, seed: int) -> list[Check]:
    """Not the flow map itself (of combined maps, none of the three), and not the disc's edge."""
    maps = input_maps(cohort, run.config)[:]
    return [
        *(check_not_input(heat, maps[..., k], seed=seed) for k in range(maps.shape[-1])),
        check_not_edge(heat, seed=seed),
    ]


def _check_faithful(run: Run, cohort: Cohort, trait: str, heat: np.ndarray, seed: int) -> Check:
    """Segments replaced in the order of their attribution, against orders by chance."""
    if run.segments is None:
        return not_judged(FAITHFUL, "the run does not say what its training studies looked like")
    rng = np.random.default_rng(seed)
    order = np.argsort(-segment_attribution(heat), axis=1, kind="stable") + 1
    by_chance = [
        removal_curve(run, cohort, trait, rng.permuted(order, axis=1)) for _ in range(RANDOM_ORDERS)
    ]
    curve = removal_curve(run, cohort, trait, order)
    return check_faithful(curve, np.mean(by_chance, axis=0), seed=seed)


def _groups(
    cohort: Cohort, trait: str, heat: np.ndarray, forgot: np.ndarray, seed: int
) -> tuple[pd.DataFrame | None, dict[str, Figure], str]:
    """Those with the trait against those without; or why they cannot be compared."""
    labels = cohort.traits.get(trait)
    if labels is None:
        return None, {}, "not compared: this cohort has no such trait"
    segments = segment_attribution(heat)
    is_known = ~np.isnan(segments).any(axis=1)
    counts = is_known & labels.notna().to_numpy()
    is_first = counts & ~cohort.patients.where(counts).duplicated().to_numpy()
    name = trait_name(trait)
    random = segment_attribution(forgot)
    random = random[~np.isnan(random).any(axis=1)]
    try:
        table = compare_groups(
            segments[is_known], labels[is_known], patients=cohort.patients[is_known], seed=seed
        )
        figures = {
            f"Mean attribution with and without: {name}": plot_group_bullseyes(
                table, label=name, randomised=random.mean(axis=0) if len(random) else None
            ),
            f"The same by pixel: {name}": plot_difference_map(
                heat[is_first], labels[is_first], label=name
            ),
        }
    except ValueError as error:  # such as maps without any attribution: the rest stands
        return None, {}, f"not compared: {error}"
    return table, figures, ""


def _singles(
    run: Run, cohort: Cohort, trait: str, heat: np.ndarray, few: np.ndarray,
    forgot: np.ndarray,
) -> dict[str, Figure]:  # fmt: skip
    """The checked studies with the highest and the lowest scores, without their ids."""
    checked, config = cohort.select(few), run.config
    scores = predict(run, checked)[trait].to_numpy()
    order = np.argsort(-scores, kind="stable")
    rows = list(dict.fromkeys([*order[:SHOWN], *order[-SHOWN:]]))
    titles = [f"score {scores[row]:.2f}" for row in rows]
    shown = "stress" if config.map_type == COMBINED else config.map_type
    figure = plot_overlays(
        np.asarray(checked.maps[shown][:]), heat[few], rows=rows, titles=titles,
        map_type=shown, unit="" if shown == "reserve" else cohort.unit, randomised=forgot,
    )  # fmt: skip
    return {"Single studies, highest and lowest scores": figure}


def _segments(cohort: Cohort, heat: np.ndarray) -> pd.DataFrame:
    """A row a study: shares of the 17 segments and of the three territories."""
    segments = segment_attribution(heat)
    names = [f"segment_{k}" for k in range(1, 18)]
    shares = pd.DataFrame(segments, columns=names).join(territory_shares(segments))
    return shares.set_axis(cohort.patients.index, axis=0)
