"""Why a layer is wrong: where it first differs, and the one change that explains it."""

from rnncheck.diagnosis.altered_case import asked_of
from rnncheck.diagnosis.diagnose import diagnose
from rnncheck.diagnosis.evidence import Answer
from rnncheck.diagnosis.localise import Location, error_curve, localise

__all__ = ["Answer", "Location", "asked_of", "diagnose", "error_curve", "localise"]
