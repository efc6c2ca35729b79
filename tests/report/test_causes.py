"""One root cause is told once: what belongs together, what stays apart, and which property leads."""

from dataclasses import replace

import pytest

from rnncheck.catalog import CATALOG
from rnncheck.core.needs import UNBATCHED
from rnncheck.core.verdict import NOT_TOLD, Verdict
from rnncheck.report.causes import AT_EXTREMES, causes
from tests.report.built import CASE, failing, verdict

IGNORED = "agrees with torch.nn.GRU if the initial state is ignored"
PLAIN = CASE.but(batch=None, batch_first=False)


def fails(property: str, **fields) -> Verdict:
    return failing(property, **{"location": None, "case": PLAIN, "needs": (), **fields})


def raises(property: str, reason: str) -> Verdict:
    return verdict("errored", property, reason=reason)


def grouped(*verdicts: Verdict) -> list[list[str]]:
    return [[one.property for one in cause.verdicts] for cause in causes(verdicts)]


def test_the_most_basic_property_leads_and_the_diagnosis_is_the_headline():
    (cause,) = causes([
        fails("gradient.reference"), fails("agree.forward", diagnosis=IGNORED, location="time 0"), fails("time.split"),
        fails("state.used"), fails("shape.output").but(verdict="holds"),
    ])  # fmt: skip
    assert [one.property for one in cause.verdicts] == ["state.used", "time.split", "agree.forward", "gradient.reference"]
    assert cause.headline == "the initial state is ignored"
    assert cause.explained == "torch.nn.GRU with that change gives the same numbers"


def test_without_a_diagnosis_the_headline_says_what_is_wrong():
    (cause,) = causes([fails("time.split"), fails("shape.output")])
    assert cause.headline == "the output has another shape than it should have (shape.output)" and cause.explained is None
    (own,) = causes([fails("mine.own")])
    assert own.headline == "mine.own does not hold"


@pytest.mark.parametrize("basic", ["batch.alone", "batch.permute", "state.fresh", "mode.repeatable", "direction.turned"])
def test_what_no_two_calls_or_batches_can_do_without_and_what_one_mistake_breaks_leads(basic):
    (cause,) = causes([fails("state.used"), fails("time.split"), fails(basic), fails("gradient.numerical")])
    assert cause.lead.property == basic


def test_an_output_that_depends_on_later_steps_leads_what_is_in_pieces_but_no_state():
    (cause,) = causes([fails("time.split"), fails("time.causal"), fails("gradient.split")])
    assert cause.headline == "an output depends on later steps, or not on its own (time.causal)"
    (other,) = causes([fails("time.causal"), fails("state.used")])
    assert other.lead.property == "state.used"


def test_where_a_cause_is_in_nothing_but_lengths_a_property_that_speaks_of_them_leads():
    names = ["batch.alone", "lengths.each_alone", "lengths.gradient_alone"]
    packed = {"case": PLAIN.but(lengths=(4, 2, 1), batch=3), "needs": ("lengths given",)}
    (cause,) = causes([fails(name, **packed) for name in names])
    assert cause.lead.property == "lengths.each_alone" and cause.headline.endswith(", only with lengths given")
    (cause,) = causes([fails(name, **packed) for name in (*names, "lengths.padding_ignored")])
    assert cause.headline == "padding changes the results (lengths.padding_ignored), only with lengths given"
    (cause,) = causes([fails(name, **packed) for name in (*names, "lengths.padding_ignored", "lengths.order")])
    assert cause.lead.property == "lengths.order"
    (cause,) = causes([*(fails(name, **packed) for name in names), fails("lengths.full")])
    assert len(cause.verdicts) == 4
    assert causes([fails(names[0]), *(fails(name, **packed) for name in names[1:])])[0].lead.property == "batch.alone"


