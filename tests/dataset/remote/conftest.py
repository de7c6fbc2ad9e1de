"""Tests here ask a stand-in as its administrator."""

from tests.served import kept_server, no_waiting, running, server

__all__ = ["kept_server", "no_waiting", "running", "server"]
