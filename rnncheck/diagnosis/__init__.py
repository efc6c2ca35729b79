"""Why a subject is wrong: where it first differs, and the one change that explains it."""

from rnncheck.diagnosis.altered_case import asked_of
from rnncheck.diagnosis.diagnose import diagnose
from rnncheck.diagnosis.evidence import Answer
from rnncheck.diagnosis.hypotheses import in_the_cell
from rnncheck.diagnosis.localise import Location, error_curve, localise
from rnncheck.diagnosis.step_mistakes import NOT_OF_NUMBERS, known_mistake

__all__ = [
    "NOT_OF_NUMBERS", "Answer", "Location", "asked_of", "diagnose", "error_curve", "in_the_cell", "known_mistake", "localise",
]  # fmt: skip