def test_a_dtype_under_autocast_does_not_stand_for_wrong_numbers():
    found = grouped(fails("shape.autocast"), fails("agree.forward", diagnosis=IGNORED, location="time 0"), fails("gate.one_step"))
    assert found == [["gate.one_step", "agree.forward", "shape.autocast"]]
    assert grouped(fails("shape.autocast"), fails("batch.alone")) == [["batch.alone", "shape.autocast"]]


def test_what_torch_refuses_to_write_into_is_one_cause_with_what_a_call_writes():
    refused = ("RuntimeError while calling: a view is being modified inplace", "RuntimeError: a leaf in an in-place operation",
               "RuntimeError: more than one element of the written-to tensor")  # fmt: skip
    raised = [
        raises(id, reason) for id, reason in zip(("layout.strides", "weights.trainable", "graph.memory"), refused, strict=True)
    ]
    (cause,) = causes([fails("layout.no_mutation"), fails("state.one_tensor"), *raised])
    assert cause.headline == "a call changes what it was given, or its own parameters (layout.no_mutation)"
    assert len(causes([fails("time.split"), *raised])) == 2


def test_wrong_results_lead_before_wrong_gradients_of_any_family():
    found = grouped(fails("batch.gradient_alone"), fails("lengths.each_alone"), fails("gradient.numerical"))
    assert found[0][0] == "lengths.each_alone"


def test_random_numbers_are_named_where_they_are_why_a_call_is_not_repeatable():
    (cause,) = causes([fails("state.used"), fails("mode.rng"), fails("mode.repeatable"), fails("time.split")])
    assert cause.lead.property == "mode.repeatable" and cause.headline.startswith("a call draws, or seeds, random numbers")
    assert grouped(fails("time.split"), fails("mode.rng")) == [["mode.rng"], ["time.split"]]
    spoilt = ["mode.rng", "state.fresh", "time.split"]
    assert grouped(*map(fails, reversed(spoilt))) == [spoilt]


def test_what_a_call_writes_is_named_where_it_is_why_a_call_is_not_repeatable():
    (cause,) = causes([fails("layout.no_mutation"), fails("mode.repeatable"), fails("time.split")])
    assert cause.lead.property == "mode.repeatable" and cause.headline.startswith("a call changes what it was given")
    assert len(causes([fails("layout.no_mutation"), fails("batch.alone")])) == 2
    (shapes,) = causes([fails("layout.no_mutation"), fails("shape.dtype_device")])
    assert shapes.headline.startswith("a result has another dtype")


def test_what_fails_when_it_is_called_as_usual_leads_what_transforms_the_layer():
    (cause,) = causes([fails("agree.autocast"), fails("agree.vmap"), fails("gradient.split")])
    assert cause.lead.property == "gradient.split"


@pytest.mark.parametrize("extreme", AT_EXTREMES)
def test_what_fails_with_ordinary_numbers_leads_what_fails_at_extremes(extreme):
    (cause,) = causes([fails(extreme), fails("gradient.reference"), fails("gate.one_step"), fails("agree.forward")])
    assert [one.property for one in cause.verdicts] == ["gate.one_step", "agree.forward", "gradient.reference", extreme]


def test_two_diagnoses_are_two_causes():
    other = "agrees with torch.nn.GRU if weight_hh is transposed"
    others = [fails(id, diagnosis=other) for id in ("batch.alone", "agree.forward")]
    found = grouped(fails("time.split", diagnosis=IGNORED), *others)
    assert found == [["batch.alone", "agree.forward"], ["time.split"]]


def test_a_run_that_is_wrong_and_not_explained_does_not_follow_from_a_diagnosis():
    found = grouped(fails("time.split", diagnosis=IGNORED), fails("batch.alone", location="time 0"))
    assert found == [["time.split"], ["batch.alone"]]


@pytest.mark.parametrize("need, changes", [
    ("unbatched input", {}), ("lengths given", {"lengths": (4, 2, 1), "batch": 3}), ("bidirectional=True", {"bidirectional": True}),
])  # fmt: skip
def test_what_fails_only_in_some_cases_stays_apart_and_is_said_to(need, changes):
    some = fails("time.split", case=PLAIN.but(**changes), needs=(need,))
    found = causes([fails("state.used", case=PLAIN), some, replace(some, property="agree.forward")])
    assert [[one.property for one in cause.verdicts] for cause in found] == [["state.used"], ["time.split", "agree.forward"]]
    assert found[1].headline == f"a sequence in two calls gives other results than in one (time.split), only with {need}"


