"""Each policy of the contract in turn, and each view."""

import pytest

from tessera.protocols import Policy
from tessera.types import View
from tests.contracts.policies import CASES, VIEWS, Case


@pytest.fixture(params=CASES)
def case_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def case(case_name: str) -> Case:
    return CASES[case_name]


@pytest.fixture
def policy(case: Case) -> Policy:
    return case.build()


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> View:
    return VIEWS[request.param]
