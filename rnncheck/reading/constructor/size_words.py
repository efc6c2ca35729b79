"""Names of a constructor's arguments: which are sizes of the input or the state, and which are options."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

from rnncheck.reading.signature import HIDDEN, INPUT

MORE_INPUT = (
    "n_in", "nin", "in_size", "d_in", "dim_in", "in_channels", "input_channels", "embedding_dim", "embed_dim",
    "emb_dim", "embedding_size", "embed_size", "emb_size", "emb", "obs_dim", "obs_size", "feat_dim", "feature_dim",
    "features_in", "num_features", "n_features", "inputs", "inp", "idim", "isize", "ninp", "vector_size", "num_channels",
)  # fmt: skip
MORE_HIDDEN = (
    "hidden", "n_units", "num_units", "nhid", "n_hid", "hid", "d_hidden", "dim_hidden", "lstm_dim", "gru_dim",
    "rnn_dim", "rnn_size", "cell_size", "cell_dim", "state_size", "d_state", "state_dim", "out_channels",
    "hidden_channels", "hdim", "n_neurons", "reservoir_size", "num_hidden", "width", "hsize", "dim_out", "d_out",
    "n_out", "units", "h_dim", "h_size", "dim_h", "n_hiddens", "hidden_units",
)  # fmt: skip
BOTH = (
    "d_model", "dim", "model_dim", "size", "features", "channels", "n", "d", "width", "units", "hidden_size", "n_units",
    "dim_model",
)  # fmt: skip
RESULT = (
    "output_size", "out_size", "output_dim", "out_dim", "out_features", "n_classes", "num_classes", "num_outputs",
    "n_out", "proj", "proj_dim", "proj_size", "projection_size", "n_outputs", "n_actions", "num_actions", "action_dim",
    "nout", "n_y", "target_size", "num_tags", "n_tags", "tagset_size", "num_labels", "n_labels", "nclasses", "n_class",
)  # fmt: skip
VOCABULARY = (
    "vocab_size", "num_embeddings", "n_tokens", "num_tokens", "vocab", "ntoken", "n_vocab", "vocabulary_size", "n_words",
    "num_words", "nb_words", "n_chars", "num_chars", "dict_size", "alphabet_size", "n_symbols", "num_symbols", "n_token",
    "ntokens", "vocab_sz", "nb_tokens", "n_letters", "num_letters", "n_phonemes", "num_phonemes", "num_vocab", "voc_size",
    "n_items", "num_items",
)  # fmt: skip
OPTIONS: Mapping[str, tuple[str, ...]] = {
    "num_layers": ("n_layers", "nlayers", "layers", "depth", "num_rnn_layers", "n_layer"),
    "bidirectional": ("bidir", "bi"),
    "dropout": ("drop", "dropout_rate", "dropout_p", "p_drop"),
    "bias": ("use_bias",),
    "batch_first": (),
}
"""What torch's options are called elsewhere."""
RETURNS = (
    "return_sequences", "return_state", "return_states", "return_hidden", "return_all", "return_all_outputs", "recurrent",
    "use_rnn",
)  # fmt: skip
"""Options by which more comes back, or it recurs at all, which are asked for."""
LISTS = ("dims", "sizes", "layer_sizes", "layer_dims", "shape", "units_per_layer", "dimensions")
BUNDLES = ("args", "config", "cfg", "conf", "opt", "opts", "params", "hparams", "hps", "options", "settings", "configs")
"""What an object that holds many options is called."""
TOKENS = 11
"""Entries of a table of embeddings."""
ENTRIES = {
    "tokens", "vocab", "vocabulary", "chars", "characters", "alphabet", "letters", "symbols", "words", "itos", "charset", "labels",
    "classes", "categories",
}  # fmt: skip
"""Parts of names of arguments that hold a vocabulary itself."""
TABLES = {"weights", "weight", "matrix", "vectors", "pretrained", "embeddings"}
"""Parts of names of arguments that hold a vector for each token."""
GRAPHS = {"adj", "adjacency", "graph", "laplacian"}
"""Parts of names of arguments that say which features, each of a node, are neighbours."""
INPUT_PARTS = {
    "in", "inp", "input", "inputs", "obs", "observation", "observations", "emb", "embed", "embedding", "embeddings", "word",
    "words", "char", "token", "feat", "feats", "feature", "features", "frame", "frames", "mel", "src", "signal", "vector", "sensor",
    "channels",
}  # fmt: skip
HIDDEN_PARTS = {
    "hidden", "hiddens", "hid", "units", "unit", "neurons", "rnn", "lstm", "gru", "recurrent", "cell", "cells", "core", "memory",
    "mem", "latent", "enc", "encoder", "dec", "decoder", "nodes", "ctx", "context",
}  # fmt: skip
INTO = {"in", "inp", "input"}
"""Parts of names of sizes of an input, also of the input of what a state's size is named after: ``enc_in``."""
RESULT_PARTS = {"out", "output", "outputs", "class", "classes", "tag", "tags", "label", "labels", "action", "actions", "logits"}
"""Parts of a name, between underscores, by which sizes are known whose names stand in no list."""
KIND_NAMES = (
    "typ", "kind", "cell", "rnn", "rnn_cell", "cell_name", "rnn_name", "base_rnn", "unit", "model", "rnn_unit", "rnn_mode", "mode",
    "module",
)  # fmt: skip
PARTS = {"cell", "rnn", "recurrent", "layer", "core", "base", "module", "backbone", "encoder", "gru", "lstm", "cls"}
"""Parts of names of arguments that take a module."""
KIND_VALUES = ("GRU", "LSTM", "gru", "lstm", "RNN")
"""What an argument may be given that says which recurrence is inside."""
HEADS = ("nhead", "nheads", "n_head", "num_head")
"""What a number of heads is called, beside names with ``heads`` as a part."""


