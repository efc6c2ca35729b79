"""Reports built by hand, for the tests of what is made of them."""

from rnncheck.core.case import Case
from rnncheck.core.config import Config
from rnncheck.core.subject import Claim
from rnncheck.core.verdict import Verdict
from rnncheck.report import Coverage, Report, SubjectReport

HOSTILE = "mine.py:<script>alert(1)</script><img src=x onerror=alert(2)>[/b]|`\"'&\x1b[31m\x00\ud800\u202etxet --> ]]> ```"
CASE = Case(Config("LSTM", 2, 3, batch_first=True), time=4, batch=3)
STATEMENT = "Running a sequence in two pieces gives the same as running it at once."


def verdict(status: str = "holds", property: str = "time.split", **fields) -> Verdict:
    return Verdict(property, status, "metamorphic", 7, 0.12, STATEMENT, by_dtype={"float32": 0.12, "mixed": 3.5}).but(**fields)


def failing(property: str = "time.split", **fields) -> Verdict:
    course = tuple((10.0 ** (t - 9), 3e-7) for t in range(5))
    told = {"mismatch": "output: 12 of 24 elements differ", "location": "time 2", "case": CASE, "budget_used": 3.5}
    return verdict("fails", property, **{**told, "course": course, "stored": ".rnncheck/failing/a.json", **fields})


def report(*verdicts: Verdict, name: str = "mine.py:MyLSTM", **fields) -> Report:
    claims = {"packed": Claim(False, "probed", "raises TypeError")}
    coverage = Coverage(3, 312, 300, {(("bias", False), ("mode", "GRU")): (3, 4), (("bias", True), ("mode", "GRU")): (4, 4)})
    subject = SubjectReport(name, claims, 1.25, 9, coverage, verdicts or (verdict(),), (CASE,), command=name)
    return Report({"rnncheck": "0.1.0", "torch": "2.13.0"}, 0, "ci", (subject,), **fields)


def everything(name: str = HOSTILE) -> Report:
    """One verdict of each kind, each of the texts hostile."""
    bad = {"reason": HOSTILE, "mismatch": HOSTILE, "diagnosis": HOSTILE}
    return report(
        verdict("holds", "time.split"), failing("time.causal", **bad), verdict("deviates", "gradient.second", case=CASE, **bad),
        verdict("not_applicable", "lengths.padding", reason="applies to: packed input"),
        verdict("not_claimed", "gradient.third", reason=HOSTILE), verdict("not_reached", "shape.output", reason=HOSTILE),
        verdict("errored", "state.none", **bad), verdict("crashed", "life.copy", **bad), verdict("hung", "life.pickle", **bad),
        name=name,
    )  # fmt: skip
