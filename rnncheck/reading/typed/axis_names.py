"""What the axes of time and batch are called in annotations."""

TIME = ("time", "seq", "seq_len", "seqlen", "sequence", "length", "len", "t", "steps", "timesteps")
BATCH = ("batch", "b", "bsz", "bs", "batch_size", "n")
"""The first that is there."""
SHORT = ("l", "s", "n")
"""What the axis of time is called too, where no other axis is called so and the batch has another name."""