UNSAID = (inspect.Parameter.empty, int, "int")
"""Annotations that a size may have."""


def size_of(name: str) -> Literal["input", "hidden", "result"] | None:
    """Return what the size of this name is of, by the parts of the name.

    >>> size_of("rnn_hidden_dim"), size_of("word_dim"), size_of("num_actions"), size_of("kernel_size")
    ('hidden', 'input', 'result', None)
    """
    parts = {part.removesuffix("s") for part in name.lower().split("_")} | set(name.lower().split("_"))
    if name in RESULT or counts_tokens(name):
        return "result" if name in RESULT else None
    if name in HIDDEN or name in MORE_HIDDEN or (parts & HIDDEN_PARTS and not parts & INTO):
        return "hidden"
    if name in INPUT or name in MORE_INPUT or parts & INPUT_PARTS:
        return "input"
    return "result" if parts & RESULT_PARTS else None


def counts_tokens(name: str) -> bool:
    """Return whether an argument of this name is a number of tokens, as ``src_vocab_size`` is."""
    return name in VOCABULARY or bool(set(name.lower().split("_")) & {"vocab", "vocabulary"})


def counts_heads(name: str) -> bool:
    """Return whether an argument of this name is a number of heads, as ``num_heads`` and ``nhead`` are."""
    return name.lower() in HEADS or "heads" in name.lower().split("_")


def counts(name: str) -> bool:
    """Return whether an argument of this name is a number of tokens or heads, and no size."""
    return counts_tokens(name) or counts_heads(name)


def is_part(name: str) -> bool:
    """Return whether an argument of this name may be a recurrent module, or the class of one."""
    return bool(set(name.lower().split("_")) & PARTS)


def says_kind(name: str) -> bool:
    """Return whether an argument of this name says which recurrence is inside."""
    return name.lower() in KIND_NAMES or name.lower().endswith("type")


def counts_layers(name: str) -> bool:
    """Return whether an argument of this name is a number of layers, as ``num_layers``, ``depth`` and ``enc_layers`` are."""
    return name in ("num_layers", *OPTIONS["num_layers"]) or name.lower().endswith(("layers", "num_layer", "layer_num"))


def says_layers(parameter: Any) -> bool:
    """Return whether a parameter is a number of layers."""
    number = type(parameter.default) is int or (parameter.default is parameter.empty and parameter.annotation in UNSAID)
    return number and counts_layers(parameter.name)


def says_dropout(parameter: Any) -> bool:
    """Return whether a parameter is a probability of dropout that has a default, under a name that stands in no list."""
    return type(parameter.default) is float and "drop" in parameter.name.lower()
