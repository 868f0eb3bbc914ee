"""Public names, read by type checkers and, through lazy_loader, when one is first used."""

from . import anatomy as anatomy
from . import bundle as bundle
from . import evaluation as evaluation
from . import explain as explain
from . import network as network
from . import ood as ood
from . import plotting as plotting
from . import report as report
from .cohort import Cohort as Cohort
from .cohort import read_cohort as read_cohort
from .cohort import split_by_patient as split_by_patient
from .config import ExperimentConfig as ExperimentConfig
from .crossvalidation import cross_validate as cross_validate
from .evaluation import auroc as auroc
from .evaluation import compare_runs as compare_runs
from .evaluation import delong_test as delong_test
from .evaluation import evaluate as evaluate
from .explain.attribution import attribution as attribution
from .network import load_model as load_model
from .network import load_run as load_run
from .network import predict as predict
from .network import train as train
from .phantom import make_phantom_cohort as make_phantom_cohort
from .plotting import plot_bullseye as plot_bullseye
from .plotting import plot_polar_map as plot_polar_map
from .plotting import plot_roc as plot_roc
from .readers import import_exports as import_exports
from .readers import read_exports as read_exports
from .report import write_report as write_report
from .traits import TRAITS as TRAITS

__version__: str
