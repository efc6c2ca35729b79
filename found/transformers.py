"""State-space mixers of transformers, each with its cache: a prompt in pieces is to give what it gives at once."""

from found.caching import ONE, mixer

PACKAGE = "transformers"
SIZES = {**ONE, "mamba_d_state": 3, "mamba_expand": 1, "mamba_d_conv": 3, "num_attention_heads": 2, "num_key_value_heads": 2}
HEADS = {**ONE, "num_heads": 2, "head_dim": 4, "n_groups": 1, "chunk_size": 4, "state_size": 3, "expand": 1, "conv_kernel": 3}
ZAMBA2 = {**SIZES, "n_mamba_heads": 2, "mamba_headdim": 4, "mamba_ngroups": 1, "chunk_size": 4, "layers_block_type": ["mamba"]}
Mamba = mixer("mamba", "MambaMixer", 8, "8 3", **ONE, state_size=3, expand=1, time_step_rank=2, conv_kernel=3)
Jamba = mixer("jamba", "JambaMambaMixer", 8, "8 3", mamba_dt_rank=2, **SIZES)
Mamba2 = mixer("mamba2", "Mamba2Mixer", 14, "2 4 3", **HEADS)
Zamba2 = mixer("zamba2", "Zamba2MambaMixer", 14, "2 4 3", **ZAMBA2)
LAYERS = ("Mamba", "Jamba", "Mamba2", "Zamba2")
JUDGED = {name: {"target": f"found.transformers:{name}", "dtypes": ["float32"], "budget": 240} for name in LAYERS}
