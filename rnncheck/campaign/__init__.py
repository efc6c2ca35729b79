"""Many checks under one budget: probe, judge, shrink, store, replay."""
