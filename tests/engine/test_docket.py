"""Which cases a property is checked on."""

from dataclasses import replace

import pytest

from rnncheck.adapters import resolve
from rnncheck.catalog import CATALOG
from rnncheck.docket import Account, Docket
from rnncheck.settings import PROFILES, Settings
from rnncheck.subject import Claim


@pytest.mark.parametrize(("id", "vague", "wanted"), [
    ("batch.many", False, True), ("batch.many", True, False), ("batch.alone", False, True), ("batch.alone", True, True),
])  # fmt: skip
def test_what_is_checked_seldom_is_not_checked_where_nothing_can_be_said(id, vague, wanted):
    assert Account(CATALOG[id]).wants(object(), vague=vague) is wanted


@pytest.mark.parametrize(("lacking", "dtypes"), [
    ((), {"bfloat16"}), (("load",), {"float32", "float64"}), (("load", "float32", "float64", "float16"), {"bfloat16"}),
])  # fmt: skip
def test_two_digits_are_too_few_where_the_allowed_error_is_measured_on_the_subject(lacking, dtypes):
    """Unless there is no other dtype: then it is tried, and says that nothing can be said."""
    (subject,) = resolve.probe_all(resolve.subjects("torch.nn.GRU"), "inline")
    subject = replace(subject, claims={**subject.claims, **{name: Claim(False, "declared") for name in lacking}})
    docket = Docket(0, subject, "cpu", Settings((CATALOG["batch.many"],), replace(PROFILES["ci"], cases=120)), [])
    assert {case.dtype for case in docket.cases() if docket.properties_for(case)} == dtypes
