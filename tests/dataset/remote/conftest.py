"""Tests here ask a stand-in as its administrator."""

from tests.served import no_waiting, server

__all__ = ["no_waiting", "server"]
