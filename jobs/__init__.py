"""The command line and the jobs: who calls what, and when."""