def test_the_most_steps_that_do_not_show_it_are_said_and_those_that_show_it_are_one_cause():
    steps = [f"more than {n} steps" for n in (8, 16, 32, 64)]
    long = [fails(name, case=PLAIN.but(time=65), needs=(*steps,)) for name in ("time.split", "agree.forward")]
    (cause,) = causes(long)
    assert cause.headline == "a sequence in two calls gives other results than in one (time.split), only with more than 64 steps"
    (cause,) = causes([*long, fails("agree.dtype", case=PLAIN.but(time=9), needs=(steps[0],))])
    assert cause.only == ("more than 8 steps",) and len(cause.verdicts) == 3


def test_what_a_property_is_about_counts_as_what_its_cases_need():
    unbatched = {"case": PLAIN, "needs": ("unbatched input",)}
    about = fails("batch.unbatched", case=PLAIN)
    narrower = fails("layer.stack", case=PLAIN.but(bidirectional=True), needs=("unbatched input", "bidirectional=True"))
    (cause,) = causes([fails("state.used", **unbatched), about, narrower, fails("agree.forward", **unbatched)])
    assert cause.only == ("unbatched input",) and len(cause.verdicts) == 4


def test_a_property_that_speaks_of_packed_input_only_follows_all_the_same():
    packed = PLAIN.but(lengths=(4, 2, 1), batch=3)
    assert grouped(fails("state.used"), fails("lengths.full", case=packed)) == [["state.used", "lengths.full"]]


def test_a_case_that_there_was_no_time_to_shrink_says_nothing_against_it():
    whole = CASE.but(lengths=(4, 2, 1), bidirectional=True, num_layers=2)
    assert grouped(fails("state.used"), fails("time.split", case=whole, needs=None)) == [["state.used", "time.split"]]


def test_the_same_exception_is_one_cause_whatever_its_numbers():
    wrong_sizes = (raises(id, f"ValueError while calling: size {n}") for n, id in ((3, "time.split"), (17, "batch.alone")))
    found = grouped(*wrong_sizes, raises("life.leak", "KeyError while calling: 'h'"))
    assert found == [["batch.alone", "time.split"], ["life.leak"]]


def test_one_way_to_die_is_one_cause_whatever_the_time_it_was_given_and_the_properties_are_about():
    reasons = {
        "shape.output": "did not end within 20 s",
        "time.split": "did not end within 11.3 s",
        "weights.flags": "did not end within 20 s",
    }
    hung = [verdict("hung", name, reason=reason) for name, reason in reasons.items()]
    assert grouped(*hung) == [["shape.output", "time.split", "weights.flags"]]


def test_dtypes_that_are_mixed_are_one_cause_however_torch_says_it():
    product = raises("state.default_is_zero", "RuntimeError: mat1 and mat2 must have the same dtype, but got Float and Half")
    matmul = raises("layout.fresh_memory", "RuntimeError: expected m1 and m2 to have the same dtype, but got: float != double")
    refused = raises("reject.hx_dtype", "RuntimeError: mat1 and mat2 must have the same dtype, but got Float and Half")
    assert grouped(product, matmul) == [["state.default_is_zero", "layout.fresh_memory"]]
    assert len(grouped(product, refused)) == 2
    for wrong in (fails("shape.dtype_device"), fails("shape.dtype_device", diagnosis="its final states are rounded to float32")):
        assert grouped(product, wrong) == [["shape.dtype_device", "state.default_is_zero"]]
    rounded = fails("state.is_last_output", diagnosis="its final states are rounded to float32")
    assert len(grouped(rounded, fails("shape.dtype_device"), product)) == 1


