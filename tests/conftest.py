"""Shared pieces: a small phantom, tiny settings, real data where it is at hand.

`make test` runs the files of tests/ on two processes, each file on one of them. Fixtures of scope
"session" are made once in each process.
"""

import ctypes
import dataclasses
import gc
import importlib.util
import io
import os
import sys
import zipfile
from pathlib import Path

# One thread for each process: on few cores, waiting threads cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib as mpl
import numpy as np
import openpyxl
import pandas as pd
import psutil
import pytest

import polarnet as pn
from polarnet.config import resolve_config
from polarnet.grid import run_experiment
from polarnet.readers.columnmap import load_column_map
from polarnet.readers.tables import read_sheet

mpl.use("Agg")

LONGEST = ("test_notebook", "test_grid", "test_training", "test_simulation", "test_guides",
           "test_bundle", "test_package", "test_explanation", "test_model",
           "test_heads")  # fmt: skip
"""Files that take longest. They begin first, so that no process works on alone at the end."""

HELD = 120 * 2**20
"""Bytes by which a process may grow before TensorFlow's graphs are thrown away."""

SHARED = Path(__file__).parents[2] / "shared"
"""Real maps and ImageNet weights that some machines have beside the project."""


def pytest_collection_modifyitems(items):
    def place(item):
        return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session")
def memory():
    """What this process held when TensorFlow's graphs were last thrown away."""
    return {"bytes": psutil.Process().memory_info().rss, "is_frozen": False}


@pytest.fixture(autouse=True)
def _forget_graphs(memory):
    """TensorFlow keeps the graphs of every network, without end: 4 GB in a whole test run."""
    yield
    keras = sys.modules.get("keras")
    if keras is not None and psutil.Process().memory_info().rss > memory["bytes"] + HELD:
        keras.utils.clear_session()
        if not memory["is_frozen"]:
            gc.freeze()  # the libraries' own objects, which every later collection would go through
            memory["is_frozen"] = True
        if sys.platform == "linux":
            ctypes.CDLL(None).malloc_trim(0)  # or freed memory stays with the process
        memory["bytes"] = psutil.Process().memory_info().rss


@pytest.fixture
def script():
    """Load a script of experiments/ as a module, without running it."""

    def load(name):
        path = Path(__file__).parents[1] / "experiments" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"experiments_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def imagenet_weights():
    path = SHARED / "weights" / "vgg16_notop.weights.h5"
    if not path.is_file():
        pytest.skip("ImageNet weights are not at hand")
    return path


@pytest.fixture
def spectf():
    """Folder of 160 real SPECT studies (UCI SPECTF Heart)."""
    path = SHARED / "data" / "spectf"
    if not path.is_dir():
        pytest.skip("real maps are not at hand")
    return path


@pytest.fixture
def ottawa():
    """Folder of two real Rb-82 studies, group means and vessel masks (mitre/BayesGrad)."""
    path = SHARED / "data" / "ottawa_pet"
    if not path.is_dir():
        pytest.skip("real maps are not at hand")
    return path


@pytest.fixture
def physionet():
    """File of 100 real SPECT polar maps in percent (PhysioNet, doi 10.13026/ce2z-dw74)."""
    path = SHARED / "data" / "physionet_mps" / "physionet_polar48.npz"
    if not path.is_file():
        pytest.skip("real maps are not at hand")
    return path


@pytest.fixture(scope="session")
def phantom():
    return pn.make_phantom_cohort(120, seed=3, size=32)


@pytest.fixture(scope="session")
def tiny():
    """Settings that train in seconds: 32 px, an untrained trunk that counts, two traits, few
    epochs."""
    return pn.ExperimentConfig(
        map_type="stress", traits=("sex", "diabetes"), weights=None, input_size=32, share=1.0,
        epochs=3, finetune_epochs=1, seed=5, precision="float32",
    )  # fmt: skip


@pytest.fixture
def resolved():
    """Settings as training would resolve them for maps of 32 px in mL/min/g."""

    def resolve(**changes):
        settings = {"weights": None, "input_size": 32, "precision": "float32"} | changes
        return resolve_config(pn.ExperimentConfig(**settings), unit="mL/min/g", map_size=32)

    return resolve


@pytest.fixture
def few(phantom):
    """Four studies of a cohort that states nothing, as the settings of `resolved`."""
    four = partly_recorded(phantom.select(np.arange(4)))
    return dataclasses.replace(four, tracer="", software="")


