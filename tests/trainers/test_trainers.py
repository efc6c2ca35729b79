"""Real trainers with accumulation and clipping, held against the whole batch's clipped gradient in float64: ``tox -e trainers``.

One optimizer's step by SGD on a linear model whose truth is written out here; skipped, visibly, where a trainer is not installed.
"""

import importlib.util
import logging

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rnncheck.runtime.contracts import ContractWarning

LEARNING_RATE, MAX_NORM = 0.5, 0.25
ROWS, COLUMNS = 8, 3


def needs(package):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed: tox -e trainers")


def data(sizes=(2, 2, 2, 2)):
    """The rows as (x, y), and cut into micro-batches."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(ROWS, COLUMNS, generator=generator), 3 * torch.randn(ROWS, 1, generator=generator)
    return (x, y), list(zip(x.split(list(sizes)), y.split(list(sizes)), strict=True))


def linear():
    model = nn.Linear(COLUMNS, 1)
    nn.init.constant_(model.weight, 0.25)
    nn.init.zeros_(model.bias)
    return model


def expected(whole, max_norm=MAX_NORM):
    """Weight and bias after one step with the clipped gradient of the whole batch."""
    model = linear().double()
    nn.functional.mse_loss(model(whole[0].double()), whole[1].double()).backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    applied = gradient * min(1.0, max_norm / float(gradient.norm()))
    return torch.cat([p.detach().flatten() for p in model.parameters()]) - LEARNING_RATE * applied


def left(model):
    return torch.cat([p.detach().double().flatten() for p in model.parameters()])


def assert_close_to(model, right):
    torch.testing.assert_close(left(model), right, rtol=0, atol=3e-6)


@needs("lightning")
@pytest.mark.parametrize(("accumulate", "precision"), [(1, "32-true"), (4, "32-true"), (4, "64-true"), (4, "bf16-mixed")])
def test_lightning_applies_the_clipped_gradient_of_the_whole_batch(accumulate, precision, tmp_path):
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = linear()

        def training_step(self, batch, index):
            x, y = batch
            dtype = self.model.weight.dtype
            with torch.autocast("cpu", enabled=False):
                return nn.functional.mse_loss(self.model(x.to(dtype)), y.to(dtype))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), LEARNING_RATE)

    whole, _ = data()
    batches = DataLoader(TensorDataset(*whole), ROWS // accumulate)
    module = Module()
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, gradient_clip_val=MAX_NORM, accumulate_grad_batches=accumulate,
        precision=precision, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, batches)
    assert_close_to(module.model, expected(whole))


@needs("accelerate")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_accelerate_applies_the_clipped_gradient_of_the_whole_batch(accumulate):
    import accelerate

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    whole, batches = data((ROWS // accumulate,) * accumulate)
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    model, optimizer = accelerator.prepare(model, optimizer)
    for x, y in batches:
        with accelerator.accumulate(model):
            accelerator.backward(nn.functional.mse_loss(model(x), y))
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), MAX_NORM)
            optimizer.step()
            optimizer.zero_grad()
    assert_close_to(model, expected(whole))


@needs("accelerate")
def test_accelerate_averages_means_of_unequal_batches():
    """A finding, not a promise: the last batch of an epoch is often smaller, and each of its rows counts more."""
    import accelerate

    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    whole, batches = data((6, 2))
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    model, optimizer = accelerator.prepare(model, optimizer)
    for x, y in batches:
        with accelerator.accumulate(model):
            accelerator.backward(nn.functional.mse_loss(model(x), y))
            optimizer.step()
            optimizer.zero_grad()
    assert float((left(model) - expected(whole, torch.inf)).abs().max()) > 1e-2
    twin = linear().double()
    (sum(nn.functional.mse_loss(twin(x.double()), y.double()) for x, y in batches) / 2).backward()
    assert_close_to(model, left(linear()) - LEARNING_RATE * torch.cat([p.grad.flatten() for p in twin.parameters()]))


@needs("transformers")
@pytest.mark.parametrize("accumulate", [1, 4])
def test_transformers_applies_the_clipped_gradient_of_the_whole_batch(accumulate, tmp_path):
    import transformers

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = linear()

        def forward(self, x, labels):
            return {"loss": nn.functional.mse_loss(self.model(x), labels)}

    whole, _ = data()
    rows = [{"x": x, "labels": y} for x, y in zip(*whole, strict=True)]
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), use_cpu=True, per_device_train_batch_size=ROWS // accumulate, max_steps=1, report_to=[],
        gradient_accumulation_steps=accumulate, max_grad_norm=MAX_NORM, learning_rate=LEARNING_RATE, lr_scheduler_type="constant",
        optim="sgd", save_strategy="no", logging_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    model = Model()
    transformers.Trainer(model=model, args=arguments, train_dataset=rows).train()
    assert_close_to(model.model, expected(whole))


@needs("accelerate")
def test_watch_sees_accelerates_steps():
    import accelerate

    import rnncheck

    accelerator, (_, batches) = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=4), data()
    model = linear()
    own = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    model, optimizer = accelerator.prepare(model, own)
    watching = rnncheck.watch(model, optimizer=own, max_norm=MAX_NORM, sample=1.0)
    with pytest.warns(ContractWarning, match="clipped after the step"), watching:
        for x, y in batches:
            with accelerator.accumulate(model):
                accelerator.backward(nn.functional.mse_loss(model(x), y))
                optimizer.step()
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), MAX_NORM)
                optimizer.zero_grad()
