from concurrent.futures import ThreadPoolExecutor

import pytest

from reb_pipeline.core.ahead import ahead


@pytest.fixture
def executor():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_results_come_in_order(executor, n):
    assert list(ahead(executor, lambda item: item * 2, range(n))) == list(range(0, 2 * n, 2))


def test_few_items_are_taken_before_results_are_asked_for(executor):
    taken = []
    results = ahead(executor, str, (taken.append(n) or n for n in range(100)), n_ahead=3)
    assert taken == []
    for n in range(5):
        assert next(results) == str(n)
        assert taken == list(range(n + 4))


def test_an_error_comes_in_the_place_of_its_result(executor):
    results = ahead(executor, lambda item: 1 // item, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