@pytest.fixture
def drawn(few, resolved):
    """Makes a run of some settings, its heads drawn and its features standardised by a cohort; its
    model is exact. By default of one block, and of four studies."""
    from polarnet.network import Run, build_model
    from polarnet.network.model import DEEP, WIDE, below, head_name, standards_of_features
    from polarnet.network.pipeline import clinical_input, input_maps
    from polarnet.rundata import training_segments

    def make(cohort=few, share=1.0, **settings):
        trunk = {} if settings.get("mode") == "scratch" else {"trunk": "block1"}
        config = resolved(**trunk | settings)
        exact = dataclasses.replace(config, precision="float32")
        base, maps = build_model(exact), input_maps(cohort, config)[:]
        groups = [DEEP] if config.mode == "scratch" else [WIDE, DEEP]
        features = {name: below(base, name)(maps).numpy() for name in groups}
        features |= clinical_input(cohort, config)
        shares, weights = (dict.fromkeys(config.traits, value) for value in (share, 3.0))
        model = build_model(exact, standards_of_features(features, shares, weights))
        model.set_weights(base.get_weights())
        rng = np.random.default_rng(0)
        for trait in config.traits:
            kernel, bias = model.get_layer(head_name(trait)).get_weights()
            head = [rng.normal(size=kernel.shape), bias + 0.1]
            model.get_layer(head_name(trait)).set_weights(head)
        known = set(config.traits) <= set(cohort.traits)
        segments = training_segments(cohort, config) if known else None
        heads = pd.DataFrame({"share": pd.Series(shares)})
        return Run(Path("nowhere"), config, model, heads, segments)

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="session")
def finished_run(phantom, tiny, cache, tmp_path_factory):
    """A run folder made once, and the three cohorts it came from."""
    splits = pn.split_by_patient(phantom, seed=5)
    out = tmp_path_factory.mktemp("runs") / "Übung mit Leerzeichen"
    run = run_experiment(*splits, tiny, out, cache=cache, show_progress=False)
    return run, splits


@pytest.fixture(scope="session")
def clinical_run(finished_run, tiny, cache, tmp_path_factory):
    """The finished run with two clinical columns, one of which is not always recorded."""
    splits = [partly_recorded(cohort) for cohort in finished_run[1]]
    config = dataclasses.replace(tiny, clinical=("age", "bmi"))
    out = tmp_path_factory.mktemp("clinical") / "run"
    return run_experiment(*splits, config, out, cache=cache, show_progress=False), splits


def partly_recorded(cohort):
    """A cohort in which every third BMI was not recorded."""
    bmi = cohort.clinical["bmi"].where(np.arange(len(cohort)) % 3 > 0)
    return dataclasses.replace(cohort, clinical=cohort.clinical.assign(bmi=bmi))


@pytest.fixture
def make_cohort():
    """A cohort of flat maps around 1 and 2 mL/min/g, changed by keyword."""

    def make(n=6, size=16, **changes):
        index = pd.Index([f"S{k}" for k in range(n)], name="study_id")
        disc = pn.anatomy.disc_mask(size)
        level = 1 + np.arange(n)[:, None, None] / 100
        maps = {
            "rest": np.where(disc, level, 0).astype(np.float32),
            "stress": np.where(disc, 2 * level, 0).astype(np.float32),
        }
        parts = {
            "maps": maps,
            "traits": pd.DataFrame({"sex": [0.0, 1.0] * (n // 2)}, index=index),
            "patients": pd.Series([f"P{k}" for k in range(n)], index=index),
            "clinical": pd.DataFrame(index=index),
            "truth": pd.DataFrame(index=index),
            "unit": "mL/min/g",
        }
        return pn.Cohort(**parts | changes)

    return make


@pytest.fixture
def export_folder(tmp_path):
    """Six studies as square CSV files and a clinical table, to be spoilt by tests."""
    folder = tmp_path / "exporte äöü"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["study_id,patient_id,sex,age"]
    for k in range(1, 7):
        for map_type, level in (("rest", 1.0), ("stress", 2.5)):
            values = np.where(pn.anatomy.disc_mask(16), level + 0.1 * rng.random((16, 16)), 0)
            np.savetxt(folder / f"S{k}_{map_type}.csv", values, delimiter=",", fmt="%.4f")
        lines.append(f"S{k},P{k},{k % 2},{50 + k}")
    table = tmp_path / "clinical.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder, table


@pytest.fixture
def refusal():
    """Reads a table file that is refused, and gives what was said, which is one line."""

    def refuse(path):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
            read_sheet(path)
        message = str(caught.value)
        assert message.startswith(path.name)
        assert "\n" not in message
        return message

    return refuse


@pytest.fixture
def save_workbook():
    """Saves rows as the only worksheet of a workbook."""

    def save(path, *rows):
        workbook = openpyxl.Workbook()
        for row in rows:
            workbook.active.append(row)
        workbook.save(path)

    return save


@pytest.fixture
def rewritten():
    """Changes one part of a workbook's zip file."""

    def rewrite(path, part, change):
        content = io.BytesIO(path.read_bytes())
        with (
            zipfile.ZipFile(content) as old,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for entry in old.infolist():
                data = old.read(entry)
                is_part = entry.filename.endswith(part)
                new.writestr(entry.filename, change(data) if is_part else data)

    return rewrite


@pytest.fixture
def load(tmp_path):
    """A column map out of YAML text."""

    def load_text(text):
        (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
        return load_column_map(tmp_path / "map.yaml")

    return load_text
