"""Tests of mailwhy."""
