"""Models as benchmarks for kernels have them: a class Model, get_inputs() and get_init_inputs() in each file."""
