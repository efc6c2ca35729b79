"""Why a layer is wrong: where it first differs, and the one change that explains it."""
