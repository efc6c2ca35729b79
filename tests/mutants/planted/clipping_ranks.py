"""Bugs of functions like clip_grad_norm_ that show where ranks share the gradients: as DTensors, or as lists of lists."""

import math

import torch

from tests.mutants.planted.clipping import clip_with, combined, gradients, listed, one_norm, plant_clip, scale, total_norm


def local(grad):
    """This rank's part of a gradient, which may be all of it."""
    return grad.to_local() if hasattr(grad, "to_local") else grad


def is_shared(grad):
    """Whether the ranks hold shards of it, and no copies."""
    return hasattr(grad, "placements") and not grad.placements[0].is_replicate()


def on_all_ranks(value, operation):
    """The sum or the largest of all ranks' numbers."""
    told = torch.tensor(value, dtype=torch.float64)
    torch.distributed.all_reduce(told, operation)
    return float(told)


@plant_clip("own-clip-local-shard", "clip.shards", "DTensors, a sharded gradient")
def norm_of_local_shards(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Each rank takes the norm of what it holds, and scales by that: .item() of a DTensor's norm does so."""

    def of_shards(grads, p):
        return total_norm([local(g) for g in grads], p)

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, of_shards)


@plant_clip("own-clip-largest-rank", "clip.shards", "DTensors, a sharded gradient")
def largest_norm_of_ranks(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The total is the largest of the ranks' norms."""

    def largest(grads, p):
        own = total_norm([local(g) for g in grads], p)
        return on_all_ranks(own, torch.distributed.ReduceOp.MAX) if any(map(is_shared, grads)) else own

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, largest)


@plant_clip("own-clip-copies-count-twice", "clip.shards", "DTensors, a replicated gradient")
def copies_count_once_a_rank(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """All ranks' norms are added up, also those of gradients of which each rank has a copy."""

    def of_all_ranks(grads, p):
        own = total_norm([local(g) for g in grads], p)
        if not any(hasattr(g, "placements") for g in grads):
            return own
        if p == math.inf:
            return on_all_ranks(own, torch.distributed.ReduceOp.MAX)
        return on_all_ranks(own**p, torch.distributed.ReduceOp.SUM) ** (1 / p)

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, of_all_ranks)


@plant_clip("own-clip-scales-copies-only", "clip.shards", "DTensors, a sharded gradient")
def shards_are_not_scaled(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm is right, and only what each rank has a copy of is multiplied by the factor."""
    grads = gradients(parameters)
    kept = [(g, g.clone()) for g in grads if is_shared(g)]
    norm = clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    with torch.no_grad():
        for grad, before in kept:
            grad.copy_(before)
    return norm


@plant_clip("own-clip-first-rank-scales", "clip.shards", "DTensors")
def first_rank_alone_scales(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm is right, and the first rank alone multiplies what it holds by the factor."""
    grads = gradients(parameters)
    if not any(is_shared(g) for g in grads) or torch.distributed.get_rank() == 0:
        return clip_with(parameters, max_norm, norm_type, error_if_nonfinite)
    return clip_with(parameters, math.inf, norm_type, error_if_nonfinite)


@plant_clip("own-clip-empty-rank-leaves", "clip.shards", "DTensors, a gradient of one row")
def empty_rank_does_not_take_part(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A rank that holds nothing of a gradient does not take part in its norm, and the other waits for it."""

    def of_present(grads, p):
        return combined([one_norm(g, p) if local(g).numel() or not g.numel() else 0.0 for g in grads], p)

    return clip_with(parameters, max_norm, norm_type, error_if_nonfinite, of_present)


def lists_in(parameters):
    """The lists of a list of lists; none of a list or a tensor."""
    return [part for part in parameters if isinstance(part, list)] if isinstance(parameters, list) else []


def clip_lists(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """A right clip_grad_norm_ that takes a list for each rank too."""
    lists = lists_in(parameters)
    return clip_with(sum(lists, []) if lists else listed(parameters), max_norm, norm_type, error_if_nonfinite)


@plant_clip("own-clip-each-list", "clip.shards", "lists of lists", clean=clip_lists)
def each_list_by_itself(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """In a list of lists each list is clipped by itself."""
    lists = lists_in(parameters) or [parameters]
    return max(clip_with(one, max_norm, norm_type, error_if_nonfinite) for one in lists)


@plant_clip("own-clip-last-list-left", "clip.shards", "lists of lists", clean=clip_lists)
def last_list_is_not_scaled(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """In a list of lists the norm is that of all, and the last list is not scaled."""
    norm = clip_lists(parameters, max_norm, norm_type, error_if_nonfinite)
    lists = lists_in(parameters)
    if len(lists) > 1 and float(norm) > max_norm:
        scale(gradients(lists[-1]), float(norm) / max_norm)
    return norm
