"""The parts of `datasets/make_sample.py`; one file holds one thing that the sample needs."""
