"""The classification of error codes against a list written from EXCHANGES' words, not from the table under test."""

import pytest

from app.adapters.exchanges.binance import codes
from app.domain.order import Halt, Rejected

FILTERS = [-4001, -4003, -4004, -4005, -4014, -4023, -4164]
REFUSED = [-2010, -2019, -2027, -1111, -2021, -4509, -4120, -4118, *FILTERS]
HALTING = [-1003, -1015, -1021, -1022, -2014, -2015, -5028]
PROVES_NOTHING = [
    0,
    1,
    -1000,
    -1001,
    -1006,
    -1007,
    -1016,
    -2011,
    -2013,
    -2020,
    -4059,
    -4046,
    -4116,
    -4117,
    -4130,
    -9999,
]


@pytest.mark.parametrize("code", REFUSED)
def test_a_definite_refusal_rejects_and_does_not_halt(code: int) -> None:
    refused = codes.refusal(400, code, "told")
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.halt) == (code, Halt.NO)


@pytest.mark.parametrize("code", HALTING)
def test_trouble_with_key_clock_or_limits_halts_entries(code: int) -> None:
    refused = codes.refusal(400, code, "told")
    assert isinstance(refused, Rejected)
    assert refused.halt is not Halt.NO


@pytest.mark.parametrize("code", PROVES_NOTHING)
@pytest.mark.parametrize("status", [200, 302, 400, 408, 500, 502, 503, 504])
def test_everything_else_proves_nothing(status: int, code: int) -> None:
    assert codes.refusal(status, code, "told") is None


@pytest.mark.parametrize("status", [200, 307, 408, 500, 502, 503, 504])
def test_a_listed_code_proves_nothing_beside_a_status_that_does_not_fit(status: int) -> None:
    for row in codes.DEFINITE:
        if row.code != -1008:
            assert codes.refusal(status, row.code, "told") is None


def test_throttling_comes_with_503_and_is_definite() -> None:
    assert codes.refusal(503, -1008, "busy") == Rejected(-1008, "throttled by system-level protection: busy")


def test_each_code_is_listed_once_and_explained() -> None:
    numbers = [row.code for row in codes.DEFINITE]
    assert len(numbers) == len(set(numbers))
    assert all(row.code < 0 and row.meaning for row in codes.DEFINITE)
    special = {codes.DUPLICATE_ID, codes.ALREADY_PROTECTED, codes.NOT_FOUND, codes.CANCEL_REJECTED} | codes.ALREADY_SO
    assert not special & set(numbers)


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (-4023, codes.Forget.INSTRUMENTS),
        (-1121, codes.Forget.INSTRUMENTS),
        (-4061, codes.Forget.ACCOUNT),
        (-2019, codes.Forget.NOTHING),
        (-9999, codes.Forget.NOTHING),
    ],
)
def test_a_refusal_tells_what_is_out_of_date(code: int, what: codes.Forget) -> None:
    assert codes.outdated(code) is what
