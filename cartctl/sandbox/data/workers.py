"""The parts of the carts, made in worker processes that import only what makes rows."""

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

from cartctl.sandbox.data.cart_rows import PART, Maker, Part
from cartctl.sandbox.data.population import Population

AHEAD = 3  # parts made ahead


def parts(chosen: Population, first: int = 0) -> Iterator[Part]:
    """The parts in order from number `first` on; worker processes make them if there are several."""
    numbers = range(first, -(-chosen.carts // PART))
    if len(numbers) <= 1:
        yield from map(Maker(chosen).part, numbers)
        return
    workers = min(multiprocessing.cpu_count(), len(numbers))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _remember, (chosen,)) as pool:
        coming: deque[Future[Part]] = deque()
        for number in numbers:
            coming.append(pool.submit(_make, number))
            if len(coming) > AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


_makers: list[Maker] = []


def _remember(chosen: Population) -> None:
    """Sent once to each process, and not again with each part."""
    _makers[:] = [Maker(chosen)]


def _make(number: int) -> Part:
    return _makers[0].part(number)
