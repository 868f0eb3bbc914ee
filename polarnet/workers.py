"""Independent tasks, done in this process or by Dask workers."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polarnet.progressbar import progress_bar

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def client_for(workers: int, scheduler: str | None = None) -> Iterator["Client | None"]:
    """A client of Dask workers; None where this process does the work, which is 1 worker.

    Several `workers` are processes on this machine and share its cores. `scheduler`, which wins, is
    the address of one that runs already, such as tcp://node1:8786. ValueError: Dask is not
    installed, or there is no scheduler.
    """
    if workers == 1 and not scheduler:
        yield None
        return
    try:
        import distributed
    except ImportError:
        raise ValueError(
            "Several workers need Dask: pip install 'polarnet[cluster]'. Or use --workers 1."
        ) from None
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, TimeoutError) as error:
            raise ValueError(f"No Dask scheduler answers at {scheduler}: {error}") from None
        with client:
            yield client
        return
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    # Read by TensorFlow when a worker imports it, which is in its first task: never before a fork.
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    with _deaf_to_interrupts():
        cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs="CRITICAL",
            env=dict.fromkeys(names, threads) | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            # Without a dashboard too the scheduler answers HTTP: at any free port of this machine
            # alone, so that a second cluster does not meet the first.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        )
    with cluster, distributed.Client(cluster) as client:
        yield client


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that are started in the block ignore Ctrl-C, which reaches every process of a
    terminal: this process ends them. Windows does not hand that on, and other threads may not.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def do_each(
    client: "Client | None",
    task: Callable[..., str],
    items: Iterable[Any],
    shared: tuple[object, ...],
    title: str,
    unit: str,
) -> list[str]:
    """Do a task for every item, with a progress bar: in this process, or by a client's workers.

    A task gets an item and what is `shared`. It writes its result to the disk, because a worker
    that dies takes with it what it holds in memory, and returns what went wrong, or nothing: these
    lines are returned.
    """
    items = list(items)
    if client is None:
        results: Iterator[str] = (task(item, *shared) for item in items)
    else:
        from distributed import as_completed

        # pure=False: a task acts on the disk; its result says only what went wrong.
        futures = [client.submit(task, item, *shared, pure=False) for item in items]
        results = (future.result() for future in as_completed(futures))
    return [told for told in progress_bar(results, total=len(items), desc=title, unit=unit) if told]
