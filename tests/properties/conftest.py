"""Settings of hypothesis for these tests."""

from hypothesis import settings

# A deadline per example fails on a busy machine, where it says nothing about the code.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