def test_what_cannot_be_read_follows_from_the_shape():
    unread = raises("time.split", "the result cannot be read; see shape.*")
    assert grouped(unread, fails("shape.output")) == [["shape.output", "time.split"]]


def test_what_cannot_be_read_is_said():
    unread = verdict("errored", "batch.alone", reason="the result cannot be read; see shape.*", mismatch="output has shape (2, 1)")
    assert [cause.headline for cause in causes([unread])] == ["batch.alone: output has shape (2, 1)"]


def test_a_gradient_that_is_not_connected_follows_from_the_state_that_is_ignored():
    reason = "RuntimeError while running backward: element 0 of tensors does not require grad"
    unconnected = raises("gradient.any_requires_grad", reason)
    assert grouped(unconnected, fails("state.used")) == [["state.used", "gradient.any_requires_grad"]]


def test_wrong_input_that_is_accepted_is_a_cause_of_its_own_unless_the_state_is_ignored():
    accepted = {"mismatch": "an input of 3 features: accepted, but should be refused"}
    inputs, states = fails("reject.input_size", **accepted), fails("reject.hx_shape", **accepted)
    assert grouped(fails("time.split"), inputs) == [["time.split"], ["reject.input_size"]]
    assert grouped(fails("state.used"), states, inputs) == [["state.used", "reject.hx_shape"], ["reject.input_size"]]


def test_what_is_not_about_numbers_does_not_follow_from_them():
    assert grouped(fails("time.split"), fails("weights.init"), fails("layout.no_alias")) == [
        ["time.split"], ["layout.no_alias"], ["weights.init"],
    ]  # fmt: skip


def test_the_shortest_calls_are_shown():
    (cause,) = causes([fails("state.used", calls="a\nb\nc"), fails("time.split", calls="a\nb"), fails("agree.forward")])
    assert cause.calls == "a\nb"


def test_calls_that_say_all_are_shown_before_shorter_ones_that_do_not():
    (cause,) = causes([fails("state.used", calls=NOT_TOLD), fails("time.split", calls="a\nb\nc")])
    assert cause.calls == "a\nb\nc"


def test_the_properties_at_extremes_are_in_the_catalog():
    assert set(AT_EXTREMES) <= CATALOG.keys()


def test_what_is_green_has_no_cause():
    assert causes([verdict(), verdict("not_reached"), verdict("deviates")]) == ()


def test_what_only_unbatched_input_shows_is_one_cause():
    misread = [fails("shape.output", needs=(UNBATCHED,)), raises("batch.unbatched", "IndexError: 2").but(needs=(UNBATCHED,)),
               raises("layout.batch_first", "RuntimeError: 1x1 and 2x1").but(needs=(UNBATCHED,), case=PLAIN)]  # fmt: skip
    (cause, other) = causes([*misread, raises("mode.rng", "RuntimeError: a seed")])
    assert [one.property for one in cause.verdicts] == ["shape.output", "batch.unbatched", "layout.batch_first"]
    assert cause.headline.endswith("only with unbatched input") and other.lead.property == "mode.rng"


def test_errors_with_one_option_alone_are_one_cause():
    projected = PLAIN.but(proj_size=1, hidden_size=2)
    said = {"shape.state": "RuntimeError: 5, 4", "batch.empty": "ValueError: mat1"}
    errors = [raises(name, reason).but(needs=("proj_size",), case=projected) for name, reason in said.items()]
    assert grouped(*errors, raises("mode.rng", "RuntimeError: a seed")) == [[*said], ["mode.rng"]]
    wrong = fails("weights.init", needs=("proj_size",), case=projected)
    assert grouped(*errors, wrong) == [["weights.init"], [*said]]


def test_a_result_without_a_gradient_is_said_in_plain_words():
    torchs = "RuntimeError while running backward: element 0 of tensors does not require grad and does not have a grad_fn"
    (cause,) = causes([raises("gradient.reference", torchs)])
    assert cause.headline == "no gradient flows through a result: something detaches it"
