"""One trait of one run explained: maps, groups, checks and the page about them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from polarnet.anatomy import segment_means
from polarnet.cohort import Cohort
from polarnet.config import differing
from polarnet.display import trait_name
from polarnet.explain import checks, groups, occlusion
from polarnet.explain.attribution import (
    BETWEEN,
    STRONGEST,
    attribution,
    cascade,
    check_method,
    randomised_runs,
)
from polarnet.files import check_vacant, new_folder, write_csv
from polarnet.network import Run, predict
from polarnet.network.pipeline import input_maps
from polarnet.plotting.overlays import (
    plot_cascade,
    plot_contributions,
    plot_difference_map,
    plot_group_bullseyes,
    plot_overlays,
)
from polarnet.progressbar import progress_bar
from polarnet.report.explanationpage import (
    ADDED,
    BY_GROUP,
    groups_in_words,
    write_explanation,
)
from polarnet.report.sentences import group_finding
from polarnet.rundata import NEW, TEST, logit_words, parts_of, seen_note
from polarnet.traits import COMBINED

PATIENTS: Final = 200
"""Patients whose first study is explained, unless more are asked for (our choice)."""

CHECKED: Final = 100  # patients on whom the checks are made (our choice)
RANDOM_ORDERS: Final = 3
"""Orders of the segments that stand for chance in `check_faithful` (our choice)."""

RANDOM_HEADS: Final = 5
"""Random heads that a trait without trunk is compared with (our choice): the map of a single one
may be like the trained one by chance."""

REPLACED: Final = (0, 1, 2, 4, 6, 9, 13, 17)
"""Numbers of replaced segments at which `check_faithful` compares scores (our choice)."""

DIGITS: Final = "%.6g"  # of numbers in tables
SHOWN: Final = 2  # studies drawn with the highest scores, and with the lowest


def explain_run(
    run: Run | str | Path,
    cohort: Cohort,
    out: str | Path,
    *,
    trait: str,
    method: str = "occlusion",
    patients: int | None = PATIENTS,
    other_seeds: Sequence[Run | str | Path] = (),
    permuted: Run | str | Path | None = None,
    command: str = "",
    seed: int = 0,
    show_progress: bool = True,
) -> list[checks.Check]:
    """Explain one trait by one method, test the explanation, and write a folder about it.

    Parameters
    ----------
    run, cohort, trait, method
        As for `attribution`. Where the cohort has studies that the training has not seen, those
        alone are explained.
    out
        Folder to be made: attribution.npy (n, size, size), segments.csv (one row per study),
        wide.csv (the same for `wide_contribution`), groups.csv (where the trait is recorded),
        cascade.csv, and what `write_explanation` writes.
    patients
        Explain the first study of at most this many patients, drawn by the seed. None: all studies,
        those of the training included.
    other_seeds
        Runs that differ in their seed alone: the groups are then compared by the mean map over
        seeds, and repeatability is checked.
    permuted
        A run trained on labels shuffled between patients, for that check.
    command
        The line by which the page can be made again.
    seed
        Of the patients drawn, of random weights and orders, and of noise.

    Returns
    -------
    The checks, with a verdict each.

    Raises
    ------
    ValueError: as for `attribution`; fewer than one patient is asked for; or the runs have the same
        seed, or differ in more than the seed.
    FileExistsError: `out` is not empty.
    """
    check_vacant(out)
    if patients is not None and patients < 1:
        raise ValueError(f"At least one patient must be explained, but {patients} were asked for.")
    given = [run, *other_seeds] + ([] if permuted is None else [permuted])
    networks = [occlusion.fitting_run(one, cohort, trait) for one in given]
    for network in networks:  # what would otherwise be refused after minutes of work
        check_method(network, trait, method)
        if method == "occlusion":
            occlusion.usual_segments(network, trait)
    shuffled = None if permuted is None else networks.pop()
    first, config = networks[0], networks[0].config
    if odd := differing([network.config for network in networks]):
        raise ValueError(f"The runs differ in {odd}; runs of other seeds differ in seed alone.")
    seeds = [network.config.seed for network in networks]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Two runs have the same seed ({seeds}): they are one network.")
    cohort = whole = cohort.with_traits([trait])
    n_patients = whole.patients.nunique()
    maps = f"{config.map_type}, all {len(whole)} studies of {n_patients} patients"
    if patients is not None:
        part = parts_of(first.seen, whole)
        is_unseen = part.isin([TEST, NEW]).to_numpy()
        kind = "test patients" if (part[is_unseen] == TEST).any() else "patients"
        if is_unseen.any():
            whole = whole.select(is_unseen)
            n_patients = whole.patients.nunique()
        cohort = whole.select(groups.drawn_patients(whole.patients, patients, seed=seed))
        maps = f"{config.map_type}, the first study of {len(cohort)} of {n_patients} {kind}"
        maps += "" if len(cohort) == n_patients else f", drawn at random (seed {seed})"
    explain = partial(attribution, trait=trait, method=method, seed=seed)
    with new_folder(out) as folder:
        # Each map of attribution, the layers of the cascade, checks, figures and files.
        n_random = 0 if first.heads.loc[trait, "share"] else RANDOM_HEADS - 1
        n_steps = len(networks) + n_random + (shuffled is not None) + 4
        bar = progress_bar(total=n_steps, desc="Explaining", unit="step", disable=not show_progress)
        heats = []
        for one in networks:
            heats.append(explain(one, cohort, show_progress=show_progress))
            bar.update()
        few = groups.drawn_patients(cohort.patients, CHECKED, seed=seed)
        checked, heat = cohort.select(few), heats[0][few]
        steps, forgot = cascade(
            first, checked, trait, method, heat, seed=seed, show_progress=show_progress
        )
        bar.update()
        shares = [network.heads.loc[trait, "share"] for network in networks]
        random = [forgot]
        for k in range(1, n_random + 1):
            _, forgetful = next(randomised_runs(first, trait, seed=seed + k))
            random.append(explain(forgetful, checked))
            bar.update()
        level = checks.random_pair_level(heat, seed=seed)
        flow = input_maps(checked, config)[:]
        found = [
            checks.check_randomised(heat, np.stack(random), level, seed=seed),
            checks.not_judged(checks.SHUFFLED, "no network trained on shuffled labels was given")
            if shuffled is None
            else checks.check_permuted(heat, explain(shuffled, checked), level, seed=seed),
            checks.check_repeatable([one[few] for one in heats], seed=seed)
            if other_seeds
            else checks.not_judged(checks.OTHER_SEEDS, "no networks of other seeds were given"),
            *(checks.check_not_input(heat, flow[..., k], seed=seed) for k in range(flow.shape[-1])),
            checks.check_not_edge(heat, seed=seed),
            _check_faithful(first, checked, trait, heat, seed),
        ]
        bar.update(1 + (shuffled is not None))
        mean = groups.average_seeds(heats) if other_seeds else heats[0]
        segments = groups.segment_attribution(mean)
        is_pixelwise = method != "occlusion"  # which has one value for each segment
        compared, figures, lacking = _groups(
            cohort, trait, mean, segments, forgot, seed, is_pixelwise
        )
        wide, contributions = _contributions(first, cohort, trait, heats[0], method)
        cascading = plot_cascade(steps, level=level).get_figure(root=True)
        assert isinstance(cascading, Figure)
        figures |= contributions | {
            "Single studies, highest and lowest scores": _singles(
                first, checked, trait, heat, forgot
            ),
            "Agreement with networks that forgot, layer by layer": cascading,
        }
        bar.update()
        np.save(folder / "attribution.npy", mean.astype(np.float32))
        tables = {
            "cascade": steps,
            "groups": compared,
            "segments": _by_study(segments, cohort).join(groups.territory_shares(segments)),
            "wide": None if wide is None else _by_study(wide, cohort),
        }
        for name, table in tables.items():
            if table is not None:
                write_csv(table, folder / f"{name}.csv", float_format=DIGITS)
        facts = {
            "trait": trait_name(trait),
            "method": method,
            "networks": f"{len(networks)} ({config.mode})",
            "share of the trunk": ", ".join(
                f"{share:g}" + ("" if share else " (bullseye alone)") for share in shares
            ),
            "parts of the logit": logit_words(first.heads.loc[trait]),
            "clinical columns": f"{', '.join(config.clinical)}: held at each patient's own values; "
            "what is explained is the part of the map",
            "channels": f"the {STRONGEST} whose activations vary most in the map",
            "maps": maps,
            "checks": f"of the first network, on {len(few)} patients; layers between the heads "
            f"and the first convolution on {min(BETWEEN, len(few))}",
            "patients": seen_note(parts_of(first.seen, cohort)) or "none of them of the training",
            "command": command,
        }
        no_matter = {"channels": method != "scorecam",
                     "clinical columns": not config.clinical,
                     "parts of the logit": not config.clinical,
                     "share of the trunk": config.mode == "scratch"}  # fmt: skip
        write_explanation(
            folder,
            figures=figures,
            tables={} if compared is None else dict([groups_in_words(compared)]),
            checks=found,
            facts={name: fact for name, fact in facts.items() if not no_matter.get(name)},
            is_phantom=cohort.is_phantom,
            finding=group_finding(compared, trait, lacking=lacking),
        )
        bar.update()
        bar.close()
    return found


def _check_faithful(
    run: Run, cohort: Cohort, trait: str, heat: np.ndarray, seed: int
) -> checks.Check:
    """Segments replaced in the order of their attribution, against orders by chance."""
    if run.segments is None:
        reason = "the run does not say what its training studies looked like"
        return checks.not_judged(checks.FAITHFUL, reason)
    rng = np.random.default_rng(seed)
    order = np.argsort(-groups.segment_attribution(heat), axis=1, kind="stable") + 1
    curve = occlusion.removal_curve(run, cohort, trait, order, steps=REPLACED)
    by_chance = np.repeat(curve[None], RANDOM_ORDERS, axis=0)  # all orders share both ends
    for other in by_chance:
        other[:, 1:-1] = occlusion.removal_curve(
            run, cohort, trait, rng.permuted(order, axis=1), steps=REPLACED[1:-1]
        )
    return checks.check_faithful(curve, by_chance.mean(axis=0), steps=REPLACED, seed=seed)


def _groups(
    cohort: Cohort, trait: str, heat: np.ndarray, segments: np.ndarray, forgot: np.ndarray,
    seed: int, is_pixelwise: bool,
) -> tuple[pd.DataFrame | None, dict[str, Figure], str]:  # fmt: skip
    """Those with the trait against those without; or why they cannot be compared."""
    labels = cohort.traits.reindex(columns=[trait])[trait]
    counts = np.isfinite(segments).all(axis=1) & labels.notna().to_numpy()
    is_first = counts & ~cohort.patients.where(counts).duplicated().to_numpy()
    name, random = trait_name(trait), pd.DataFrame(groups.segment_attribution(forgot)).dropna()
    try:
        table = groups.compare_groups(segments[is_first], labels[is_first], seed=seed)
        figures = {
            f"{BY_GROUP}: {name}": plot_group_bullseyes(
                table, label=name, randomised=random.mean() if len(random) else None
            ),
        }
        if is_pixelwise:
            figures[f"The same by pixel: {name}"] = plot_difference_map(
                heat[is_first], labels[is_first], label=name
            )
    except ValueError as error:  # such as maps without any attribution: the rest stands
        return None, {}, str(error).rstrip(".")
    return table, figures, ""


def _contributions(
    run: Run, cohort: Cohort, trait: str, heat: np.ndarray, method: str
) -> tuple[np.ndarray | None, dict[str, Figure]]:
    """What the bullseye adds to each score, and its means over groups beside those of occlusion."""
    if run.config.mode == "scratch" or run.segments is None:
        return None, {}
    added = occlusion.wide_contribution(run, cohort, trait)
    ways = {"bullseye, exact": added}
    if method == "occlusion":
        ways["network, occlusion"] = segment_means(heat)
    is_first, name = ~cohort.patients.duplicated().to_numpy(), trait_name(trait)
    labels = cohort.traits.reindex(columns=[trait])[trait].to_numpy()
    parts = {f"with {name}": is_first & (labels == 1), "without": is_first & (labels == 0)}
    if not all(part.any() for part in parts.values()):
        parts = {"all studies": is_first}
    figure = plot_contributions(
        {f"{part}\n{way}": values[rows].mean(axis=0)
         for part, rows in parts.items() for way, values in ways.items()}
    )  # fmt: skip
    return added, {f"{ADDED}: {name}": figure}


def _singles(run: Run, cohort: Cohort, trait: str, heat: np.ndarray, forgot: np.ndarray) -> Figure:
    """The studies with the highest and the lowest scores, without their ids."""
    scores = predict(run, cohort)[trait].to_numpy()
    order = np.argsort(-scores, kind="stable")
    rows = list(dict.fromkeys([*order[:SHOWN], *order[-SHOWN:]]))
    shown = "stress" if run.config.map_type == COMBINED else run.config.map_type
    return plot_overlays(
        np.asarray(cohort.maps[shown][:]), heat, rows=rows, randomised=forgot, map_type=shown,
        titles=[f"score {scores[row]:.2f}" for row in rows],
        unit="" if shown == "reserve" else cohort.unit,
    )  # fmt: skip


def _by_study(values: np.ndarray, cohort: Cohort) -> pd.DataFrame:
    """One row per study with the values of its 17 segments."""
    table = pd.DataFrame(values, columns=[f"segment_{k}" for k in range(1, 18)])
    table.insert(0, "study_id", cohort.patients.index)
    return table
