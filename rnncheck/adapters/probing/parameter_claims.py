"""Whether parameters can be set under torch's names, and which gate is where then, and which GRU it is."""

from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rnncheck import oracle
from rnncheck.adapters.probing.ground import Baseline, NotOffered, attempt, reason_not
from rnncheck.core.config import Config
from rnncheck.core.kinds import RESET_AFTER, kind_of
from rnncheck.core.run import Run
from rnncheck.core.subject import Claim
from rnncheck.reading.parameters.parameter_names import misfit, own_parameters, unmatched
from rnncheck.running.trial import Trial

CLOSE = 1e-3
"""Float32 runs of one formula are closer than this, those of different formulas are not."""


TORCHS = {"weight_ih_l0", "weight_hh_l0"}
"""Who has these two means torch's names, even if others are missing."""


class Formula(NamedTuple):
    """Where a layer's own parameters hold each gate, by torch's letters, and which GRU it is."""

    gates: str
    reset_after: bool = True


def load_claims(start: Baseline, configs: Collection[Config]) -> dict[str, Claim]:
    """The claims "load" and "torch_parameters"; and which GRU, where only the numbers tell.

    configs: the configurations in which the names must be matched

    Who uses torch's names promises torch's order of gates and torch's GRU. Names of one's own promise neither: there
    the numbers decide, unless a reference is named that has torch's equations.
    """
    if getattr(getattr(start.subject.build, "reading", None), "arrangement", None) is not None:
        return _as_arranged(start)
    torchs = own_parameters(start.layer.module).keys() >= TORCHS
    registered = torchs and dict(start.layer.module.named_parameters()).keys() >= TORCHS
    why = "" if registered else "they are parametrized" if torchs else "they have names of their own"
    reason = _why_not_loaded(start, configs)
    load = Claim(reason is None, "probed", reason or "")
    claims = {"torch_parameters": Claim(registered, "probed", why), "load": load}
    if reason is not None or torchs or start.subject.must_be_torchs:
        return claims
    formula = _formula(start)
    if formula is None and getattr(start.subject.build, "reading", None) is not None:
        return claims | {"load": Claim(False, "probed", _computes_otherwise(start.case.config))}
    return claims | _claims_of(formula, start.case.config)


def _computes_otherwise(config: Config) -> str:
    """Why torch's equations are not asked for, where the parameters have the shapes of torch's."""
    title = config.kind.title
    return f"its parameters are those of {title}, and it computes something else: name {title} with --against if that is a mistake"


def _as_arranged(start: Baseline) -> dict[str, Claim]:
    """The claims of a layer whose parameters are put together from torch's."""
    arrangement = start.subject.build.reading.arrangement
    why = f"read by experiment: {arrangement.words()}"
    claims = {"load": Claim(True, "probed", why), "torch_parameters": Claim(False, "probed", "they have names of their own")}
    if kind_of(arrangement.mode).has(RESET_AFTER):
        claims["reset_after"] = Claim(arrangement.reset_after, "probed", why)
        claims["reset_before"] = Claim(not arrangement.reset_after, "probed", why)
    return claims


def _claims_of(formula: Formula | None, config: Config) -> dict[str, Claim]:
    """What follows from the formula; where none agrees, the parameters stand for torch's, and the catalog finds out."""
    if formula is None or formula == Formula(config.gates):
        return {}
    if formula.gates != config.gates:
        orders = [" ".join(gates) for gates in (formula.gates, config.gates)]
        return {"load": Claim(False, "probed", f"it holds the gates in the order {orders[0]}, not {orders[1]}")}
    why = "its numbers are those of a GRU that applies the reset gate before the product"
    return {"reset_after": Claim(False, "probed", why), "reset_before": Claim(True, "probed", why)}


def _why_not_loaded(start: Baseline, configs: Collection[Config]) -> str | None:
    for config in configs:
        layer, error = attempt(partial(start.subject.build, config, torch.float32, torch.device("cpu")))
        if error is None and layer.names is None:  # what fails inside says nothing of names
            return unmatched(own_parameters(layer.module), config)
    names, simplest = start.layer.names, start.case.config  # type: ignore[attr-defined]
    if names is None:
        return unmatched(own_parameters(start.layer.module), simplest)
    return misfit(own_parameters(start.layer.module), names, simplest) or reason_not(lambda: _comes_back(start))


def _comes_back(start: Baseline) -> None:
    """What is loaded can be read again: a parametrization may keep only a part of it."""
    layer, wanted = _loaded(start)
    own = own_parameters(layer.module)
    for name, mine in layer.names.items():
        if not torch.allclose(own[mine], wanted[name], rtol=1e-5, atol=1e-6):
            raise NotOffered(f"{mine.removeprefix('layer.')} is not what was loaded (a parametrization changes it)")


def _loaded(start: Baseline) -> tuple[Any, Mapping[str, Tensor]]:
    case = start.case
    layer = start.subject.build(case.config, torch.float32, torch.device("cpu"))
    layer.train(False)
    layer.load(case.parameters())
    return layer, case.parameters()


def _formula(start: Baseline) -> Formula | None:
    """The formula that explains the numbers, None if there is none."""
    seen, error = attempt(lambda: _run(start))
    if error is not None:
        return None
    config, parameters = start.case.config, start.case.parameters()
    x = start.case.input_tensor()
    for formula in _formulas(config):
        variant = config.but(reset_after=formula.reset_after, batch_first=False)
        rows = {name: _in_torchs_order(name, value, formula.gates, config.gates) for name, value in parameters.items()}
        if _close(seen, oracle.truth(variant, rows, x)):
            return formula
    return None


def _run(start: Baseline) -> Run:
    """The subject's run of the simplest case with the case's parameters."""
    layer, _ = _loaded(start)
    return Trial(start.subject, start.case).run_on(layer)


def _formulas(config: Config) -> Iterator[Formula]:
    """torch's own first."""
    for reset_after in (True, False) if config.kind.has(RESET_AFTER) else (True,):
        yield Formula(config.gates, reset_after)
    for order in permutations(config.gates):
        for reset_after in (True, False) if config.kind.has(RESET_AFTER) else (True,):
            yield Formula("".join(order), reset_after)


def _in_torchs_order(name: str, value: Tensor, held: str, wanted: str) -> Tensor:
    """The blocks of rows, held in one order of gates, in another."""
    if name.startswith("weight_hr"):
        return value
    blocks = dict(zip(held, value.chunk(len(held)), strict=True))
    return torch.cat([blocks[gate] for gate in wanted])


def _close(actual: Run, truth: Run) -> bool:
    """Whether the output, and each part of the state that comes back, is the truth."""
    pairs = [
        (pair, other) for pair, other in zip(actual.parts(), truth.parts(), strict=True) if len(pair[1]) or pair[0] == "output"
    ]
    return all(a.shape == t.shape and bool((a.double() - t).abs().max() < CLOSE) for (_, a), (_, t) in pairs)
