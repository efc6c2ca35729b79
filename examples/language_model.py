"""Character language models: what an n-gram forgets, an RNN remembers.

    python examples/language_model.py [--steps 300]

The text is Python's own help on its language (pydoc_data.topics), so nothing is downloaded. The same small model is trained
with the RNN, GRU and LSTM of rnncheck.nn and of torch.nn; its gates are watched, its gradients clipped by rnncheck's
function under a contract, and a sample of the calls is replayed against torch. Beside them stand n-gram models. Then a
text that no short window can continue: a bracket is closed as it was opened, `gap` characters later.
"""

import argparse
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pydoc_data import topics

import torch
from torch import Tensor, nn

import rnncheck
import rnncheck.nn as typed
from rnncheck.clip import clip_grad_norm_

MAX_NORM = 1.0
WINDOW = 48
HIDDEN = 64
clip = rnncheck.norm_at_most("max_norm")(clip_grad_norm_)
Loss = Callable[[nn.Module, Tensor], Tensor]


class Model(nn.Module):
    """Characters in, logits of the next character out."""

    def __init__(self, layer: type[nn.Module], letters: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(letters, 32)
        self.rnn = layer(32, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, letters)

    def forward(self, text: Tensor) -> Tensor:
        """(batch, time) of letters to (batch, time, letters)."""
        return self.head(self.rnn(self.embed(text))[0])


def watched(layer: type[nn.Module], reference: type[nn.Module]) -> type[nn.Module]:
    """The layer, one in a hundred of whose calls is replayed against the reference."""
    return rnncheck.agrees_with(reference, sample=0.01)(type(layer.__name__, (layer,), {}))


def corpus() -> tuple[Tensor, Tensor, int]:
    """Training text, test text, and the number of different letters."""
    text = "\n".join(topics.topics[name] for name in sorted(topics.topics))[:200_000]
    letters = {letter: i for i, letter in enumerate(sorted(set(text)))}
    data = torch.tensor([letters[letter] for letter in text])
    cut = len(data) * 9 // 10
    return data[:cut], data[cut:], len(letters)


def brackets(count: int, gap: int, generator: torch.Generator) -> Tensor:
    """Sequences ``( x x x )`` or ``[ x x x ]`` of ``gap`` letters between: letters 0 to 3 are brackets, 4 to 7 are noise."""
    kind = torch.randint(0, 2, (count, 1), generator=generator)
    noise = torch.randint(4, 8, (count, gap), generator=generator)
    return torch.cat([kind, noise, kind + 2], dim=1)


def train(model: Model, batches: "list[Tensor]") -> None:
    """One step a batch, watched, and clipped under a contract."""
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    with rnncheck.watch(model, sample=0.05, optimizer=optimizer, max_norm=MAX_NORM):
        for batch in batches:
            step(model, batch, optimizer, MAX_NORM, next_letter)


def step(model: nn.Module, batch: Tensor, optimizer: torch.optim.Optimizer, max_norm: float, loss: Loss) -> Tensor:
    """One step, which rnncheck judges: rnncheck verify examples/language_model.py:step --as step. Returns the norm."""
    optimizer.zero_grad()
    loss(model, batch).backward()
    norm = clip(model.parameters(), max_norm=max_norm)
    optimizer.step()
    return norm


def next_letter(model: nn.Module, batch: Tensor) -> Tensor:
    """The mean surprise at each next letter."""
    return nn.functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def perplexity(model: Model, text: Tensor) -> float:
    """exp of the mean surprise at each next letter, in windows."""
    windows = text[: len(text) // WINDOW * WINDOW].view(-1, WINDOW)
    with torch.no_grad():
        loss = nn.functional.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
    return math.exp(loss.item())


class NGram:
    """Counts of what follows the last n - 1 letters, mixed with those of shorter contexts (Witten and Bell 1991)."""

    def __init__(self, n: int, letters: int, sequences: "list[list[int]]") -> None:
        self.n, self.letters = n, letters
        self.counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for text in sequences:
            for i, letter in enumerate(text):
                for k in range(min(n, i + 1)):
                    self.counts[tuple(text[i - k : i])][letter] += 1

    def probability(self, context: "list[int]", letter: int) -> float:
        """P(letter | the last n - 1 letters of context)."""
        p = 1 / self.letters
        for k in range(min(self.n, len(context) + 1)):
            seen = self.counts.get(tuple(context[len(context) - k :]))
            if seen:
                total, kinds = sum(seen.values()), len(seen)
                p = (seen[letter] + kinds * p) / (total + kinds)
        return p

    def perplexity(self, text: "list[int]") -> float:
        """exp of the mean surprise at each letter."""
        surprise = [-math.log(self.probability(text[max(0, i - self.n) : i], letter)) for i, letter in enumerate(text)]
        return math.exp(sum(surprise) / len(surprise))


def closes(model: Model, sequences: Tensor) -> float:
    """How often the right bracket is given more probability than the wrong one."""
    with torch.no_grad():
        last = model(sequences[:, :-1])[:, -1, 2:4]
    return float((last.argmax(1) + 2 == sequences[:, -1]).float().mean())


def main() -> None:
    """Train, compare, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    steps, started = parser.parse_args().steps, time.perf_counter()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    training, test, letters = corpus()
    test = test[:8000]
    starts = torch.randint(0, len(training) - WINDOW, (steps, 16), generator=generator)
    batches = [torch.stack([training[s : s + WINDOW] for s in row]) for row in starts]
    print("perplexity on unseen text (letters: lower is better)")
    for n in (1, 2, 3, 5):
        print(f"  {n}-gram            {NGram(n, letters, [training.tolist()]).perplexity(test.tolist()):7.2f}")
    gap = 8
    pairs = [brackets(32, gap, generator) for _ in range(steps)]
    unseen = brackets(400, gap, generator)
    closing = []
    for name in ("RNN", "GRU", "LSTM"):
        for where, layer in (("rnncheck.nn", watched(getattr(typed, name), getattr(nn, name))), ("torch.nn", getattr(nn, name))):
            torch.manual_seed(0)
            model = Model(layer, letters)
            train(model, batches)
            print(f"  {where + '.' + name:17} {perplexity(model, test):7.2f}")
            torch.manual_seed(0)
            closer = Model(layer, 8)
            train(closer, pairs)
            closing.append((f"{where}.{name}", closes(closer, unseen)))
    print("The longer n-grams know the text's short contexts by heart; the layers are small and saw so little of it within")
    print("these two minutes that they predict the next letter less well. What lies further back only they remember:")
    print(f"a bracket closed as it was opened {gap} letters before (1.00 = always, 0.50 = guessing)")
    ngram = NGram(5, 8, [row for batch in pairs for row in batch.tolist()])
    right = [ngram.probability(row[:-1], row[-1]) > ngram.probability(row[:-1], 5 - row[-1]) for row in unseen.tolist()]
    print(f"  5-gram            {sum(right) / len(right):7.2f}")
    for name, share in closing:
        print(f"  {name:17} {share:7.2f}")
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
