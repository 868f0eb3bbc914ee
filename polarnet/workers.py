"""Where many independent pieces of work are done: in this process, or by Dask workers."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from polarnet.progressbar import progress_bar

if TYPE_CHECKING:
    from distributed import Client


def client_for(
    workers: int, scheduler: str | None
) -> "AbstractContextManager[Client] | AbstractContextManager[None]":
    """A client of the workers that were asked for; None where this process does the work.

    Raises
    ------
    ValueError: fewer than one worker, or as for `local_client` and `remote_client`.
    """
    if workers < 1:
        raise ValueError(f"--workers must be 1 or more, but {workers} was given.")
    if scheduler:
        return remote_client(scheduler)
    return nullcontext() if workers == 1 else local_client(workers)


@contextmanager
def local_client(workers: int | None = None) -> Iterator["Client"]:
    """A client of a cluster of processes on this machine, which share its cores.

    Raises
    ------
    ValueError: Dask distributed is not installed.
    """
    distributed = _distributed()
    cores = os.cpu_count() or 1
    n = workers or cores
    threads = str(max(1, cores // n))
    # Read by TensorFlow when a worker imports it, which is in its first task: never before a fork.
    environment = {
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    with (
        distributed.LocalCluster(
            n_workers=n, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs="CRITICAL", env=environment,
            # Without a dashboard too the scheduler answers HTTP: at any free port of this machine
            # alone, so that a second cluster does not meet the first.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


@contextmanager
def remote_client(address: str) -> Iterator["Client"]:
    """A client of a scheduler that runs already, such as tcp://node1:8786.

    Raises
    ------
    ValueError: Dask distributed is not installed, or there is no scheduler.
    """
    try:
        client = _distributed().Client(address, timeout=10)
    except (OSError, TimeoutError) as error:
        raise ValueError(f"No Dask scheduler answers at {address}: {error}") from None
    with client:
        yield client


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ValueError(
            "Several workers need Dask: pip install 'polarnet[cluster]'. Or use --workers 1."
        ) from None
    return distributed


def do_each(
    client: "Client | None",
    task: Callable[..., str],
    items: Iterable[Any],
    shared: tuple[object, ...],
    title: str,
    unit: str,
) -> list[str]:
    """Do a task for every item, with a progress bar.

    Parameters
    ----------
    client
        Whose workers do it; None: this process, one after the other.
    task
        Gets an item and what is shared; writes its result to the disk, because a worker that dies
        takes with it what it holds in memory; returns what went wrong, or nothing.

    Returns
    -------
    What went wrong, one line an item.
    """
    items = list(items)
    problems = []
    with progress_bar(total=len(items), desc=title, unit=unit) as bar:
        if client is None:
            results: Any = (task(item, *shared) for item in items)
        else:
            from distributed import as_completed

            # pure=False: a task acts on the disk; its result says only what went wrong.
            futures = [client.submit(task, item, *shared, pure=False) for item in items]
            results = (future.result() for future in as_completed(futures))
        for problem in results:
            problems += [problem] if problem else []
            bar.update()
    return problems
